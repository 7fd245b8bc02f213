"""POST /v1/chat/completions: OpenAI's wire around the one use case.

The run's pump sends to the caller directly, through a listener; the handler only waits until that is
done or the caller has left, which stops the run. Headers go out with the provider's first event, so
a refusal before it is a proper error answer; a failure after it is an `error` event, and the end.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping

from api.authentication import principal_of
from api.errors import Ending, StillRunning, Stopped
from api.exchange import Answer, Exchange, Headers, header_value
from api.wire.errors import error_answer, failure_answer
from api.wire.openai_chat import AskedChat, fingerprint, read
from api.wire.openai_chat_answer import DONE, Chunks, usage_of, whole
from billing.accounts import head
from billing.commands import Idempotency
from billing.errors import Replayed
from gateway.errors import BadRequest, GatewayError
from gateway.messages import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta
from gateway.records import RunRecord, record_of
from gateway.runs import Run
from identity.principal import Principal

_LONGEST_KEY = 255
_SSE_HEADERS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


async def create(exchange: Exchange) -> Answer | None:
    principal = await principal_of(exchange)
    raw = await exchange.body()
    asked = read(raw)
    idempotency = _idempotency(exchange, raw)
    answering = _Streamed(exchange, asked) if asked.streamed else _Whole(exchange, asked)
    try:
        run = await exchange.services.gateway.admit(
            principal,
            asked.request,
            surface="api",
            streamed=asked.streamed,
            listener=answering,
            idempotency=idempotency,
            request_id=exchange.request_id,
            accepted_ns=exchange.accepted_ns,
        )
    except Replayed as replayed:
        return await _replay(exchange, principal, asked, replayed.run_id)
    await _until_answered(exchange, run, answering)
    return None


def _idempotency(exchange: Exchange, raw: bytes) -> Idempotency | None:
    key = exchange.header(b"idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise BadRequest(
            f"`Idempotency-Key` has 1 to {_LONGEST_KEY} printable characters.", "Idempotency-Key"
        )
    return Idempotency(hashlib.sha256(key.encode()).digest(), fingerprint(raw))


async def _until_answered(exchange: Exchange, run: Run, answering: _Answering) -> None:
    leaving = asyncio.ensure_future(_caller_leaves(exchange))
    try:
        await asyncio.wait((leaving, answering.done), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done.done():
            run.stop("caller_left")
    except asyncio.CancelledError:
        run.stop("caller_left")
        raise
    finally:
        leaving.cancel()


async def _caller_leaves(exchange: Exchange) -> None:
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


class _Answering:
    """What both ways of answering share: a listener that says when it is done."""

    def __init__(self, exchange: Exchange, asked: AskedChat) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exchange = exchange
        self._asked = asked

    async def opened(self, run: Run) -> None:
        pass

    async def events(self, run: Run, batch: list[Event]) -> None:
        pass

    async def closed(self, run: Run) -> None:
        try:
            if run.stop_reason != "caller_left":
                await self._close(run)
        finally:
            self._is_done()

    async def _close(self, run: Run) -> None:
        raise NotImplementedError

    def _is_done(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _headers(self, run: Run) -> Headers:
        headers: Headers = ((b"x-run-id", run.id.encode()), (b"x-model", header_value(run.model_id)))
        stand_in_for = self._stand_in_for(run)
        if stand_in_for is not None:
            headers += ((b"x-stand-in-for", header_value(stand_in_for)),)
        if run.notes:
            headers += ((b"x-run-notes", header_value(" ".join(run.notes))),)
        return headers

    def _stand_in_for(self, run: Run) -> str | None:
        if self._asked.request.model == run.model_id:
            return None
        try:
            return self._exchange.services.catalog.resolve(self._asked.request.model).stand_in_for
        except GatewayError:
            return None  # retired since it was admitted

    def _refusal(self, run: Run) -> Answer:
        """Why nothing, or no more, is coming; what was billed stands beside it."""
        extras: dict[str, object] = {"run_id": run.id, "provider": run.provider, "usage": _usage(run)}
        if run.failure is not None:
            return failure_answer(run.failure, self._exchange.request_id, extras)
        error = Ending() if run.stop_reason == "draining" else Stopped()
        return error_answer(error, self._exchange.request_id, extras=extras)


class _Streamed(_Answering):
    """Server-sent events, sent by the pump itself."""

    def __init__(self, exchange: Exchange, asked: AskedChat) -> None:
        super().__init__(exchange, asked)
        self._chunks: Chunks | None = None
        self._unsent = b""
        self._finished = False

    async def opened(self, run: Run) -> None:
        """The first chunk waits for the first event: one write less before the first token."""
        self._chunks = Chunks(run.id, run.model_id, run.created_ms, with_usage=self._asked.with_usage)
        self._unsent = self._chunks.opening()
        self._exchange.started = True
        headers = [*_SSE_HEADERS, *self._headers(run)]
        await self._sending(run, {"type": "http.response.start", "status": 200, "headers": headers})

    async def events(self, run: Run, batch: list[Event]) -> None:
        assert self._chunks is not None
        for event in batch:
            self._finished |= isinstance(event, Finished) and event.reason != "error"
        body, self._unsent = self._unsent + self._chunks.events(batch), b""
        await self._sending(run, {"type": "http.response.body", "body": body, "more_body": True})

    async def _close(self, run: Run) -> None:
        if self._chunks is None and run.state != "done":
            await self._exchange.answer(self._refusal(run))
            return
        if self._chunks is None:
            await self.opened(run)
        body = self._unsent + self._ending(run)
        await self._exchange.send({"type": "http.response.body", "body": body})

    def _ending(self, run: Run) -> bytes:
        chunks = self._chunks
        assert chunks is not None
        usage = chunks.usage(_usage(run))
        if run.state != "done":
            error = self._refusal(run).body
            assert isinstance(error, dict)
            return usage + chunks.error(error)
        finish = b"" if self._finished else chunks.finish(run.finish_reason or "stop")
        return finish + usage + DONE

    async def _sending(self, run: Run, message: dict[str, object]) -> None:
        """A listener that is let go is not told again, so it must notice by itself."""
        try:
            await self._exchange.send(message)
        except asyncio.CancelledError:
            if run.stop_reason == "caller_left":
                self._is_done()
            raise
        except Exception:
            self._is_done()
            raise


class _Whole(_Answering):
    """One body, when everything has come."""

    async def _close(self, run: Run) -> None:
        if run.state == "done":
            body = whole(record_of(run), _usage(run))
            answer = Answer(200, body, self._headers(run))
        else:
            answer = self._refusal(run)
        await self._exchange.answer(answer)


def _usage(run: Run) -> dict[str, object]:
    """With the ledger's head, where a receipt has come: whoever keeps it can prove what came before."""
    usage = usage_of(record_of(run), run.usage.cached_input if run.usage else 0)
    receipt = run.receipt
    if receipt is not None:
        usage["ledger_head"] = head(receipt.team_id, receipt.entry_seq, receipt.entry_hash.hex())
    return usage


# --- the same request again ------------------------------------------------------------------


async def _replay(exchange: Exchange, principal: Principal, asked: AskedChat, run_id: str) -> Answer | None:
    """The kept answer where there is one, else 409 with what became of the run."""
    try:
        record = await exchange.services.gateway.record(principal, run_id)
    except GatewayError:
        return _conflict(exchange, run_id, {})
    if record.state == "running":
        return error_answer(StillRunning(run_id), exchange.request_id)
    if record.state != "done" or not (record.text or record.tool_calls):
        return _conflict(exchange, run_id, {"state": record.state, "usage": usage_of(record)})
    headers: Headers = (
        (b"x-run-id", run_id.encode()),
        (b"x-model", header_value(record.model_id)),
        (b"x-replayed", b"true"),
    )
    usage = usage_of(record)
    entry = await asyncio.to_thread(exchange.services.statements.entry_of_run, principal.team_id, run_id)
    if entry is not None:
        usage["ledger_head"] = head(principal.team_id, entry.seq, entry.hash)
    if not asked.streamed:
        return Answer(200, whole(record, usage), headers)
    await _replay_stream(exchange, asked, record, usage, headers)
    return None


async def _replay_stream(
    exchange: Exchange, asked: AskedChat, record: RunRecord, usage: dict[str, object], headers: Headers
) -> None:
    chunks = Chunks(record.id, record.model_id, record.created_ms, with_usage=asked.with_usage)
    pieces: list[Event] = []
    if record.reasoning:
        pieces.append(ReasoningDelta(record.reasoning))
    if record.text:
        pieces.append(TextDelta(record.text))
    pieces += [
        ToolCallDelta(index, call.id, call.name, call.arguments)
        for index, call in enumerate(record.tool_calls)
    ]
    body = chunks.opening() + chunks.events(pieces) + chunks.finish(record.finish_reason or "stop")
    body += chunks.usage(usage) + DONE
    exchange.started = True
    await exchange.send({"type": "http.response.start", "status": 200, "headers": [*_SSE_HEADERS, *headers]})
    await exchange.send({"type": "http.response.body", "body": body})


def _conflict(exchange: Exchange, run_id: str, extras: Mapping[str, object]) -> Answer:
    return error_answer(Replayed(run_id), exchange.request_id, extras={"run_id": run_id, **extras})
