"""Operator's commands around roll-ups of the request log."""

from __future__ import annotations

import argparse
from contextlib import closing
from datetime import UTC, datetime

from operations.office import DAY_MS, Office, Refused
from telemetry import grouping, upkeep


def rebuild(office: Office, asked: argparse.Namespace) -> int:
    """Make the roll-ups behind the charts again from the request log, while the server runs or not."""
    with closing(office.databases()) as databases:
        engine = databases.log.engine
        whole_ms, last_ms = upkeep.whole_from_ms(engine), upkeep.last_ms(engine)
        if whole_ms is None or last_ms is None:
            print("The log holds no request: nothing to make.")
            return 0
        from_ms = whole_ms if asked.first is None else _ms(asked.first)
        to_ms = last_ms + 1 if asked.last is None else _ms(asked.last) + DAY_MS
        if from_ms < whole_ms:
            raise Refused(
                f"The log is whole from {_words(whole_ms)} on: what was before would be lost. Begin later."
            )
        hours = upkeep.rebuild(engine, from_ms, to_ms)
        grouping.rebuild(engine, from_ms, to_ms)
    print(f"Made {hours:,} {'hour' if hours == 1 else 'hours'} again, from {_words(from_ms)} on.")
    return 0


def _ms(day: str) -> int:
    try:
        return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * 1_000
    except ValueError:
        raise Refused("A day is written as 2026-01-31.") from None


def _words(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M} UTC"
