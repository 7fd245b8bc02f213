"""What every wire that completes has in common: from a body that was read to an answer that was sent.

The run's pump sends to the caller directly, through a listener; the handler only waits until that is
done or the caller has left, which stops the run. Headers go out with the provider's first event, so
a refusal before it is a proper error answer; a failure after it is told as the wire tells it, and the
end. How a wire writes all this is its `Shape`'s (`api/wire/shapes.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from api.errors import Ending, StillRunning, Stopped
from api.exchange import Answer, Exchange, Headers, header_value
from api.wire.costs import costs
from api.wire.errors import error_answer, failure_answer
from api.wire.pieces import Assembly, events_of, pieces_of
from api.wire.reading import fingerprint
from api.wire.shapes import Answered, Asked, Begun, Stream
from billing.accounts import head
from billing.commands import Idempotency
from billing.errors import Replayed
from gateway.errors import BadRequest, GatewayError
from gateway.messages import Event
from gateway.records import RunRecord, record_of
from gateway.runs import Run
from identity.principal import Principal

_LONGEST_KEY = 255
_MOST_TAGS = 8
_LONGEST_TAG = 64
_VERSION_ID = re.compile(r"prv_[0-9a-f]{32}")
_SSE_HEADERS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


async def answer(exchange: Exchange, principal: Principal, asked: Asked, raw: bytes) -> Answer | None:
    """Run it and answer it; None where the answer has been sent already. Raises what `admit` raises."""
    tags, version_id = tags_of(exchange), prompt_version_of(exchange)
    if tags:
        asked = replace(asked, request=replace(asked.request, tags=(*asked.request.tags, *tags)))
    if version_id is not None:
        asked = replace(asked, request=replace(asked.request, prompt_version_id=version_id))
    listener = _Streamed(exchange, asked) if asked.streamed else _Whole(exchange, asked)
    try:
        run = await exchange.services.gateway.admit(
            principal,
            asked.request,
            surface="api",
            streamed=asked.streamed,
            listener=listener,
            idempotency=idempotency_of(exchange, raw),
            parent_run_id=asked.parent_run_id,
            request_id=exchange.request_id,
            accepted_ns=exchange.accepted_ns,
        )
    except Replayed as replayed:
        return await _replay(exchange, principal, asked, replayed.run_id)
    await _until_answered(exchange, run, listener)
    return None


async def answered_of(exchange: Exchange, principal: Principal, record: RunRecord) -> Answered:
    """What is known of a run that ended, its ledger entry included."""
    entry = await asyncio.to_thread(exchange.services.statements.entry_of_run, principal.team_id, record.id)
    proved = None if entry is None else head(principal.team_id, entry.seq, entry.hash)
    return Answered(record, pieces_of(record), ledger_head=proved)


def idempotency_of(exchange: Exchange, raw: bytes) -> Idempotency | None:
    key = exchange.header(b"idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise BadRequest(
            f"`Idempotency-Key` has 1 to {_LONGEST_KEY} printable characters.", "Idempotency-Key"
        )
    return Idempotency(hashlib.sha256(key.encode()).digest(), fingerprint(raw))


def tags_of(exchange: Exchange) -> tuple[str, ...]:
    """`X-Tags: nightly, repo-7`: what the run is reported and capped under, beside team, member and key."""
    said = exchange.header(b"x-tags")
    if said is None:
        return ()
    tags = tuple(dict.fromkeys(tag.strip() for tag in said.split(",") if tag.strip()))
    if len(tags) > _MOST_TAGS or any(len(tag) > _LONGEST_TAG or not tag.isprintable() for tag in tags):
        raise BadRequest(
            f"`X-Tags` has at most {_MOST_TAGS} tags of at most {_LONGEST_TAG} printable characters.",
            "X-Tags",
        )
    return tags


def prompt_version_of(exchange: Exchange) -> str | None:
    """`X-Prompt-Version: prv_...`: the version of the prompt library that this is, whose figures count it.
    What another team says of a version counts nowhere."""
    said = exchange.header(b"x-prompt-version")
    if said is not None and _VERSION_ID.fullmatch(said) is None:
        raise BadRequest("`X-Prompt-Version` is the id of a prompt's version: `prv_...`.", "X-Prompt-Version")
    return said


async def _until_answered(exchange: Exchange, run: Run, answering: _Answering) -> None:
    """Until the answer is sent or the caller has left: the server tells of both in the same way."""
    answering.handler = asyncio.current_task()
    try:
        if not answering.done:
            await caller_leaves(exchange)
    except asyncio.CancelledError:
        run.stop("caller_left")
        if answering.handler is None or not answering.let_go:
            raise
        answering.handler.uncancel()
    else:
        if not answering.done:
            run.stop("caller_left")


async def caller_leaves(exchange: Exchange) -> None:
    """Also once the answer is whole."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


class _Answering:
    """What both ways of answering share: a listener that says when it is `done`.

    A caller who reads nothing is `let_go` in the end, and the handler, which waits for him to leave, too.
    """

    def __init__(self, exchange: Exchange, asked: Asked) -> None:
        self.done = False
        self.let_go = False
        self.handler: asyncio.Task[object] | None = None
        self._exchange = exchange
        self._asked = asked

    async def opened(self, run: Run) -> None:
        pass

    async def events(self, run: Run, batch: list[Event]) -> None:
        pass

    async def closed(self, run: Run) -> None:
        if run.stop_reason == "caller_left":
            self._let_go()
            return
        try:
            await self._close(run)
        except BaseException:
            self._let_go()
            raise
        self.done = True

    async def _close(self, run: Run) -> None:
        raise NotImplementedError

    def _let_go(self) -> None:
        if not self.done:
            self.done = self.let_go = True
            if self.handler is not None:
                self.handler.cancel()


def headers_of(exchange: Exchange, asked_model: str, run: Run) -> Headers:
    """Who answered, after how many attempts, and what was changed on the way."""
    headers: Headers = (
        (b"x-run-id", run.id.encode()),
        (b"x-model", header_value(run.model_id)),
        (b"x-provider", header_value(run.provider)),
        (b"x-attempts", b"%d" % (len(run.attempts) + (run.state == "running"))),
    )
    stand_in_for = _stand_in_for(exchange, asked_model, run)
    if stand_in_for is not None:
        headers += ((b"x-stand-in-for", header_value(stand_in_for)),)
    if run.notes:
        headers += ((b"x-run-notes", header_value(" ".join(run.notes))),)
    return headers


def _stand_in_for(exchange: Exchange, asked_model: str, run: Run) -> str | None:
    """The retired model that was asked for, where another one answered for it."""
    if asked_model == run.model_id:
        return None
    try:
        asked = exchange.services.catalog.named(asked_model)
    except GatewayError:
        return None
    return asked.id if asked.lifecycle.state == "retired" and asked.id != run.model_id else None


def answered_of_run(run: Run, events: Iterable[Event]) -> Answered:
    """With the ledger's head, where a receipt has come: whoever keeps it can prove what came before."""
    receipt, usage, proved = run.receipt, run.usage, None
    if receipt is not None:
        proved = head(receipt.team_id, receipt.entry_seq, receipt.entry_hash.hex())
    return Answered(
        record_of(run),
        Assembly(run.id).take_all(events),
        cached_tokens=usage.cached_input if usage else 0,
        cache_write_tokens=usage.cache_write if usage else 0,
        ledger_head=proved,
    )


def refusal_of(exchange: Exchange, run: Run, answered: Answered) -> Answer:
    """Why nothing, or no more, is coming; what was billed stands beside it."""
    extras: dict[str, object] = {
        "run_id": run.id,
        "provider": run.provider,
        "usage": {**_counts(answered.record), **costs(answered)},
    }
    if run.failure is not None:
        return failure_answer(run.failure, exchange.request_id, extras, wire=exchange.wire)
    error = Ending() if run.stop_reason == "draining" else Stopped()
    return error_answer(error, exchange.request_id, extras=extras, wire=exchange.wire)


class _Streamed(_Answering):
    """Server-sent events, sent by the pump itself."""

    def __init__(self, exchange: Exchange, asked: Asked) -> None:
        super().__init__(exchange, asked)
        self._stream: Stream | None = None
        self._unsent = b""

    async def opened(self, run: Run) -> None:
        """The opening waits for the first event: one write less before the first token."""
        self._stream = self._asked.shape.stream(Begun(run.id, run.model_id, run.created_ms, run.notes))
        self._unsent = self._stream.opening()
        self._exchange.started = True
        headers = [*_SSE_HEADERS, *headers_of(self._exchange, self._asked.request.model, run)]
        await self._sending(run, {"type": "http.response.start", "status": 200, "headers": headers})

    async def events(self, run: Run, batch: list[Event]) -> None:
        assert self._stream is not None
        body, self._unsent = self._unsent + self._stream.events(batch), b""
        await self._sending(run, {"type": "http.response.body", "body": body, "more_body": True})

    async def _close(self, run: Run) -> None:
        answered = answered_of_run(run, ())
        if self._stream is None and run.state != "done":
            await self._exchange.answer(refusal_of(self._exchange, run, answered))
            return
        if self._stream is None:
            await self.opened(run)
        assert self._stream is not None
        if run.state == "done":
            ending = self._stream.ended(answered)
        else:
            refusal = refusal_of(self._exchange, run, answered)
            assert isinstance(refusal.body, dict)
            ending = self._stream.failed(answered, refusal.body, refusal.status)
        await self._exchange.send({"type": "http.response.body", "body": self._unsent + ending})

    async def _sending(self, run: Run, message: dict[str, object]) -> None:
        """A listener that is let go is not told again, so it must notice by itself."""
        try:
            await self._exchange.send(message)
        except asyncio.CancelledError:
            if run.stop_reason == "caller_left":
                self._let_go()
            raise
        except Exception:
            self._let_go()
            raise


class _Whole(_Answering):
    """One body, when everything has come."""

    def __init__(self, exchange: Exchange, asked: Asked) -> None:
        super().__init__(exchange, asked)
        self._events: list[Event] = []

    async def events(self, run: Run, batch: list[Event]) -> None:
        self._events += batch

    async def _close(self, run: Run) -> None:
        answered = answered_of_run(run, self._events)
        if run.state == "done":
            whole = Answer(
                200,
                self._asked.shape.whole(answered),
                headers_of(self._exchange, self._asked.request.model, run),
            )
            await self._exchange.answer(whole)
        else:
            await self._exchange.answer(refusal_of(self._exchange, run, answered))


def _counts(record: RunRecord) -> dict[str, object]:
    """A bill's tokens where there is no answer whose shape they could take."""
    figures = record.figures
    prompt, output = figures.input_tokens or 0, figures.output_tokens or 0
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


# --- the same request again ------------------------------------------------------------------


async def _replay(exchange: Exchange, principal: Principal, asked: Asked, run_id: str) -> Answer | None:
    """The kept answer where there is one, else 409 with what became of the run."""
    try:
        record = await exchange.services.gateway.record(principal, run_id)
    except GatewayError:
        return _conflict(exchange, run_id, {})
    answered = await answered_of(exchange, principal, record)
    if record.state != "done" or not answered.pieces:
        return _conflict_with(exchange, answered)
    headers: Headers = (
        (b"x-run-id", run_id.encode()),
        (b"x-model", header_value(record.model_id)),
        (b"x-replayed", b"true"),
    )
    if not asked.streamed:
        return Answer(200, asked.shape.whole(answered), headers)
    stream = asked.shape.stream(Begun(record.id, record.model_id, record.created_ms, record.notes))
    body = stream.opening() + stream.events(events_of(record)) + stream.ended(answered)
    exchange.started = True
    await exchange.send({"type": "http.response.start", "status": 200, "headers": [*_SSE_HEADERS, *headers]})
    await exchange.send({"type": "http.response.body", "body": body})
    return None


async def conflict_of(exchange: Exchange, principal: Principal, run_id: str) -> Answer:
    """For what is not kept: 409 with what became of the run."""
    try:
        record = await exchange.services.gateway.record(principal, run_id)
    except GatewayError:
        return _conflict(exchange, run_id, {})
    return _conflict_with(exchange, await answered_of(exchange, principal, record))


def _conflict_with(exchange: Exchange, answered: Answered) -> Answer:
    record = answered.record
    if record.state == "running":
        return error_answer(StillRunning(record.id), exchange.request_id, wire=exchange.wire)
    usage = {**_counts(record), **costs(replace(answered, ledger_head=None))}
    return _conflict(exchange, record.id, {"state": record.state, "usage": usage})


def _conflict(exchange: Exchange, run_id: str, extras: Mapping[str, object]) -> Answer:
    beside = {"run_id": run_id, **extras}
    return error_answer(Replayed(run_id), exchange.request_id, extras=beside, wire=exchange.wire)
