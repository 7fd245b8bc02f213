"""A quote beside the run that follows it: on the real gateway, ledger and databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from billing.commands import Grant, SetCap
from billing.errors import CapReached, InsufficientCredits
from billing.usage import Usage
from gateway.errors import Draining, Forbidden, RetiredModel, TooLarge, UnknownModel
from gateway.messages import CompletionRequest
from gateway.pricing import DEFAULT_OUT_CAP
from gateway.quote import LEAST_SAMPLE, Quotes, Three
from gateway.runs import Run
from identity.principal import Principal
from tests.gateway.desk import LOCAL, Desk, asking, desk, ended

STEADY = "simulated/steady"


def quotes_of(at: Desk, folder: Path) -> Quotes:
    return Quotes(at.gateway, Usage(folder / "ledger.db", at.statements))


async def run(at: Desk, request: CompletionRequest) -> Run:
    return await ended(await at.gateway.admit(LOCAL, request, surface="api"))


async def test_a_quote_holds_nothing_and_says_the_hold_that_follows(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        request = asking("simulated/keep-alive", "How long is a piece of string?")
        quote = await quotes_of(at, tmp_path).quote(LOCAL, request)
        assert at.balance().held_nano_usd == 0
        assert at.rows == []
        running = await at.gateway.admit(LOCAL, request, surface="api")
        assert at.balance().held_nano_usd == quote.hold_nano_usd > 0
        assert running.out_cap == quote.out_cap == min(DEFAULT_OUT_CAP, quote.model.max_output_tokens)
        assert at.balance().available_nano_usd == quote.available_while_held_nano_usd
        running.stop("user")
        await ended(running)


async def test_with_few_answers_a_quote_says_that_it_goes_by_the_catalog(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        quote = await quotes_of(at, tmp_path).quote(LOCAL, asking(STEADY))
        assert (quote.basis, quote.n) == ("default", 0)
        assert quote.output_tokens == Three(64, 256, 1024)
        assert quote.available_nano_usd == 5_000_000_000  # the allowance that a request would be given first
        assert quote.lasts_ms is None


async def test_with_twenty_answers_a_quote_goes_by_the_teams_own_lengths(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        for cap in range(1, LEAST_SAMPLE + 1):
            await run(at, asking(STEADY, max_output_tokens=cap))
        quote = await quotes_of(at, tmp_path).quote(LOCAL, asking(STEADY))
        assert (quote.basis, quote.n) == ("team", LEAST_SAMPLE)
        assert quote.output_tokens == Three(2, 10, 18)
        assert quote.pace.runs == LEAST_SAMPLE
        assert quote.pace.spent_nano_usd == at.balance().total_used_nano_usd
        assert quote.lasts_ms is not None
        short = await quotes_of(at, tmp_path).quote(LOCAL, asking(STEADY, max_output_tokens=5))
        assert short.output_tokens == Three(2, 5, 5)
        other = Principal(team_id=2, team_name="Other", user_id=2, role="owner")
        assert (await quotes_of(at, tmp_path).quote(other, asking(STEADY))).basis == "default"


async def test_the_answer_costs_what_was_likely_where_its_length_was(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        request = asking(STEADY, "Say something", max_output_tokens=12)
        for _ in range(LEAST_SAMPLE):
            finished = await run(at, request)
        quote = await quotes_of(at, tmp_path).quote(LOCAL, request)
        assert quote.output_tokens == Three(12, 12, 12)
        assert finished.receipt is not None
        low, high = quote.cost_nano_usd.low, quote.cost_nano_usd.high
        assert low <= quote.cost_nano_usd.likely <= high <= quote.hold_nano_usd
        assert low * 0.5 <= finished.receipt.cost_nano_usd <= high


async def test_where_credit_is_short_the_hold_is_clamped_and_the_answer_with_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.ledger.grant(Grant(1, "payment", 500_000, "p", "little"))  # no allowance comes any more
        request = asking("simulated/keep-alive")
        quote = await quotes_of(at, tmp_path).quote(LOCAL, request)
        assert quote.is_clamped
        assert quote.hold_nano_usd == 500_000
        assert quote.available_while_held_nano_usd == 0
        running = await at.gateway.admit(LOCAL, request, surface="api")
        assert (running.out_cap, at.balance().held_nano_usd) == (quote.out_cap, quote.hold_nano_usd)
        assert 0 < quote.out_cap < DEFAULT_OUT_CAP
        running.stop("user")
        await ended(running)


@pytest.mark.parametrize(
    ("request_", "role", "error"),
    [
        (asking("simulated/nope"), "owner", UnknownModel),
        (asking("openai/codex-mini"), "owner", RetiredModel),
        (asking(STEADY), "viewer", Forbidden),
        (asking(STEADY, "word " * 200_000), "owner", TooLarge),
    ],
)
async def test_what_refuses_a_completion_refuses_its_quote(
    tmp_path: Path, request_: CompletionRequest, role: str, error: type[Exception]
) -> None:
    principal = Principal(team_id=1, team_name="Local", user_id=1, role=role)  # type: ignore[arg-type]
    async with desk(tmp_path) as at:
        with pytest.raises(error):
            await at.gateway.admit(principal, request_, surface="api")
        with pytest.raises(error):
            await quotes_of(at, tmp_path).quote(principal, request_)


async def test_credit_and_caps_refuse_a_quote_with_the_figures_of_the_completion(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        quotes = quotes_of(at, tmp_path)
        await at.ledger.set_cap(SetCap(1, "member", "1", 1_000, "day"))
        assert await _refused(at, quotes, CapReached)
        await at.ledger.set_cap(SetCap(1, "member", "1", None, "day"))
        await at.ledger.grant(Grant(1, "payment", 1_000, "p", "very little"))
        await at.ledger.grant(Grant(1, "adjustment", -at.balance().available_nano_usd, "q", "all of it"))
        assert await _refused(at, quotes, InsufficientCredits)


async def test_a_process_that_ends_quotes_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.gateway.drain(0)
        with pytest.raises(Draining):
            await quotes_of(at, tmp_path).quote(LOCAL, asking(STEADY))


async def _refused(at: Desk, quotes: Quotes, error: type[Exception]) -> bool:
    with pytest.raises(error) as told:
        await quotes.quote(LOCAL, asking(STEADY))
    with pytest.raises(error) as done:
        await at.gateway.admit(LOCAL, asking(STEADY), surface="api")
    # A refused completion has its row in the log, which its error says; a quote has none.
    return vars(told.value) | {"logged": True} == vars(done.value)
