"""What was asked of a model besides its messages, as it is kept: settings, tools, the shape of the answer.

With the messages it is the whole request again, so that a run can be opened, compared and repeated. It is
text like the messages (a tool's description is the author's own), and is kept and forgotten with them.
Tags, a caller's deadlines and the cache key belonged to that one call and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.messages import AnyTool, CompletionRequest, CustomTool, HostedTool, Message, Sampling, Tool
from gateway.preferences import NO_PREFERENCES, RoutingPreferences


class _KeptTool(msgspec.Struct, omit_defaults=True):
    """`kind` is "function", "custom", or "hosted" with the provider's own name as `name`."""

    kind: str
    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None
    format: dict[str, Any] | None = None


class _Kept(msgspec.Struct, omit_defaults=True):
    model: str
    sampling: Sampling = Sampling()
    tools: tuple[_KeptTool, ...] = ()
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    order: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None


def encoded(request: CompletionRequest) -> str:
    kept = _Kept(
        model=request.model,
        sampling=request.sampling,
        tools=tuple(_plain(tool) for tool in request.tools),
        tool_choice=_mapping(request.tool_choice),
        response_format=None if request.response_format is None else dict(request.response_format),
        order=request.routing.order,
        only=request.routing.only,
        ignore=request.routing.ignore,
        parallel_tool_calls=request.parallel_tool_calls,
        max_tool_calls=request.max_tool_calls,
    )
    return msgspec.json.encode(kept).decode()


def decoded(text: str, messages: tuple[Message, ...], prompt_version_id: str | None) -> CompletionRequest:
    kept = msgspec.json.decode(text, type=_Kept)
    routing = NO_PREFERENCES
    if kept.order or kept.only or kept.ignore:
        routing = RoutingPreferences(order=kept.order, only=kept.only, ignore=kept.ignore)
    return CompletionRequest(
        model=kept.model,
        messages=messages,
        sampling=kept.sampling,
        tools=tuple(_tool(each) for each in kept.tools),
        tool_choice=kept.tool_choice,
        response_format=kept.response_format,
        routing=routing,
        parallel_tool_calls=kept.parallel_tool_calls,
        max_tool_calls=kept.max_tool_calls,
        prompt_version_id=prompt_version_id,
    )


def _mapping(choice: str | Mapping[str, object] | None) -> str | dict[str, Any] | None:
    return choice if choice is None or isinstance(choice, str) else dict(choice)


def _plain(tool: AnyTool) -> _KeptTool:
    match tool:
        case Tool(name, description, parameters, strict):
            return _KeptTool("function", name, description, dict(parameters), strict)
        case CustomTool(name, description, form):
            return _KeptTool("custom", name, description, format=None if form is None else dict(form))
        case HostedTool(kind, options):
            return _KeptTool("hosted", kind, parameters=dict(options))


def _tool(kept: _KeptTool) -> AnyTool:
    if kept.kind == "custom":
        return CustomTool(kept.name, kept.description, kept.format)
    if kept.kind == "hosted":
        return HostedTool(kept.name, kept.parameters)
    return Tool(kept.name, kept.description, kept.parameters, kept.strict)
