"""The alerts of the installation for its operator: what was told when, whether it left, and a way to try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from components import figure, table, words
from components.table import Cell
from telemetry.alerts import KeptAlert

ALERTS: Final = "Alerts"
TRY: Final = "Send a test"
NONE_YET: Final = "Nothing was told yet."
NOWHERE: Final = (
    "Alerts stand here alone: `TILTYARD_ALERT_URLS` names no webhook and no mailbox (docs/alerts.md)."
)
HEADS: Final = ("What", "When", "Sent")
WAITING: Final = "waits"
GIVEN_UP: Final = "given up"
TOOK_IT: Final = "took it"


def show(
    newest: Sequence[KeptAlert],
    addresses: Sequence[str],
    try_out: Callable[[], Sequence[tuple[str, str | None]]],
    zone: str | None,
) -> None:
    if addresses:
        st.caption(words.escaped(f"To: {', '.join(addresses)}."))
        if st.button(TRY, icon=":material/send:", key="alerts-try"):
            for name, why in try_out():
                st.caption(words.escaped(f"{name}: {why or TOOK_IT}"))
    else:
        st.caption(NOWHERE)
    if not newest:
        st.caption(NONE_YET)
        return
    table.show(ALERTS, HEADS, [_row(alert, zone, sends=bool(addresses)) for alert in newest])


def _row(alert: KeptAlert, zone: str | None, *, sends: bool) -> list[str | Cell]:
    sent = figure.day_and_time(alert.sent_ms, zone) if alert.sent_ms is not None else figure.UNKNOWN
    if alert.sent_ms is None and sends:
        sent = GIVEN_UP if alert.given_up else WAITING
    return [alert.text, figure.day_and_time(alert.told_ms, zone), sent]
