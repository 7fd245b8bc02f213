"""OpenAI's chat completions request, read strictly into our own words.

A field that would change the answer and that we do not carry is refused by name; one that would not
(`user`, `metadata`, `service_tier`, ...) is let through and dropped. What a model can do is not judged
here (`gateway/fitting.py`), only what the request says.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from api.wire.openai_chat_answer import ChatShape
from api.wire.openai_chat_tools import ChatChoice, ChatFormat, ChatTool, chosen, read_format, read_tool
from api.wire.reading import (
    MOST_MESSAGES,
    MOST_TOOLS,
    NONE,
    CacheKey,
    CacheMark,
    Count,
    Detail,
    Id,
    ModelName,
    Name,
    Stop,
    Strict,
    decode,
    file,
    image,
    model_name,
)
from api.wire.routing import read_preferences, tags_asked
from api.wire.seals import unsealed
from api.wire.shapes import Asked
from gateway.errors import BadRequest
from gateway.messages import (
    CompletionRequest,
    Effort,
    FilePart,
    Message,
    Part,
    Reasoning,
    Sampling,
    TextPart,
    ToolCall,
    Verbosity,
)

_ONE_VALUE = re.compile(r"(n|logprobs|top_logprobs|logit_bias|modalities)\b")
_OWN_WIRE = "chat_completions"
_Penalty = Annotated[float, Meta(ge=-2, le=2)]


# --- messages --------------------------------------------------------------------------------


class _Text(Strict, tag_field="type", tag="text"):
    text: str
    cache_control: CacheMark | None = None


class _ImageUrl(Strict):
    url: str
    detail: Detail | None = None


class _Image(Strict, tag_field="type", tag="image_url"):
    image_url: _ImageUrl
    cache_control: CacheMark | None = None


class _FileData(Strict):
    """`file_data` is a `data:` URL, or an https address."""

    file_data: str | None = None
    filename: Name | None = None
    file_id: None = None


class _File(Strict, tag_field="type", tag="file"):
    file: _FileData
    cache_control: CacheMark | None = None


class _Refusal(Strict, tag_field="type", tag="refusal"):
    refusal: str


class _CalledFunction(Strict):
    name: Name
    arguments: str


class _CalledCustom(Strict):
    name: Name
    input: str


class _ToolCall(Strict):
    id: Id
    type: Literal["function", "custom"] = "function"
    function: _CalledFunction | None = None
    custom: _CalledCustom | None = None
    index: Raw = NONE


class _ReasoningDetail(msgspec.Struct):
    """As OpenRouter writes them, and as our own answers carry them."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    id: str | None = None


_Content = str | Annotated[list[_Text | _Image | _File | _Refusal], Meta(max_length=1_000)] | None


class _Message(Strict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: _Content = None
    name: Name | None = None
    tool_calls: Annotated[list[_ToolCall], Meta(max_length=1_000)] | None = None
    tool_call_id: Id | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: Annotated[list[_ReasoningDetail], Meta(max_length=1_000)] | None = None
    cache_control: CacheMark | None = None
    function_call: None = None
    audio: None = None
    # What answers carry and agents send back with them.
    annotations: Raw = NONE
    provider_specific_fields: Raw = NONE


# --- the body --------------------------------------------------------------------------------


class _StreamOptions(Strict):
    include_usage: bool | None = None
    include_obfuscation: Raw = NONE


class _Reasoning(Strict):
    """OpenRouter's: how hard to think, or for how many tokens at most."""

    effort: Effort | None = None
    max_tokens: Count | None = None
    enabled: bool | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    exclude: Literal[False] | None = None


class ChatBody(Strict, rename={"provider_options": "providerOptions"}):
    model: ModelName
    messages: Annotated[list[_Message], Meta(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Stop | Annotated[list[Stop], Meta(max_length=16)] | None = None
    reasoning_effort: Effort | None = None
    reasoning: _Reasoning | None = None
    verbosity: Verbosity | None = None
    tools: Annotated[list[ChatTool], Meta(max_length=MOST_TOOLS)] | None = None
    tool_choice: ChatChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ChatFormat | None = None
    prompt_cache_key: CacheKey | None = None
    store: bool | None = None
    # Carried in one value only: any other would change the answer.
    n: Annotated[int, Meta(ge=1, le=1)] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    logit_bias: Annotated[dict[str, float], Meta(max_length=0)] | None = None
    modalities: list[Literal["text"]] | None = None
    audio: None = None
    function_call: None = None
    functions: None = None
    web_search_options: None = None
    # Who may answer (`routing.py`).
    provider: Raw = NONE
    models: Raw = NONE
    route: Raw = NONE
    provider_options: Raw = NONE
    # These change no answer.
    metadata: Raw = NONE
    prediction: Raw = NONE
    prompt_cache_retention: Raw = NONE
    safety_identifier: Raw = NONE
    service_tier: Raw = NONE
    usage: Raw = NONE
    user: Raw = NONE


_BODY = msgspec.json.Decoder(ChatBody)


def read(raw: bytes) -> Asked:
    """Raises `BadRequest` and `Unsupported`, with `param` where a field is at fault."""
    body = decode(_BODY, raw, _ONE_VALUE)
    tools = tuple(read_tool(tool, f"tools[{index}]") for index, tool in enumerate(body.tools or ()))
    tools, choice = chosen(body.tool_choice, tools)
    request = CompletionRequest(
        model=model_name(body.model),
        messages=tuple(_message(message, f"messages[{at}]") for at, message in enumerate(body.messages)),
        sampling=_sampling(body),
        tools=tools,
        tool_choice=choice,
        response_format=read_format(body.response_format),
        parallel_tool_calls=body.parallel_tool_calls if tools else None,
        keep=bool(body.store),
        cache_key=body.prompt_cache_key,
        routing=read_preferences(body),
        tags=tags_asked(body.provider_options),
    )
    with_usage = body.stream_options is not None and bool(body.stream_options.include_usage)
    return Asked(request, streamed=bool(body.stream), shape=ChatShape(with_usage=with_usage))


def _sampling(body: ChatBody) -> Sampling:
    limits = {body.max_tokens, body.max_completion_tokens} - {None}
    if len(limits) > 1:
        raise BadRequest("`max_tokens` and `max_completion_tokens` differ; send one.", "max_tokens")
    reasoning = body.reasoning or _Reasoning()
    effort = reasoning.effort or body.reasoning_effort
    if body.reasoning_effort not in (None, effort):
        raise BadRequest("`reasoning.effort` and `reasoning_effort` differ; send one.", "reasoning_effort")
    if effort is None and reasoning.enabled is not None and reasoning.max_tokens is None:
        effort = "medium" if reasoning.enabled else "none"
    return Sampling(
        max_output_tokens=limits.pop() if limits else None,
        temperature=body.temperature,
        top_p=body.top_p,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        seed=body.seed,
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        effort=effort,
        top_k=body.top_k,
        verbosity=body.verbosity,
        reasoning_summary=reasoning.summary,
        reasoning_tokens=reasoning.max_tokens,
    )


def _message(message: _Message, where: str) -> Message:
    role = message.role
    if message.content is None and role != "assistant":
        raise BadRequest(f"`{where}.content` is missing.", f"{where}.content")
    if role == "tool" and message.tool_call_id is None:
        raise BadRequest(f"`{where}.tool_call_id` is missing.", f"{where}.tool_call_id")
    if message.tool_calls and role != "assistant":
        raise BadRequest(f"`{where}.tool_calls` belongs to an assistant's message.", f"{where}.tool_calls")
    parts = _parts(message, where)
    if message.refusal and not parts:
        parts = (TextPart(message.refusal),)
    calls = enumerate(message.tool_calls or ())
    return Message(
        role="system" if role == "developer" else role,
        parts=parts,
        tool_calls=tuple(_call(call, f"{where}.tool_calls[{index}]") for index, call in calls),
        tool_call_id=message.tool_call_id,
        name=message.name,
        reasoning=_reasoning(message) if role == "assistant" else (),
    )


def _parts(message: _Message, where: str) -> tuple[Part, ...]:
    content = message.content
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content, cached=message.cache_control is not None),)
    parts: list[Part] = []
    for index, part in enumerate(content):
        at = f"{where}.content[{index}]"
        match part:
            case _Text():
                parts.append(TextPart(part.text, part.cache_control is not None))
            case _Refusal():
                parts.append(TextPart(part.refusal))
            case _Image(image_url):
                if message.role not in ("user", "tool"):
                    raise BadRequest("Images belong to a user's message.", f"{at}.image_url")
                cached = part.cache_control is not None
                parts.append(image(image_url.url, image_url.detail, f"{at}.image_url.url", cached=cached))
            case _File():
                parts.append(_file(part, message.role, f"{at}.file"))
    return tuple(parts)


def _file(part: _File, role: str, where: str) -> FilePart:
    if role not in ("user", "tool"):
        raise BadRequest("Files belong to a user's message.", where)
    if part.file.file_data is None:
        raise BadRequest(f"`{where}.file_data` is missing.", f"{where}.file_data")
    cached = part.cache_control is not None
    return file(part.file.file_data, None, part.file.filename, f"{where}.file_data", cached=cached)


def _call(call: _ToolCall, where: str) -> ToolCall:
    if call.type == "custom" and call.custom is not None and call.function is None:
        return ToolCall(call.id, call.custom.name, call.custom.input, "custom")
    if call.type == "function" and call.function is not None and call.custom is None:
        return ToolCall(call.id, call.function.name, call.function.arguments)
    raise BadRequest(f"`{where}.{call.type}` is missing.", f"{where}.{call.type}")


def _reasoning(message: _Message) -> tuple[Reasoning, ...]:
    """Details where there are any, since they carry the seals; else the plain text."""
    thoughts = [
        unsealed(
            detail.text or detail.summary or "", detail.signature or detail.data, _OWN_WIRE, id=detail.id
        )
        for detail in message.reasoning_details or ()
    ]
    found = tuple(thought for thought in thoughts if thought.text or thought.proof)
    plain = message.reasoning_content or message.reasoning
    return found or ((Reasoning(plain),) if plain else ())
