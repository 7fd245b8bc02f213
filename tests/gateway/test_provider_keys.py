"""Teams' own keys for providers: whose they are, where they lie, and how soon others know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.catalog import Catalog
from gateway.errors import Forbidden
from gateway.provider_keys import ProviderKeys
from identity.audit_log import entries
from identity.keys import purpose_key
from identity.principal import Principal
from identity.sealing import Sealer
from tests.databases import Home

OURS = Principal(team_id=1, team_name="Ours", user_id=1, role="owner")
THEIRS = Principal(team_id=2, team_name="Theirs", user_id=2, role="owner")
KEY = "sk-own-key-0123456789-wxyz"


@asynccontextmanager
async def _process(home: Home, secret: bytes = b"s" * 32) -> AsyncIterator[ProviderKeys]:
    sealer = Sealer(purpose_key(secret, "provider-key"))
    keys = ProviderKeys(home.open().app, sealer, Catalog.load())
    await keys.open()
    yield keys
    await keys.close()


async def test_a_teams_key_reaches_its_provider_for_that_team_alone(home: Home) -> None:
    async with _process(home) as first, _process(home) as second:
        await first.put(OURS, "openai", f" {KEY}\n", falls_back=True)
        assert first.of_team(1)["openai"].falls_back
        assert first.of_team(2) == {} and first.listed(THEIRS) == ()
        assert second.of_team(1) == {}
        await second.refresh()
        (key,) = second.listed(OURS)
        assert (key.provider_name, key.hint, key.falls_back) == ("OpenAI", "...wxyz", True)
        await second.remove(OURS, "openai")
        await first.refresh()
        assert first.of_team(1) == {}
    with home.engine("app").connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM provider_key").scalar() == 0
    with home.open().app.session() as session:
        removed, put = entries(session, team_id=OURS.team_id)
    assert (put.kind, put.subject, put.detail) == (
        "provider_key_changed", "openai", {"falls_back": True, "hint": "...wxyz"}
    )  # fmt: skip
    assert removed.detail == {"removed": True}


async def test_a_row_moved_to_another_team_stays_shut(home: Home) -> None:
    async with _process(home) as keys:
        await keys.put(OURS, "openai", KEY)
        with home.engine("app").begin() as connection:
            connection.exec_driver_sql("UPDATE provider_key SET team_id = 2")
        await keys.refresh()
        assert keys.of_team(1) == {} and keys.of_team(2) == {}
        (stolen,) = keys.listed(THEIRS)
        assert stolen.problem is not None and "changed" in stolen.problem


async def test_a_changed_secret_of_the_installation_is_said_beside_the_key(sqlite_home: Home) -> None:
    async with _process(sqlite_home) as keys:
        await keys.put(OURS, "openai", KEY)
    async with _process(sqlite_home, b"t" * 32) as later:
        (key,) = later.listed(OURS)
        assert key.problem is not None and "TILTYARD_SECRET_KEY" in key.problem
        assert later.of_team(1) == {}


@pytest.mark.parametrize("role", ["member", "viewer", "auditor"])
async def test_owners_alone_change_keys(sqlite_home: Home, role: str) -> None:
    who = replace(OURS, role=role)  # type: ignore[arg-type]  # one of the three
    async with _process(sqlite_home) as keys:
        with pytest.raises(Forbidden):
            await keys.put(who, "openai", KEY)
        with pytest.raises(Forbidden):
            await keys.remove(who, "openai")
