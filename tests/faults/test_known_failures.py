"""Mistakes that others made with money, each as a test that fails on the mistake.

The 23 public threads are listed in docs/faults.md with what broke and the test that would notice here:
one of these, or one elsewhere where it was already told. Most go through the gateway's use case with the
real ledger behind it; the providers are fakes that behave like the one in the thread.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from billing.audit import audit
from billing.commands import Checkpoint, Grant, Idempotency, Line, Receipt, Settle, Void
from billing.errors import LedgerUnavailable, Replayed
from billing.group_commit import GroupCommit
from billing.journal_sqlite import SqliteJournal
from billing.statements import EntryView
from gateway.catalog import Catalog, CatalogError, CatalogOverrides
from gateway.errors import ProviderBroke, ProviderRefused
from gateway.messages import Event, Finished, FinishReason, TextDelta, Usage
from gateway.providers.base import Call
from gateway.pump import Money
from gateway.runs import Run
from tests.billing.bank import Bank
from tests.gateway.desk import FREE_USD, LOCAL, Caller, Desk, asking, desk, ended, first_words

ROOT = Path(__file__).resolve().parent.parent.parent
Step = Event | Exception | float
WORDS = tuple(TextDelta(f"word{n} ") for n in range(20))


class Plays:
    """A provider that plays a script: events, errors, pauses in seconds."""

    id = "simulated"

    def __init__(self, *script: Step) -> None:
        self.script: Sequence[Step] = script
        self.calls: list[Call] = []

    async def stream(self, call: Call) -> AsyncGenerator[Event, None]:
        self.calls.append(call)
        for step in self.script:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                yield step

    async def close(self) -> None:
        pass


async def admitted(here: Desk, model: str = "simulated/steady", listener: Caller | None = None) -> Run:
    return await here.gateway.admit(LOCAL, asking(model), surface="api", listener=listener)


async def played(
    folder: Path, *script: Step, model: str = "simulated/steady"
) -> tuple[Run, EntryView | None]:
    """The run of a script and its entry; nothing is held when it has ended."""
    async with desk(folder, providers={"simulated": Plays(*script)}) as here:
        run = await ended(await admitted(here, model))
        balance = here.balance()
        entry = here.statements.entry_of_run(1, run.id)
        assert (balance.held_nano_usd, balance.open_holds) == (0, ())
        spent = 0 if entry is None else -entry.amount_nano_usd
        assert balance.available_nano_usd == FREE_USD - spent
    assert audit(folder / "ledger.db").findings == ()
    return run, entry


# --- nothing leaks, whatever way a run ends -------------------------------------------------------


async def _stopped(here: Desk, run: Run) -> None:
    await first_words(run)
    await here.gateway.stop(LOCAL, run.id)


async def _stopped_at_once(here: Desk, run: Run) -> None:
    await here.gateway.stop(LOCAL, run.id)


async def _nothing(here: Desk, run: Run) -> None:
    pass


async def _drained(here: Desk, run: Run) -> None:
    await here.gateway.drain(0)


async def _task_cancelled(here: Desk, run: Run) -> None:
    """As an event loop does that is torn down."""
    await first_words(run)
    task = here.gateway._pumps[run.id].task
    assert task is not None
    task.cancel()


_REFUSED = ProviderRefused("simulated", "No.", status=500)
_BROKEN = ProviderBroke("simulated", "It broke off.")
_EXITS: dict[str, tuple[tuple[Step, ...], Callable[[Desk, Run], Coroutine[Any, Any, None]], int | None]] = {
    "it ends well": ((*WORDS, Finished("stop"), Usage(input=9, output=20)), _nothing, None),
    "it ends without usage": ((*WORDS, Finished("stop")), _nothing, None),
    "it is refused": ((_REFUSED,), _nothing, None),
    "it breaks in the middle": ((*WORDS, _BROKEN), _nothing, None),
    "our own code fails in the middle": ((*WORDS, RuntimeError("a bug")), _nothing, None),
    "our own code fails at once": ((KeyError("a bug"),), _nothing, None),
    "it is stopped": ((*WORDS, 60.0), _stopped, None),
    "it is stopped before it began": ((60.0,), _stopped_at_once, None),
    "the caller leaves": ((*WORDS, 60.0), _nothing, 3),
    "the server drains": ((*WORDS, 60.0), _drained, None),
    "its task is cancelled": ((*WORDS, 60.0), _task_cancelled, None),
}


@pytest.mark.parametrize("way", _EXITS)
async def test_every_way_that_a_run_can_end_closes_its_hold_once(tmp_path: Path, way: str) -> None:
    # BerriAI/litellm#27639 (reservations were never released on some exits, and later requests refused
    # for money that nobody used); elizaOS/eliza#9904 (onFinish and onAbort settled, onError did not)
    script, then, fails_after = _EXITS[way]
    listener = None if fails_after is None else Caller(fails_after=fails_after)
    async with desk(tmp_path, providers={"simulated": Plays(*script)}) as here:
        run = await admitted(here, listener=listener)
        await then(here, run)
        await ended(run)
        balance = here.balance()
        assert (balance.held_nano_usd, balance.open_holds) == (0, ())
        came = any(isinstance(step, TextDelta) for step in script)
        assert (balance.total_used_nano_usd > 0) == came
        assert (here.statements.entry_of_run(1, run.id) is not None) == came
        assert len(here.rows) == 1
    assert audit(tmp_path / "ledger.db").findings == ()


async def test_a_stream_that_ends_without_usage_is_estimated_and_neither_free_nor_charged_whole(
    tmp_path: Path,
) -> None:
    # QuantumNous/new-api#5235 (no final usage: the whole pre-charge was given back)
    run, entry = await played(tmp_path, *WORDS, Finished("stop"))
    assert entry is not None
    assert entry.estimated
    assert run.usage is not None
    assert 20 <= run.usage.output <= 80
    assert 0 < entry.cost_nano_usd < 100_000


@pytest.mark.parametrize(
    "failure", [_REFUSED, _BROKEN, RuntimeError("a bug")], ids=lambda e: type(e).__name__
)
async def test_a_stream_without_output_costs_nothing(tmp_path: Path, failure: Exception) -> None:
    # QuantumNous/new-api#4168 (about US$191 charged to 99 users in a day for streams without output)
    run, entry = await played(tmp_path, failure)
    assert entry is None
    assert run.figures.cost_nano_usd == 0


async def test_usage_of_zero_is_zero_and_not_missing(tmp_path: Path) -> None:
    # BerriAI/litellm#37992 (`usage or estimate`: an explicit 0 was treated as missing)
    run, entry = await played(tmp_path, *WORDS, Finished("stop"), Usage(input=0, output=0))
    assert entry is not None
    assert (entry.cost_nano_usd, entry.lines, entry.estimated) == (0, (), False)
    assert run.usage == Usage(input=0, output=0)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_usage_counts_whatever_the_answer_ended_with(tmp_path: Path, reason: FinishReason) -> None:
    # QuantumNous/new-api#7241 (usage was read of `response.completed` alone; `incomplete` cost nothing)
    _, entry = await played(tmp_path, *WORDS, Finished(reason), Usage(input=1_000, output=500))
    assert entry is not None
    assert (entry.cost_nano_usd, entry.estimated) == (1_000 * 100 + 500 * 400, False)


async def test_cached_and_reasoning_tokens_are_charged_once(tmp_path: Path) -> None:
    # BerriAI/litellm#14849, #6575, Aider-AI/aider#5516 (cached tokens at the full and the cached rate);
    # PostHog/posthog#71065, decolua/9router#2762 (reasoning added to the output that contains it)
    usage = Usage(input=200, cached_input=800, output=500, reasoning=400)
    _, entry = await played(tmp_path, *WORDS, Finished("stop"), usage)
    assert entry is not None
    assert [(line.bucket, line.quantity) for line in entry.lines] == [
        ("input", 200), ("cached_input", 800), ("output", 500),
    ]  # fmt: skip
    assert entry.cost_nano_usd == 200 * 100 + 800 * 100 + 500 * 400  # this model has no cheaper cache


async def test_a_partial_stream_is_billed_at_the_price_that_its_hold_was_made_with(tmp_path: Path) -> None:
    # BerriAI/litellm#37734 (a partial stream was priced at 0, its model's alias being unknown at the end)
    overrides = CatalogOverrides(stand_ins={"openai/codex-mini": "simulated/steady"})
    plays = Plays(*WORDS, 60.0)
    async with desk(tmp_path, providers={"simulated": plays}, overrides=overrides) as here:
        run = await admitted(here, "codex-mini")
        await first_words(run)
        await here.gateway.stop(LOCAL, run.id)
        await ended(run)
        entry = here.statements.entry_of_run(1, run.id)
        assert entry is not None
        assert {line.bucket: line.price_pico_usd for line in entry.lines} == {
            "input": 100_000, "output": 400_000,
        }  # fmt: skip
        assert (entry.model, entry.cost_nano_usd > 0) == ("simulated/steady", True)


# --- bounds ---------------------------------------------------------------------------------------


async def test_without_a_limit_on_output_the_hold_has_the_prompt_and_the_default_output(
    tmp_path: Path,
) -> None:
    # songquanpeng/one-api#1312 (no max_tokens: the prompt was not set aside)
    plays = Plays(*WORDS, 60.0)
    async with desk(tmp_path, providers={"simulated": plays}) as here:
        held = []
        for text in ("Hello", "Hello " * 2_000):
            request = asking("simulated/steady", text)
            await first_words(await here.gateway.admit(LOCAL, request, surface="api"))
            held.append(here.balance().held_nano_usd)
        first, second = held[0], held[1] - held[0]
        assert first > 4_096 * 400  # the output alone, at $0.40 a million
        assert second > first + 2_000 * 100  # and a token a word at least, at $0.10 a million
        assert [call.out_cap for call in plays.calls] == [4_096, 4_096]


@pytest.mark.parametrize("price", ["-1", "-0.000001", "NaN", "1e9"])
def test_no_price_can_be_below_zero_or_absurd(price: str) -> None:
    # danny-avila/LibreChat#2359 (a price of -1 raised a balance to 83 M); BerriAI/litellm#23503,
    # Aider-AI/aider#2948 (prices in the wrong unit, by 1e3 and 1e5)
    model = {"id": "simulated/steady", "input_usd_per_million": price}
    with pytest.raises(CatalogError) as refused:
        Catalog.load(CatalogOverrides(models=[model]))
    assert "input_usd_per_million" in str(refused.value)


@pytest.mark.parametrize("quantity", [-1, -(10**12)])
def test_no_line_can_pay_a_team(tmp_path: Path, quantity: int) -> None:
    # danny-avila/LibreChat#2359, at the ledger's own door
    bank = Bank(tmp_path / "ledger.db")
    hold = bank.reserve("1")
    lines = (Line("output", quantity, 400_000),)
    (outcome,) = bank.together(Settle(hold, lines, quantity * 400, hold.facts))
    assert type(outcome).__name__ == "LedgerBug"
    assert bank.balance().total_used_nano_usd == 0
    bank.journal.close()


# --- races, retries, crashes ----------------------------------------------------------------------


async def test_of_many_requests_at_once_no_more_are_admitted_than_credit_covers(tmp_path: Path) -> None:
    # BerriAI/litellm#34732, #26672 (check, then add: N parallel requests all passed);
    # songquanpeng/one-api#2440, QuantumNous/new-api#6609, #5690 (trusted users skipped the check)
    async with desk(tmp_path, providers={"simulated": Plays(*WORDS, 60.0)}) as here:
        one = await admitted(here)
        held = here.balance().held_nano_usd
        await here.gateway.stop(LOCAL, one.id)
        await ended(one)
        left = here.balance().available_nano_usd - 7 * held
        await here.ledger.grant(Grant(1, "adjustment", -left, ref="test:down", reason="leave seven holds"))
        outcomes = await asyncio.gather(*(admitted(here) for _ in range(60)), return_exceptions=True)
        assert sum(isinstance(outcome, Run) for outcome in outcomes) == 7
        assert {type(o).__name__ for o in outcomes if not isinstance(o, Run)} == {"InsufficientCredits"}
        assert here.balance().available_nano_usd == 0


class _Absent:
    """The real ledger, which for a while answers no settle and no void: after it was written, or before."""

    def __init__(self, ledger: Money, *, written: bool, times: int = 1) -> None:
        self._ledger = ledger
        self._written = written
        self.times = times

    async def settle(self, command: Settle) -> Receipt:
        if self.times:
            self.times -= 1
            if self._written:
                await self._ledger.settle(command)
            raise LedgerUnavailable("It does not answer.")
        return await self._ledger.settle(command)

    async def void(self, command: Void) -> None:
        await self._ledger.void(command)

    async def checkpoint(self, command: Checkpoint) -> None:
        await self._ledger.checkpoint(command)


@pytest.mark.parametrize("written", [True, False], ids=["it was written", "it was not"])
async def test_a_settle_whose_answer_was_lost_is_sent_until_it_lands_and_charges_once(
    tmp_path: Path, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # BerriAI/litellm#35569 (clean-up failed half-way, and the cost was counted twice); #35531, #34887,
    # #1714, #21514 (spend waited in memory and was lost with a failed commit)
    monkeypatch.setattr("gateway.pump._SETTLE_AGAIN_S", 0.02)
    script: tuple[Step, ...] = (*WORDS, Finished("stop"), Usage(input=1_000, output=500))
    async with desk(tmp_path, providers={"simulated": Plays(*script)}) as here:
        absent = _Absent(here.ledger, written=written, times=3)
        tools = here.gateway._tools
        here.gateway._tools = type(tools)(absent, tools.log, tools.keep, tools.status_of, tools.may_drain)
        run = await ended(await admitted(here))
        async with asyncio.timeout(5):
            while run.receipt is None:
                await asyncio.sleep(0.01)
        assert absent.times == 0
        assert run.receipt.cost_nano_usd == 300_000
        assert here.balance().available_nano_usd == FREE_USD - 300_000
        assert here.balance().held_nano_usd == 0
        assert run.figures.cost_nano_usd == 300_000
    assert audit(tmp_path / "ledger.db").findings == ()


async def test_what_was_checkpointed_when_a_process_died_is_charged_and_the_rest_of_its_hold_freed(
    tmp_path: Path,
) -> None:
    # pollinations/pollinations#13166 (reserved atomically, and a crash leaked the hold for ever)
    async with desk(tmp_path, providers={"simulated": Plays(*WORDS, 60.0)}) as here:
        run = await admitted(here)
        await first_words(run)
        await here.gateway._pumps[run.id].tick()
        await process_dies(here, run)
        (hold,) = here.balance().open_holds
        assert 0 < hold.progress_nano_usd < hold.amount_nano_usd
    assert swept_in_a_minute(tmp_path) == 1
    entry = here.statements.entry_of_run(1, run.id)
    assert entry is not None
    assert (entry.cost_nano_usd, entry.estimated) == (hold.progress_nano_usd, True)
    assert here.balance().held_nano_usd == 0
    assert audit(tmp_path / "ledger.db").findings == ()


async def test_a_process_that_dies_right_after_the_first_word_has_given_nothing_away(tmp_path: Path) -> None:
    # The same, before anything was checkpointed by the clock: the prompt was sent, and is paid for.
    async with desk(tmp_path, providers={"simulated": Plays(TextDelta("One"), 60.0)}) as here:
        run = await admitted(here)
        await first_words(run)
        await asyncio.sleep(0.25)  # the clock's first checkpoint is a second away
        await process_dies(here, run)
    assert swept_in_a_minute(tmp_path) == 1
    entry = here.statements.entry_of_run(1, run.id)
    assert entry is not None
    (prompt,) = [line for line in entry.lines if line.bucket == "input"]
    assert entry.cost_nano_usd > prompt.quantity * prompt.price_pico_usd // 1_000 > 0
    assert entry.estimated


async def process_dies(here: Desk, run: Run) -> None:
    """What is left of a run when its process is gone: nothing that could still settle it."""
    pump = here.gateway._pumps[run.id]
    assert pump.task is not None
    pump._end = _never  # type: ignore[method-assign]  # its process dies before it can settle
    pump.task.cancel()
    await asyncio.wait([pump.task])


def swept_in_a_minute(folder: Path) -> int:
    """How many holds are ended by a writer whose clock is a minute ahead."""
    journal = SqliteJournal(folder / "ledger.db")
    later = GroupCommit(
        journal, free_money_limit_nano_usd=FREE_USD, now_ms=lambda: time.time_ns() // 1_000_000 + 60_000
    )
    ended = later.sweep()
    journal.close()
    return ended


async def _never() -> None:
    pass


def test_a_key_guards_its_money_however_long_ago_it_was_used(tmp_path: Path) -> None:
    # BasedHardware/omi#15287 (a new key at each retry), kentcdodds/kody#2109 (a key older than 24 hours
    # was forgotten, and the retry paid again)
    bank = Bank(tmp_path / "ledger.db")
    key = Idempotency(b"k" * 32, b"f" * 32)
    bank.settle(bank.reserve("1", run="run_first", key=key), "1")
    for days in (1, 30, 400):
        bank.pass_time(days=days)
        bank.restart()
        with pytest.raises(Replayed) as replayed:
            bank.reserve("1", key=key)
        assert replayed.value.run_id == "run_first"
    bank.journal.close()


# --- the calendar ---------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Madrid"])
def test_the_allowance_comes_after_thirty_days_to_the_millisecond_wherever_the_server_stands(
    tmp_path: Path, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # BerriAI/litellm#34896 (a time zone was dropped, and budgets were reset hours late)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        bank = Bank(tmp_path / "ledger.db")
        bank.spend("5")
        bank.pass_time(ms=30 * 86_400_000 - 1)
        assert bank.available() == 0
        bank.pass_time(ms=1)
        assert bank.available() == FREE_USD
        assert bank.spend("5").charged_nano_usd == FREE_USD
        bank.journal.close()
    finally:
        monkeypatch.undo()
        time.tzset()


# --- the list of them -----------------------------------------------------------------------------


def test_each_of_the_threads_has_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d\d?) \|(.*)\|(.*)\|(.*)\|$", page, re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(range(1, 24))
    for number, threads, _, told in rows:
        assert "#" in threads, number
        assert _named(told), f"row {number} names no test"
    assert [named for named in _named(page) if not _exists(*named)] == []


def _named(text: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)


def _exists(path: str, test: str) -> bool:
    source = ROOT / path
    return source.exists() and bool(re.search(rf"^(async )?def {test}\(", source.read_text(), re.MULTILINE))
