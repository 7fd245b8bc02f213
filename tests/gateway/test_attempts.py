"""What happens where the first provider fails: on the real gateway, ledger and databases."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from msgspec.structs import replace

from billing.commands import Checkpoint, Grant
from billing.errors import InsufficientCredits
from gateway.catalog_values import Price, Rates
from gateway.errors import NoProviderLeft, Unsupported
from gateway.health import RouteHealth
from gateway.messages import CompletionRequest, Event, Finished, HostedCall, HostedTool, TextDelta, Usage
from gateway.preferences import CallerDeadlines
from gateway.providers.base import Call, Deadlines
from gateway.runs import Run
from gateway.tool_fees import dearest_fee
from telemetry import rollups, stored
from telemetry.rows import Series
from tests.gateway.desk import FREE_USD, LOCAL, Caller, Desk, ended
from tests.gateway.scripted import (
    Play,
    Scripted,
    answers,
    answers_without_usage,
    asks,
    cut_in_the_middle,
    empty,
    garbled_after_usage,
    refuses,
    silent,
    unreachable,
    with_providers,
)

# 1,000 tokens in and 100 out, as every scripted answer reports.
AT_LAB, AT_BACKUP, AT_SLOW = 1_200_000, 3_600_000, 12_000_000
PAID: tuple[Series, ...] = ("paid",)
SOON = Deadlines(first_token_s=0.05, total_s=5)


async def run(here: Desk, request: CompletionRequest, caller: Caller | None = None) -> Run:
    return await ended(await here.gateway.admit(LOCAL, request, surface="api", listener=caller))


def charged(here: Desk) -> int:
    balance = here.balance()
    assert (balance.held_nano_usd, balance.open_holds) == (0, ())
    return FREE_USD - balance.available_nano_usd


FAULTS: tuple[tuple[Play, str, str], ...] = (
    (unreachable, "ProviderUnreachable", "provider_fault"),
    (refuses(500), "ProviderRefused", "provider_fault"),
    (refuses(503), "ProviderRefused", "provider_fault"),
    (refuses(429, 1.0), "ProviderRefused", "provider_fault"),
    (refuses(401), "ProviderRefused", "gateway_fault"),
    (refuses(404), "ProviderRefused", "client_fault"),
    (empty, "ProviderBroke", "provider_fault"),
    (garbled_after_usage, "ProviderBroke", "provider_fault"),
    (silent, "ProviderTimeout", "provider_fault"),
)


async def test_before_its_first_token_every_fault_of_a_provider_gives_way_to_the_next(tmp_path: Path) -> None:
    lab, backup = Scripted("lab", *(play for play, _, _ in FAULTS)), Scripted("backup")
    async with with_providers(tmp_path, lab, backup, deadlines=SOON) as here:
        for at, (_, error, outcome) in enumerate(FAULTS, 1):
            here.gateway.health = RouteHealth()  # so that lab is asked first each time
            caller = Caller()
            answered = await run(here, asks(), caller)
            assert (answered.state, answered.text) == ("done", "backup says hello")
            assert (answered.provider, answered.model_id) == ("backup", "two/fast")
            assert caller.told == ["opened", "closed"]
            assert TextDelta("lab says") not in caller.pieces
            failed, last = answered.attempts
            assert (failed.no, failed.provider, failed.error, failed.outcome) == (1, "lab", error, outcome)
            assert (last.no, last.provider, last.error, last.outcome) == (2, "backup", None, "ok")
            assert answered.notes == (f"lab did not answer ({error}), so backup was asked.",)
            assert charged(here) == at * AT_BACKUP
            assert here.rows[-1].attempts == answered.attempts
            assert (here.rows[-1].provider, here.rows[-1].outcome) == ("backup", "ok")
            entry = here.statements.entry_of_run(1, answered.id)
            assert entry is not None and entry.provider == "backup"


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_what_the_request_is_to_blame_for_is_not_asked_twice(tmp_path: Path, status: int) -> None:
    lab, backup = Scripted("lab", refuses(status)), Scripted("backup")
    async with with_providers(tmp_path, lab, backup) as here:
        refused = await run(here, asks())
        assert (refused.state, here.rows[-1].outcome) == ("failed", "client_fault")
        assert (backup.calls, charged(here)) == ([], 0)
        assert here.gateway.health.look(("lab", "two/fast")).n == 0  # it says nothing of the provider


async def test_once_an_answer_has_begun_nobody_else_is_asked_and_what_came_is_billed(tmp_path: Path) -> None:
    lab, backup = Scripted("lab", cut_in_the_middle), Scripted("backup")
    async with with_providers(tmp_path, lab, backup) as here:
        caller = Caller()
        cut = await run(here, asks(), caller)
        assert (cut.state, cut.text, backup.calls) == ("failed", "half of an", [])
        assert cut.usage is not None and cut.usage.estimated
        cost = -(-(cut.usage.input * 1_000_000 + cut.usage.output * 2_000_000) // 1000)  # at lab's price
        assert charged(here) == cost > 0
        assert len(cut.attempts) == 1


async def test_one_hold_covers_all_attempts_at_the_dearest(tmp_path: Path) -> None:
    lab, backup = Scripted("lab", silent), Scripted("backup", silent)
    async with with_providers(tmp_path, lab, backup, deadlines=SOON) as here:
        running = await here.gateway.admit(LOCAL, asks(), surface="api")
        [opened] = here.balance().open_holds
        # 21 tokens may go in (5 bytes and their frame), 1,000 may come out: $3 and $6 a million at backup.
        assert opened.amount_nano_usd == 21 * 3_000 + 1_000 * 6_000
        while len(backup.calls) < 1:
            await asyncio.sleep(0.005)
        assert [hold.amount_nano_usd for hold in here.balance().open_holds] == [opened.amount_nano_usd]
        await ended(running)
        assert (running.state, len(running.attempts), charged(here)) == ("failed", 2, 0)
        assert lab.calls[0].out_cap == backup.calls[0].out_cap == 1_000


async def test_an_attempt_that_gave_way_is_never_billed_even_where_it_told_what_it_cost(
    tmp_path: Path,
) -> None:
    lab, backup = Scripted("lab", garbled_after_usage), Scripted("backup")
    async with with_providers(tmp_path, lab, backup) as here:
        answered = await run(here, asks())
        assert answered.receipt is not None
        assert charged(here) == answered.receipt.cost_nano_usd == AT_BACKUP
        assert not answered.receipt.estimated
        lab.plays, backup.plays = [garbled_after_usage], [answers_without_usage]
        counted = await run(here, asks())
        assert counted.usage is not None and counted.usage.estimated
        assert counted.usage.input < 100  # not the thousand that lab had told of


# --- other models -----------------------------------------------------------------------------------


async def test_a_fallback_model_answers_under_its_own_name_price_and_limit(tmp_path: Path) -> None:
    lab, backup, slow = Scripted("lab", refuses(500)), Scripted("backup", empty), Scripted("slow")
    async with with_providers(tmp_path, lab, backup, slow) as here:
        answered = await run(here, asks(models=("one/slow",)))
        assert (answered.model_id, answered.model_name, answered.provider) == ("one/slow", "slow", "slow")
        assert [(row.model, row.provider) for row in answered.attempts] == [
            ("two/fast", "lab"),
            ("two/fast", "backup"),
            ("one/slow", "slow"),
        ]
        assert answered.notes[-1] == "backup did not answer (ProviderBroke), so one/slow at slow was asked."
        assert charged(here) == AT_SLOW
        assert (here.rows[-1].model_asked, here.rows[-1].model) == ("two/fast", "one/slow")
        entry = here.statements.entry_of_run(1, answered.id)
        assert entry is not None and (entry.model, entry.provider) == ("one/slow", "slow")
        kept = await here.gateway.record(LOCAL, answered.id)
        assert kept.attempts == answered.attempts


async def test_a_failed_attempt_counts_against_its_own_model_and_provider(tmp_path: Path) -> None:
    lab, backup, slow = Scripted("lab", refuses(500)), Scripted("backup", empty), Scripted("slow")
    async with with_providers(tmp_path, lab, backup, slow) as here:
        await run(here, asks(models=("one/slow",)))
        with here.databases.log.engine.begin() as connection:
            rollups.add(connection, stored.write(connection, here.rows))
        with here.databases.log.engine.connect() as connection:
            end_ms = time.time_ns() // 1_000_000 + 60_000
            found = rollups.totals_by_route(connection, end_ms - 3_600_000, end_ms, PAID)
            [read] = stored.read(connection, 0, end_ms)
    counted = {
        key: (total.counts["attempts_ok"], total.counts["attempts_provider_fault"])
        for key, total in found.items()
    }
    assert counted == {
        ("two/fast", "lab"): (0, 1),
        ("two/fast", "backup"): (0, 1),
        ("one/slow", "slow"): (1, 0),
    }
    assert read.attempts == here.rows[0].attempts


async def test_where_nobody_answers_the_last_error_is_told_and_nothing_is_owed(tmp_path: Path) -> None:
    async with with_providers(
        tmp_path, Scripted("lab", refuses(500)), Scripted("backup", unreachable)
    ) as here:
        failed = await run(here, asks())
        assert failed.failure is not None
        assert (failed.failure.kind, failed.provider, charged(here)) == ("ProviderUnreachable", "backup", 0)
        assert failed.figures.cost_nano_usd == 0


async def test_without_fallbacks_the_first_provider_is_the_only_one(tmp_path: Path) -> None:
    lab, backup = Scripted("lab", refuses(500)), Scripted("backup")
    async with with_providers(tmp_path, lab, backup) as here:
        failed = await run(here, asks(allow_fallbacks=False))
        assert (failed.state, backup.calls) == ("failed", [])
        assert here.rows[-1].dropped == ("two/fast at backup: fallbacks are off.",)


async def test_a_hundred_runs_of_every_fate_at_once_are_each_billed_for_the_answer_they_got(
    tmp_path: Path,
) -> None:
    dice = random.Random(20261121)
    fates = [answers, answers, refuses(500), empty, unreachable, garbled_after_usage, refuses(400)]
    lab = Scripted("lab", *dice.choices([*fates, cut_in_the_middle], k=100))
    backup = Scripted("backup", *dice.choices(fates, k=100))
    async with with_providers(tmp_path, lab, backup, Scripted("slow")) as here:
        requests = [asks(models=("one/slow",)) if at % 2 else asks() for at in range(100)]
        begun = [await here.gateway.admit(LOCAL, request, surface="api") for request in requests]
        runs = [await ended(run) for run in begun]
        price = {"lab": AT_LAB, "backup": AT_BACKUP, "slow": AT_SLOW}
        for one in runs:
            cost = one.receipt.cost_nano_usd if one.receipt is not None else 0
            if one.state == "done":
                assert cost == price[one.provider]
            else:
                assert (cost > 0) == bool(one.text)
            assert one.attempts[-1].provider == one.provider
        assert len({one.provider for one in runs if one.state == "done"}) == 3
        assert charged(here) == sum(one.receipt.cost_nano_usd for one in runs if one.receipt is not None)
        assert len(here.rows) == 100


# --- deadlines --------------------------------------------------------------------------------------


async def test_the_callers_deadline_for_the_first_token_holds_for_each_attempt(tmp_path: Path) -> None:
    lab, backup = Scripted("lab", silent), Scripted("backup")
    async with with_providers(tmp_path, lab, backup) as here:
        begun_s = time.monotonic()
        answered = await run(here, asks(deadlines=CallerDeadlines(first_token_s=0.05)))
        assert answered.provider == "backup"
        assert 0.05 <= time.monotonic() - begun_s < 10  # and not the operator's two minutes


async def test_the_total_deadline_is_of_all_attempts_together(tmp_path: Path) -> None:
    lab, backup = Scripted("lab", silent), Scripted("backup", silent)
    async with with_providers(tmp_path, lab, backup) as here:
        begun_s = time.monotonic()
        failed = await run(here, asks(deadlines=CallerDeadlines(first_token_s=0.5, total_s=0.9)))
        assert time.monotonic() - begun_s >= 0.89
        assert failed.failure is not None
        # On its own the second attempt would have ended by its deadline for the first token.
        assert failed.failure.message == "The provider did not finish within 0.9 s."
        assert [row.provider for row in failed.attempts] == ["lab", "backup"]


async def test_a_run_that_is_stopped_between_two_providers_owes_nothing(tmp_path: Path) -> None:
    lab, backup = Scripted("lab", refuses(500)), Scripted("backup", silent)
    async with with_providers(tmp_path, lab, backup) as here:
        running = await here.gateway.admit(LOCAL, asks(), surface="api")
        while not backup.calls:
            await asyncio.sleep(0.005)
        await here.gateway.stop(LOCAL, running.id)
        await ended(running, 0.5)
        assert (running.state, charged(here)) == ("stopped", 0)
        assert [row.outcome for row in running.attempts] == ["provider_fault", "cancelled"]


async def dawdles(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
    yield TextDelta("the beginning of an answer")
    await asyncio.sleep(60)


async def test_what_a_crash_would_bill_is_told_with_the_provider_that_is_answering(tmp_path: Path) -> None:
    lab, backup = Scripted("lab", refuses(500)), Scripted("backup", dawdles)
    async with with_providers(tmp_path, lab, backup) as here:
        running = await here.gateway.admit(LOCAL, asks(), surface="api")
        while not running.text:
            await asyncio.sleep(0.005)
        told: list[Checkpoint] = []
        send = here.ledger.checkpoint

        async def checkpoint(command: Checkpoint) -> None:
            told.append(command)
            await send(command)

        here.ledger.checkpoint = checkpoint  # type: ignore[method-assign]  # to listen in
        async with asyncio.timeout(20):
            while not told:
                await asyncio.sleep(0.02)
        assert told[-1].facts is not None
        assert (told[-1].facts.provider, told[-1].facts.model) == ("backup", "two/fast")
        assert {line.price_pico_usd for line in told[-1].lines} == {3_000_000, 6_000_000}
        running.stop("user")
        await ended(running)


# --- health -----------------------------------------------------------------------------------------


async def test_a_provider_that_keeps_failing_rests_and_one_probe_finds_out_that_it_is_well(
    tmp_path: Path,
) -> None:
    now_s = 1_000.0
    lab, backup = (
        Scripted("lab", refuses(500), refuses(500), refuses(500), silent, answers),
        Scripted("backup"),
    )
    async with with_providers(tmp_path, lab, backup) as here:
        here.gateway.health = RouteHealth(lambda: now_s)
        for _ in range(3):
            await run(here, asks())
        assert len(lab.calls) == 3
        assert len((await run(here, asks())).attempts) == 1  # backup alone: lab rests
        now_s += 5.1
        probe = await here.gateway.admit(LOCAL, asks(), surface="api")
        while len(lab.calls) < 4:
            await asyncio.sleep(0.005)
        other = await run(here, asks())  # while the probe is under way
        assert (other.provider, len(lab.calls)) == ("backup", 4)
        await here.gateway.stop(LOCAL, probe.id)
        await ended(probe)
        assert (await run(here, asks())).provider == "lab"  # the next probe, and it answers
        assert here.gateway.health.standing(("lab", "two/fast")) == "well"


async def test_the_only_provider_is_asked_however_ill_it_looks(tmp_path: Path) -> None:
    lab = Scripted("lab", refuses(500), refuses(500), refuses(429, 100.0), answers)
    async with with_providers(tmp_path, lab) as here:
        for _ in range(3):
            assert (await run(here, asks())).state == "failed"
        assert here.gateway.health.standing(("lab", "two/fast")) == "resting"
        assert (await run(here, asks())).state == "done"


# --- credit -----------------------------------------------------------------------------------------


async def leave(here: Desk, nano_usd: int) -> None:
    """Take credit away, so that this much is left."""
    less = nano_usd - here.balance().available_nano_usd
    await here.ledger.grant(Grant(1, "adjustment", less, ref=f"test:{nano_usd}", reason="a test spends it"))


async def test_credit_that_does_not_reach_for_the_dearer_provider_leaves_the_cheaper_one(
    tmp_path: Path,
) -> None:
    lab, backup = Scripted("lab", refuses(500)), Scripted("backup")
    async with with_providers(tmp_path, lab, backup) as here:
        await here.gateway.stop(LOCAL, (await run(here, asks())).id)
        await leave(here, 1_000_000)  # backup's shortest answer (256 tokens) needs 1,599,000
        failed = await run(here, asks())
        assert [call.out_cap for call in lab.calls] == [1_000, 489]  # (1,000,000 - 21 * 1,000) / 2,000
        assert (failed.state, len(failed.attempts)) == ("failed", 1)
        assert here.rows[-1].dropped == (
            "two/fast at backup: credit does not reach for its shortest answer.",
        )


async def test_where_credit_is_spent_a_free_fallback_still_answers(tmp_path: Path) -> None:
    lab, slow = Scripted("lab"), Scripted("slow")
    async with with_providers(tmp_path, lab, slow) as here:
        await run(here, asks())
        await leave(here, 0)
        with pytest.raises(InsufficientCredits):
            await here.gateway.admit(LOCAL, asks(), surface="api")
        answered = await run(here, asks(models=("one/free",)))
        assert (answered.model_id, answered.figures.cost_nano_usd) == ("one/free", 0)
        assert here.balance().held_nano_usd == 0


# --- refusals ---------------------------------------------------------------------------------------


async def test_where_preferences_leave_nobody_each_reason_is_told_logged_and_nothing_is_held(
    tmp_path: Path,
) -> None:
    async with with_providers(tmp_path, Scripted("lab"), Scripted("backup")) as here:
        with pytest.raises(NoProviderLeft) as refused:
            await here.gateway.admit(LOCAL, asks(zero_data_retention=True, ignore=("backup",)), surface="api")
        reasons = ("two/fast at lab: it keeps what it is sent.", "two/fast at backup: it is among `ignore`.")
        assert refused.value.dropped == reasons
        assert (here.rows[-1].dropped, here.rows[-1].outcome) == (reasons, "client_fault")
        assert here.balance().open_holds == ()


# --- tools that the provider runs --------------------------------------------------------------------


async def searches(self: Scripted, call: Call) -> AsyncGenerator[Event, None]:
    for at in range(3):
        yield HostedCall("web_search_call", f"ws_{at}", {"action": {"type": "search"}})
    yield HostedCall("web_search_call", "ws_3", {"action": {"type": "open_page"}})
    yield HostedCall("file_search_call", "fs_1", {})
    yield TextDelta("found")
    yield Finished("stop")
    yield Usage(input=1_000, output=100)


async def test_calls_of_the_providers_tools_are_held_for_and_billed_by_kind(tmp_path: Path) -> None:
    openai = Scripted("openai", searches)
    tools = (HostedTool("web_search_preview_2025_03_11"), HostedTool("file_search"))
    request = CompletionRequest(
        "openai/gpt-4.1", asks().messages, asks().sampling, tools=tools, max_tool_calls=5
    )
    async with with_providers(tmp_path, openai) as here:
        running = await here.gateway.admit(LOCAL, request, surface="api")
        [hold] = here.balance().open_holds
        answered = await ended(running)
        assert openai.calls[0].request.max_tool_calls == 5
        # Five calls at $0.01, each of which may put 8,192 tokens at $2 a million into the prompt.
        assert hold.amount_nano_usd >= 5 * 10_000_000 + 5 * 8_192 * 2_000 + 1_000 * 8_000
        entry = here.statements.entry_of_run(1, answered.id)
        assert entry is not None
        assert [(line.bucket, line.quantity, line.price_pico_usd) for line in entry.lines] == [
            ("input", 1_000, 2_000_000),
            ("output", 100, 8_000_000),
            ("tool_call", 1, 2_500_000_000),
            ("tool_call", 3, 10_000_000_000),
        ]
        assert charged(here) == 1_000 * 2_000 + 100 * 8_000 + 2_500_000 + 3 * 10_000_000
        await run(here, replace(request, max_tool_calls=None))
        assert openai.calls[1].request.max_tool_calls == 8  # ours, where the caller sets no limit


async def test_a_tool_without_a_price_is_refused_and_never_free(tmp_path: Path) -> None:
    request = CompletionRequest("openai/gpt-4.1", asks().messages, tools=(HostedTool("image_generation"),))
    async with with_providers(tmp_path, Scripted("openai")) as here:
        with pytest.raises(Exception, match="no price for calls of image_generation"):
            await here.gateway.admit(LOCAL, request, surface="api")


def test_no_hold_is_reckoned_for_a_tool_that_has_no_price() -> None:
    """Fitting refuses it before; what reckons the hold does not lean on that."""
    price = Price("v1", 0, Rates(1, 1), tool_fees={"web_search": 10_000})
    assert dearest_fee(("web_search",), price, "Lab Fast") == 10_000
    with pytest.raises(Unsupported, match="no price for calls of image_generation"):
        dearest_fee(("web_search", "image_generation"), price, "Lab Fast")
