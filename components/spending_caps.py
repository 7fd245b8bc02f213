"""A team's spending caps: how full each is, what was told of it, and for owners a form that sets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import streamlit as st

from billing.budgets import Budgets, CapChange, CapView
from billing.caps import read_alerts, read_window
from billing.commands import CapWindow, SetCap
from billing.errors import LedgerUnavailable
from billing.money import parse_usd
from components import figure, session, table, words
from components.entry_names import Names
from components.table import Cell

WORTH_TELLING: Final = 80  # percent
_WINDOWS: Final = ("month", "week", "day", "1d", "7d", "30d", "total")
_SCOPES: Final = ("team", "member", "key", "tag", "battle", "batch")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked for in the form; a limit of None switches the cap off."""

    scope: str
    subject: str
    limit_nano_usd: int | None
    window: CapWindow
    days: int
    zone: str
    alert_at: tuple[int, ...]

    def command(self, team_id: int, user_id: int | None) -> SetCap:
        return SetCap(
            team_id, self.scope, self.subject, self.limit_nano_usd, self.window, self.days,
            self.zone, self.alert_at, user_id,
        )  # fmt: skip


def alarms(caps: Sequence[CapView], names: Names) -> tuple[str, ...]:
    """A sentence for each cap that is nearly full, or at the last percent that its owner wants to hear of."""
    return tuple(
        words.cap_alarm(
            _whose(cap.scope, cap.subject, names),
            words.cap_window(cap.window, cap.days),
            cap.told[-1],
            figure.money(cap.spent_nano_usd),
            figure.money(cap.limit_nano_usd),
        )
        for cap in caps
        if cap.told and (cap.told[-1] >= WORTH_TELLING or cap.told[-1] == cap.alert_at[-1])
    )


def read_alarms(budgets: Budgets, team_id: int, now_ms: int, names: Names) -> tuple[str, ...]:
    """None while the ledger cannot be read, which is said elsewhere."""
    try:
        return alarms(budgets.caps(team_id, now_ms), names)
    except LedgerUnavailable:
        return ()


def show(caps: Sequence[CapView], names: Names) -> None:
    if not caps:
        st.caption(words.NO_CAPS)
        return
    heads = (words.CAP, words.SPENT_IN_WINDOW, words.LEFT, words.LIMIT, words.HELD, words.RESETS)
    table.show(words.CAPS_TABLE, heads, [_row(cap, names) for cap in caps], about=words.CAPS_HELP)


def show_form(
    caps: Sequence[CapView],
    changes: Callable[[], Sequence[CapChange]],
    names: Names,
    team_id: int,
    zone: str | None,
) -> Wish | None:
    """Draw what sets, changes and removes a cap, and who did so; what was asked for, once."""
    with st.container(horizontal=True, gap="small", key="caps-actions"):
        with st.popover(words.SET_CAP, icon=":material/speed:", key="caps-set"):
            wish = _form(names, team_id, zone)
        if caps:
            with st.popover(words.REMOVE_CAP, icon=":material/delete:", key="caps-remove"):
                wish = _removal(caps, names) or wish
    made = changes()
    if made:
        with st.expander(words.CAP_CHANGES, key="caps-changes"):
            _history(made, names, zone)
    return wish


def _row(cap: CapView, names: Names) -> list[str | Cell]:
    part = figure.share(_part(cap))
    resets = words.BIT_BY_BIT if cap.window == "rolling" else words.NEVER
    if cap.window_ends_ms is not None:
        resets = figure.day_and_time(cap.window_ends_ms, cap.zone)
    return [
        Cell(_whose(cap.scope, cap.subject, names), words.cap_window(cap.window, cap.days)),
        Cell(figure.money(cap.spent_nano_usd), words.told_at(part, cap.told[-1]) if cap.told else part),
        figure.money(cap.remaining_nano_usd),
        figure.money(cap.limit_nano_usd),
        figure.money(cap.held_nano_usd),
        resets,
    ]


def _part(cap: CapView) -> float:
    return cap.spent_nano_usd / cap.limit_nano_usd if cap.limit_nano_usd else 1.0


def _form(names: Names, team_id: int, zone: str | None) -> Wish | None:
    with st.form("cap-form", border=False, clear_on_submit=False):
        scope = st.selectbox(
            words.CAP_SCOPE, _SCOPES, format_func=words.CAP_SCOPES.__getitem__, key=session.CAP_SCOPE
        )
        subject = st.text_input(words.CAP_SUBJECT, key=session.CAP_SUBJECT, help=words.CAP_SUBJECT_HELP)
        limit = st.text_input(words.CAP_LIMIT, key=session.CAP_LIMIT, placeholder="10.00")
        window = st.selectbox(
            words.CAP_WINDOW,
            _WINDOWS,
            format_func=_window_words,
            key=session.CAP_WINDOW,
            accept_new_options=True,
        )
        alerts = st.text_input(
            words.CAP_ALERTS, "50, 80, 100", key=session.CAP_ALERTS, help=words.CAP_ALERTS_HELP
        )
        own_zone = figure.zone(zone)[0].key
        st.caption(words.escaped(words.cap_zone(own_zone)))
        asked = st.form_submit_button(words.SET_IT, type="primary")
    if not asked:
        return None
    try:
        return _wish(scope, subject.strip(), limit, str(window), alerts, team_id, own_zone)
    except ValueError as error:
        st.error(words.escaped(words.sentence(str(error))))
        return None


def _wish(scope: str, subject: str, limit: str, window: str, alerts: str, team_id: int, zone: str) -> Wish:
    """Raises `ValueError`, in words."""
    if scope == "team":
        subject = str(team_id)
    elif scope in ("member", "key") and not (subject.isascii() and subject.isdigit()):
        raise ValueError(words.SUBJECT_IS_A_NUMBER)
    elif not subject:
        raise ValueError(words.SUBJECT_IS_MISSING)
    name, days = read_window(window)
    amount = parse_usd(limit.strip().removeprefix("$"))
    if amount < 0:
        raise ValueError(words.LIMIT_BELOW_ZERO)
    return Wish(scope, subject, amount, name, days, zone, read_alerts(alerts))


def _removal(caps: Sequence[CapView], names: Names) -> Wish | None:
    cap = st.selectbox(words.CAP, caps, format_func=lambda each: _named(each, names), key=session.CAP_REMOVED)
    if not st.button(words.REMOVE_IT, key="cap-remove"):
        return None
    return Wish(cap.scope, cap.subject, None, cap.window, cap.days, cap.zone, cap.alert_at)


def _history(changes: Sequence[CapChange], names: Names, zone: str | None) -> None:
    rows = [
        (
            figure.day_and_time(change.at_ms, zone),
            _named(change, names),
            words.OFF if change.limit_nano_usd is None else figure.money(change.limit_nano_usd),
            words.OPERATOR if change.actor_user_id is None else names.member(change.actor_user_id),
        )
        for change in changes
    ]
    table.show(words.CAP_CHANGES, (words.WHEN, words.CAP, words.LIMIT, words.WHO), rows)


def _named(cap: CapView | CapChange, names: Names) -> str:
    return f"{_whose(cap.scope, cap.subject, names)}, {words.cap_window(cap.window, cap.days)}"


def _whose(scope: str, subject: str, names: Names) -> str:
    if scope == "team":
        return words.THE_TEAM
    number: int | Literal[False] = int(subject) if subject.isdigit() else False
    if scope == "member" and number:
        return names.member(number)
    if scope == "key" and number:
        return names.key(number)
    return words.cap_subject(scope, subject)


def _window_words(text: str) -> str:
    try:
        return words.cap_window(*read_window(text))
    except ValueError:
        return text
