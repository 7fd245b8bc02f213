"""Requests over a team's own provider key, through the gateway: who is asked, and what it costs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.catalog import CatalogOverrides
from gateway.errors import ModelUnavailable, NoProviderLeft, ProviderRefused
from gateway.messages import Event, Finished, TextDelta, Usage
from gateway.preferences import RoutingPreferences
from gateway.provider_keys import OwnKey
from gateway.providers.base import Call
from gateway.routing import OwnKeys
from identity.principal import Principal
from tests.gateway.desk import FREE_USD, LOCAL, Desk, asking, desk, ended

OTHERS = Principal(team_id=2, team_name="Others", user_id=2, role="owner")
LAB = CatalogOverrides(
    {"lab": {"base_url": "https://lab.example/v1", "api_key_env": "LAB_KEY"}},
    [
        {
            "id": "lab/fast",
            "context_tokens": 8192,
            "max_output_tokens": 1024,
            "input_usd_per_million": "1.00",
            "output_usd_per_million": "4.00",
            "providers": [{"id": "lab", "model": "fast-1"}],
        }
    ],
)


class Counted:
    """A provider that answers, or refuses its key, and counts who asked."""

    id = "lab"

    def __init__(self, text: str, *, refuses: bool = False) -> None:
        self.text = text
        self.refuses = refuses
        self.asked = 0

    async def stream(self, call: Call) -> AsyncGenerator[Event, None]:
        self.asked += 1
        if self.refuses:
            raise ProviderRefused(self.id, "The provider does not accept the key it was given.", status=401)
        yield TextDelta(self.text)
        yield Finished("stop")
        yield Usage(input=1_000, output=100)

    async def close(self) -> None:
        pass


@asynccontextmanager
async def lab(
    folder: Path, own: Counted, ours: Counted | None = None, *, falls_back: bool = False
) -> AsyncIterator[Desk]:
    """Team 1 has a key of its own for the lab; `ours` is the installation's, if it has one."""
    keys: dict[int, OwnKeys] = {1: {"lab": OwnKey(1, own, falls_back)}}
    providers = {"lab": ours} if ours else {"nobody": Counted("")}
    async with desk(
        folder, providers=providers, overrides=LAB, own_keys=lambda team_id: keys.get(team_id, {})
    ) as at:
        yield at


async def test_an_own_key_costs_nothing_here_and_tells_what_it_would_have(tmp_path: Path) -> None:
    own, ours = Counted("yours"), Counted("ours")
    async with lab(tmp_path, own, ours) as here:
        run = await ended(await here.gateway.admit(LOCAL, asking("lab/fast"), surface="api"))
        assert (run.text, run.series, ours.asked) == ("yours", "byok", 0)
        assert run.receipt is not None and run.receipt.cost_nano_usd == 0
        assert run.figures.shadow_cost_nano_usd == 1_000 * 1_000 + 100 * 4_000
        entry = here.statements.entry_of_run(1, run.id)
        assert entry is not None and (entry.amount_nano_usd, entry.series) == (0, "byok")
        assert [(line.bucket, line.quantity) for line in entry.lines] == [("input", 1_000), ("output", 100)]
        assert here.balance().held_nano_usd == 0
        assert {row.series for row in here.rows} == {"byok"}


async def test_another_team_is_answered_over_our_key_and_pays(tmp_path: Path) -> None:
    own, ours = Counted("yours"), Counted("ours")
    async with lab(tmp_path, own, ours) as here:
        run = await ended(await here.gateway.admit(OTHERS, asking("lab/fast"), surface="api"))
        assert (run.text, run.series, own.asked) == ("ours", "paid", 0)
        assert FREE_USD - here.balance(2).available_nano_usd == 1_000 * 1_000 + 100 * 4_000


async def test_a_failing_own_key_does_not_spend_credits_unasked(tmp_path: Path) -> None:
    own, ours = Counted("yours", refuses=True), Counted("ours")
    async with lab(tmp_path, own, ours) as here:
        run = await ended(await here.gateway.admit(LOCAL, asking("lab/fast"), surface="api"))
        assert (run.state, ours.asked) == ("failed", 0)
        assert here.balance().held_nano_usd == 0


async def test_where_the_team_said_so_our_key_answers_and_is_paid(tmp_path: Path) -> None:
    own, ours = Counted("yours", refuses=True), Counted("ours")
    async with lab(tmp_path, own, ours, falls_back=True) as here:
        run = await ended(await here.gateway.admit(LOCAL, asking("lab/fast"), surface="api"))
        assert (run.text, run.series) == ("ours", "paid")
        assert run.receipt is not None and run.receipt.cost_nano_usd == 1_000 * 1_000 + 100 * 4_000
        assert run.figures.shadow_cost_nano_usd is None
        (row,) = here.rows
        assert [attempt.series for attempt in row.attempts] == ["byok", "paid"]


async def test_an_own_key_answers_where_the_installation_has_none(tmp_path: Path) -> None:
    async with lab(tmp_path, Counted("yours")) as here:
        run = await ended(await here.gateway.admit(LOCAL, asking("lab/fast"), surface="api"))
        assert run.text == "yours"
        with pytest.raises(ModelUnavailable):
            await here.gateway.admit(OTHERS, asking("lab/fast"), surface="api")


async def test_zero_data_retention_is_not_promised_over_an_own_key(tmp_path: Path) -> None:
    async with lab(tmp_path, Counted("yours")) as here:
        asked = asking("lab/fast", routing=RoutingPreferences(zero_data_retention=True))
        with pytest.raises(NoProviderLeft) as refused:
            await here.gateway.admit(LOCAL, asked, surface="api")
        assert any("own key" in reason for reason in refused.value.dropped)
