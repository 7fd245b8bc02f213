"""OpenAI's chat completions request, read strictly into our own words.

A field that would change the answer and that we do not carry is refused by name; one that would not
(`user`, `metadata`, `store`, ...) is let through and dropped. What a model can do is not judged here
(`gateway/fitting.py`), only what the request says.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn

import msgspec
from msgspec import Meta, Raw, Struct

from gateway.errors import BadRequest, Unsupported
from gateway.messages import (
    CompletionRequest,
    Effort,
    ImagePart,
    Message,
    Part,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
)

MOST_MESSAGES = 2_000
MOST_TOOLS = 128
DEEPEST = 32  # levels of objects and lists in a tool's or an answer's schema
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_ONE_VALUE = re.compile(r"(n|logprobs|top_logprobs|logit_bias|modalities|verbosity)\b")
_NONE = Raw()

_Name = Annotated[str, Meta(min_length=1, max_length=128)]
_Count = Annotated[int, Meta(ge=1, le=10_000_000)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Stop = Annotated[str, Meta(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True)
class AskedChat:
    """What was asked, and how the answer is wanted."""

    request: CompletionRequest
    streamed: bool
    with_usage: bool


# --- the shapes ------------------------------------------------------------------------------
# A field typed `Raw` is let through unread; one typed `None` may only be null.


class _Strict(Struct, forbid_unknown_fields=True):
    pass


class _Text(_Strict, tag_field="type", tag="text"):
    text: str
    cache_control: Raw = _NONE


class _ImageUrl(_Strict):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class _Image(_Strict, tag_field="type", tag="image_url"):
    image_url: _ImageUrl
    cache_control: Raw = _NONE


class _Refusal(_Strict, tag_field="type", tag="refusal"):
    refusal: str


class _CalledFunction(_Strict):
    name: _Name
    arguments: str


class _ToolCall(_Strict):
    id: Annotated[str, Meta(min_length=1, max_length=256)]
    function: _CalledFunction
    type: Literal["function"] = "function"
    index: Raw = _NONE


_Content = str | Annotated[list[_Text | _Image | _Refusal], Meta(max_length=1_000)] | None


class _Message(_Strict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: _Content = None
    name: _Name | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    function_call: None = None
    audio: None = None
    # What answers carry and agents send back with them.
    refusal: Raw = _NONE
    annotations: Raw = _NONE
    reasoning: Raw = _NONE
    reasoning_content: Raw = _NONE
    reasoning_details: Raw = _NONE
    provider_specific_fields: Raw = _NONE


class _Function(_Strict):
    name: _Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Tool(_Strict):
    type: Literal["function"]
    function: _Function
    cache_control: Raw = _NONE


class _Schema(_Strict):
    name: _Name
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class _PlainFormat(_Strict, tag_field="type", tag="text"):
    pass


class _JsonFormat(_Strict, tag_field="type", tag="json_object"):
    pass


class _SchemaFormat(_Strict, tag_field="type", tag="json_schema"):
    json_schema: _Schema


class _NamedFunction(_Strict):
    name: _Name


class _NamedChoice(_Strict):
    type: Literal["function"]
    function: _NamedFunction


class _StreamOptions(_Strict):
    include_usage: bool | None = None
    include_obfuscation: Raw = _NONE


class _Body(_Strict):
    model: Annotated[str, Meta(min_length=1, max_length=200)]
    messages: Annotated[list[_Message], Meta(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: _Stop | Annotated[list[_Stop], Meta(max_length=16)] | None = None
    reasoning_effort: Effort | None = None
    tools: Annotated[list[_Tool], Meta(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | _NamedChoice | None = None
    response_format: _PlainFormat | _JsonFormat | _SchemaFormat | None = None
    # Carried in one value only: any other would change the answer.
    n: Annotated[int, Meta(ge=1, le=1)] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    logit_bias: Annotated[dict[str, float], Meta(max_length=0)] | None = None
    modalities: list[Literal["text"]] | None = None
    parallel_tool_calls: bool | None = None
    verbosity: Literal["medium"] | None = None
    audio: None = None
    function_call: None = None
    functions: None = None
    web_search_options: None = None
    # These change no answer.
    metadata: Raw = _NONE
    prediction: Raw = _NONE
    prompt_cache_key: Raw = _NONE
    prompt_cache_retention: Raw = _NONE
    safety_identifier: Raw = _NONE
    service_tier: Raw = _NONE
    store: Raw = _NONE
    user: Raw = _NONE


_BODY = msgspec.json.Decoder(_Body)


# --- reading ---------------------------------------------------------------------------------


def read(raw: bytes) -> AskedChat:
    """Raises `BadRequest` and `Unsupported`, with `param` where a field is at fault."""
    try:
        body = _BODY.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse(error)
    if not body.model.isprintable():
        raise BadRequest("`model` has characters that no model's name has.", "model")
    tools = tuple(_tool(tool, index) for index, tool in enumerate(body.tools or ()))
    if body.parallel_tool_calls is False and tools:
        raise Unsupported("`parallel_tool_calls` cannot be turned off here.", "parallel_tool_calls")
    request = CompletionRequest(
        model=body.model,
        messages=tuple(_message(message, index) for index, message in enumerate(body.messages)),
        sampling=_sampling(body),
        tools=tools,
        tool_choice=_tool_choice(body.tool_choice, tools),
        response_format=_response_format(body.response_format),
    )
    with_usage = body.stream_options is not None and bool(body.stream_options.include_usage)
    return AskedChat(request, streamed=bool(body.stream), with_usage=with_usage)


def fingerprint(raw: bytes) -> bytes:
    """SHA-256 of the request as it means, not as it was spelled: key order and spaces do not count."""
    return hashlib.sha256(msgspec.json.encode(msgspec.json.decode(raw), order="sorted")).digest()


def _sampling(body: _Body) -> Sampling:
    limits = {body.max_tokens, body.max_completion_tokens} - {None}
    if len(limits) > 1:
        raise BadRequest("`max_tokens` and `max_completion_tokens` differ; send one.", "max_tokens")
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return Sampling(
        max_output_tokens=limits.pop() if limits else None,
        temperature=body.temperature,
        top_p=body.top_p,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        seed=body.seed,
        stop=stop,
        effort=body.reasoning_effort,
    )


def _message(message: _Message, index: int) -> Message:
    where = f"messages[{index}]"
    if message.content is None and message.role != "assistant":
        raise BadRequest(f"`{where}.content` is missing.", f"{where}.content")
    if message.role == "tool" and message.tool_call_id is None:
        raise BadRequest(f"`{where}.tool_call_id` is missing.", f"{where}.tool_call_id")
    if message.tool_calls and message.role != "assistant":
        raise BadRequest(f"`{where}.tool_calls` belongs to an assistant's message.", f"{where}.tool_calls")
    return Message(
        role="system" if message.role == "developer" else message.role,
        parts=_parts(message.content, message.role, where),
        tool_calls=tuple(
            ToolCall(call.id, call.function.name, call.function.arguments)
            for call in message.tool_calls or ()
        ),
        tool_call_id=message.tool_call_id,
        name=message.name,
    )


def _parts(content: _Content, role: str, where: str) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),)
    parts: list[Part] = []
    for index, part in enumerate(content):
        match part:
            case _Text():
                parts.append(TextPart(part.text))
            case _Refusal():
                parts.append(TextPart(part.refusal))
            case _Image():
                parts.append(_image(part.image_url, role, f"{where}.content[{index}].image_url"))
    return tuple(parts)


def _image(image: _ImageUrl, role: str, where: str) -> ImagePart:
    if role != "user":
        raise BadRequest("Images belong to a user's message.", where)
    if not image.url.startswith(("https://", "data:image/")):
        raise BadRequest("An image is given by an https address or a `data:image/` URL.", f"{where}.url")
    return ImagePart(image.url, image.detail or "auto")


def _tool(tool: _Tool, index: int) -> Tool:
    function = tool.function
    where = f"tools[{index}].function"
    if not _NAME.fullmatch(function.name):
        raise BadRequest("A function's name has letters, digits, `_`, `-` and `.` only.", f"{where}.name")
    parameters = function.parameters or {}
    _refuse_depth(parameters, f"{where}.parameters")
    return Tool(function.name, function.description or "", parameters, function.strict)


def _tool_choice(
    choice: str | _NamedChoice | None, tools: Sequence[Tool]
) -> str | Mapping[str, object] | None:
    if choice is None or (isinstance(choice, str) and (tools or choice != "required")):
        return choice if tools else None
    if isinstance(choice, str):
        raise BadRequest("`tool_choice` asks for a tool, and there are none.", "tool_choice")
    name = choice.function.name
    if name not in {tool.name for tool in tools}:
        raise BadRequest(f"`tool_choice` names {name!r}, which is not among `tools`.", "tool_choice")
    return {"type": "function", "function": {"name": name}}


def _response_format(
    wanted: _PlainFormat | _JsonFormat | _SchemaFormat | None,
) -> Mapping[str, object] | None:
    match wanted:
        case None | _PlainFormat():
            return None
        case _JsonFormat():
            return {"type": "json_object"}
        case _SchemaFormat(schema):
            _refuse_depth(schema.schema, "response_format.json_schema.schema")
            given = {
                name: value for name, value in msgspec.structs.asdict(schema).items() if value is not None
            }
            return {"type": "json_schema", "json_schema": given}


def _refuse_depth(value: object, param: str) -> None:
    """Other programs, and providers, read a schema by recursion."""
    level: list[object] = [value]
    for _ in range(DEEPEST):
        inner = (
            one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)
        )
        level = [item for items in inner for item in items]
        if not level:
            return
    raise BadRequest(f"`{param}` is nested more than {DEEPEST} levels deep.", param)


# --- refusing --------------------------------------------------------------------------------


def _refuse(error: Exception) -> NoReturn:
    """Raise what msgspec found as one of ours, with the field that is at fault."""
    if isinstance(error, RecursionError):
        raise BadRequest("The body is nested too deeply.") from None
    if not isinstance(error, msgspec.ValidationError):
        raise BadRequest("The body is not JSON in UTF-8.") from None
    said, _, place = str(error).partition(" - at `$")
    path = place.removesuffix("`").removeprefix(".")
    field = re.search(r"(?:missing required|contains unknown) field `([^`]*)`", said)
    if field:
        path = f"{path}.{field[1][:100]}" if path else field[1][:100]
    if "unknown field" in said or "Expected `null`" in said:
        raise Unsupported(f"`{path}` is not supported here; leave it out.", path) from None
    if "missing required field" in said:
        raise BadRequest(f"`{path}` is missing.", path) from None
    if re.match(_ONE_VALUE, path):
        raise Unsupported(f"`{path}` is supported in its default only; leave it out.", path) from None
    said = said[:300]
    raise BadRequest(f"`{path}`: {said}." if path else f"The body: {said}.", path or None) from None
