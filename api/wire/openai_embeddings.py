"""OpenAI's embeddings: texts or tokens in, vectors as lists of numbers or base64 of 32-bit floats out."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from api.wire.costs import costs
from api.wire.reading import NONE, ModelName, Strict, decode, model_name
from api.wire.routing import read_preferences, tags_asked
from api.wire.shapes import Answered
from gateway.embeddings import EmbeddingRequest
from gateway.errors import BadRequest
from gateway.providers.base import EmbeddingInput, Vector

MOST_INPUTS = 2_048
_Text = Annotated[str, Meta(min_length=1)]


class EmbeddingsBody(Strict, rename={"provider_options": "providerOptions"}):
    """`input` is a text, a list of texts, a list of tokens, or a list of lists of tokens."""

    model: ModelName
    input: _Text | Annotated[list[str | int | list[int]], Meta(min_length=1, max_length=1_000_000)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    # Who may answer (`routing.py`).
    provider: Raw = NONE
    models: Raw = NONE
    route: Raw = NONE
    provider_options: Raw = NONE
    # These change no answer.
    user: Raw = NONE


_BODY = msgspec.json.Decoder(EmbeddingsBody)


@dataclass(frozen=True, slots=True)
class AskedEmbeddings:
    request: EmbeddingRequest
    encoding: Literal["float", "base64"]


def read(raw: bytes) -> AskedEmbeddings:
    """Raises `BadRequest` and `Unsupported`, with `param` where a field is at fault."""
    body = decode(_BODY, raw)
    request = EmbeddingRequest(
        model_name(body.model),
        _inputs(body.input),
        body.dimensions,
        routing=read_preferences(body),
        tags=tags_asked(body.provider_options),
    )
    return AskedEmbeddings(request, body.encoding_format or "float")


def _inputs(given: str | list[str | int | list[int]]) -> tuple[EmbeddingInput, ...]:
    if isinstance(given, str):
        return (given,)
    if all(isinstance(one, int) for one in given):
        return (_tokens([one for one in given if isinstance(one, int)], "input"),)
    if len(given) > MOST_INPUTS:
        raise BadRequest(f"`input` has at most {MOST_INPUTS:,} texts.", "input")
    return tuple(_input(one, f"input[{at}]") for at, one in enumerate(given))


def _input(given: str | int | list[int], where: str) -> EmbeddingInput:
    if isinstance(given, int) or not given:
        raise BadRequest(f"`{where}` is a text or a list of tokens, and not empty.", where)
    return given if isinstance(given, str) else _tokens(given, where)


def _tokens(given: list[int], where: str) -> tuple[int, ...]:
    if min(given) < 0 or max(given) > 10_000_000:
        raise BadRequest(f"`{where}` has a token that no vocabulary has.", where)
    return tuple(given)


def whole(asked: AskedEmbeddings, answered: Answered, vectors: Sequence[Vector]) -> dict[str, object]:
    record = answered.record
    tokens = record.figures.input_tokens or 0
    data = [
        {"object": "embedding", "index": at, "embedding": _written(vector, asked.encoding)}
        for at, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, **costs(answered)}
    return {"object": "list", "id": record.id, "model": record.model_id, "data": data, "usage": usage}


def _written(vector: Vector, encoding: Literal["float", "base64"]) -> str | list[float]:
    if encoding == "float":
        return vector.tolist()
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode()
