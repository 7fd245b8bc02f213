"""Embeddings in the AI SDK's gateway protocol: texts in, vectors as lists of numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from api.wire.ai_gateway import RoutingFields, named_model
from api.wire.costs import costs
from api.wire.openai_embeddings import MOST_INPUTS
from api.wire.reading import NONE, Strict, decode, decode_at
from api.wire.routing import read_preferences, tags_asked
from api.wire.shapes import Answered
from gateway.embeddings import EmbeddingRequest
from gateway.errors import BadRequest
from gateway.providers.base import Vector

EMBEDDING_MODEL_HEADER = "ai-model-id"
_Dimensions = Annotated[int, Meta(ge=1, le=100_000)]


_Text = Annotated[str, Meta(min_length=1)]
_Texts = Annotated[list[_Text], Meta(min_length=1, max_length=MOST_INPUTS)]


class EmbeddingModelBody(Strict):
    """Specification 2 calls the texts `input`, and writes one alone as it is."""

    values: _Texts | None = None
    input: _Text | _Texts | None = None
    dimensions: _Dimensions | None = None
    providerOptions: Raw = NONE


class _OpenAI(msgspec.Struct):
    """Where releases before 7 say how long the vectors are to be."""

    dimensions: _Dimensions | None = None


class _Options(msgspec.Struct):
    openai: _OpenAI | None = None


_BODY = msgspec.json.Decoder(EmbeddingModelBody)
_OPTIONS = msgspec.json.Decoder(_Options | None)


def read_embeddings(raw: bytes, model: str | None) -> EmbeddingRequest:
    """`model` is the header's value. Raises `BadRequest` and `Unsupported`."""
    name = named_model(model, EMBEDDING_MODEL_HEADER)
    body = decode(_BODY, raw)
    texts = body.values or body.input
    if texts is None:
        raise BadRequest("`values` is missing.", "values")
    dimensions = body.dimensions
    if dimensions is None and len(body.providerOptions):
        options = decode_at(_OPTIONS, body.providerOptions, "providerOptions")
        dimensions = options.openai.dimensions if options and options.openai else None
    return EmbeddingRequest(
        name,
        (texts,) if isinstance(texts, str) else tuple(texts),
        dimensions,
        routing=read_preferences(RoutingFields(body.providerOptions)),
        tags=tags_asked(body.providerOptions),
    )


def vectors_written(answered: Answered, vectors: Sequence[Vector]) -> dict[str, object]:
    record = answered.record
    gateway: dict[str, Any] = {"generationId": record.id, **costs(answered)}
    return {
        "embeddings": [vector.tolist() for vector in vectors],
        "usage": {"tokens": record.figures.input_tokens or 0},
        "providerMetadata": {"gateway": gateway},
        "warnings": [{"type": "other", "message": note} for note in record.notes],
    }
