from __future__ import annotations

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from identity.audit_log import AuditLog, broken_at, entries, note
from identity.principal import Principal
from store.databases import Database

BY = Principal(1, "Local", 1, "owner")


@pytest.fixture
def log(database: Database) -> AuditLog:
    log = AuditLog(database)
    for name in ("one", "two", "three"):
        log.note("key_made", by=BY, subject=name, detail={"key_id": 7})
    return log


def test_entries_are_numbered_without_a_gap_and_tell_who_did_what(log: AuditLog) -> None:
    told = log.entries()
    assert [(entry.seq, entry.subject) for entry in told] == [(3, "three"), (2, "two"), (1, "one")]
    assert (told[0].kind, told[0].team_id, told[0].user_id, told[0].detail) == (
        "key_made",
        1,
        1,
        {"key_id": 7},
    )
    assert log.head() == (3, told[0].hash)
    assert log.broken_at() is None


def test_a_team_sees_its_own_entries_alone(log: AuditLog) -> None:
    log.note("team_made", by=None, subject="other", team_id=2)
    assert {entry.team_id for entry in log.entries(team_id=1)} == {1}
    assert [entry.subject for entry in log.entries(team_id=2)] == ["other"]


@pytest.mark.parametrize("change", ["UPDATE audit SET subject = 'x' WHERE seq = 2", "DELETE FROM audit"])
def test_the_database_refuses_to_change_what_is_written(
    log: AuditLog, database: Database, change: str
) -> None:
    with pytest.raises(DBAPIError, match="append-only"), database.engine.begin() as connection:
        connection.execute(text(change))
    assert len(log.entries()) == 3


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET subject = 'x' WHERE seq = 2",
        "UPDATE audit SET detail = '{}' WHERE seq = 2",
        "UPDATE audit SET user_id = 9 WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
    ],
)
def test_whoever_gets_past_that_is_found_by_the_chain(log: AuditLog, database: Database, change: str) -> None:
    with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        else:
            connection.execute(text("DROP TRIGGER audit_no_update"))
            connection.execute(text("DROP TRIGGER audit_no_delete"))
        connection.execute(text(change))
    assert log.broken_at() == 2


def test_a_log_cut_at_its_end_is_noticed(log: AuditLog, database: Database) -> None:
    with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        else:
            connection.execute(text("DROP TRIGGER audit_no_delete"))
        connection.execute(text("DELETE FROM audit WHERE seq = 3"))
    assert log.broken_at() == 3


def test_an_entry_is_there_with_its_change_or_not_at_all(log: AuditLog, database: Database) -> None:
    def fails() -> None:
        with database.session() as session:
            note(session, "policy_changed", by=BY, subject="never")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    log.note("key_made", by=BY, subject="four")
    with database.session() as session:
        assert [entry.subject for entry in entries(session)] == ["four", "three", "two", "one"]
        assert broken_at(session) is None


def test_writers_at_once_take_turns(log: AuditLog) -> None:
    writers = [
        threading.Thread(target=log.note, args=("key_made",), kwargs={"by": BY, "subject": str(number)})
        for number in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert log.head()[0] == 11
    assert log.broken_at() is None
