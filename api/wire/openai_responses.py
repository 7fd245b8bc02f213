"""OpenAI's responses request, read strictly into our own words.

A field, an item or a tool that would change the answer and that we do not carry is refused by name.
`input` is `openai_responses_items.py`'s. What went before (`previous_response_id`) is handed in by
whoever found it; `instructions` are of one request alone, as that API has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from api.wire.openai_responses_answer import ResponseShape
from api.wire.openai_responses_items import MOST_ITEMS, messages_of
from api.wire.openai_responses_objects import Namespaces, named_in
from api.wire.reading import (
    MOST_TOOLS,
    NONE,
    CacheKey,
    Count,
    Id,
    ModelName,
    Name,
    OneOf,
    Strict,
    decode,
    model_name,
    schema,
    tool_name,
)
from api.wire.routing import read_preferences, tags_asked
from api.wire.shapes import Asked
from api.wire.tools import named_choice, plain_choice, refuse_unknown, tool_called
from gateway.errors import BadRequest
from gateway.messages import (
    AnyTool,
    CompletionRequest,
    CustomTool,
    Effort,
    HostedTool,
    Message,
    ReasoningSummary,
    Sampling,
    TextPart,
    Tool,
    Verbosity,
)

_ONE_VALUE = re.compile(r"(background|top_logprobs|truncation)\b")
ENCRYPTED = "reasoning.encrypted_content"


# --- tools -----------------------------------------------------------------------------------


class _Function(Strict, tag_field="type", tag="function"):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Format(Strict):
    type: Literal["text", "grammar"]
    syntax: Literal["lark", "regex"] | None = None
    definition: str | None = None


class _Custom(Strict, tag_field="type", tag="custom"):
    name: Name
    description: str | None = None
    format: _Format | None = None


class _LocalShell(Strict, tag_field="type", tag="local_shell"):
    pass


class _WebSearchOptions(Strict):
    external_web_access: bool | None = None
    filters: dict[str, Any] | None = None
    search_content_types: list[str] | None = None
    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: dict[str, Any] | None = None


class _WebSearch(_WebSearchOptions, tag_field="type", tag="web_search"):
    pass


class _WebSearchPreview(_WebSearchOptions, tag_field="type", tag="web_search_preview"):
    pass


class _Namespace(Strict, tag_field="type", tag="namespace"):
    """Tools that a caller groups under one name; its calls say both names."""

    name: Name
    tools: Annotated[list[Raw], Meta(max_length=MOST_TOOLS)]
    description: str | None = None


_Tool = _Function | _Custom | _LocalShell | _WebSearch | _WebSearchPreview
TOOLS: OneOf[Any] = OneOf(
    {
        "function": _Function,
        "custom": _Custom,
        "local_shell": _LocalShell,
        "web_search": _WebSearch,
        "web_search_preview": _WebSearchPreview,
        "namespace": _Namespace,
    },
    what="A tool",
)
_INSIDE: OneOf[Any] = OneOf({"function": _Function, "custom": _Custom}, what="A tool in a namespace")


class _Choice(Strict, omit_defaults=True):
    type: str
    name: Name | None = None
    mode: Literal["auto", "required"] | None = None
    tools: Annotated[list[_Choice], Meta(min_length=1, max_length=MOST_TOOLS)] | None = None


# --- the body --------------------------------------------------------------------------------


class _PlainFormat(Strict, tag_field="type", tag="text"):
    pass


class _JsonFormat(Strict, tag_field="type", tag="json_object"):
    pass


class _SchemaFormat(Strict, tag_field="type", tag="json_schema", omit_defaults=True):
    name: Name
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class _Text(Strict):
    format: _PlainFormat | _JsonFormat | _SchemaFormat | None = None
    verbosity: Verbosity | None = None


class _Reasoning(Strict):
    effort: Effort | None = None
    summary: ReasoningSummary | None = None
    generate_summary: ReasoningSummary | None = None


class _StreamOptions(Strict):
    include_obfuscation: Raw = NONE


# What is asked for beside the answer. Of tools that are not offered here there is never anything.
_Include = Literal[
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
    "file_search_call.results",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "message.input_image.image_url",
]


class ResponsesBody(Strict, rename={"provider_options": "providerOptions"}):
    model: ModelName
    input: str | Annotated[list[Raw], Meta(min_length=1, max_length=MOST_ITEMS)]
    instructions: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_output_tokens: Count | None = None
    max_tool_calls: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    reasoning: _Reasoning | None = None
    text: _Text | None = None
    tools: Annotated[list[Raw], Meta(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | _Choice | None = None
    parallel_tool_calls: bool | None = None
    include: Annotated[list[_Include], Meta(max_length=20)] | None = None
    previous_response_id: Id | None = None
    store: bool | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=16)] | None = None
    prompt_cache_key: CacheKey | None = None
    # Carried in one value only: any other would change the answer.
    background: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    truncation: Literal["disabled"] | None = None
    conversation: None = None
    prompt: None = None
    context_management: None = None
    # Who may answer (`routing.py`).
    provider: Raw = NONE
    models: Raw = NONE
    route: Raw = NONE
    provider_options: Raw = NONE
    # These change no answer.
    client_metadata: Raw = NONE
    prompt_cache_retention: Raw = NONE
    safety_identifier: Raw = NONE
    service_tier: Raw = NONE
    user: Raw = NONE


_BODY = msgspec.json.Decoder(ResponsesBody)


@dataclass(frozen=True, slots=True)
class Earlier:
    """The conversation that a request goes on from: all that was sent and answered, first first."""

    run_id: str
    messages: tuple[Message, ...]


def read(raw: bytes) -> ResponsesBody:
    """Raises `BadRequest` and `Unsupported`, with `param` where a field is at fault."""
    return decode(_BODY, raw, _ONE_VALUE)


def asked_of(body: ResponsesBody, earlier: Earlier | None = None) -> Asked:
    """Raises as `read` does."""
    read_tools, namespaces = _tools(body.tools or ())
    tools, choice = _chosen(body.tool_choice, read_tools)
    text = body.text or _Text()
    request = CompletionRequest(
        model=model_name(body.model),
        messages=_messages(body, earlier),
        sampling=_sampling(body, text),
        tools=tools,
        tool_choice=choice,
        response_format=_response_format(text.format),
        parallel_tool_calls=body.parallel_tool_calls if tools else None,
        max_tool_calls=body.max_tool_calls,
        keep=bool(body.store),
        cache_key=body.prompt_cache_key,
        routing=read_preferences(body),
        tags=tags_asked(body.provider_options),
    )
    shape = ResponseShape(_echo(body), ENCRYPTED in (body.include or ()), namespaces)
    return Asked(request, bool(body.stream), shape, earlier.run_id if earlier else None)


def _messages(body: ResponsesBody, earlier: Earlier | None) -> tuple[Message, ...]:
    own: list[Message] = []
    if body.instructions:
        own.append(Message("system", (TextPart(body.instructions),), instructions=True))
    if earlier is not None:
        own += [message for message in earlier.messages if not message.instructions]
    if isinstance(body.input, str):
        return (*own, Message.of("user", body.input))
    return (*own, *messages_of(body.input))


def _sampling(body: ResponsesBody, text: _Text) -> Sampling:
    reasoning = body.reasoning or _Reasoning()
    return Sampling(
        max_output_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        effort=reasoning.effort,
        verbosity=text.verbosity,
        reasoning_summary=reasoning.summary or reasoning.generate_summary,
    )


def _tools(raws: Sequence[Raw]) -> tuple[tuple[AnyTool, ...], Namespaces]:
    """All of them side by side, and of those in a namespace what they are called there."""
    tools: list[AnyTool] = []
    namespaces: dict[str, tuple[str, str]] = {}
    for at, raw in enumerate(raws):
        where = f"tools[{at}]"
        tool = TOOLS.decode(raw, where)
        if not isinstance(tool, _Namespace):
            tools.append(_tool(tool, where))
            continue
        for inner_at, inner in enumerate(tool.tools):
            place = f"{where}.tools[{inner_at}]"
            inside = _INSIDE.decode(inner, place)
            outside = tool_name(named_in(tool.name, inside.name), f"{place}.name")
            namespaces[outside] = (tool.name, inside.name)
            about = "\n\n".join(said for said in (tool.description, inside.description) if said)
            tools.append(_tool(msgspec.structs.replace(inside, name=outside, description=about), place))
    return tuple(tools), namespaces


def _tool(tool: _Tool, where: str) -> AnyTool:
    match tool:
        case _Function(name, description, parameters, strict):
            checked = schema(parameters, f"{where}.parameters")
            return Tool(tool_name(name, f"{where}.name"), description or "", checked, strict)
        case _Custom(name, description, format):
            grammar = None if format is None else _grammar(format, f"{where}.format")
            return CustomTool(tool_name(name, f"{where}.name"), description or "", grammar)
        case _LocalShell():
            return HostedTool("local_shell")
        case _WebSearch() | _WebSearchPreview():
            options = {
                name: value for name, value in msgspec.structs.asdict(tool).items() if value is not None
            }
            schema(options, where)
            return HostedTool("web_search" if isinstance(tool, _WebSearch) else "web_search_preview", options)


def _grammar(wanted: _Format, where: str) -> Mapping[str, object]:
    if wanted.type == "text":
        return {"type": "text"}
    if wanted.syntax is None or wanted.definition is None:
        missing = "syntax" if wanted.syntax is None else "definition"
        raise BadRequest(f"`{where}.{missing}` is missing.", f"{where}.{missing}")
    return {"type": "grammar", "syntax": wanted.syntax, "definition": wanted.definition}


def _chosen(
    choice: str | _Choice | None, tools: tuple[AnyTool, ...]
) -> tuple[tuple[AnyTool, ...], str | Mapping[str, object] | None]:
    """The tools that may be called and how freely: where some of them are allowed, only these are sent."""
    if choice is None or isinstance(choice, str):
        return tools, None if choice is None else plain_choice(choice, tools)
    if choice.type == "allowed_tools":
        if choice.tools is None:
            raise BadRequest("`tool_choice.tools` is missing.", "tool_choice.tools")
        names = {_name_of(one) for one in choice.tools}
        for name in sorted(names):
            refuse_unknown(name, tools)
        return tuple(tool for tool in tools if tool_called(tool) in names), choice.mode or "auto"
    name = _name_of(choice)
    refuse_unknown(name, tools)
    if any(isinstance(tool, HostedTool) and tool.kind == name for tool in tools):
        return tools, {"type": name}
    return tools, named_choice(name, tools)


def _name_of(choice: _Choice) -> str:
    if choice.type not in ("function", "custom"):
        return choice.type
    if choice.name is None:
        raise BadRequest("`tool_choice.name` is missing.", "tool_choice.name")
    return choice.name


def _response_format(
    wanted: _PlainFormat | _JsonFormat | _SchemaFormat | None,
) -> Mapping[str, object] | None:
    """The chat completions wire nests a schema one level deeper."""
    match wanted:
        case None | _PlainFormat():
            return None
        case _JsonFormat():
            return {"type": "json_object"}
        case _SchemaFormat():
            schema(wanted.schema, "text.format.schema")
            given = {
                name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None
            }
            return {"type": "json_schema", "json_schema": given}


def _echo(body: ResponsesBody) -> Mapping[str, object]:
    """What the answer repeats of the request, as the caller wrote it."""
    reasoning, text = body.reasoning or _Reasoning(), body.text or _Text()
    format = {"type": "text"} if text.format is None else msgspec.to_builtins(text.format)
    summary = reasoning.summary or reasoning.generate_summary
    return {
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": body.max_tool_calls,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "prompt_cache_key": body.prompt_cache_key,
        "reasoning": {"effort": reasoning.effort, "summary": summary},
        "store": bool(body.store),
        "temperature": body.temperature,
        "text": {"format": format, **({"verbosity": text.verbosity} if text.verbosity else {})},
        "tool_choice": "auto" if body.tool_choice is None else msgspec.to_builtins(body.tool_choice),
        "tools": _echoed(body.tools or ()),
        "top_p": body.top_p,
    }


def _echoed(tools: Sequence[Raw]) -> list[object]:
    """A function's `parameters` and `strict` are always said on this wire."""
    echoed: list[object] = []
    for raw in tools:
        tool = msgspec.json.decode(raw)
        if tool.get("type") == "function":
            tool = {"parameters": None, "strict": False, **tool}
        echoed.append(tool)
    return echoed
