"""THE use case of batches: open one, watch it, pause, resume, stop, ask again, take its results away.

What a batch asks and pays is `batch_work.py`'s, item by item; what comes next is remembered by the jobs
process (`jobs/`). Here is who may do what, and what a batch must look like before its first row is paid
for. A batch is its team's: whoever may see the team's requests may read its rows and answers.

Any thread may call the methods that are not coroutines; those run on the loop.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from battles import batch_judgements as judging, batch_storage as storage, opening
from battles.batch_asking import names_used, request_of
from battles.batch_models import (
    LONGEST_NAME,
    LONGEST_TEMPLATE,
    MOST_AT_ONCE,
    Answer,
    Batch,
    BatchSpec,
    BatchWish,
    Progress,
)
from battles.batch_report import Report, report_of
from battles.batch_rows import Row, Upload
from battles.checks import checked, needs_python
from battles.errors import BadBattle, BatchNotFound, BatchNotNow, NotYours, RequestKeyReused
from battles.models import BattleWish
from battles.sandbox import Sandbox
from battles.vote_queue import votes_of
from billing.commands import MAX_AMOUNT_NANO_USD, SetCap
from gateway.catalog import Catalog
from gateway.errors import Forbidden
from gateway.messages import CompletionRequest
from gateway.quote import Quote
from identity.permissions import require
from identity.principal import Principal
from store.databases import Database
from store.ids import new_id

MOST_LISTED: Final = 200
_EXPORTED: Final = 500  # rows at a time
_SAMPLED: Final = 3

QuoteOf = Callable[[Principal, CompletionRequest], Awaitable[Quote]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a batch would cost: a likely answer, and the most that may be held, times the rows. Reckoned
    from `sampled` rows of each lane."""

    likely_nano_usd: int
    most_nano_usd: int
    sampled: int


class Batches:
    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        sandbox: Sandbox,
        set_cap: Callable[[SetCap], Awaitable[object]],
        quote: QuoteOf,
    ) -> None:
        self.database = database
        self._catalog = catalog
        self._sandbox = sandbox
        self._set_cap = set_cap
        self._quote = quote
        self._reports: dict[str, tuple[tuple[int, ...], Report]] = {}

    # --- opening ----------------------------------------------------------------------------------

    async def open(
        self,
        principal: Principal,
        wish: BatchWish,
        *,
        surface: Literal["page", "api"],
        request_key: str | None = None,
    ) -> Batch:
        """It runs when this returns, or as soon as the jobs process is there. With a `request_key` (a
        sha256) it is opened once, however often it is asked for. Raises `BattleError`, `NotPermitted` and
        `GatewayError`."""
        require(principal, "run_models")
        if principal.policy.zero_retention or principal.policy.text_days == 0:
            raise Forbidden("This team keeps no text, and a batch is rows and answers that are kept.")
        if principal.user_id is None and principal.key_id is None:
            raise Forbidden("An issuer's token ends before a batch does: open it with a key.")
        spec = await self._checked(wish)
        if request_key is not None and (before := await self._opened_before(principal, request_key)):
            asked = (wish.name.strip(), len(wish.upload.rows), wish.upload.columns)
            same_spec = replace(before.spec, cost_cap_nano_usd=spec.cost_cap_nano_usd) == spec
            if (before.name, before.rows, before.columns) != asked or not same_spec:
                raise RequestKeyReused("This idempotency key opened another batch.")
            return before
        now_ms = storage.now_ms()
        batch = Batch(
            id=new_id("bat"),
            team_id=principal.team_id,
            user_id=principal.user_id,
            key_id=principal.key_id,
            name=wish.name.strip(),
            surface=surface,
            state="running",
            why="",
            epoch=1,
            rows=len(wish.upload.rows),
            columns=wish.upload.columns,
            spec=spec,
            keeps_text=True,
            votes_open=False,
            created_ms=now_ms,
            updated_ms=now_ms,
            ended_ms=None,
        )
        if spec.cost_cap_nano_usd is not None:  # before the first row can be asked
            await self._cap(principal, batch.id, spec.cost_cap_nano_usd)
        await self.database.write(
            lambda session: storage.insert_batch(session, batch, wish.upload, request_key)
        )
        return batch

    async def _opened_before(self, principal: Principal, request_key: str) -> Batch | None:
        return await self.database.read(
            lambda session: storage.find_by_request_key(session, principal.team_id, request_key)
        )

    async def _checked(self, wish: BatchWish) -> BatchSpec:
        """What is asked for, with the models' own ids. Raises `BattleError`."""
        spec = wish.spec
        name = wish.name.strip()
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise BadBattle(f"A batch has a name of up to {LONGEST_NAME} characters on one line.", "name")
        if not 1 <= spec.at_once <= MOST_AT_ONCE:
            raise BadBattle(f"From 1 to {MOST_AT_ONCE} requests run at a time.", "at_once")
        if not spec.lanes:
            raise BadBattle("A batch has at least one lane.", "lanes")
        # A battle has two lanes or more; a batch with one is fine, and its lane is held to the same rules.
        lanes = spec.lanes * 2 if len(spec.lanes) == 1 else spec.lanes
        asked = BattleWish(lanes, category=spec.category, tags=spec.tags, kind="batch",
                           cost_cap_nano_usd=spec.cost_cap_nano_usd)  # fmt: skip
        opening.check(asked)
        found = opening.lanes_of(asked, self._catalog, opening.by_lot)
        spec = replace(
            spec,
            lanes=tuple(
                replace(lane, model=known.asked_model) for lane, known in zip(spec.lanes, found, strict=False)
            ),
        )
        _check_prompts(spec, wish.upload.columns)
        checked(spec.checks, wish.upload.columns)
        if needs_python(spec.checks):
            await self._sandbox.refuse_python()
        if spec.judge is not None:
            if len(spec.lanes) < 2:
                raise BadBattle("A judge compares two lanes or more.", "judge")
            self._catalog.resolve(spec.judge.model)
        return spec

    async def estimate(self, principal: Principal, spec: BatchSpec, upload: Upload) -> Estimate:
        """Nothing is held. Raises what `open` raises, and what a request would be refused for."""
        rows = upload.rows
        sampled = [rows[len(rows) * part // _SAMPLED] for part in range(min(_SAMPLED, len(rows)))]
        likely = most = 0
        for lane in spec.lanes:
            quotes = [await self._quote(principal, request_of(spec, lane, row.values)) for row in sampled]
            likely += sum(quote.cost_nano_usd.likely for quote in quotes) * len(rows) // len(sampled)
            most += sum(quote.hold_nano_usd for quote in quotes) * len(rows) // len(sampled)
        return Estimate(likely, most, len(sampled))

    # --- watching ---------------------------------------------------------------------------------

    def listed(
        self, principal: Principal, limit: int = 50, before: str | None = None
    ) -> tuple[tuple[Batch, Progress], ...]:
        """Newest first."""
        require(principal, "read_runs")
        with self.database.session() as session:
            batches = storage.list_batches(session, principal.team_id, min(limit, MOST_LISTED), before)
            return tuple((batch, storage.progress(session, batch)) for batch in batches)

    def show(self, principal: Principal, batch_id: str) -> tuple[Batch, Progress]:
        """Raises `BatchNotFound`."""
        with self.database.session() as session:
            batch = _found(session, principal, batch_id)
            return batch, storage.progress(session, batch)

    def page(
        self, principal: Principal, batch_id: str, first_row: int, rows: int
    ) -> tuple[tuple[int, Row, dict[int, Answer]], ...]:
        """Rows with their answers by lane. Raises `BatchNotFound`."""
        with self.database.session() as session:
            batch = _found(session, principal, batch_id)
            return storage.answers_page(session, batch.id, max(first_row, 0), min(rows, _EXPORTED))

    def failures(
        self, principal: Principal, batch_id: str, limit: int = 200
    ) -> tuple[tuple[Answer, int], ...]:
        """What failed or was cut, with its line in the upload. Raises `BatchNotFound`."""
        with self.database.session() as session:
            batch = _found(session, principal, batch_id)
            return storage.failures(session, batch.id, limit)

    def report(self, principal: Principal, batch_id: str) -> Report:
        """Made anew only where something changed. Raises `BatchNotFound`."""
        with self.database.session() as session:
            batch = _found(session, principal, batch_id)
            progress, votes = storage.progress(session, batch), votes_of(session, batch_id)
            stamp = (progress.over, progress.paid_nano_usd, progress.judged, len(votes))
            known = self._reports.get(batch_id)
            if known is not None and known[0] == stamp:
                return known[1]
            judged = judging.judgements(session, batch_id)
            report = report_of(batch, storage.every_answer(session, batch_id), votes, judged)
        if len(self._reports) > 100:
            self._reports.clear()
        self._reports[batch_id] = (stamp, report)
        return report

    def export(self, principal: Principal, batch_id: str) -> Iterator[dict[str, Any]]:
        """One object a row and lane, in order, each with the row's own values. Raises `BatchNotFound`."""
        batch, _ = self.show(principal, batch_id)
        for first_row in range(0, batch.rows, _EXPORTED):
            for no, row, answers in self.page(principal, batch_id, first_row, _EXPORTED):
                for lane, wish in enumerate(batch.spec.lanes):
                    yield _exported(no, row, lane, wish.model, answers.get(lane))

    # --- changing ---------------------------------------------------------------------------------

    def pause(self, principal: Principal, batch_id: str) -> None:
        """What is under way ends; nothing else begins. Raises `BatchNotFound`, `NotYours`, `BatchNotNow`."""
        self._move(principal, batch_id, "paused", ["running"], "by a person", "Only a running batch pauses.")

    def stop(self, principal: Principal, batch_id: str) -> None:
        """For good. Raises as `pause`."""
        why = "A batch that has ended cannot be stopped."
        self._move(principal, batch_id, "stopped", ["running", "paused"], "by a person", why)

    def resume(self, principal: Principal, batch_id: str) -> None:
        """Raises as `pause`."""
        why = "Only a paused batch resumes."
        self._move(principal, batch_id, "running", ["paused"], "", why, again=True)

    def ask_again(self, principal: Principal, batch_id: str) -> int:
        """All that failed or was cut, which may cost again: how many. Raises as `pause`."""
        with self.database.session() as session:
            batch = self._own(session, principal, batch_id)
            if batch.state == "running" or not batch.keeps_text:
                raise BatchNotNow("Pause the batch first, or wait until it is done.", batch.state)
            count = storage.ask_again(session, batch_id, ["failed", "cut"])
            if count:
                storage.move(
                    session, batch_id, "running", come_from=["paused", "done", "stopped"], again=True
                )
            return count

    async def set_cap(self, principal: Principal, batch_id: str, limit_nano_usd: int) -> None:
        """Raises as `pause`, and `BadBattle`."""
        if not 0 < limit_nano_usd <= MAX_AMOUNT_NANO_USD:
            raise BadBattle("The cost cap is above zero.", "cost_cap_usd")
        await self.database.read(lambda session: self._own(session, principal, batch_id))
        await self._cap(principal, batch_id, limit_nano_usd)
        await self.database.write(lambda session: storage.set_cap(session, batch_id, limit_nano_usd))

    async def _cap(self, principal: Principal, batch_id: str, limit_nano_usd: int) -> None:
        await self._set_cap(
            SetCap(principal.team_id, "batch", batch_id, limit_nano_usd, actor_user_id=principal.user_id)
        )

    def open_votes(self, principal: Principal, batch_id: str, *, are_open: bool) -> None:
        """Let members judge its rows, or no longer. Raises as `pause`."""
        with self.database.session() as session:
            batch = self._own(session, principal, batch_id)
            if len(batch.spec.lanes) < 2 or not batch.keeps_text:
                raise BatchNotNow(
                    "Members judge two lanes or more, while their answers are kept.", batch.state
                )
            storage.open_votes(session, batch_id, are_open=are_open)

    def _move(
        self,
        principal: Principal,
        batch_id: str,
        to: Literal["running", "paused", "stopped"],
        come_from: list[Any],
        why: str,
        refusal: str,
        *,
        again: bool = False,
    ) -> None:
        with self.database.session() as session:
            batch = self._own(session, principal, batch_id)
            if to == "running" and not batch.keeps_text:
                raise BatchNotNow("Its rows are no longer kept.", batch.state)
            if not storage.move(session, batch_id, to, come_from=come_from, why=why, again=again):
                raise BatchNotNow(refusal, batch.state)

    def _own(self, session: Any, principal: Principal, batch_id: str) -> Batch:
        """Its author's to change, and the owners'. Raises `BatchNotFound` and `NotYours`."""
        require(principal, "run_models")
        batch = _found(session, principal, batch_id)
        if batch.user_id != principal.user_id and principal.role != "owner":
            raise NotYours("A batch is changed by whoever opened it, or by an owner of the team.")
        return batch


def _found(session: Any, principal: Principal, batch_id: str) -> Batch:
    require(principal, "read_runs")
    batch = storage.find_batch(session, principal.team_id, batch_id)
    if batch is None:
        raise BatchNotFound(batch_id)
    return batch


def _check_prompts(spec: BatchSpec, columns: tuple[str, ...]) -> None:
    own = [lane.settings.template for lane in spec.lanes]
    if not spec.template.strip() and any(not template for template in own):
        raise BadBattle("The prompt is empty.", "prompt")
    if len(spec.template) > LONGEST_TEMPLATE:
        raise BadBattle(f"A prompt has up to {LONGEST_TEMPLATE:,} characters.", "prompt")
    unknown = [name for name in names_used(spec) if name not in columns]
    if unknown:
        names = ", ".join(f"{{{{{name}}}}}" for name in unknown)
        raise BadBattle(f"The prompt has {names}, and the rows have {', '.join(columns)}.", "prompt")


def _exported(no: int, row: Row, lane: int, model: str, answer: Answer | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "row": no + 1,
        "line": row.line_no,
        **{f"row.{name}": value for name, value in row.values.items()},
        "lane": lane + 1,
        "model": model,
        "state": "waiting" if answer is None else answer.state,
    }
    if answer is None:
        return told
    return told | {
        "provider": answer.provider,
        "answer": answer.text,
        "finish_reason": answer.finish_reason,
        "passed": answer.passed,
        "checks": json.loads(json.dumps([(v.kind, v.passed, v.why) for v in answer.verdicts])),
        "cost_nano_usd": answer.cost_nano_usd + answer.earlier_nano_usd,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "first_answer_ms": answer.first_answer_ms,
        "total_ms": answer.total_ms,
        "run_id": answer.run_id,
        "failure": answer.failure_message,
    }
