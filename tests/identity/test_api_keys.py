from __future__ import annotations

import asyncio
import re

import pytest
from sqlalchemy import event

from identity.api_keys import REMEMBERED_MS, ApiKeys, checksum, digest, list_keys, new_secret
from identity.errors import KeyNotFound, KeyTaken, NotAuthenticated
from identity.local import LocalIdentity
from identity.tables import ApiKeyRow, MemberRow, TeamRow, UserRow
from store.databases import Database
from tests.identity.conftest import Clock

SET_KEY = "ty_" + "a" * 40


@pytest.fixture
def keys(database: Database, clock: Clock) -> ApiKeys:
    LocalIdentity.open(database, SET_KEY)
    return ApiKeys(database, now_ms=clock)


class Queries:
    """Counts the statements that reach the database."""

    def __init__(self, database: Database) -> None:
        self.selects: list[str] = []
        self.updates: list[str] = []
        event.listen(database.engine, "before_cursor_execute", self._note)

    def _note(self, _c: object, _k: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT api_key"):
            self.selects.append(statement)
        if statement.startswith("UPDATE"):
            self.updates.append(statement)


def test_a_key_is_ty_then_43_random_characters_then_a_checksum_that_a_scanner_can_verify() -> None:
    secret = new_secret()
    assert re.fullmatch(r"ty_[0-9A-Za-z]{49}", secret)
    assert secret[-6:] == checksum(secret[3:46])
    assert new_secret() != secret


def test_the_checksum_is_crc32_in_base_62() -> None:
    # CRC-32's published check value.
    value = 0
    for letter in checksum("123456789"):
        value = value * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(letter)
    assert value == 0xCBF43926


async def test_a_made_key_speaks_for_its_team_with_its_makers_role(keys: ApiKeys) -> None:
    made = await keys.create(1, 1, "ci")
    principal = await keys.principal_of(made.secret)
    assert (principal.team_id, principal.team_name, principal.user_id) == (1, "Local", 1)
    assert (principal.role, principal.key_id, principal.key_name) == ("owner", made.key.id, "ci")


async def test_only_the_hash_and_the_first_characters_are_kept(keys: ApiKeys, database: Database) -> None:
    made = await keys.create(1, 1, "ci")
    with database.session() as session:
        row = session.get(ApiKeyRow, made.key.id)
        assert row is not None
        assert row.sha256 == digest(made.secret)
        assert row.prefix == made.secret[:9]
        assert made.secret not in repr(row)
    assert made.secret not in repr(made)


async def test_unknown_revoked_expired_and_malformed_keys_get_the_same_answer(
    keys: ApiKeys, clock: Clock
) -> None:
    revoked = await keys.create(1, 1, "revoked")
    await keys.revoke(1, revoked.key.id)
    expired = await keys.create(1, 1, "expired", expires_ms=clock.ms)
    answers = set()
    bad = [new_secret(), revoked.secret, expired.secret, "", "sk-other", "ty_" + "x" * 4000, "ty_\u00e9" * 9]
    for secret in bad:
        with pytest.raises(NotAuthenticated) as refused:
            await keys.principal_of(secret)
        answers.add(str(refused.value))
    assert len(answers) == 1


async def test_a_look_up_is_remembered_for_five_seconds_and_no_longer(
    keys: ApiKeys, database: Database, clock: Clock
) -> None:
    made = await keys.create(1, 1, "ci")
    queries = Queries(database)
    await keys.principal_of(made.secret)
    clock.ms += REMEMBERED_MS - 1
    await keys.principal_of(made.secret)
    assert len(queries.selects) == 1
    clock.ms += 1
    await keys.principal_of(made.secret)
    assert len(queries.selects) == 2


async def test_a_key_revoked_by_another_process_ends_within_five_seconds(
    keys: ApiKeys, database: Database, clock: Clock
) -> None:
    made = await keys.create(1, 1, "ci")
    await keys.principal_of(made.secret)
    await ApiKeys(database, now_ms=clock).revoke(1, made.key.id)
    clock.ms += 5_000
    with pytest.raises(NotAuthenticated):
        await keys.principal_of(made.secret)


async def test_a_key_revoked_here_ends_at_once(keys: ApiKeys) -> None:
    made = await keys.create(1, 1, "ci")
    await keys.principal_of(made.secret)
    await keys.revoke(1, made.key.id)
    with pytest.raises(NotAuthenticated):
        await keys.principal_of(made.secret)


async def test_a_remembered_key_still_ends_at_its_expiry(keys: ApiKeys, clock: Clock) -> None:
    made = await keys.create(1, 1, "short", expires_ms=clock.ms + 100)
    await keys.principal_of(made.secret)
    clock.ms += 100
    with pytest.raises(NotAuthenticated):
        await keys.principal_of(made.secret)


async def test_a_key_dies_with_its_makers_membership_or_account(
    keys: ApiKeys, database: Database, clock: Clock
) -> None:
    with database.session() as session:
        user = UserRow(name="Ada", created_ms=0)
        session.add(user)
        session.flush()
        assert user.id is not None
        session.add(MemberRow(team_id=1, user_id=user.id, role="viewer", joined_ms=0))
        ada = user.id
    made = await keys.create(1, ada, "hers")
    assert (await keys.principal_of(made.secret)).role == "viewer"
    with database.session() as session:
        session.delete(session.get(MemberRow, (1, ada)))
    clock.ms += 5_000
    with pytest.raises(NotAuthenticated):
        await keys.principal_of(made.secret)
    with database.session() as session:
        session.add(MemberRow(team_id=1, user_id=ada, role="member", joined_ms=0))
    assert (await keys.principal_of(made.secret)).role == "member"
    with database.session() as session:
        row = session.get(UserRow, ada)
        assert row is not None
        row.deactivated_ms = 5
    clock.ms += 5_000
    with pytest.raises(NotAuthenticated):
        await keys.principal_of(made.secret)


async def test_the_last_use_is_written_at_most_once_a_minute(
    keys: ApiKeys, database: Database, clock: Clock
) -> None:
    made = await keys.create(1, 1, "ci")
    queries = Queries(database)
    start_ms = clock.ms
    for _ in range(12):
        await keys.principal_of(made.secret)
        await keys.close()
        clock.ms += 5_000
    assert len(queries.updates) == 1
    await keys.principal_of(made.secret)
    await keys.close()
    assert len(queries.updates) == 2
    (key,) = [key for key in await keys.list(1) if key.id == made.key.id]
    assert key.last_used_ms == start_ms + 60_000


async def test_many_requests_at_once_ask_the_database_once(keys: ApiKeys, database: Database) -> None:
    made = await keys.create(1, 1, "ci")
    queries = Queries(database)
    found = await asyncio.gather(*(keys.principal_of(made.secret) for _ in range(50)))
    assert len(queries.selects) == 1
    assert len(set(found)) == 1


async def test_another_teams_key_cannot_be_revoked_or_seen(keys: ApiKeys, database: Database) -> None:
    with database.session() as session:
        team = TeamRow(name="Other", created_ms=0)
        session.add(team)
        session.flush()
        assert team.id is not None
        other = team.id
    made = await keys.create(1, 1, "ci")
    with pytest.raises(KeyNotFound):
        await keys.revoke(other, made.key.id)
    assert await keys.list(other) == ()
    assert (await keys.principal_of(made.secret)).team_id == 1


async def test_the_same_key_twice_is_refused(keys: ApiKeys) -> None:
    with pytest.raises(KeyTaken):
        await keys.create(1, 1, "again", secret=SET_KEY)


def test_the_first_start_makes_one_key_and_the_second_none(database: Database) -> None:
    first = LocalIdentity.open(database)
    assert first.new_key is not None
    assert first.new_key.startswith("ty_")
    assert first.principal().role == "owner"
    assert LocalIdentity.open(database).new_key is None
    with database.session() as session:
        assert len(list_keys(session, 1)) == 1


async def test_the_set_key_replaces_the_one_set_before(database: Database, clock: Clock) -> None:
    LocalIdentity.open(database, SET_KEY)
    other = "ty_" + "b" * 32
    assert LocalIdentity.open(database, other).new_key is None
    keys = ApiKeys(database, now_ms=clock)
    with pytest.raises(NotAuthenticated):
        await keys.principal_of(SET_KEY)
    assert (await keys.principal_of(other)).key_name == "TILTYARD_LOCAL_API_KEY"


async def test_a_set_key_that_was_revoked_stays_revoked(keys: ApiKeys, database: Database) -> None:
    (key,) = await keys.list(1)
    await keys.revoke(1, key.id)
    LocalIdentity.open(database, SET_KEY)
    with pytest.raises(NotAuthenticated):
        await keys.principal_of(SET_KEY)
