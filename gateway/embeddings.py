"""Embeddings on the one path of a request: what `completion.py` does for an answer, done for vectors.

A batch of inputs is one run with one hold. Here a provider that can embed is given the shape of one
that answers: its stream says that it finished and what it used, and the vectors are laid aside for the
caller. So nothing here reserves, routes, settles or logs. Vectors are not kept: asked again under the
same idempotency key, a caller gets the receipt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from msgspec import structs

from billing.commands import Idempotency
from gateway.completion import Gateway
from gateway.errors import ModelUnavailable, TooLarge, Unsupported
from gateway.messages import CompletionRequest, Event, Finished, Message, TextPart, Usage
from gateway.options import Option, Options, options_of
from gateway.preferences import NO_PREFERENCES, RoutingPreferences
from gateway.pricing import Bound, hold_nano_usd, price_at
from gateway.provider_keys import unpaid
from gateway.providers.base import Call, Embedder, EmbeddingCall, EmbeddingInput, Vector
from gateway.routing import Candidate, Plan
from gateway.runs import Run
from gateway.tokens import bound_input, count_tokens
from identity.principal import Principal


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """`inputs` to be made into vectors, each within the model's window; `dimensions` None leaves the
    length to the model."""

    model: str
    inputs: tuple[EmbeddingInput, ...]
    dimensions: int | None = None
    tags: tuple[str, ...] = ()
    routing: RoutingPreferences = NO_PREFERENCES


async def admit(
    gateway: Gateway,
    principal: Principal,
    request: EmbeddingRequest,
    *,
    idempotency: Idempotency | None = None,
    request_id: str | None = None,
    accepted_ns: int | None = None,
) -> Embedding:
    """Reserve and start a run, as `Gateway.admit` does and with its errors."""
    embedding = Embedding(request)
    texts = tuple(TextPart(given) for given in request.inputs if isinstance(given, str))
    asked = CompletionRequest(
        request.model, (Message("user", texts),), tags=request.tags, routing=request.routing
    )
    embedding.run = await gateway.admit(
        principal,
        asked,
        surface="api",
        streamed=False,
        idempotency=idempotency,
        request_id=request_id,
        accepted_ns=accepted_ns,
        options=embedding.options,
    )
    return embedding


class Embedding:
    """One request on its way through the gateway. `vectors` are there once the run is done: one an
    input, in its order."""

    run: Run

    def __init__(self, request: EmbeddingRequest) -> None:
        self.vectors: tuple[Vector, ...] = ()
        self._request = request

    async def options(self, asked: CompletionRequest, plan: Plan, at_ms: int) -> Options:
        """What `Gateway.prepare` asks for."""

        async def option(candidate: Candidate) -> Option:
            return await self._option(asked, candidate, at_ms)

        return await options_of(plan, option)

    async def _option(self, asked: CompletionRequest, candidate: Candidate, at_ms: int) -> Option:
        model, embedder, request = candidate.model, candidate.provider, self._request
        if not model.embeds:
            raise Unsupported(f"{model.name} makes no embeddings.", "model")
        if not isinstance(embedder, Embedder):
            raise ModelUnavailable(model.id, f"{embedder.id} makes no embeddings here.")
        _refuse_dimensions(request.dimensions, candidate)
        tokens = await self._bound_tokens(asked, candidate)
        price = price_at(model, at_ms, candidate.route.provider)
        amount = hold_nano_usd(price, tokens, 0)
        notes: tuple[str, ...] = ()
        if candidate.stand_in_for is not None:
            notes = (f"{model.id} answers for {candidate.stand_in_for}, which was retired.",)
        # The window is each input's: a batch may be as long as all of them together.
        whole = replace(model, context_tokens=model.context_tokens * len(request.inputs))
        reached = structs.replace(candidate, model=whole, provider=_Answering(embedder, self, candidate))
        if candidate.own_key_of is None:
            return Option(reached, asked, Bound(price, tokens, 0, 0, amount, amount), notes)
        return Option(reached, asked, Bound(unpaid(price), tokens, 0, 0, 0, 0), notes, price)

    async def _bound_tokens(self, asked: CompletionRequest, candidate: Candidate) -> int:
        """The most that the inputs come to. Raises `TooLarge` for one that the window does not hold."""
        model, total = candidate.model, 0
        for at, given in enumerate(self._request.inputs):
            if isinstance(given, str):
                alone = CompletionRequest(asked.model, (Message.of("user", given),))
                tokens = await bound_input(alone, model)
            else:
                tokens = len(given)
            if tokens > model.context_tokens and self._likely(given, candidate) > model.context_tokens:
                raise TooLarge(
                    f"Input {at} is too long: {model.name} takes {model.context_tokens:,} tokens each."
                )
            total += min(tokens, model.context_tokens)
        return total

    def _likely(self, given: EmbeddingInput, candidate: Candidate) -> int:
        return count_tokens(given, candidate.model) if isinstance(given, str) else len(given)

    async def embed(self, embedder: Embedder, candidate: Candidate, call: Call) -> Usage:
        """The bill for it; the vectors are laid aside. Raises the `ProviderError` family."""
        request = self._request
        found = await embedder.embed(
            EmbeddingCall(
                call.run_id, call.model, request.inputs, request.dimensions, call.clocks, call.deadlines
            )
        )
        self.vectors = found.vectors
        if found.usage is not None:
            return found.usage
        counted = await asyncio.to_thread(
            lambda: sum(self._likely(given, candidate) for given in request.inputs)
        )
        return Usage(input=counted, output=0, estimated=True)


class _Answering:
    """A provider that embeds, in the shape of one that answers."""

    def __init__(self, embedder: Embedder, embedding: Embedding, candidate: Candidate) -> None:
        self.id = embedder.id
        self._embedder = embedder
        self._embedding = embedding
        self._candidate = candidate

    async def stream(self, call: Call) -> AsyncIterator[Event]:
        usage = await self._embedding.embed(self._embedder, self._candidate, call)
        yield Finished("stop")
        yield usage

    async def close(self) -> None:
        """The embedder is not ours."""


def _refuse_dimensions(asked: int | None, candidate: Candidate) -> None:
    model = candidate.model
    if asked is None or asked == model.vector_dimensions:
        return
    if "fewer_dimensions" not in model.features or asked > (model.vector_dimensions or 0):
        raise Unsupported(
            f"{model.name} makes vectors of {model.vector_dimensions} dimensions, and not of {asked}.",
            "dimensions",
        )
