"""What a wire is to the rest of the API: how it says what was asked, and how it writes the answer.

A wire's reader makes an `Asked` of a body, whose `Shape` then writes the answer in that wire's form:
all at once (`whole`), or as a `Stream` of bytes while it comes. Nothing here knows HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Protocol

import msgspec

from api.wire.pieces import Piece
from gateway.messages import CompletionRequest, Event, FinishReason
from gateway.records import RunRecord

WireName = Literal["openai", "anthropic", "ai_sdk"]


class Begun(msgspec.Struct, frozen=True):
    """What is known of a run when its answer begins. `notes`: what the gateway changed, in words."""

    run_id: str
    model: str
    created_ms: int
    notes: tuple[str, ...] = ()


class Answered(msgspec.Struct, frozen=True):
    """A run that ended: its record, its answer in order, and what a record does not say."""

    record: RunRecord
    pieces: tuple[Piece, ...]
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    ledger_head: str | None = None

    @property
    def finish(self) -> FinishReason:
        return self.record.finish_reason or "stop"  # type: ignore[return-value]  # as it was recorded


class Stream(Protocol):
    """One answer as server-sent events. `opening` is called first, then `events`, then one of the ends."""

    def opening(self) -> bytes: ...
    def events(self, batch: Iterable[Event]) -> bytes: ...
    def ended(self, answered: Answered) -> bytes: ...

    def failed(self, answered: Answered, error: dict[str, Any], status: int) -> bytes:
        """An error in mid-stream: `error` is what a refusal's body would have been, in this wire's shape."""
        ...


class Shape(Protocol):
    def stream(self, begun: Begun) -> Stream: ...
    def whole(self, answered: Answered) -> dict[str, object]: ...


class Asked(msgspec.Struct, frozen=True):
    """What was asked, and how the answer is wanted. `parent_run_id`: the run that this one goes on from."""

    request: CompletionRequest
    streamed: bool
    shape: Shape
    parent_run_id: str | None = None
