"""The fault drill: each simulated fault, run so many times, and what every book says of it afterwards.

The requests go the one way that all go; they carry a tag, so that the charts can be asked for them alone.
A story agrees where the log, the figures made from it, the trail of attempts and the ledger say the same:
nobody is charged for what another book calls a failure, and nothing is held any more. What a fault is
expected to end as stands in `EXPECTED`; docs/faults.md says why.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from billing.statements import Statements
from gateway.completion import Gateway
from gateway.messages import CompletionRequest, Message, Sampling
from gateway.runs import Run
from identity.principal import Principal
from store.ids import new_id
from telemetry import charts, clocks
from telemetry.requests import Requests
from telemetry.rows import Outcome, RequestRow, Series
from telemetry.slices import Slice
from telemetry.views import Views

_AT_ONCE: Final = 20
_LONGEST_OUTPUT: Final = 64
_LOGGED_WITHIN_S: Final = 30.0
_HOUR_MS: Final = 60 * 60_000
_SERIES: Final[tuple[Series, ...]] = ("simulated",)
PROMPT: Final = "Say hello."

# Simulated model -> how its requests end.
EXPECTED: Final[Mapping[str, Outcome]] = {
    "steady": "ok",
    "slow-first-token": "ok",
    "reasoning": "ok",
    "lying-usage": "ok",
    "hostile": "ok",
    "cut-mid-stream": "provider_fault",
    "rate-limited": "provider_fault",
    "empty": "provider_fault",
    "keep-alive": "provider_fault",
}
# Says nothing until the deadline for the first token, which is minutes: not for a page.
QUICK: Final = tuple(fault for fault in EXPECTED if fault != "keep-alive")


@dataclass(frozen=True, slots=True)
class Story:
    """One fault in every book. `success` is of requests, by the page's reader; `disagreements` are
    sentences, none where all books say the same."""

    fault: str
    runs: int
    outcomes: Mapping[Outcome, int]
    success: float | None
    drawn: int
    first_tokens: int
    billed_runs: int
    billed_nano_usd: int
    disagreements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Books:
    """Where the stories are read."""

    requests: Requests
    views: Views
    statements: Statements


async def drill(
    gateway: Gateway, books: Books, principal: Principal, faults: Sequence[str], times: int
) -> tuple[Story, ...]:
    """Run each fault `times` times and compare the books. Raises what `Gateway.admit` raises."""
    tag = new_id("drill")
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(fault: str) -> Run:
        async with turn:
            request = CompletionRequest(
                f"simulated/{fault}",
                (Message.of("user", PROMPT),),
                Sampling(max_output_tokens=_LONGEST_OUTPUT),
                tags=(tag,),
            )
            run = await gateway.admit(principal, request, surface="page")
            await run.ended.wait()
            return run

    runs = await asyncio.gather(*(one(fault) for fault in faults for _ in range(times)))
    by_fault = {fault: runs[number * times : (number + 1) * times] for number, fault in enumerate(faults)}
    return tuple(
        [await _told(books, principal.team_id, fault, of_it, tag) for fault, of_it in by_fault.items()]
    )


async def _told(books: Books, team_id: int, fault: str, runs: Sequence[Run], tag: str) -> Story:
    """When all of them are in the log and paid."""
    until_s = time.monotonic() + _LOGGED_WITHIN_S
    while True:
        story = await asyncio.to_thread(_story, books, team_id, fault, runs, tag)
        if not story.disagreements or time.monotonic() > until_s:
            return story
        await asyncio.sleep(0.1)


def _story(books: Books, team_id: int, fault: str, runs: Sequence[Run], tag: str) -> Story:
    found = {run.id: books.requests.one(team_id, run.id) for run in runs}
    rows = [row for row in found.values() if row is not None]
    outcomes = Counter(row.outcome for row in rows)
    now_ms = time.time_ns() // 1_000_000
    asked = Slice(
        team_id, now_ms - _HOUR_MS, now_ms + 1_000, model=f"simulated/{fault}", tag=tag, series=_SERIES
    )
    group = next(iter(books.views.groups(asked).groups), None)
    points, _ = books.views.points(asked)
    chart = charts.chart("success_rate", points, {}, window_ms=_HOUR_MS)
    entries = {run.id: books.statements.entry_of_run(team_id, run.id) for run in runs}
    billed = {run_id: -entry.amount_nano_usd for run_id, entry in entries.items() if entry is not None}
    held = {hold.run_id for hold in books.statements.balance(team_id, now_ms).open_holds}
    share, n = clocks.success(outcomes)
    counted: Mapping[Outcome, int] = {} if group is None else group.total.outcomes("requests")
    disagreements = [
        *_if(len(rows) != len(runs), f"{len(runs) - len(rows)} runs have no row in the log"),
        *_if(set(outcomes) != {EXPECTED[fault]}, f"the log says {_words(outcomes)}"),
        *_if(+outcomes != +Counter(counted), "the figures count other outcomes than the log"),
        *_if(group is not None and group.share("success_rate").value != share, "the success rate is another"),
        *_if(chart["n"] != n, f"the chart shows {chart['n']} of {n}"),
        *_if(any(not _same_trail(run, found[run.id]) for run in runs), "a trail of attempts is another"),
        *_if(any(not _same_cost(found[run.id], billed.get(run.id)) for run in runs), "a cost is another"),
        *_if(bool(held & set(found)), f"{len(held & set(found))} are still held"),
    ]
    return Story(
        fault=fault,
        runs=len(runs),
        outcomes=dict(outcomes),
        success=None if group is None else group.share("success_rate").value,
        drawn=chart["n"],
        first_tokens=0 if group is None else group.spread("ttft_ms").n,
        billed_runs=sum(1 for nano_usd in billed.values() if nano_usd),
        billed_nano_usd=sum(billed.values()),
        disagreements=tuple(disagreements),
    )


def _same_trail(run: Run, row: RequestRow | None) -> bool:
    """What the run went through, and how its row says that it ended."""
    if row is None or not run.attempts:
        return row is not None
    same = [each.outcome for each in run.attempts] == [each.outcome for each in row.attempts]
    return same and row.outcome == row.attempts[-1].outcome


def _same_cost(row: RequestRow | None, billed_nano_usd: int | None) -> bool:
    return row is not None and (row.cost_nano_usd or 0) == (billed_nano_usd or 0)


def _words(outcomes: Mapping[Outcome, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "nothing"


def _if(wrong: bool, sentence: str) -> tuple[str, ...]:
    return (sentence,) if wrong else ()
