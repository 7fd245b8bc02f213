"""Anthropic's messages wire: our request -> its body. Pure.

What a model can do is told by its features in the catalog: `adaptive_thinking` (effort decides how much
it thinks; else a budget of tokens does), `always_thinks`, `thinks_between_tools` (the most that thinking
can be turned off), `structured_output` (a schema goes as `output_config.format`; else as a tool that the
model has to call). `fitting.py` has refused what cannot be said here.
Reference: platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.documents import data_of
from gateway.messages import (
    AnyTool,
    CompletionRequest,
    FilePart,
    HostedTool,
    ImagePart,
    Message,
    Part,
    Reasoning,
    TextPart,
    Tool,
    ToolCall,
)
from gateway.providers.wire_tools import (
    allowed_tools,
    arguments_of,
    as_function,
    is_forced,
    named_tool,
)

WIRE = "anthropic_messages"
ANSWER_TOOL = "answer"  # the tool that stands for a schema
WEB_SEARCH = "web_search_20250305"
LEAST_BUDGET = 1024
_BUDGET_SHARE = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.9, "max": 0.95}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_NO_FEATURES: frozenset[str] = frozenset()
_CACHED: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}


def answers_by_tool(request: CompletionRequest, features: frozenset[str]) -> bool:
    """Whether a response format goes as a tool that the model must call."""
    kind = (request.response_format or {}).get("type")
    return kind == "json_object" or (kind == "json_schema" and "structured_output" not in features)


def anthropic_body(
    request: CompletionRequest,
    model: str,
    out_cap: int,
    features: frozenset[str] = _NO_FEATURES,
) -> dict[str, Any]:
    """The body of a streamed request to a model that has these `features`."""
    sampling = request.sampling
    by_tool = answers_by_tool(request, features)
    thinking = _thinking(request, out_cap, features, forced=by_tool or is_forced(request.tool_choice))
    thinks = thinking is not None and thinking["type"] == "enabled"
    output = {
        "effort": _effort(sampling.effort, thinking) if "adaptive_thinking" in features else None,
        "format": None if by_tool else _format(request.response_format),
    }
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": out_cap,
        "stream": True,
        "system": _system(request.messages) or None,
        "messages": _messages(request.messages),
        "stop_sequences": [text for text in sampling.stop if text.strip()] or None,
        # With a budget for thoughts the API takes none of these but a top_p near 1.
        "temperature": None if thinks else sampling.temperature,
        "top_k": None if thinks else sampling.top_k,
        "top_p": None if thinks else sampling.top_p,
        "thinking": thinking,
        "output_config": {name: value for name, value in output.items() if value is not None} or None,
    }
    body |= _answer_tool(request) if by_tool else _tools(request)
    return {name: value for name, value in body.items() if value is not None}


# --- thinking ---------------------------------------------------------------------------------------


def _thinking(
    request: CompletionRequest, out_cap: int, features: frozenset[str], *, forced: bool
) -> dict[str, Any] | None:
    """A tool that has to be called leaves no room for thoughts."""
    if "reasoning" not in features:
        return None
    if "adaptive_thinking" in features:
        if (request.sampling.effort == "none" or forced) and "always_thinks" not in features:
            return {"type": "between_tools" if "thinks_between_tools" in features else "disabled"}
        return {"type": "adaptive", "display": "summarized"}  # some show nothing unless asked to
    budget = _budget(request, out_cap)
    if budget is None or forced or _lost_its_thoughts(request.messages):
        return None
    return {"type": "enabled", "budget_tokens": budget}


def _lost_its_thoughts(messages: tuple[Message, ...]) -> bool:
    """A model with a budget that was in the middle of calling tools must get back what it thought, or may
    not think on; a caller of another wire may have kept none of it."""
    for message in reversed(messages):
        if message.role == "assistant":
            return bool(message.tool_calls) and not any(map(_thought, message.reasoning))
        if message.role == "user":
            return False
    return False


def _effort(effort: str | None, thinking: Mapping[str, object] | None) -> str | None:
    """The highest levels are refused where thinking is off."""
    if effort in ("xhigh", "max") and (thinking or {}).get("type") == "disabled":
        return "high"
    return effort if effort in _EFFORTS else None


def _budget(request: CompletionRequest, out_cap: int) -> int | None:
    """Tokens to think with, below the cap on output; None where nobody asked for thoughts, or where the
    cap leaves no room for any."""
    asked, effort = request.sampling.reasoning_tokens, request.sampling.effort
    if asked is None and effort not in (None, "none"):
        asked = int(_BUDGET_SHARE[effort or "medium"] * out_cap)
    if not asked or out_cap <= LEAST_BUDGET:
        return None
    return max(LEAST_BUDGET, min(asked, out_cap - 1))


def _format(response_format: Mapping[str, object] | None) -> dict[str, Any] | None:
    if (response_format or {}).get("type") != "json_schema":
        return None
    return {"type": "json_schema", "schema": _schema_of(response_format)}


def _schema_of(response_format: Mapping[str, object] | None) -> object:
    said = (response_format or {}).get("json_schema")
    schema = said.get("schema") if isinstance(said, Mapping) else None
    return schema if isinstance(schema, Mapping) else {"type": "object"}


# --- messages ---------------------------------------------------------------------------------------


def _system(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Every system message, wherever it stood: this wire has one place for them."""
    parts = [part for message in messages if message.role == "system" for part in message.parts]
    return [_text(part) for part in parts if isinstance(part, TextPart) and part.text]


def _messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Results of tools are the user's on this wire, and all those of one turn belong into one message."""
    said: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if not blocks:
            continue
        if said and said[-1]["role"] == role:
            said[-1]["content"] += blocks
        else:
            said.append({"role": role, "content": blocks})
    return said


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [_result(message)]
    thoughts = [block for thought in message.reasoning if (block := _thought(thought))]
    return thoughts + _content(message.parts) + [_call(call) for call in message.tool_calls]


def _thought(thought: Reasoning) -> dict[str, Any] | None:
    """A thought without this wire's seal would be refused."""
    if thought.proof is None or thought.wire != WIRE:
        return None
    if thought.redacted:
        return {"type": "redacted_thinking", "data": thought.proof}
    return {"type": "thinking", "thinking": thought.text, "signature": thought.proof}


def _call(call: ToolCall) -> dict[str, Any]:
    try:
        given = json.loads(arguments_of(call) or "{}")
    except ValueError:
        given = None
    return {
        "type": "tool_use",
        "id": call.id,
        "name": call.name,
        "input": given if isinstance(given, dict) else {"input": call.arguments},
    }


def _result(message: Message) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": message.tool_call_id}
    if content := _content([_unmarked(part) for part in message.parts]):
        block["content"] = content
    if message.tool_failed:
        block["is_error"] = True
    if any(part.cached for part in message.parts):
        block |= _CACHED
    return block


def _unmarked(part: Part) -> Part:
    """A mark within a result belongs to the result."""
    return TextPart(part.text) if isinstance(part, TextPart) else part


def _content(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Empty texts are refused on this wire."""
    return [_block(part) for part in parts if not isinstance(part, TextPart) or part.text]


def _block(part: Part) -> dict[str, Any]:
    match part:
        case ImagePart(url):
            block: dict[str, Any] = {"type": "image", "source": _source(url)}
        case FilePart():
            block = _document(part)
        case _:
            return _text(part)
    return {**block, **_CACHED} if part.cached else block


def _text(part: TextPart) -> dict[str, Any]:
    block = {"type": "text", "text": part.text}
    return {**block, **_CACHED} if part.cached else block


def _document(part: FilePart) -> dict[str, Any]:
    if part.media_type.startswith("text/") and part.url.startswith("data:"):
        text = data_of(part.url).decode("utf-8", "replace")
        source: dict[str, Any] = {"type": "text", "media_type": "text/plain", "data": text}
    else:
        source = _source(part.url)
    named = {} if part.name is None else {"title": part.name}
    return {"type": "document", "source": source, **named}


def _source(url: str) -> dict[str, Any]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, _, rest = url.partition(",")
    media_type = head.removeprefix("data:").partition(";")[0]
    data = rest if head.endswith(";base64") else base64.b64encode(data_of(url)).decode()
    return {"type": "base64", "media_type": media_type, "data": data}


# --- tools ------------------------------------------------------------------------------------------


def _tools(request: CompletionRequest) -> dict[str, Any]:
    tools: tuple[AnyTool, ...] = request.tools
    several = allowed_tools(request.tool_choice)
    if several is not None:
        tools = tuple(tool for tool in tools if _name(tool) in several[1])
    written = [_tool(tool, request.max_tool_calls) for tool in tools]
    if not written:
        return {}
    return {"tools": written, "tool_choice": _tool_choice(request)}


def _name(tool: AnyTool) -> str:
    function = as_function(tool)
    return function.name if function is not None else _hosted_name(tool)


def _hosted_name(tool: AnyTool) -> str:
    return "web_search" if isinstance(tool, HostedTool) else ""


def _tool(tool: AnyTool, most_calls: int | None) -> dict[str, Any]:
    function = as_function(tool)
    if function is None:
        assert isinstance(tool, HostedTool)  # fitting left only web searches
        return _web_search(tool, most_calls)
    return _function(function)


def _function(tool: Tool) -> dict[str, Any]:
    said: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object", **tool.parameters}}
    if tool.description:
        said["description"] = tool.description
    if tool.strict:
        said["strict"] = True
    return {**said, **_CACHED} if tool.cached else said


def _web_search(tool: HostedTool, most_calls: int | None) -> dict[str, Any]:
    """The responses wire's options in this wire's words; those that it lacks change how much is read."""
    options = tool.options
    said: dict[str, Any] = {"type": WEB_SEARCH, "name": "web_search"}
    for name in ("max_uses", "allowed_domains", "blocked_domains", "user_location"):
        if options.get(name) is not None:
            said[name] = options[name]
    filters = options.get("filters")
    if isinstance(filters, Mapping) and filters.get("allowed_domains"):
        said["allowed_domains"] = filters["allowed_domains"]
    if most_calls is not None:
        said["max_uses"] = min(most_calls, int(said.get("max_uses") or most_calls))
    return said


def _tool_choice(request: CompletionRequest) -> dict[str, Any] | None:
    choice: object = request.tool_choice
    several = allowed_tools(choice)
    if several is not None:
        choice = several[0]
    alone = {} if request.parallel_tool_calls is None else {
        "disable_parallel_tool_use": not request.parallel_tool_calls
    }  # fmt: skip
    if choice == "none":
        return {"type": "none"}
    if choice == "required":
        return {"type": "any", **alone}
    if (name := named_tool(choice)) is not None:
        return {"type": "tool", "name": "web_search" if name.startswith("web_search") else name, **alone}
    return {"type": "auto", **alone} if choice == "auto" or alone else None


def _answer_tool(request: CompletionRequest) -> dict[str, Any]:
    """The schema as a tool that must be called; others beside it would not be called."""
    schema = _schema_of(request.response_format)
    description = "Gives the answer to the user, in the form that is asked for."
    return {
        "tools": [{"name": ANSWER_TOOL, "description": description, "input_schema": schema}],
        "tool_choice": {"type": "tool", "name": ANSWER_TOOL},
    }
