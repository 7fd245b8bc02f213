from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from identity.api_keys import list_keys
from identity.local import LocalIdentity
from identity.tables import TeamRow, UserRow
from tests.databases import Home

PROCESSES = 4


def test_the_next_team_and_user_are_number_two(home: Home) -> None:
    database = home.open().app
    LocalIdentity.open(database)
    with database.session() as session:
        team, user = TeamRow(name="Next", created_ms=0), UserRow(name="Ada", created_ms=0)
        session.add_all([team, user])
        session.flush()
        assert (team.id, user.id) == (2, 2)


def test_a_first_start_that_was_cut_off_does_not_spoil_the_next(home: Home) -> None:
    """What is rolled back still uses numbers up on PostgreSQL."""
    database = home.open().app
    with Session(database.engine) as session:
        session.add_all([TeamRow(name="Local", created_ms=0), UserRow(name="Local", created_ms=0)])
        session.flush()
        session.rollback()
    principal = LocalIdentity.open(database).principal()
    assert (principal.team_id, principal.user_id) == (1, 1)


@pytest.mark.postgresql
def test_processes_that_start_together_make_one_team_and_one_key(postgresql_home: Home) -> None:
    databases = [postgresql_home.open().app for _ in range(PROCESSES)]
    together = Barrier(PROCESSES)

    def start(number: int) -> str | None:
        together.wait()
        return LocalIdentity.open(databases[number]).new_key

    with ThreadPoolExecutor(PROCESSES) as threads:
        keys = [key for key in threads.map(start, range(PROCESSES)) if key is not None]
    assert len(keys) == 1
    with databases[0].session() as session:
        assert session.scalar(select(func.count()).select_from(TeamRow)) == 1
        assert len(list_keys(session, 1)) == 1
