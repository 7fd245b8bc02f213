"""On SQLite, what is asked for by its key is found by an index: a log of millions is never looked through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event

from store.databases import Databases
from telemetry import rollups, stored
from telemetry.clocks import ended_at_ms
from tests.telemetry.example_rows import attempt, request

NOON_MS = 1_790_000_000_000


def test_no_statement_looks_through_a_whole_table(tmp_path: Path) -> None:
    rows = [
        request(ended_at_ms=NOON_MS + no, attempts=(attempt(no=1, outcome="provider_fault"), attempt(no=2)))
        for no in range(3)
    ]
    databases = Databases.open(tmp_path)
    engine = databases.log.engine
    asked: list[tuple[str, Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        asked.append((statement, parameters[0] if many else parameters))

    with engine.begin() as connection:
        rollups.add(connection, stored.write(connection, rows))
        keys = [(ended_at_ms(row), row.request_id) for row in rows]
        assert [row.request_id for row in stored.of_keys(connection, keys)] == [key[1] for key in keys]
        assert all(len(row.attempts) == 2 for row in stored.whole(connection, rows))
    event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        plans = {
            statement: [
                str(step[3]) for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            ]
            for statement, values in asked
            if statement.lstrip().startswith(("SELECT", "UPDATE"))
        }
    databases.close()
    steps = [step for plan in plans.values() for step in plan]
    assert any(step.startswith("SEARCH request") for step in steps)
    assert any(step.startswith("SEARCH rollup_minute") for step in steps)
    looked_through = ("SCAN request", "SCAN attempt", "SCAN rollup")
    assert not [step for step in steps if step.startswith(looked_through)]
