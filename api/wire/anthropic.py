"""Anthropic's messages request, read strictly into our own words.

A field, a block or a tool that would change the answer and that we do not carry is refused by name.
Content blocks are `anthropic_blocks.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from api.wire.anthropic_answer import MessageShape
from api.wire.anthropic_blocks import TextBlock, messages_of
from api.wire.reading import (
    MOST_MESSAGES,
    MOST_TOOLS,
    NONE,
    CacheMark,
    Count,
    ModelName,
    Name,
    Stop,
    Strict,
    decode,
    model_name,
    refuse,
    schema,
    tool_name,
)
from api.wire.routing import read_preferences, tags_asked
from api.wire.shapes import Asked
from api.wire.tools import named_choice, plain_choice, refuse_unknown
from gateway.errors import BadRequest, Unsupported
from gateway.messages import (
    AnyTool,
    CompletionRequest,
    Effort,
    HostedTool,
    Message,
    Sampling,
    TextPart,
    Tool,
)

_SEARCH = re.compile(r"web_search_\d{8}")
_ONE_VALUE = re.compile(r"(context_management|tools\[\d+\]\.defer_loading)\b")


class BlockMessage(Strict):
    """A system's message in mid-conversation is what agents tell on the way."""

    role: Literal["user", "assistant", "system"]
    content: str | Annotated[list[Raw], Meta(max_length=10_000)]


class _Custom(Strict):
    name: Name
    input_schema: dict[str, Any]
    description: str | None = None
    type: Literal["custom"] | None = None
    strict: bool | None = None
    cache_control: CacheMark | None = None
    eager_input_streaming: Raw = NONE
    defer_loading: Literal[False] | None = None


class _Search(Strict):
    type: str
    name: Name
    max_uses: Count | None = None
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    user_location: dict[str, Any] | None = None
    cache_control: CacheMark | None = None


class _Kind(msgspec.Struct):
    type: str | None = None


_CUSTOM = msgspec.json.Decoder(_Custom)
_SEARCH_TOOL = msgspec.json.Decoder(_Search)
_KIND = msgspec.json.Decoder(_Kind)


class _Choice(Strict):
    type: Literal["auto", "any", "tool", "none"]
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(Strict):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    display: Literal["summarized", "omitted"] | None = None


class _Format(Strict):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class _OutputConfig(Strict):
    effort: Effort | None = None
    format: _Format | None = None


class _ClearThinking(Strict):
    """What is kept whole is not edited; anything else would change the prompt."""

    type: Literal["clear_thinking_20251015"]
    keep: Literal["all"]


class _ContextManagement(Strict):
    edits: list[_ClearThinking] | None = None


class CountBody(Strict, kw_only=True, rename={"provider_options": "providerOptions"}):
    """What a count of tokens is asked with; a message is asked with more."""

    model: ModelName
    messages: Annotated[list[BlockMessage], Meta(min_length=1, max_length=MOST_MESSAGES)]
    system: str | Annotated[list[TextBlock], Meta(max_length=1_000)] | None = None
    tools: Annotated[list[Raw], Meta(max_length=MOST_TOOLS)] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    mcp_servers: None = None
    container: None = None
    context_management: _ContextManagement | None = None
    # Who may answer (`routing.py`).
    provider: Raw = NONE
    models: Raw = NONE
    route: Raw = NONE
    provider_options: Raw = NONE
    # These change no answer.
    cache_control: Raw = NONE
    metadata: Raw = NONE
    service_tier: Raw = NONE
    inference_geo: Raw = NONE


class MessagesBody(CountBody, kw_only=True, rename={"provider_options": "providerOptions"}):
    max_tokens: Count
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    stop_sequences: Annotated[list[Stop], Meta(max_length=16)] | None = None


_BODY = msgspec.json.Decoder(MessagesBody)
_COUNT = msgspec.json.Decoder(CountBody)


def read(raw: bytes) -> Asked:
    """Raises `BadRequest` and `Unsupported`, with `param` where a field is at fault."""
    body = decode(_BODY, raw, _ONE_VALUE)
    sampling = Sampling(
        max_output_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop=tuple(body.stop_sequences or ()),
        **_thinking(body),
    )
    return Asked(_request(body, sampling), bool(body.stream), MessageShape(_hides_thoughts(body)))


def read_count(raw: bytes) -> CompletionRequest:
    """Raises as `read` does."""
    return _request(decode(_COUNT, raw, _ONE_VALUE), Sampling())


def _request(body: CountBody, sampling: Sampling) -> CompletionRequest:
    tools, most_calls = _tools(body.tools or ())
    choice = body.tool_choice
    one_by_one = choice is not None and choice.disable_parallel_tool_use
    format = (body.output_config and body.output_config.format) or body.output_format
    return CompletionRequest(
        model=model_name(body.model),
        messages=(*_system(body.system), *messages_of([(one.role, one.content) for one in body.messages])),
        sampling=sampling,
        tools=tools,
        tool_choice=_tool_choice(choice, tools),
        response_format=None if format is None else _response_format(format),
        parallel_tool_calls=False if one_by_one and tools else None,
        max_tool_calls=most_calls,
        routing=read_preferences(body),
        tags=tags_asked(body.provider_options),
    )


def _system(system: str | list[TextBlock] | None) -> tuple[Message, ...]:
    if not system:
        return ()
    if isinstance(system, str):
        return (Message("system", (TextPart(system),), instructions=True),)
    parts = tuple(TextPart(block.text, block.cache_control is not None) for block in system)
    return (Message("system", parts, instructions=True),)


def _hides_thoughts(body: CountBody) -> bool:
    return body.thinking is not None and body.thinking.display == "omitted"


def _thinking(body: CountBody) -> dict[str, Any]:
    """Anthropic's effort where nothing is said is high; what is thought is shown as it comes."""
    effort = body.output_config.effort if body.output_config else None
    thinking = body.thinking
    summary = None if _hides_thoughts(body) else "auto"
    if thinking is None:
        return {"effort": effort}
    if thinking.type == "disabled":
        return {"effort": "none"}
    if thinking.type == "enabled" and thinking.budget_tokens is None:
        raise BadRequest("`thinking.budget_tokens` is missing.", "thinking.budget_tokens")
    if thinking.type == "adaptive":
        return {"effort": effort or "high", "reasoning_summary": summary}
    return {"effort": effort, "reasoning_tokens": thinking.budget_tokens, "reasoning_summary": summary}


def _tools(raws: Sequence[Raw]) -> tuple[tuple[AnyTool, ...], int | None]:
    """The tools, and the fewest calls that any of those which the provider runs may make."""
    tools: list[AnyTool] = []
    most_calls: list[int] = []
    for at, raw in enumerate(raws):
        where = f"tools[{at}]"
        try:
            kind = _KIND.decode(raw).type or "custom"
            custom = _CUSTOM.decode(raw) if kind == "custom" else None
            search = _SEARCH_TOOL.decode(raw) if _SEARCH.fullmatch(kind) else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refuse(error, where=where)
        if custom is not None:
            tools.append(_custom(custom, where))
        elif search is not None:
            tools.append(_search(search, where))
            most_calls += [search.max_uses] if search.max_uses is not None else []
        else:
            raise Unsupported(f"A tool of type {kind[:60]!r} is not supported here.", f"{where}.type")
    return tuple(tools), min(most_calls) if most_calls else None


def _custom(tool: _Custom, where: str) -> Tool:
    return Tool(
        tool_name(tool.name, f"{where}.name"),
        tool.description or "",
        schema(tool.input_schema, f"{where}.input_schema"),
        tool.strict,
        cached=tool.cache_control is not None,
    )


def _search(tool: _Search, where: str) -> HostedTool:
    """A search is written as the responses wire has it, so that any provider that can may run it."""
    if tool.blocked_domains:
        raise Unsupported(f"`{where}.blocked_domains` is not supported here.", f"{where}.blocked_domains")
    filters = {"allowed_domains": tool.allowed_domains} if tool.allowed_domains else None
    location = tool.user_location
    schema(location, f"{where}.user_location")
    options = {"filters": filters, "user_location": location}
    return HostedTool("web_search", {name: value for name, value in options.items() if value is not None})


def _tool_choice(choice: _Choice | None, tools: tuple[AnyTool, ...]) -> str | Mapping[str, object] | None:
    if choice is None:
        return None
    if choice.type != "tool":
        return plain_choice("required" if choice.type == "any" else choice.type, tools)
    if choice.name is None:
        raise BadRequest("`tool_choice.name` is missing.", "tool_choice.name")
    refuse_unknown(choice.name, tools)
    return named_choice(choice.name, tools)


def _response_format(format: _Format) -> Mapping[str, object]:
    wanted = {
        "name": "answer",
        "schema": schema(format.schema, "output_config.format.schema"),
        "strict": True,
    }
    return {"type": "json_schema", "json_schema": wanted}
