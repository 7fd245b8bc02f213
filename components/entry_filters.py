"""Which entries are shown: their kind, model, member, key and days. Only what can tell any apart is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Literal, TypeVar

import streamlit as st

from billing.accounts import EntryKind
from billing.statements import Told, Wanted
from components import figure, session, words
from components.entry_names import Names

T = TypeVar("T")
_WIDTH = 160  # pixels


def show(told: Told, names: Names, zone: str | None) -> Wanted:
    with st.container(horizontal=True, gap="small", key="entry-filters"):
        kind = _choice(words.KIND, words.ANY_KIND, told.kinds, _kind, session.ENTRIES_KIND)
        model = _choice(words.MODEL, words.ANY_MODEL, told.models, names.model, session.ENTRIES_MODEL)
        member = _choice(words.MEMBER, words.ANY_MEMBER, told.user_ids, names.member, session.ENTRIES_MEMBER)
        key = _key(told, names)
        days = st.date_input(
            words.DAYS,
            value=[],
            key=session.ENTRIES_DAYS,
            format="YYYY-MM-DD",
            width=_WIDTH + 90,
            label_visibility="collapsed",
            on_change=session.first_page,
            args=(session.ENTRIES_PAGE,),
        )
    from_ms, to_ms = _instants(days if isinstance(days, tuple) else (days,), zone)
    return Wanted(
        kinds=() if kind is None else (kind,),
        model=model,
        user_id=member,
        key=key,
        from_ms=from_ms,
        to_ms=to_ms,
    )


def _key(told: Told, names: Names) -> int | Literal["pages"] | None:
    return _choice(words.KEY, words.ANY_KEY, told.keys, names.key, session.ENTRIES_KEY)


def _choice(
    label: str, any_of_them: str, values: tuple[T, ...], name: Callable[[T], str], key: str
) -> T | None:
    """None for any; not asked where there is one at most."""
    if len(values) < 2:
        return None
    return st.selectbox(
        label,
        values,
        index=None,
        format_func=name,
        placeholder=any_of_them,
        key=key,
        width=_WIDTH,
        label_visibility="collapsed",
        on_change=session.first_page,
        args=(session.ENTRIES_PAGE,),
    )


def _kind(kind: EntryKind) -> str:
    return words.ENTRY_KINDS[kind.name]


def _instants(days: tuple[date, ...], zone_name: str | None) -> tuple[int | None, int | None]:
    """From the first day's beginning to the last one's end, in the reader's zone; open where none is."""
    zone, _ = figure.zone(zone_name)
    midnights = [
        datetime(day.year, day.month, day.day, tzinfo=zone)
        for day in (days[0], days[-1] + timedelta(days=1))
    ] if days else []  # fmt: skip
    at_ms = [round(midnight.timestamp() * 1_000) for midnight in midnights]
    return (at_ms[0], at_ms[1] if len(days) > 1 else None) if at_ms else (None, None)
