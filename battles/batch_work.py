"""One item of a batch, done once: whoever asks for it again, and after whatever end of a process.

An item is asked of the gateway under an idempotency key of its own (`batch_models.key_of`), so the ledger
itself lets no second run of it be paid. The answer is written down before its run is settled: what is paid
for is here. What a dead process left is told by the ledger:

    nothing kept, the key is free       nothing was paid: the item is asked (again)
    an answer kept, its cost not        the cost is read from the ledger
    the key is used, no answer kept     it was paid for and cut: told, and not asked again by itself
    a hold is still open                nobody knows yet: later

What comes to nothing for nothing is tried again, up to `MOST_TRIES` times; a limit on requests, or on what
may be held at once, is waited out and counts as no try. What cannot be mended by waiting (credit, the cap,
a model that is gone) pauses the batch, with the reason.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, Protocol

import msgspec

from battles import batch_judgements as judging, batch_storage as storage
from battles.batch_asking import judge_request, request_of, said_in, task_of
from battles.batch_models import FINAL, Answer, AnswerState, Batch, Item, judge_key_of, key_of
from battles.batch_rows import Row
from battles.checks import passes
from battles.sandbox import Sandbox
from billing import errors as billing
from billing.commands import Idempotency
from billing.statements import Statements
from gateway import errors as gateway
from gateway.completion import Gateway
from gateway.messages import CompletionRequest, Event, Finished
from gateway.runs import Failure, Run
from identity.errors import IdentityError
from identity.principal import Principal
from store.databases import Database

_log = logging.getLogger(__name__)

MOST_TRIES: Final = 4
_HELD_S: Final = 1.0  # after a hold of our own stood in the way
_UNKNOWN_S: Final = 5.0  # a dead process's hold ends with its lease, after 30 s
_LONGEST_WAIT_S: Final = 60.0

Outcome = Literal["done", "again", "later", "over"]


class Told(msgspec.Struct, frozen=True):
    """What became of a piece of work: `done` for good; to be asked `again` after `wait_s`, like all others
    of this batch; asked again `later`, when others are done; `over`: the batch is no longer to run."""

    outcome: Outcome
    wait_s: float = 0.0


DONE: Final = Told("done")
OVER: Final = Told("over")


class _Pause(Exception):
    """The batch cannot go on; `str()` says why."""


class Standing(Protocol):
    async def principal_of(self, team_id: int, user_id: int | None, key_id: int | None) -> Principal: ...


class BatchWork:
    """On the loop of the process that has the jobs. Asked twice at a time, it works once."""

    def __init__(
        self,
        gateway: Gateway,
        database: Database,
        statements: Statements,
        standing: Standing,
        sandbox: Sandbox,
    ) -> None:
        self._gateway = gateway
        self._database = database
        self._statements = statements
        self._standing = standing
        self._sandbox = sandbox
        self._doing: dict[str, asyncio.Task[Told]] = {}
        self._under_way: Counter[str] = Counter()  # by batch

    async def do(self, batch_id: str, epoch: int, item: Item) -> Told:
        return await self._once(
            f"{batch_id}:{item.row_no}:{item.lane}", lambda: self._do(batch_id, epoch, item)
        )

    async def judge(self, batch_id: str, epoch: int, row_no: int, first: int, second: int) -> Told:
        key = judge_key_of(batch_id, row_no, first, second)
        return await self._once(key, lambda: self._judge(batch_id, epoch, row_no, first, second))

    async def close(self) -> None:
        """Wait for what is still being written; its runs are the gateway's to end."""
        await asyncio.gather(*self._doing.values(), return_exceptions=True)

    async def _once(self, key: str, work: Callable[[], Awaitable[Told]]) -> Told:
        """Whoever leaves stops nobody else, and not the work."""
        task = self._doing.get(key)
        if task is None:
            task = self._doing[key] = asyncio.create_task(_running(work()), name=f"batch {key}")
            task.add_done_callback(lambda _: self._doing.pop(key, None))
        return await asyncio.shield(task)

    async def _do(self, batch_id: str, epoch: int, item: Item) -> Told:
        def read(session: Any) -> tuple[Batch | None, Answer | None, Row | None]:
            return (
                storage.find_batch(session, None, batch_id),
                storage.answer_of(session, batch_id, item),
                storage.row_of(session, batch_id, item.row_no),
            )

        batch, before, row = await self._database.read(read)
        if batch is None or batch.state != "running" or batch.epoch != epoch:
            return OVER
        if before is not None and before.state in FINAL:
            return DONE
        self._under_way[batch_id] += 1
        try:
            if row is None:
                raise _Pause("its rows are no longer kept")
            if before is not None and before.state == "answered":
                return await self._reckon(batch, item, row, before)
            return await self._ask(batch, item, row, before)
        except _Pause as why:
            return await self._pause(batch, str(why))
        finally:
            self._under_way[batch_id] -= 1

    async def _pause(self, batch: Batch, why: str) -> Told:
        def work(session: Any) -> None:
            storage.move(session, batch.id, "paused", come_from=["running"], why=why, epoch=batch.epoch)

        await self._database.write(work)
        _log.info("batch %s is paused: %s", batch.id, why)
        return OVER

    # --- one answer -------------------------------------------------------------------------------

    async def _ask(self, batch: Batch, item: Item, row: Row, before: Answer | None) -> Told:
        round_, tries = (before.round, before.tries) if before is not None else (0, 0)
        request = request_of(batch.spec, batch.spec.lanes[item.lane], row.values)
        keeper = _Keeper(lambda run: self._keep_answer(batch.id, item, run))
        key = key_of(batch.id, item, round_)
        try:
            run = await self._admitted(batch, request, key, keeper)
        except billing.Replayed as replayed:
            return await self._cut(batch, item, replayed.run_id, round_)
        except (gateway.GatewayError, billing.BillingError) as error:
            if (told := self._waits_for(batch, error)) is not None:
                return await self._waiting(batch, error, told)
            await self._failed(batch.id, item, type(error).__name__, str(error))
            return DONE
        await run.ended.wait()
        return await self._ended(batch, item, row, run, round_, tries)

    async def _admitted(
        self, batch: Batch, request: CompletionRequest, key: str, keeper: _Keeper | None
    ) -> Run:
        try:
            principal = await self._standing.principal_of(batch.team_id, batch.user_id, batch.key_id)
        except IdentityError:
            raise _Pause("whoever opened it may no longer act for this team") from None
        digest = hashlib.sha256(key.encode()).digest()
        return await self._gateway.admit(
            principal,
            request,
            surface=batch.surface,
            listener=keeper,
            idempotency=Idempotency(digest, digest),
            scopes=(("batch", batch.id),),
        )

    def _waits_for(self, batch: Batch, error: Exception) -> Told | None:
        """How long to wait where that mends it; None where this item has failed. Raises `_Pause`."""
        match error:
            case gateway.RateLimited() if error.needed > error.limit:
                return None
            case gateway.TooManyRequests() | gateway.Overloaded() | gateway.Draining() | billing.LedgerBusy():
                return Told("again", min(max(error.retry_after_s, 0.2), _LONGEST_WAIT_S))
            case billing.TooManyOpen() | billing.LedgerUnavailable():
                return Told("again", _HELD_S)
            case billing.CapReached() | billing.InsufficientCredits() | billing.FreeCreditExhausted():
                if self._under_way[batch.id] > 1:  # what the others hold and do not use comes back
                    return Told("again", _HELD_S)
                raise _Pause(_no_money(error))
            case gateway.UnknownModel() | gateway.RetiredModel() | gateway.ModelUnavailable():
                raise _Pause(str(error))
            case gateway.PolicyRefused() if error.rule == "secrets":
                return None
            case gateway.Forbidden():
                raise _Pause(str(error))
        return None

    async def _waiting(self, batch: Batch, error: Exception, told: Told) -> Told:
        await self._database.write(
            lambda session: storage.say_why(session, batch.id, batch.epoch, f"It waits: {error}")
        )
        return told

    async def _keep_answer(self, batch_id: str, item: Item, run: Run) -> None:
        """Before it is paid for."""
        values = {
            "state": "answered",
            "run_id": run.id,
            "text": run.text,
            "finish_reason": run.finish_reason,
            "model_id": run.model_id,
            "provider": run.provider,
        }
        await self._database.write(lambda session: storage.put_answer(session, batch_id, item, values))

    async def _ended(self, batch: Batch, item: Item, row: Row, run: Run, round_: int, tries: int) -> Told:
        paid = run.receipt.charged_nano_usd if run.receipt is not None else 0
        if run.state == "done" and run.failure is None:
            return await self._answered(batch, item, row, run, paid)
        failure = run.failure or Failure("Stopped", "The run was stopped.")
        draining = run.stop_reason == "draining"
        if paid:
            state: AnswerState = "cut" if draining else "failed"
            await self._failed(batch.id, item, failure.kind, failure.message, run=run, paid=paid, state=state)
            return DONE
        costs_no_try = draining or failure.provider_status == 429
        if not costs_no_try and (run.stop_reason is not None or tries + 1 >= MOST_TRIES):
            await self._failed(batch.id, item, failure.kind, failure.message, run=run)
            return DONE
        values = {
            "state": "waiting",
            "tries": tries if costs_no_try else tries + 1,
            "round": round_ if run.receipt is None else round_ + 1,  # settled for nothing: its key is used
            "run_id": run.id,
            "text": None,
            "failure_kind": failure.kind,
            "failure_message": failure.message[:2_000],
        }
        await self._database.write(lambda session: storage.put_answer(session, batch.id, item, values))
        wait_s = min(failure.retry_after_s or 0.5 * 2**tries, _LONGEST_WAIT_S)
        return Told("again" if costs_no_try else "later", wait_s)

    async def _answered(self, batch: Batch, item: Item, row: Row, run: Run, paid: int) -> Told:
        values = await self._checked(batch, row, run.text)
        values |= {
            "state": "done",
            "run_id": run.id,
            "text": run.text,
            "finish_reason": run.finish_reason,
            "model_id": run.model_id,
            "provider": run.provider,
            "cost_nano_usd": paid,
            "input_tokens": run.figures.input_tokens,
            "output_tokens": run.figures.output_tokens,
            "first_answer_ms": run.figures.first_answer_ms,
            "total_ms": run.figures.total_ms,
            "failure_kind": None,
            "failure_message": None,
        }
        await self._database.write(lambda session: storage.put_answer(session, batch.id, item, values))
        return DONE

    async def _checked(self, batch: Batch, row: Row, text: str) -> dict[str, Any]:
        if not batch.spec.checks:
            return {}
        verdicts = await self._sandbox.check(batch.spec.checks, text, row.values)
        return {"passed": passes(verdicts), "verdicts_json": msgspec.json.encode(verdicts).decode()}

    async def _failed(
        self,
        batch_id: str,
        item: Item,
        kind: str,
        message: str,
        *,
        run: Run | None = None,
        paid: int = 0,
        state: AnswerState = "failed",
    ) -> None:
        values: dict[str, Any] = {
            "state": state,
            "failure_kind": kind,
            "failure_message": message[:2_000],
            "cost_nano_usd": paid,
        }
        if run is not None:
            values |= {
                "run_id": run.id,
                "text": run.text or None,
                "model_id": run.model_id,
                "provider": run.provider,
            }
        await self._database.write(lambda session: storage.put_answer(session, batch_id, item, values))

    # --- what a dead process left -----------------------------------------------------------------

    async def _reckon(self, batch: Batch, item: Item, row: Row, before: Answer) -> Told:
        """The answer is here; what did it cost?"""
        assert before.run_id is not None
        paid = await self._paid(batch.team_id, before.run_id)
        if paid == "open":
            return Told("later", _UNKNOWN_S)
        values = await self._checked(batch, row, before.text or "")
        values |= {"state": "done", "cost_nano_usd": 0 if paid == "nothing" else paid}
        await self._database.write(lambda session: storage.put_answer(session, batch.id, item, values))
        return DONE

    async def _cut(self, batch: Batch, item: Item, run_id: str, round_: int) -> Told:
        """The ledger knows the item, and we have no answer to it."""
        paid = await self._paid(batch.team_id, run_id)
        if paid in ("open", "nothing"):  # nobody knows yet; or it was let go just now, and its key is free
            return Told("later", _UNKNOWN_S)
        if paid == 0:  # of a model that is free: asked again, under another key
            values: dict[str, Any] = {"state": "waiting", "round": round_ + 1}
            await self._database.write(lambda session: storage.put_answer(session, batch.id, item, values))
            return Told("later")
        values = {
            "state": "cut",
            "run_id": run_id,
            "cost_nano_usd": paid,
            "failure_kind": "Cut",
            "failure_message": "The server ended in mid-answer. What had arrived was billed.",
        }
        await self._database.write(lambda session: storage.put_answer(session, batch.id, item, values))
        return DONE

    async def _paid(self, team_id: int, run_id: str) -> int | Literal["open", "nothing"]:
        """What a run was charged; that its hold is still open; that it was let go for nothing."""

        def read() -> int | Literal["open", "nothing"]:
            balance = self._statements.balance(team_id, storage.now_ms())  # first: a hold may end meanwhile
            entry = self._statements.entry_of_run(team_id, run_id)
            if entry is not None:
                return -entry.amount_nano_usd
            return "open" if any(hold.run_id == run_id for hold in balance.open_holds) else "nothing"

        return await asyncio.to_thread(read)

    # --- a judge's word ---------------------------------------------------------------------------

    async def _judge(self, batch_id: str, epoch: int, row_no: int, first: int, second: int) -> Told:
        def read(session: Any) -> Any:
            return (
                storage.find_batch(session, None, batch_id),
                storage.row_of(session, batch_id, row_no),
                storage.answer_of(session, batch_id, Item(row_no, first)),
                storage.answer_of(session, batch_id, Item(row_no, second)),
                judging.judgement_of(session, batch_id, row_no, first, second),
            )

        batch, row, one, other, before = await self._database.read(read)
        if batch is None or batch.state != "running" or batch.epoch != epoch or batch.spec.judge is None:
            return OVER
        judge, lanes = batch.spec.judge, batch.spec.lanes
        if row is None or one is None or other is None:
            return DONE
        if before is not None and before.state in ("done", "failed"):
            return DONE
        task = task_of(batch.spec, lanes[min(first, second)], row.values)
        request = judge_request(judge, task, one.text or "", other.text or "", batch.spec.tags)
        tries, earlier = (before.tries, before.cost_nano_usd) if before is not None else (0, 0)
        self._under_way[batch_id] += 1
        try:
            # A try that was cut is asked anew: what it was paid is counted, and no row's answer is.
            key = f"{judge_key_of(batch_id, row_no, first, second)}:{tries}"
            run = await self._admitted(batch, request, key, None)
            await run.ended.wait()
        except billing.Replayed as replayed:
            paid = await self._paid(batch.team_id, replayed.run_id)
            if paid in ("open", "nothing"):
                return Told("later", _UNKNOWN_S)
            cost = earlier + int(paid)
            return await self._judged(batch, (row_no, first, second), tries + 1, cost, None, "It was cut.")
        except _Pause as why:
            return await self._pause(batch, str(why))
        except (gateway.GatewayError, billing.BillingError) as error:
            try:
                told = self._waits_for(batch, error)
            except _Pause as why:
                return await self._pause(batch, str(why))
            if told is not None:
                return await self._waiting(batch, error, told)
            return await self._judged(batch, (row_no, first, second), MOST_TRIES, earlier, None, str(error))
        finally:
            self._under_way[batch_id] -= 1
        cost = earlier + (run.receipt.charged_nano_usd if run.receipt is not None else 0)
        said = said_in(run.text) if run.state == "done" else None
        why_not = run.failure.message if run.failure else "Its answer had no verdict."
        return await self._judged(batch, (row_no, first, second), tries + 1, cost, said, why_not)

    async def _judged(
        self, batch: Batch, which: tuple[int, int, int], tries: int, cost: int, said: str | None, why: str
    ) -> Told:
        over = said is not None or tries >= MOST_TRIES
        values = {
            "state": ("done" if said is not None else "failed") if over else "waiting",
            "tries": tries,
            "said": said,
            "cost_nano_usd": cost,
            "failure_message": None if said is not None else why[:2_000],
        }
        await self._database.write(lambda session: judging.put_judgement(session, batch.id, *which, values))
        return DONE if over else Told("later", 0.5 * 2**tries)


class _Keeper:
    """Listens to a run, and writes its answer down when the model has ended it, before anything is
    settled: the pump waits."""

    def __init__(self, keep: Callable[[Run], Awaitable[None]]) -> None:
        self._keep = keep

    async def opened(self, run: Run) -> None: ...

    async def events(self, run: Run, batch: list[Event]) -> None:
        if any(isinstance(event, Finished) for event in batch):
            await self._keep(run)

    async def closed(self, run: Run) -> None: ...


async def _running(work: Awaitable[Told]) -> Told:
    return await work


def _no_money(error: Exception) -> str:
    match error:
        case billing.CapReached(scope="batch"):
            return "its cost cap is reached: raise it and resume"
        case billing.CapReached():
            return f"the spending cap of this {error.scope} is reached"
        case billing.InsufficientCredits():
            return "the team's credits do not cover the next row"
    return str(error) or "no free credit is left on this installation"
