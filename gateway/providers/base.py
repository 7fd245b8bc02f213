"""The one thing between the gateway and whoever answers: `Provider`.

A provider turns a `Call` into events. It opens its own connection, obeys
`deadlines.connect_s`, and marks `clocks.sent` and `clocks.first_byte`; the other
deadlines and clocks are `gateway/streaming.py`'s. It never retries, never reads
prices and never logs. Closing the generator (`aclose`) drops the connection at once.

An `Embedder` turns texts into vectors, whole; one class may be both.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from gateway.messages import CompletionRequest, Event, Usage

Wire = Literal["chat_completions", "responses", "anthropic_messages"]


class Clocks(msgspec.Struct):
    """Instants of one attempt on `time.monotonic_ns()`; `None` until it happened.

    Definitions: docs/figures.md (time to first token and the rest are made from these). The counts
    are of characters, reasoning included, for the burst index; only providers that read from a
    network keep them.
    """

    accepted_ns: int
    sent_ns: int | None = None
    first_byte_ns: int | None = None
    first_reasoning_ns: int | None = None
    first_answer_ns: int | None = None
    last_ns: int | None = None
    answer_chars: int = 0
    largest_read_chars: int = 0

    def read(self, chars: int) -> None:
        """Count one read from the network that carried this much of the answer."""
        self.answer_chars += chars
        if chars > self.largest_read_chars:
            self.largest_read_chars = chars

    @property
    def largest_read_share(self) -> float | None:
        """Share of the answer that came in the largest single read; near 1 where a stream is faked."""
        return self.largest_read_chars / self.answer_chars if self.answer_chars else None


class Deadlines(msgspec.Struct, frozen=True):
    """Limits in seconds: to connect, to the first token, between two events, and in all."""

    connect_s: float = 10.0
    first_token_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 900.0


class Call(msgspec.Struct, frozen=True):
    """One attempt. `model` is the provider's own name for it.

    `out_cap` always goes upstream: it is what the hold was reckoned with. `wire` is the route's;
    None leaves it to the provider. `started_s` is when the run's first attempt began, on
    `time.monotonic()`: the total deadline counts from there; None is now. `features` are the model's in
    the catalog: some wires say the same thing in another way to another model.
    """

    run_id: str
    model: str
    request: CompletionRequest
    out_cap: int
    clocks: Clocks
    deadlines: Deadlines
    wire: Wire | None = None
    started_s: float | None = None
    features: frozenset[str] = frozenset()


class InBatches(Protocol):
    """A provider that can tell which events came together: what is done once a batch costs less."""

    def batches(self, call: Call) -> AsyncGenerator[list[Event], None]:
        """The events of `Provider.stream`, those of one read together."""
        ...


class Provider(Protocol):
    id: str

    def stream(self, call: Call) -> AsyncIterator[Event]:
        """Yield deltas, then `Finished`, then `Usage` where the provider reports it.

        Raises the `ProviderError` family. A stream that ends with no `Finished` is
        the caller's to judge (it was cut).
        """
        ...

    async def close(self) -> None: ...


# --- embeddings -----------------------------------------------------------------------------------

# A text, or its tokens as the model's own vocabulary numbers them.
EmbeddingInput = str | tuple[int, ...]
# array("f"): `tobytes()` is what the wire's base64 holds, on every machine that we run on.
Vector: TypeAlias = "array[float]"


class EmbeddingCall(msgspec.Struct, frozen=True):
    """One attempt to have `inputs` (at least one) made into vectors. `model` is the provider's own name;
    `dimensions` None leaves the length to the model. The caller keeps the deadlines but `connect_s`."""

    run_id: str
    model: str
    inputs: tuple[EmbeddingInput, ...]
    dimensions: int | None
    clocks: Clocks
    deadlines: Deadlines


class Embedded(msgspec.Struct, frozen=True):
    """A vector an input, in its order, all of one length and finite. `usage` is None where the provider
    told none; its `output` is always 0."""

    vectors: tuple[Vector, ...]
    usage: Usage | None


@runtime_checkable
class Embedder(Protocol):
    """A provider that has this method can be asked for embeddings (`isinstance(provider, Embedder)`)."""

    id: str

    async def embed(self, call: EmbeddingCall) -> Embedded:
        """Raises the `ProviderError` family. Cancelling it drops the connection at once."""
        ...
