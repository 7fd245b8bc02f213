"""Embeddings over the wire: vectors of either form, and every way in which a reply can be wrong."""

from __future__ import annotations

import base64
import json
import struct
import time
from array import array
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.errors import GatewayError, ProviderBroke, ProviderRefused
from gateway.messages import Usage
from gateway.providers.base import Clocks, Embedded, Embedder, EmbeddingCall, EmbeddingInput
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.simulated import Simulated
from tests.gateway.providers.asking import QUICK
from tests.gateway.providers.scripts import SECRET
from tests.gateway.providers.upstream import Part, Reply, Reset, Upstream, serving

KEY = "sk-our-own-key"
JSON = {"Content-Type": "application/json"}


def reply_of(*vectors: object) -> bytes:
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    return json.dumps({"object": "list", "model": "e", "data": data, "usage": usage}).encode()


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


async def embedded(
    *parts: Part, inputs: Sequence[EmbeddingInput] = ("a", "b"), dimensions: int | None = None, **reply: Any
) -> tuple[Embedded | GatewayError, Upstream]:
    reply = {"headers": JSON, **reply}
    async with serving(Reply(parts, **reply)) as upstream:
        provider = OpenAICompatible("lab", upstream.base_url, KEY, allow_private_address=True)
        assert isinstance(provider, Embedder)
        call = EmbeddingCall("run_1", "e", tuple(inputs), dimensions, Clocks(time.monotonic_ns()), QUICK)
        try:
            return await provider.embed(call), upstream
        except GatewayError as error:
            return error, upstream
        finally:
            await provider.close()


def test_whoever_can_embed_says_so() -> None:
    assert isinstance(Simulated(), Embedder)


@pytest.mark.parametrize("vectors", [(packed(0.5, -1), packed(0, 2)), ([0.5, -1], [0, 2])])
async def test_vectors_come_as_base64_or_as_numbers(vectors: tuple[object, ...]) -> None:
    got, upstream = await embedded(reply_of(*vectors), dimensions=2, inputs=("a", (1, 2)))
    assert got == Embedded((array("f", [0.5, -1]), array("f", [0, 2])), Usage(input=4, output=0))
    (request,) = upstream.requests
    assert request.path == "/v1/embeddings"
    assert request.body == {
        "model": "e",
        "input": ["a", [1, 2]],
        "encoding_format": "base64",
        "dimensions": 2,
    }
    assert request.headers["authorization"] == f"Bearer {KEY}"


async def test_order_is_by_index_and_a_missing_usage_is_none() -> None:
    data = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    got, _ = await embedded(json.dumps({"data": data}).encode())
    assert got == Embedded((array("f", [1]), array("f", [2])), None)


FAULTS: dict[str, tuple[Sequence[Part], dict[str, Any]]] = {
    "html with 200": ([b"<html>"], {"headers": {"Content-Type": "text/html"}}),
    "empty 200": ([], {}),
    "broken json": ([b'{"data": ['], {}),
    "trailing garbage": ([reply_of([1.0], [2.0]) + b"}"], {}),
    "too few": ([reply_of([1.0])], {}),
    "too many": ([reply_of([1.0], [2.0], [3.0])], {}),
    "of different lengths": ([reply_of([1.0], [2.0, 3.0])], {}),
    "empty vectors": ([reply_of([], [])], {}),
    "not a number": ([reply_of(packed(float("nan")), packed(1))], {}),
    "base64 of nothing": ([reply_of("!", "!")], {}),
    "half a float": ([reply_of("AAA=", "AAA=")], {}),
    "an error in a 200": ([json.dumps({"error": {"message": SECRET, "code": "server_error"}}).encode()], {}),
    "reset": ([b'{"data"', Reset()], {}),
    "cut": ([b'{"data": [1'], {"framing": "cut"}),
    "rate limited": ([b"{}"], {"status": 429, "headers": {**JSON, "Retry-After": "3"}}),
    "failing": ([b"{}"], {"status": 500}),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_is_named_asked_once_and_tells_no_secret(fault: str) -> None:
    parts, reply = FAULTS[fault]
    got, upstream = await embedded(*parts, **reply)
    refused = fault in ("rate limited", "failing", "an error in a 200")
    assert isinstance(got, ProviderRefused if refused else ProviderBroke), fault
    assert len(upstream.requests) == 1
    assert SECRET not in str(got)
    assert KEY not in str(got)
    if fault == "rate limited":
        assert isinstance(got, ProviderRefused)
        assert got.retry_after_s == 3


async def test_one_byte_a_packet_changes_nothing() -> None:
    got, _ = await embedded(*[bytes([byte]) for byte in reply_of([1.0], [2.0])])
    assert isinstance(got, Embedded)
