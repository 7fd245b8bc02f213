"""The request of the AI SDK's gateway provider: call options of its specification 2, 3 or 4, read strictly.

The model, the way of answering and the version of the specification are headers; the body is the SDK's
own call options. What the protocol can warn of is let go with a warning, as the SDK's providers do;
a field that would change the answer and that we do not carry is refused by name. The messages are read
by `ai_gateway_prompt.py`, `providerOptions` by `ai_gateway_options.py`.

Reference: @ai-sdk/gateway 2.0, 3.0 and 4.0, @ai-sdk/provider 2.0, 3.0 and 4.0 (npm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from api.wire.ai_gateway_answer import AiSdkShape
from api.wire.ai_gateway_options import ModelOptions, model_options
from api.wire.ai_gateway_prompt import AnyMessage, cache_mark, messages_of
from api.wire.ai_gateway_warnings import Warnings
from api.wire.reading import MOST_MESSAGES, MOST_TOOLS, NONE, Count, Stop, Strict, decode, schema, tool_name
from api.wire.routing import gateway_options, read_preferences
from api.wire.shapes import Asked
from gateway.errors import BadRequest, Unsupported
from gateway.messages import AnyTool, CompletionRequest, CustomTool, Effort, HostedTool, Sampling, Tool
from gateway.tool_fees import tool_of

SPECIFICATIONS = (2, 3, 4)
MODEL_HEADER = "ai-language-model-id"
VERSION_HEADER = "ai-language-model-specification-version"
STREAMING_HEADER = "ai-language-model-streaming"
_Options = dict[str, dict[str, Any]]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]


class _Function(Strict, tag_field="type", tag="function"):
    name: str
    inputSchema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None
    inputExamples: Raw = NONE
    providerOptions: _Options | None = None


class _Provided(Strict, tag_field="type", tag="provider"):
    id: str
    name: str
    args: dict[str, Any] | None = None


class _ProviderDefined(_Provided, tag_field="type", tag="provider-defined"):
    """What specification 2 calls it."""


class _Auto(Strict, tag_field="type", tag="auto"):
    pass


class _NoTool(Strict, tag_field="type", tag="none"):
    pass


class _SomeTool(Strict, tag_field="type", tag="required"):
    pass


class _ThisTool(Strict, tag_field="type", tag="tool"):
    toolName: str


class _PlainFormat(Strict, tag_field="type", tag="text"):
    pass


class _JsonFormat(Strict, tag_field="type", tag="json"):
    schema: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None


class LanguageModelBody(Strict):
    prompt: Annotated[list[AnyMessage], Meta(min_length=1, max_length=MOST_MESSAGES)]
    maxOutputTokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    stopSequences: Annotated[list[Stop], Meta(max_length=16)] | None = None
    topP: Annotated[float, Meta(ge=0, le=1)] | None = None
    topK: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    presencePenalty: _Penalty | None = None
    frequencyPenalty: _Penalty | None = None
    responseFormat: _PlainFormat | _JsonFormat | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    tools: Annotated[list[_Function | _Provided | _ProviderDefined], Meta(max_length=MOST_TOOLS)] | None = (
        None
    )
    toolChoice: _Auto | _NoTool | _SomeTool | _ThisTool | None = None
    reasoning: Effort | Literal["provider-default"] | None = None
    providerOptions: Raw = NONE
    # The SDK's own business.
    includeRawChunks: Raw = NONE
    headers: Raw = NONE


_BODY = msgspec.json.Decoder(LanguageModelBody)


class RoutingFields(Struct, frozen=True):
    """This protocol says all of it in one place."""

    provider_options: Raw
    provider: Raw = NONE
    models: Raw = NONE
    route: Raw = NONE


def specification_of(header: str | None) -> int:
    """Raises `BadRequest` for one that is not spoken here."""
    if header is None or header not in {str(version) for version in SPECIFICATIONS}:
        spoken = ", ".join(map(str, SPECIFICATIONS))
        raise BadRequest(f"`{VERSION_HEADER}` must be one of {spoken}.", VERSION_HEADER)
    return int(header)


def named_model(model: str | None, header: str) -> str:
    """The model that a header names. Raises `BadRequest` where it is none."""
    if not model or len(model) > 200 or not model.isprintable():
        raise BadRequest(f"`{header}` must name a model.", header)
    return model


def read(raw: bytes, *, model: str | None, creator: str, streaming: str | None, version: str | None) -> Asked:
    """`model`, `streaming` and `version` are the headers' values; `creator` is the model's, whose
    provider options are the ones that count. Raises `BadRequest` and `Unsupported`."""
    name = named_model(model, MODEL_HEADER)
    if streaming not in ("true", "false"):
        raise BadRequest(f"`{STREAMING_HEADER}` must be true or false.", STREAMING_HEADER)
    specification = specification_of(version)
    body = decode(_BODY, raw)
    warnings = Warnings()
    options = model_options(body.providerOptions, creator, warnings)
    gateway = gateway_options(body.providerOptions)
    tools = tuple(_tool(tool, f"tools[{index}]") for index, tool in enumerate(body.tools or ()))
    request = CompletionRequest(
        model=name,
        messages=messages_of(body.prompt, tools, cached=gateway.caching == "auto", warnings=warnings),
        sampling=_sampling(body, options),
        tools=tools,
        tool_choice=_tool_choice(body, tools),
        response_format=_response_format(body.responseFormat, options),
        tags=tuple(gateway.tags or ()),
        routing=read_preferences(RoutingFields(body.providerOptions)),
        parallel_tool_calls=options.parallel_tool_calls,
        max_tool_calls=options.max_tool_calls,
        keep=bool(options.store),
        cache_key=options.cache_key,
    )
    names = {
        tool_of(tool.id.partition(".")[2]): tool.name
        for tool in body.tools or ()
        if isinstance(tool, _Provided)
    }
    return Asked(request, streaming == "true", AiSdkShape(specification, name, warnings, names))


def _sampling(body: LanguageModelBody, options: ModelOptions) -> Sampling:
    asked = body.reasoning
    effort = options.effort if asked is None or asked == "provider-default" else asked
    return Sampling(
        max_output_tokens=body.maxOutputTokens,
        temperature=body.temperature,
        top_p=body.topP,
        top_k=body.topK,
        frequency_penalty=body.frequencyPenalty,
        presence_penalty=body.presencePenalty,
        seed=body.seed,
        stop=tuple(body.stopSequences or ()),
        effort=effort,
        verbosity=options.verbosity,
        reasoning_summary=options.reasoning_summary,
        reasoning_tokens=options.reasoning_tokens,
    )


# --- tools -----------------------------------------------------------------------------------


def _tool(tool: _Function | _Provided | _ProviderDefined, where: str) -> AnyTool:
    name = tool_name(tool.name, f"{where}.name")
    if isinstance(tool, _Function):
        parameters = schema(tool.inputSchema, f"{where}.inputSchema")
        return Tool(name, tool.description or "", parameters, tool.strict, cache_mark(tool.providerOptions))
    vendor, _, kind = tool.id.partition(".")
    if vendor == "gateway" or not kind:
        raise Unsupported(f"The tool {tool.id[:100]!r} is not offered here; leave it out.", f"{where}.id")
    args = schema(tool.args or {}, f"{where}.args")
    if kind == "custom":
        wanted = args.get("format")
        about = args.get("description")
        said = about if isinstance(about, str) else ""
        return CustomTool(name, said, wanted if isinstance(wanted, dict) else None)
    return HostedTool(kind, _snaked(args))


def _snaked(value: Any) -> Any:
    """The SDK writes an option's name as `searchContextSize`, the wires as `search_context_size`."""
    if isinstance(value, dict):
        return {_snake(name): _snaked(inner) for name, inner in value.items()}
    return [_snaked(inner) for inner in value] if isinstance(value, list) else value


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _tool_choice(body: LanguageModelBody, tools: Sequence[AnyTool]) -> str | Mapping[str, object] | None:
    match body.toolChoice:
        case None:
            return None
        case _SomeTool() if not tools:
            raise BadRequest("`toolChoice` asks for a tool, and there are none.", "toolChoice")
        case _ThisTool(name):
            named = {given.name: tool for given, tool in zip(body.tools or (), tools, strict=True)}
            if name not in named:
                raise BadRequest(f"`toolChoice` names {name!r}, which is not among `tools`.", "toolChoice")
            return _this_tool(named[name])
        case choice:
            kinds = {_Auto: "auto", _NoTool: "none", _SomeTool: "required"}
            return kinds[type(choice)] if tools else None


def _this_tool(tool: AnyTool) -> Mapping[str, object]:
    if isinstance(tool, HostedTool):
        return {"type": tool.kind}
    kind = "custom" if isinstance(tool, CustomTool) else "function"
    return {"type": kind, kind: {"name": tool.name}}


def _response_format(
    wanted: _PlainFormat | _JsonFormat | None, options: ModelOptions
) -> Mapping[str, object] | None:
    if not isinstance(wanted, _JsonFormat):
        return None
    if wanted.schema is None:
        return {"type": "json_object"}
    asked: dict[str, object] = {
        "name": wanted.name or "response",
        "schema": schema(wanted.schema, "responseFormat.schema"),
        "strict": options.strict_schema is not False,
    }
    if wanted.description is not None:
        asked["description"] = wanted.description
    return {"type": "json_schema", "json_schema": asked}
