"""Embeddings as OpenAI and those who follow it have them: a body, and vectors out of the reply. Pure.

Vectors are asked for as base64 of 32-bit floats, a third of the bytes; a server that knows only lists of
numbers sends these, and is understood. Reference: platform.openai.com/docs/api-reference/embeddings.
"""

from __future__ import annotations

import base64
import math
import sys
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.errors import ProviderBroke
from gateway.messages import Usage
from gateway.providers.base import Embedded, EmbeddingCall, Vector
from gateway.providers.wire import ErrorBody, decode, garbled, reported

PATH = "/embeddings"


def embeddings_body(call: EmbeddingCall) -> dict[str, Any]:
    texts = [given if isinstance(given, str) else list(given) for given in call.inputs]
    body: dict[str, Any] = {"model": call.model, "input": texts, "encoding_format": "base64"}
    return body if call.dimensions is None else {**body, "dimensions": call.dimensions}


class _Datum(msgspec.Struct):
    embedding: str | list[float] | None = None
    index: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | float | None = None
    total_tokens: int | float | None = None


class _Reply(msgspec.Struct):
    data: list[_Datum] | None = None
    usage: _Usage | None = None
    error: ErrorBody | str | None = None


_REPLY = msgspec.json.Decoder(_Reply)


def embedded_of(reply: bytes, inputs: int, provider: str) -> Embedded:
    """Raises `ProviderError` for a reply that does not hold a vector for every input."""
    read = decode(_REPLY, reply, provider)
    if read.error is not None:
        error = read.error if isinstance(read.error, ErrorBody) else ErrorBody()
        raise reported(provider, error, began=False)
    vectors = _in_order(read.data or [], inputs, provider)
    if len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
        raise ProviderBroke(provider, "The provider sent vectors of different lengths, or empty ones.")
    usage = read.usage.prompt_tokens if read.usage else None
    return Embedded(vectors, None if usage is None else Usage(input=int(usage), output=0))


def _in_order(data: Sequence[_Datum], inputs: int, provider: str) -> tuple[Vector, ...]:
    placed: dict[int, Vector] = {}
    for at, datum in enumerate(data):
        placed[at if datum.index is None else datum.index] = _vector(datum.embedding, provider)
    if sorted(placed) != list(range(inputs)) or len(data) != inputs:
        raise ProviderBroke(provider, "The provider did not send a vector for every input.")
    return tuple(placed[at] for at in range(inputs))


def _vector(said: str | list[float] | None, provider: str) -> Vector:
    if isinstance(said, str):
        try:
            vector = array("f", base64.b64decode(said, validate=True))
        except ValueError as error:
            raise garbled(provider) from error
        if sys.byteorder == "big":
            vector.byteswap()
    else:
        vector = array("f", said or ())
    if not all(map(math.isfinite, vector)):
        raise ProviderBroke(provider, "The provider sent a vector with a number that is none.")
    return vector
