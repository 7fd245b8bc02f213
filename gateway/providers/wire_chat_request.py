"""The chat completions wire: our request -> its body. Pure.

What only some servers take is said by `ChatDialect`; the rest is written in the plainest form there is,
because many servers know nothing else. Reference: platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway.messages import (
    AnyTool,
    CallKind,
    CompletionRequest,
    CustomTool,
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    Tool,
    ToolCall,
)
from gateway.providers.wire_tools import (
    LOCAL_SHELL,
    allowed_tools,
    arguments_of,
    as_function,
    is_local_shell,
    named_tool,
)

OutCapField = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class ChatDialect:
    """How one server's chat wire differs. `out_cap_field` is what it calls the limit on output tokens;
    `asks_for_usage` is off where usage comes unasked and `stream_options` is refused. `takes` names what
    it has beyond the rest (`catalog_values.CHAT_FIELDS`): custom tools of its own, a key for its prompt
    cache, a choice of several tools, thoughts sent back as `reasoning_content`, `store` (which says no:
    what is kept of an answer is the team's rule, and kept here)."""

    out_cap_field: OutCapField = "max_tokens"
    asks_for_usage: bool = True
    takes: frozenset[str] = frozenset()

    @property
    def native_kinds(self) -> frozenset[CallKind]:
        """Which kinds of calls need no disguise."""
        return frozenset({"custom"}) if "custom_tools" in self.takes else frozenset()


def chat_body(request: CompletionRequest, model: str, out_cap: int, dialect: ChatDialect) -> dict[str, Any]:
    """The body of a streamed request. What the caller left to the model is left out."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(request.messages, dialect),
        "stream": True,
        "stream_options": {"include_usage": True} if dialect.asks_for_usage else None,
        dialect.out_cap_field: out_cap,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "reasoning_effort": sampling.effort,
        "verbosity": sampling.verbosity,
        "response_format": request.response_format,
    }
    if request.tools:
        body |= _tools(request, dialect)
    if "store" in dialect.takes:
        body["store"] = False  # an account there can be set to keep what does not say so
    if request.cache_key is not None and "prompt_cache_key" in dialect.takes:
        body["prompt_cache_key"] = request.cache_key
    return {name: value for name, value in body.items() if value is not None}


# --- messages ---------------------------------------------------------------------------------------


def _messages(messages: Iterable[Message], dialect: ChatDialect) -> list[dict[str, Any]]:
    """A tool's result is text on this wire: images in it follow as the user's, after the last result."""
    said: list[dict[str, Any]] = []
    shown: list[Part] = []
    for message in messages:
        if message.role == "tool":
            shown += [part for part in message.parts if not isinstance(part, TextPart)]
        elif shown:
            said.append({"role": "user", "content": _content(shown)})
            shown = []
        said.append(_message(message, dialect))
    if shown:
        said.append({"role": "user", "content": _content(shown)})
    return said


def _message(message: Message, dialect: ChatDialect) -> dict[str, Any]:
    parts = message.parts
    only_text = message.role == "tool" or all(isinstance(part, TextPart) for part in parts)
    said: dict[str, Any] = {"role": message.role, "content": message.text if only_text else _content(parts)}
    if message.name is not None:
        said["name"] = message.name
    if message.tool_call_id is not None:
        said["tool_call_id"] = message.tool_call_id
    if message.reasoning and "reasoning_content" in dialect.takes:
        said["reasoning_content"] = "\n\n".join(thought.text for thought in message.reasoning if thought.text)
    if message.tool_calls:
        said["tool_calls"] = [_call(call, dialect) for call in message.tool_calls]
        said["content"] = said["content"] or None
    return said


def _content(parts: Iterable[Part]) -> list[dict[str, Any]]:
    return [_part(part) for part in parts]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case ImagePart(url, detail):
            return {"type": "image_url", "image_url": {"url": url, "detail": detail}}
        case FilePart(url, _, name):
            return {"type": "file", "file": {"filename": name or "document", "file_data": url}}
        case _:
            return {"type": "text", "text": part.text}


# --- tools ------------------------------------------------------------------------------------------


def _call(call: ToolCall, dialect: ChatDialect) -> dict[str, Any]:
    if call.kind == "custom" and "custom_tools" in dialect.takes:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    name = LOCAL_SHELL if call.kind == "local_shell" else call.name
    return {"id": call.id, "type": "function", "function": {"name": name, "arguments": arguments_of(call)}}


def _tools(request: CompletionRequest, dialect: ChatDialect) -> dict[str, Any]:
    choice: object = request.tool_choice
    tools: tuple[AnyTool, ...] = request.tools
    several = allowed_tools(choice)
    if several is not None and "allowed_tools" not in dialect.takes:
        mode, names = several
        tools = tuple(tool for tool in tools if _name(tool) in names)
        choice = mode
    elif several is None and (named := named_tool(choice)) is not None:
        choice = _choice_of(named, tools, dialect)
    written = [each for tool in tools if (each := _tool(tool, dialect)) is not None]
    if not written:
        return {}
    return {"tools": written, "tool_choice": choice, "parallel_tool_calls": request.parallel_tool_calls}


def _tool(tool: AnyTool, dialect: ChatDialect) -> dict[str, Any] | None:
    if isinstance(tool, CustomTool) and "custom_tools" in dialect.takes:
        custom: dict[str, Any] = {"name": tool.name}
        if tool.description:
            custom["description"] = tool.description
        if tool.format is not None:
            custom["format"] = _nested_format(tool.format)
        return {"type": "custom", "custom": custom}
    function = as_function(tool)
    return None if function is None else _function(function)


def _nested_format(format: Mapping[str, object]) -> dict[str, object]:
    """This wire writes a grammar one level deeper than the responses wire."""
    if format.get("type") != "grammar" or "grammar" in format:
        return dict(format)
    return {"type": "grammar", "grammar": {name: value for name, value in format.items() if name != "type"}}


def _function(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": dict(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice_of(named: str, tools: tuple[AnyTool, ...], dialect: ChatDialect) -> dict[str, Any]:
    custom = any(isinstance(tool, CustomTool) and tool.name == named for tool in tools)
    kind = "custom" if custom and "custom_tools" in dialect.takes else "function"
    return {"type": kind, kind: {"name": named}}


def _name(tool: AnyTool) -> str:
    if isinstance(tool, Tool | CustomTool):
        return tool.name
    return LOCAL_SHELL if is_local_shell(tool) else tool.kind
