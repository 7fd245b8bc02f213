"""The prompt library on the wire: a version is a chat completions request with places for variables.

What is served can be sent as it is once its places are filled, and what was sent can be saved. Where a
version goes around whatever is typed, its last message is `{{prompt}}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from api.wire.openai_chat import read
from api.wire.values import instant, maybe_instant
from battles.models import Settings
from battles.prompt_figures import VersionFigures
from battles.prompt_template import PROMPT
from battles.prompt_values import PromptVersion, PromptView, SavedRow, VersionWish, version_of
from billing.money import decimal_usd
from gateway.errors import BadRequest
from gateway.messages import Tool

Shape = dict[str, Any]

_PLACE: Final = f"{{{{{PROMPT}}}}}"
_NO_MODEL: Final = "any/model"
_PARAMETERS: Final = {
    "max_output_tokens": "max_completion_tokens", "temperature": "temperature", "top_p": "top_p",
    "top_k": "top_k", "frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty",
    "seed": "seed", "stop": "stop", "effort": "reasoning_effort", "verbosity": "verbosity",
}  # fmt: skip


def wish_of(request: Mapping[str, Any], note: str) -> VersionWish:
    """A version from a request as chat completions take it; model and messages may be missing. Raises
    `BadRequest` and `BadPrompt`."""
    filled = {"model": _NO_MODEL, "messages": [{"role": "user", "content": _PLACE}], **request}
    if filled.get("stream"):
        raise BadRequest("`stream` is for whoever sends it: leave it out.", "request.stream")
    asked = read(msgspec.json.encode(filled)).request
    wish = version_of(asked)
    settings = wish.settings
    if settings.template == _PLACE:
        settings = replace(settings, template=None)
    return replace(wish, settings=settings, model=wish.model if "model" in request else None, note=note)


def request_of(version: PromptVersion) -> Shape:
    """The request that a version is, its places unfilled."""
    return request_with(version.settings, version.model, version.provider)


def request_with(settings: Settings, model: str | None, provider: str | None) -> Shape:
    spoken = [{"role": "system", "content": settings.system}] if settings.system else []
    for example in settings.examples:
        spoken += [
            {"role": "user", "content": example.asked},
            {"role": "assistant", "content": example.answered},
        ]
    template = _PLACE if settings.template is None else settings.template
    request: Shape = {"messages": [*spoken, {"role": "user", "content": template}]}
    if model is not None:
        request["model"] = model
    if provider is not None:
        request["provider"] = {"only": [provider], "allow_fallbacks": False}
    for ours, theirs in _PARAMETERS.items():
        if (value := getattr(settings.sampling, ours)) not in (None, ()):
            request[theirs] = value
    if settings.response_format is not None:
        request["response_format"] = settings.response_format
    if settings.tools:
        request["tools"] = [_tool(tool) for tool in settings.tools]
    return request


def _tool(tool: Tool) -> Shape:
    function: Shape = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def prompt_shape(prompt: PromptView) -> Shape:
    return {
        "object": "prompt",
        "id": prompt.id,
        "name": prompt.name,
        "description": prompt.description,
        "newest_version": prompt.newest_no,
        "labels": prompt.labels,
        "created_at": instant(prompt.created_ms),
        "updated_at": instant(prompt.updated_ms),
        "archived_at": maybe_instant(prompt.archived_ms),
    }


def version_shape(version: PromptVersion) -> Shape:
    return {
        "object": "prompt_version",
        "id": version.id,
        "name": version.name,
        "version": version.no,
        "labels": version.labels,
        "variables": version.variables,
        "takes_prompt": version.takes_prompt,
        "request": request_of(version),
        "note": version.note,
        "restored_from": version.restored_no,
        "created_at": instant(version.created_ms),
    }


def figures_shape(figures: VersionFigures) -> Shape:
    """`n` beside each figure says how many it was made from; null is not known."""
    cost = figures.cost_nano_usd
    return {
        "runs": figures.runs,
        "success": {"value": figures.success, "n": figures.ended},
        "mean_cost": {"value": None if cost is None else decimal_usd(cost), "n": figures.costed},
        "first_answer_ms": {
            "p50": figures.first_answer_p50_ms,
            "p95": figures.first_answer_p95_ms,
            "n": figures.timed,
        },
        "total_ms": {"p50": figures.total_p50_ms, "n": figures.timed_whole},
        "win_rate": {"value": figures.win_rate, "n": figures.votes},
    }


def row_shape(row: SavedRow) -> Shape:
    return {"no": row.no, "values": row.values}
