"""Operator's commands for the request log: what the ledger has and the log lost, and what is too old."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice

from billing.money import format_usd
from billing.usage import SettledRun
from operations.office import DAY_MS, Office, day_of, now_ms, plain
from telemetry import partitions, stored

_RUNS_A_STATEMENT = 500
_SETTLING_MS = 60_000  # a row follows its entry within a second; clocks of hosts differ by some
_SHOWN = 50


def check(office: Office, asked: argparse.Namespace) -> int:
    """Name the settled runs that the request log lost, by the ledger. 1 where there are any.

    A crash may lose what the log had not written yet, a second of it; the ledger loses nothing.
    """
    at_ms = now_ms()
    from_ms = at_ms - asked.days * DAY_MS
    if office.log_days is not None:  # what was let go is not lost
        from_ms = max(from_ms, partitions.limit_of(at_ms, office.log_days))
    runs, missing = 0, list[SettledRun]()
    with closing(office.databases()) as databases, databases.log.engine.connect() as connection:
        for some in _in_batches(_settled(office, asked.team, from_ms, at_ms - _SETTLING_MS)):
            runs += len(some)
            known = stored.known_runs(connection, [run.run_id for run in some])
            missing += (run for run in some if run.run_id not in known)
    for run in missing[:_SHOWN]:
        print(
            f"NOT LOGGED  team {run.team_id}, entry {run.seq}, {day_of(run.at_ms)}, {plain(run.run_id)}, "
            f"{plain(run.model)}, {format_usd(run.cost_nano_usd)}"
        )
    if len(missing) > _SHOWN:
        print(f"... and {len(missing) - _SHOWN} more.")
    lost = format_usd(sum(run.cost_nano_usd for run in missing))
    print(f"{runs} settled runs since {day_of(from_ms)}: {len(missing)} without a row in the log, {lost}.")
    return 1 if missing else 0


def forget(office: Office, asked: argparse.Namespace) -> int:
    """Delete rows of the log that are older, by whole months. Roll-ups, and so charts, stay."""
    limit_ms = partitions.limit_of(now_ms(), asked.days)
    with closing(office.databases()) as databases:
        gone = partitions.forget(databases.log.engine, limit_ms, within_s=float("inf"))
    if not gone.whole:
        print("Somebody reads what is to go: nothing was deleted. Try again.")
        return 1
    print(f"{gone.requests} requests that ended before {day_of(limit_ms)} left the log.")
    return 0


def _settled(office: Office, team_id: int | None, from_ms: int, to_ms: int) -> Iterator[SettledRun]:
    for each in office.usage.teams() if team_id is None else (team_id,):
        yield from office.usage.settled(each, from_ms, to_ms)


def _in_batches(runs: Iterable[SettledRun]) -> Iterator[list[SettledRun]]:
    left = iter(runs)
    while some := list(islice(left, _RUNS_A_STATEMENT)):
        yield some
