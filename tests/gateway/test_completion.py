import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from billing.commands import Grant, Idempotency, SetCap
from billing.errors import CapReached, InsufficientCredits, Replayed
from billing.money import cost_nano_usd
from gateway.catalog import CatalogOverrides
from gateway.completion import Limits
from gateway.errors import (
    BadRequest,
    Draining,
    Forbidden,
    ModelUnavailable,
    RetiredModel,
    RunNotFound,
    TooLarge,
    TooManyRequests,
    UnknownModel,
)
from gateway.messages import Event, Finished, ReasoningDelta, TextDelta, Usage
from gateway.providers.base import Call, Deadlines
from gateway.providers.simulated import Pace
from gateway.runs import Run
from identity.principal import Principal
from tests.gateway.desk import FREE_USD, LOCAL, Caller, Desk, asking, desk, ended, first_words

STRANGER = Principal(team_id=2, team_name="Other", user_id=2, role="owner")
SLOW = Pace(first_token_s=0.01, tokens_per_s=100)


async def run(here: Desk, model: str, max_output_tokens: int | None = None) -> Run:
    return await ended(
        await here.gateway.admit(LOCAL, asking(model, max_output_tokens=max_output_tokens), surface="page")
    )


def charged(here: Desk) -> int:
    """What left the team's credit, and that nothing is still held."""
    balance = here.balance()
    assert balance.held_nano_usd == 0
    assert balance.open_holds == ()
    return FREE_USD - balance.available_nano_usd


# --- what an answer costs -------------------------------------------------------------------------


async def test_a_whole_answer_costs_what_the_provider_counted(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        answered = await run(here, "simulated/steady")
        assert (answered.state, answered.finish_reason) == ("done", "stop")
        assert answered.usage is not None
        assert not answered.usage.estimated
        # The simulated list price: $0.10 and $0.40 a million.
        expected = -(-(answered.usage.input * 100_000 + answered.usage.output * 400_000) // 1000)
        assert charged(here) == expected
        assert answered.figures.cost_nano_usd == expected
        assert answered.figures.available_after_nano_usd == here.balance().available_nano_usd
        entry = here.statements.entry_of_run(1, answered.id)
        assert entry is not None
        assert sum(posting.amount_nano_usd for posting in entry.postings) == 0
        [row] = here.rows
        assert (row.run_id, row.outcome, row.cost_nano_usd) == (answered.id, "ok", expected)


async def test_a_stopped_answer_is_charged_for_what_came_and_stops_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path, pace=SLOW) as here:
        running = await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="page")
        await first_words(running)
        await asyncio.sleep(0.1)
        asked_s = time.monotonic()
        await here.gateway.stop(LOCAL, running.id)
        await ended(running)
        assert time.monotonic() - asked_s < 0.5
        assert running.state == "stopped"
        assert running.usage is not None
        assert running.usage.estimated
        assert 0 < running.usage.output < 60
        assert running.receipt is not None
        assert charged(here) == running.receipt.cost_nano_usd > 0
        assert here.rows[-1].outcome == "cancelled"


async def test_a_run_that_is_stopped_in_the_moment_it_is_admitted_ends_and_holds_nothing(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as here:
        request = asking("simulated/keep-alive")
        begun = await here.gateway.admit(LOCAL, request, surface="api")
        begun.stop("user")  # before its pump took a step
        await ended(begun)
        assert (begun.state, here.balance().held_nano_usd) == ("stopped", 0)


async def test_stopped_before_the_first_word_nothing_is_owed(tmp_path: Path) -> None:
    async with desk(tmp_path, pace=Pace(first_token_s=5)) as here:
        running = await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="page")
        await asyncio.sleep(0.05)
        assert here.balance().held_nano_usd > 0
        await here.gateway.stop(LOCAL, running.id)
        await ended(running, 0.5)
        assert running.receipt is None
        assert running.figures.cost_nano_usd == 0
        assert charged(here) == 0


@pytest.mark.parametrize(
    ("model", "failure"),
    [("simulated/empty", "ProviderBroke"), ("simulated/rate-limited", "ProviderRefused")],
)
async def test_a_failure_before_the_first_word_is_free(tmp_path: Path, model: str, failure: str) -> None:
    async with desk(tmp_path) as here:
        failed = await run(here, model)
        assert failed.state == "failed"
        assert failed.failure is not None
        assert failed.failure.kind == failure
        assert charged(here) == 0
        assert here.rows[-1].outcome == "provider_fault"


async def test_an_answer_cut_in_the_middle_is_charged_for_what_came(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        cut = await run(here, "simulated/cut-mid-stream")
        assert cut.state == "failed"
        assert cut.text
        assert cut.usage is not None
        assert cut.usage.estimated
        assert charged(here) == cut.figures.cost_nano_usd
        assert charged(here) > 0


async def test_usage_that_cannot_be_true_costs_no_more_than_the_hold(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        lied = await run(here, "simulated/lying-usage", max_output_tokens=300)
        assert lied.state == "done"
        assert lied.usage is not None
        assert lied.usage.estimated
        assert lied.usage.output <= 300
        assert 0 < charged(here) < 1_000_000
        assert any("could not be true" in note for note in lied.notes)


async def test_keep_alive_comments_do_not_defeat_the_first_token_deadline(tmp_path: Path) -> None:
    async with desk(tmp_path, deadlines=Deadlines(first_token_s=0.2)) as here:
        silent = await run(here, "simulated/keep-alive")
        assert silent.failure is not None
        assert silent.failure.kind == "ProviderTimeout"
        assert charged(here) == 0


async def test_the_cap_on_output_always_goes_upstream_and_fits_the_balance(tmp_path: Path) -> None:
    class Echo:
        """Says what cap it was given."""

        id = "simulated"

        async def stream(self, call: Call) -> AsyncGenerator[Event, None]:
            yield TextDelta(str(call.out_cap))
            yield Finished("stop")
            yield Usage(input=1, output=1)

        async def close(self) -> None:
            pass

    async with desk(tmp_path, providers={"simulated": Echo()}) as here:
        assert (await run(here, "simulated/steady")).text == "4096"
        assert (await run(here, "simulated/steady", max_output_tokens=50)).text == "50"
        await _spend_down_to(here, 200_000)  # $0.0002 buys 500 tokens at $0.40 a million
        clamped = await run(here, "simulated/steady")
        assert 256 <= int(clamped.text) < 500


async def _spend_down_to(here: Desk, nano_usd: int) -> None:
    """Take credit away, so that about `nano_usd` is left."""
    available = here.balance().available_nano_usd
    await here.ledger.grant(
        Grant(1, "adjustment", nano_usd - available, ref="test:down", reason="a test spends it")
    )


async def test_without_credit_the_refusal_says_what_is_missing_and_holds_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await run(here, "simulated/steady")
        await _spend_down_to(here, 1_000)
        with pytest.raises(InsufficientCredits) as refused:
            await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api")
        assert refused.value.available_nano_usd == 1_000
        assert refused.value.needed_nano_usd > 1_000
        assert refused.value.next_allowance_at_ms is not None
        assert here.balance().held_nano_usd == 0
        assert (here.rows[-1].outcome, here.rows[-1].run_id) == ("blocked", None)


# --- stopping a model that reasons ----------------------------------------------------------------


class Thinker:
    """Thinks in the open, answers, and reports hidden tokens that nobody could count."""

    id = "simulated"

    def __init__(self) -> None:
        self.ended = False

    async def stream(self, call: Call) -> AsyncGenerator[Event, None]:
        yield ReasoningDelta("hm ")
        await asyncio.sleep(0.2)
        yield TextDelta("unseen")
        yield Finished("stop")
        yield Usage(input=5, output=900, reasoning=890)
        self.ended = True

    async def close(self) -> None:
        pass


async def test_a_stopped_reasoning_model_is_drained_unseen_and_billed_as_reported(tmp_path: Path) -> None:
    thinker = Thinker()
    async with desk(tmp_path, providers={"simulated": thinker}) as here:
        caller = Caller()
        running = await here.gateway.admit(
            LOCAL, asking("simulated/reasoning"), surface="api", listener=caller
        )
        await first_words(running)
        await here.gateway.stop(LOCAL, running.id)
        await ended(running)
        assert (running.state, running.text) == ("stopped", "")
        assert running.usage == Usage(input=5, output=900, reasoning=890)
        assert charged(here) == -(-(5 * 100_000 + 900 * 400_000) // 1000)
        assert not [piece for piece in caller.pieces if isinstance(piece, TextDelta)]


async def test_a_colleagues_run_is_stopped_by_an_owner_alone(tmp_path: Path) -> None:
    colleague = replace(LOCAL, user_id=9, role="member", operator=False)
    async with desk(tmp_path, providers={"simulated": Thinker()}) as here:
        running = await here.gateway.admit(LOCAL, asking("simulated/reasoning"), surface="page")
        await first_words(running)
        for other in (colleague, replace(colleague, role="viewer"), replace(colleague, user_id=None)):
            with pytest.raises(Forbidden):
                await here.gateway.stop(other, running.id)
        assert running.stop_reason is None
        await here.gateway.stop(replace(colleague, role="owner"), running.id)
        await ended(running)
        assert running.state == "stopped"


async def test_when_too_many_are_drained_the_next_is_cut(tmp_path: Path) -> None:
    thinker = Thinker()
    async with desk(tmp_path, providers={"simulated": thinker}, limits=Limits(drains=0)) as here:
        running = await here.gateway.admit(LOCAL, asking("simulated/reasoning"), surface="page")
        await first_words(running)
        await here.gateway.stop(LOCAL, running.id)
        await ended(running, 0.15)
        assert not thinker.ended
        assert running.usage is not None
        assert running.usage.estimated


# --- whoever listens ------------------------------------------------------------------------------


async def test_the_caller_hears_of_the_end_after_the_ledger(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        caller = Caller()
        answered = await ended(
            await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api", listener=caller)
        )
        await asyncio.sleep(0)
        assert caller.told == ["opened", "closed"]
        assert "".join(p.text for p in caller.pieces if isinstance(p, TextDelta)) == answered.text
        assert not any(isinstance(piece, Usage) for piece in caller.pieces)


async def test_a_stream_cut_by_the_caller_is_charged_for_what_was_sent(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        left = await ended(
            await here.gateway.admit(
                LOCAL, asking("simulated/steady"), surface="api", listener=Caller(fails_after=5)
            )
        )
        assert (left.state, left.stop_reason) == ("stopped", "caller_left")
        assert charged(here) == left.figures.cost_nano_usd
        assert charged(here) > 0


async def test_nobody_needs_to_listen(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        assert (await run(here, "simulated/steady")).state == "done"


# --- refusals -------------------------------------------------------------------------------------


async def test_refusals_name_what_to_do_and_hold_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:

        async def refused(request: object, error: type[Exception], who: Principal = LOCAL) -> Exception:
            with pytest.raises(error) as caught:
                await here.gateway.admit(who, request, surface="api")  # type: ignore[arg-type]
            return caught.value

        unknown = await refused(asking("embeded/smollm"), UnknownModel)
        assert isinstance(unknown, UnknownModel)
        assert len(unknown.nearest) == 3
        retired = await refused(asking("codex-mini"), RetiredModel)
        assert isinstance(retired, RetiredModel)
        assert retired.successor == "openai/gpt-5-codex-mini"
        absent = await refused(asking("openai/gpt-4.1"), ModelUnavailable)
        assert "OPENAI_API_KEY" in str(absent)
        await refused(asking("simulated/steady", "x " * 2_000_000), TooLarge)
        await refused(asking("simulated/steady").__class__("simulated/steady", ()), BadRequest)
        viewer = Principal(team_id=1, team_name="Local", user_id=3, role="viewer")
        await refused(asking("simulated/steady"), Forbidden, viewer)
        assert here.balance().held_nano_usd == 0
        assert [row.outcome for row in here.rows] == ["client_fault"] * 2 + [
            "gateway_fault", "client_fault", "client_fault", "blocked",
        ]  # fmt: skip
        assert all(row.run_id is None for row in here.rows)


async def test_a_stand_in_answers_for_a_retired_model_and_is_said(tmp_path: Path) -> None:
    overrides = CatalogOverrides(stand_ins={"openai/codex-mini": "simulated/steady"})
    async with desk(tmp_path, overrides=overrides) as here:
        answered = await run(here, "codex-mini")
        assert answered.model_id == "simulated/steady"
        assert any("openai/codex-mini" in note for note in answered.notes)
        assert here.rows[-1].model_asked == "codex-mini"


async def test_a_team_runs_only_so_many_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path, pace=Pace(first_token_s=5), limits=Limits(running_team=2)) as here:
        for _ in range(2):
            await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="page")
        with pytest.raises(TooManyRequests):
            await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="page")
        await here.gateway.admit(STRANGER, asking("simulated/steady"), surface="page")


async def test_the_cap_that_applies_nearest_refuses_and_another_keys_does_not(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        scripts = Principal(team_id=1, team_name="Local", user_id=1, role="owner", key_id=7)
        for scope, subject in (("team", "1"), ("member", "1"), ("key", "7")):
            await here.ledger.set_cap(SetCap(1, scope, subject, 1_000))
            with pytest.raises(CapReached) as reached:
                await here.gateway.admit(scripts, asking("simulated/steady"), surface="api")
            assert (reached.value.scope, reached.value.subject) == (scope, subject)
            assert here.balance().held_nano_usd == 0
        await here.ledger.set_cap(SetCap(1, "team", "1", None))
        await here.ledger.set_cap(SetCap(1, "member", "1", None))
        assert (await run(here, "simulated/steady")).state == "done", "asked by hand, without that key"


async def test_the_same_key_charges_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        key = Idempotency(b"k" * 32, b"f" * 32)
        first = await ended(
            await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api", idempotency=key)
        )
        before = charged(here)
        with pytest.raises(Replayed) as replayed:
            await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api", idempotency=key)
        assert replayed.value.run_id == first.id
        assert charged(here) == before


# --- what outlives what ---------------------------------------------------------------------------


async def test_a_drain_lets_short_answers_end_and_settles_the_others(tmp_path: Path) -> None:
    async with desk(tmp_path, pace=Pace(first_token_s=0.01, tokens_per_s=30)) as here:
        running = await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="page")
        await first_words(running)
        began_s = time.monotonic()
        await here.gateway.drain(0.3)
        assert 0.25 < time.monotonic() - began_s < 2
        assert (running.state, running.stop_reason) == ("stopped", "draining")
        assert charged(here) == running.figures.cost_nano_usd
        with pytest.raises(Draining):
            await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="page")


async def test_a_page_finds_its_run_again_and_another_team_does_not(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        answered = await run(here, "simulated/steady")
        record = await here.gateway.record(LOCAL, answered.id)
        assert (record.text, record.prompt) == (answered.text, "Hello")
        for where in ("memory", "database"):
            with pytest.raises(RunNotFound):
                await here.gateway.record(STRANGER, answered.id)
            await _forget(here, where)
        kept = await here.gateway.record(LOCAL, answered.id)
        assert kept == record


async def _forget(here: Desk, _: str) -> None:
    """As after a restart: what was kept is all there is."""
    await here.gateway._kept.flush()
    here.gateway.runs._runs.clear()


async def test_text_that_crossed_the_api_is_not_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        answered = await ended(await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api"))
        await _forget(here, "memory")
        kept = await here.gateway.record(LOCAL, answered.id)
        assert (kept.text, kept.messages, kept.figures) == ("", (), answered.figures)


async def test_a_conversation_is_its_turns_in_order(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        first = await run(here, "simulated/steady")
        second = await ended(
            await here.gateway.admit(
                LOCAL, asking("simulated/steady", "Again"), surface="page", parent_run_id=first.id
            )
        )
        turns = await here.gateway.conversation(LOCAL, second.id)
        assert [turn.prompt for turn in turns] == ["Hello", "Again"]
        assert await here.gateway.conversation(STRANGER, second.id) == ()


async def test_a_run_that_its_process_did_not_end_is_said_to_have_failed(tmp_path: Path) -> None:
    async with desk(tmp_path, pace=Pace(first_token_s=30)) as here:
        lost = await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="page")
        await here.gateway._kept.flush()
        assert await here.gateway._kept.end_interrupted() == 1
        here.gateway.runs._runs.clear()
        record = await here.gateway.record(LOCAL, lost.id)
        assert record.state == "failed"
        assert record.failure is not None
        assert record.failure.kind == "Interrupted"


async def test_two_hundred_at_once_all_settle_and_the_sum_is_exact(tmp_path: Path) -> None:
    async with desk(tmp_path, limits=Limits(running_team=500)) as here:
        runs = await asyncio.gather(
            *(here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api") for _ in range(200))
        )
        for one in runs:
            await ended(one, 30)
        receipts = [one.receipt for one in runs if one.receipt is not None]
        assert len(receipts) == 200
        assert charged(here) == sum(receipt.cost_nano_usd for receipt in receipts)
        assert charged(here) == 200 * cost_nano_usd(here.statements.entry_of_run(1, runs[0].id).lines)  # type: ignore[union-attr]
