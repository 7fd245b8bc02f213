"""Roll-ups made again from the command line."""

from __future__ import annotations

from contextlib import closing

from store.databases import Databases
from telemetry import rollups, stored
from telemetry.latency import DEFAULT_SERIES
from telemetry.tables import ROLLUPS
from tests.operations.conftest import Shell
from tests.telemetry.example_rows import NOON_MS, request


def test_rollups_are_made_again_from_the_log(shell: Shell) -> None:
    assert shell.run("rollups", "rebuild") == 0
    assert "no request" in shell.out
    with closing(Databases.open(shell.folder)) as databases:
        engine = databases.log.engine
        with engine.begin() as connection:
            rollups.add(connection, stored.write(connection, [request() for _ in range(3)]))
            for table in ROLLUPS.values():
                connection.execute(table.delete())
        assert shell.run("rollups", "rebuild") == 0
        assert shell.out == "Made 1 hour again, from 2026-11-21 12:00 UTC on.\n"
        with engine.connect() as connection:
            found = rollups.totals(connection, 1, NOON_MS, NOON_MS + 1, DEFAULT_SERIES)
    assert found["lab/fast", "paid"].counts["requests_ok"] == 3


def test_days_that_the_log_does_not_hold_are_refused(shell: Shell) -> None:
    with closing(Databases.open(shell.folder)) as databases, databases.log.engine.begin() as connection:
        rollups.add(connection, stored.write(connection, [request()]))
    assert shell.run("rollups", "rebuild", "--from", "2026-11-20") == 1
    assert "would be lost" in shell.err
    assert shell.run("rollups", "rebuild", "--from", "yesterday") == 1
