"""The foot of the navigation: whose credits, how much is left of them, when more comes, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from billing.allowance import ALLOWANCE_NANO_USD
from billing.errors import LedgerUnavailable
from billing.statements import Balance, Statements
from components import figure, words
from identity.principal import Principal
from telemetry.latency import ModelSummary

TROUBLE_WINDOW_MS: Final = 15 * 60_000
_WORRYING: Final = 0.9  # share of requests answered whole
_ENOUGH: Final = 5  # requests


def show(principal: Principal, balance: Balance | None, zone: str | None, troubles: tuple[str, ...]) -> None:
    """`troubles` are sentences; none means that everything answers."""
    with st.sidebar, st.container(key="standing", gap="xsmall"):
        st.markdown(f"**{words.escaped(principal.team_name)}**")
        if balance is not None:
            st.markdown(words.escaped(words.left_of(figure.money(balance.available_nano_usd))))
            st.progress(_left(balance))
            st.caption(words.escaped(next_of(balance, zone)))
        _state(troubles)


def read(statements: Statements, team_id: int, now_ms: int) -> Balance | None:
    """The team's credit; None while the ledger cannot be read, which must not take the pages along."""
    try:
        return statements.balance(team_id, now_ms)
    except LedgerUnavailable:
        return None


def troubles(
    demonstration_note: str | None,
    summaries: Sequence[ModelSummary],
    name_of: Callable[[str], str],
    *,
    ledger: bool,
    draining: bool,
    alarms: Sequence[str] = (),
    anomalies: Sequence[str] = (),
) -> tuple[str, ...]:
    """What is wrong with this installation, a sentence each. `summaries` are of the last minutes,
    `alarms` those of spending caps, `anomalies` what became slow or began to fail."""
    found = [words.DRAINING] if draining else []
    if not ledger:
        found.append(words.LEDGER_UNREADABLE)
    if demonstration_note is not None:
        found.append(words.NO_DEMONSTRATION)
    found += [*alarms, *anomalies]
    for summary in summaries:
        success = summary.success
        if success.value is not None and success.value < _WORRYING and success.n >= _ENOUGH:
            rate, samples = figure.share(success.value), figure.samples(success.n)
            found.append(words.fails_often(name_of(summary.model_id), rate, samples))
    return tuple(found)


def _left(balance: Balance) -> float:
    """How full the bar is: of one allowance, or of what there is where that is more."""
    return max(0, balance.available_nano_usd) / max(ALLOWANCE_NANO_USD, balance.available_nano_usd)


def next_of(balance: Balance, zone: str | None) -> str:
    """When more credit comes, in words."""
    if balance.next_allowance_at_ms is None:
        return words.ALLOWANCE_ENDED if balance.ends_allowance else words.ALLOWANCE_WITH_FIRST
    return words.next_allowance(figure.day(balance.next_allowance_at_ms, zone))


def _state(troubles: tuple[str, ...]) -> None:
    if not troubles:
        st.caption(f":green[:material/check_circle:] {words.ALL_WELL}")
    for trouble in troubles:
        st.caption(f":orange[:material/error:] {words.escaped(trouble)}")
