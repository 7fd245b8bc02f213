"""The responses wire: our request -> its body. Pure. Nothing is stored at the provider, so that a thought
of an earlier answer goes back as the sealed item that it came as.

Reference: platform.openai.com/docs/api-reference/responses. The wire has no stop sequences, seed, top_k
or penalties.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.messages import (
    AnyTool,
    CallKind,
    CompletionRequest,
    CustomTool,
    FilePart,
    HostedTool,
    ImagePart,
    Message,
    Part,
    Reasoning,
    Tool,
    ToolCall,
)
from gateway.providers.wire_tools import (
    LOCAL_SHELL,
    allowed_tools,
    as_function,
    is_local_shell,
    kinds_by_call,
    named_tool,
)

WIRE = "responses"
_NO_FEATURES: frozenset[str] = frozenset()


def native_kinds(features: frozenset[str]) -> frozenset[CallKind]:
    """Which kinds of calls this wire has for a model of these features."""
    return frozenset({"custom", "local_shell"}) if LOCAL_SHELL in features else frozenset({"custom"})


def responses_body(
    request: CompletionRequest,
    model: str,
    out_cap: int,
    features: frozenset[str] = _NO_FEATURES,
) -> dict[str, Any]:
    """The body of a streamed request to a model that has these `features`."""
    sampling = request.sampling
    reasons = "reasoning" in features
    kinds = kinds_by_call(request.messages)
    native = native_kinds(features)
    reasoning = {"effort": sampling.effort, "summary": sampling.reasoning_summary}
    text = {"verbosity": sampling.verbosity, "format": _format(request.response_format)}
    body: dict[str, Any] = {
        "model": model,
        "input": [item for message in request.messages for item in _items(message, kinds, native, reasons)],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"] if reasons else None,
        "max_output_tokens": out_cap,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "reasoning": _given(reasoning),
        "text": _given(text),
        "prompt_cache_key": request.cache_key,
    }
    if request.tools:
        body |= {
            "tools": [_tool(tool, native) for tool in request.tools],
            "tool_choice": _tool_choice(request.tool_choice, request.tools, native),
            "parallel_tool_calls": request.parallel_tool_calls,
            "max_tool_calls": request.max_tool_calls,
        }
    return {name: value for name, value in body.items() if value is not None}


def _given(fields: Mapping[str, object]) -> dict[str, object] | None:
    return {name: value for name, value in fields.items() if value is not None} or None


# --- items ------------------------------------------------------------------------------------------


def _items(
    message: Message, kinds: Mapping[str, CallKind], native: frozenset[CallKind], reasons: bool
) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [_result(message, kinds, native)]
    items = [item for thought in message.reasoning if (item := _thought(thought)) and reasons]
    if message.parts:
        items.append({"role": message.role, "content": _content(message.parts, message.role)})
    return items + [_call(call, native) for call in message.tool_calls]


def _thought(thought: Reasoning) -> dict[str, Any] | None:
    """A thought without this wire's seal is of no use to it."""
    if thought.proof is None or thought.wire != WIRE:
        return None
    summary = [{"type": "summary_text", "text": thought.text}] if thought.text else []
    item = {"type": "reasoning", "summary": summary, "encrypted_content": thought.proof}
    return item if thought.id is None else {**item, "id": thought.id}


def _call(call: ToolCall, native: frozenset[CallKind]) -> dict[str, Any]:
    if call.kind == "custom":
        return {"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": call.arguments}
    if call.kind == "local_shell" and "local_shell" in native:
        action = {"type": "exec", "env": {}, **_object(call.arguments)}
        status = {"status": "completed", "action": action}
        return {"type": "local_shell_call", "id": call.id, "call_id": call.id, **status}
    name = LOCAL_SHELL if call.kind == "local_shell" else call.name
    return {"type": "function_call", "call_id": call.id, "name": name, "arguments": call.arguments}


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _result(message: Message, kinds: Mapping[str, CallKind], native: frozenset[CallKind]) -> dict[str, Any]:
    kind = kinds.get(message.tool_call_id or "", "function")
    if kind == "local_shell" and "local_shell" in native:
        return {"type": "local_shell_call_output", "id": message.tool_call_id, "output": message.text}
    only_text = not any(isinstance(part, ImagePart | FilePart) for part in message.parts)
    return {
        "type": "custom_tool_call_output" if kind == "custom" else "function_call_output",
        "call_id": message.tool_call_id,
        "output": message.text if only_text else _content(message.parts, "user"),
    }


def _content(parts: Iterable[Part], role: str) -> list[dict[str, Any]]:
    return [_part(part, "output_text" if role == "assistant" else "input_text") for part in parts]


def _part(part: Part, text: str) -> dict[str, Any]:
    match part:
        case ImagePart(url, detail):
            return {"type": "input_image", "image_url": url, "detail": detail}
        case FilePart(url, _, name) if url.startswith("data:"):
            return {"type": "input_file", "filename": name or "document", "file_data": url}
        case FilePart(url):
            return {"type": "input_file", "file_url": url}
        case _:
            return {"type": text, "text": part.text}


# --- tools ------------------------------------------------------------------------------------------


def _tool(tool: AnyTool, native: frozenset[CallKind]) -> dict[str, Any]:
    if isinstance(tool, CustomTool):
        custom: dict[str, Any] = {"type": "custom", "name": tool.name, "description": tool.description}
        return custom if tool.format is None else {**custom, "format": _flat_format(tool.format)}
    if isinstance(tool, HostedTool) and ("local_shell" in native or not is_local_shell(tool)):
        return {**tool.options, "type": tool.kind}
    function = as_function(tool)
    assert function is not None  # a hosted tool was returned above
    return _function(function)


def _function(tool: Tool) -> dict[str, Any]:
    # `strict` has another default on this wire, so it is always said.
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
        "strict": bool(tool.strict),
    }


def _flat_format(format: Mapping[str, object]) -> dict[str, object]:
    inner = format.get("grammar")
    return {"type": "grammar", **inner} if isinstance(inner, Mapping) else dict(format)


def _tool_choice(choice: object, tools: tuple[AnyTool, ...], native: frozenset[CallKind]) -> object:
    several = allowed_tools(choice)
    if several is not None:
        mode, names = several
        return {
            "type": "allowed_tools",
            "mode": mode,
            "tools": [_named(name, tools, native) for name in names],
        }
    name = named_tool(choice)
    return choice if name is None else _named(name, tools, native)


def _named(name: str, tools: tuple[AnyTool, ...], native: frozenset[CallKind]) -> dict[str, Any]:
    for tool in tools:
        if isinstance(tool, CustomTool) and tool.name == name:
            return {"type": "custom", "name": name}
        if isinstance(tool, HostedTool) and tool.kind == name:
            return {"type": name} if name != LOCAL_SHELL or LOCAL_SHELL in native else _function_named(name)
    return _function_named(name)


def _function_named(name: str) -> dict[str, Any]:
    return {"type": "function", "name": name}


def _format(response_format: Mapping[str, object] | None) -> dict[str, object] | None:
    """The chat wire nests a schema one level deeper."""
    if response_format is None:
        return None
    schema = response_format.get("json_schema")
    nested = dict(schema) if isinstance(schema, Mapping) else {}
    return {"type": response_format.get("type"), **nested}
