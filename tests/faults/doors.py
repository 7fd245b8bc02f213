"""The doors by which a caller of the matrix comes in, and what an answer at each of them says.

What a door writes is read as its callers do: text, why it ended, what it cost, what went wrong.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.server import nano_usd

PROMPT = "Say hello to the world."
MOST_TOKENS = 64
_STOPS = ("stop", "end_turn", "completed")


@dataclass(frozen=True, slots=True)
class Door:
    """`body` makes the body for a model, streamed or not; `over` is the bytes that a caller who leaves before
    usage waits for."""

    name: str
    path: str
    body: Callable[[str, bool], dict[str, Any]]
    over: bytes

    def headers(self, model: str, streamed: bool) -> Mapping[str, str]:
        if not self.path.endswith("/language-model"):
            return {}
        version = {"ai-language-model-specification-version": "3"}
        return {
            **version,
            "ai-language-model-id": model,
            "ai-language-model-streaming": str(streamed).lower(),
        }


def _chat(model: str, streamed: bool) -> dict[str, Any]:
    asked = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": MOST_TOKENS}
    return {**asked, "stream": streamed, **({"stream_options": {"include_usage": True}} if streamed else {})}


def _responses(model: str, streamed: bool) -> dict[str, Any]:
    return {"model": model, "input": PROMPT, "max_output_tokens": MOST_TOKENS, "stream": streamed}


def _messages(model: str, streamed: bool) -> dict[str, Any]:
    asked = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": MOST_TOKENS}
    return {**asked, "stream": streamed}


def _ai_sdk(model: str, streamed: bool) -> dict[str, Any]:
    said = {"role": "user", "content": [{"type": "text", "text": PROMPT}]}
    return {"prompt": [said], "maxOutputTokens": MOST_TOKENS}


CHAT = Door("chat completions", "/v1/chat/completions", _chat, b'"finish_reason":"stop"')
OTHER_DOORS = (
    Door("responses", "/v1/responses", _responses, b"rld"),
    Door("messages", "/v1/messages", _messages, b"rld"),
    Door("AI SDK", "/v3/ai/language-model", _ai_sdk, b"rld"),
)


@dataclass(slots=True)
class Told:
    """`finish` is "stop" for a whole answer, however its wire calls that."""

    text: str = ""
    finish: str | None = None
    error: str | None = None
    run_id: str | None = None
    cost_nano_usd: int | None = None


def read(said: bytes) -> Told:
    told = Told()
    streamed = said.startswith((b"data:", b"event:"))
    lines = said.split(b"\n") if streamed else [b"data: " + said]
    for line in lines:
        payload = line.removeprefix(b"data: ").strip()
        if not line.startswith(b"data: ") or not payload or payload == b"[DONE]":
            continue
        with contextlib.suppress(json.JSONDecodeError):  # a caller who left has half a line
            _take(json.loads(payload), told)
    return told


def _take(value: dict[str, Any], told: Told) -> None:
    """One event, or a whole answer. The wires' shapes differ enough to be told apart by their fields."""
    whole = value.get("response") if str(value.get("type", "")).startswith("response.") else value
    if not isinstance(whole, dict):
        whole = value
    _take_cost(whole, told)
    if (error := whole.get("error")) is not None:
        told.error = str(error.get("reason") or error["code"])
        told.run_id = error.get("run_id") or told.run_id
        _take_cost(error, told)
        return
    told.text += _text(value, whole)
    told.run_id = told.run_id or (whole.get("id") if str(whole.get("id")).startswith("run_") else None)
    finish = _finish(value, whole)
    if finish is not None and told.error is None:
        told.finish = "stop" if finish in _STOPS else finish


def _take_cost(value: dict[str, Any], told: Told) -> None:
    sdk = (value.get("providerMetadata") or {}).get("gateway") or {}
    cost = (value.get("usage") or {}).get("cost") or sdk.get("cost")
    if cost is not None:
        told.cost_nano_usd = nano_usd(str(cost))
    told.run_id = told.run_id or sdk.get("generationId")


def _text(value: dict[str, Any], whole: dict[str, Any]) -> str:
    if vectors := value.get("data"):
        return f"{len(vectors)} vectors"
    if value.get("type") in ("text-delta", "response.output_text.delta"):
        return str(value["delta"])
    if value.get("type") == "content_block_delta":
        return str(value["delta"].get("text", ""))
    said = [
        (each.get("delta") or each.get("message") or {}).get("content") for each in value.get("choices", ())
    ]
    said += [part.get("text") for part in value.get("content", ()) if isinstance(part, dict)]
    if value.get("object") == "response":
        said += [part["text"] for item in whole["output"] for part in item["content"]]
    return "".join(each for each in said if each)


def _finish(value: dict[str, Any], whole: dict[str, Any]) -> str | None:
    ended = value.get("type") in ("response.completed", "response.incomplete") or "output" in value
    if ended:
        return str(whole["status"])
    if "finishReason" in value:
        return str(value["finishReason"]["unified"])
    if value.get("type") == "message_delta":
        return str(value["delta"]["stop_reason"])
    stops = [each.get("finish_reason") for each in value.get("choices", ())]
    return next((stop for stop in stops if stop), value.get("stop_reason"))
