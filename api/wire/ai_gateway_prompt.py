"""The messages of the AI SDK's gateway protocol, as ours.

A file is written in three ways: as an address or base64 (specification 2 and 3), or as an object that
says which of the two it is (4). A thought comes back with its maker's seal among the options of its
maker, where the SDK's own providers put it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw
from msgspec.structs import replace

from api.wire.ai_gateway_warnings import Warnings
from api.wire.reading import NONE, Id, Name, OneOf, Strict, decode_at, file, image
from gateway.errors import BadRequest, Unsupported
from gateway.messages import (
    AnyTool,
    CallKind,
    CustomTool,
    FilePart,
    HostedTool,
    ImagePart,
    Message,
    Part,
    Reasoning,
    TextPart,
    ToolCall,
)

Options = dict[str, dict[str, Any]]
_Parts = Annotated[list[Raw], Meta(max_length=1_000)]
_ADDRESS = re.compile(r"(data:|https?://)")


# --- the shapes ------------------------------------------------------------------------------


class _Part(Strict):
    pass


class _Text(_Part, tag_field="type", tag="text"):
    text: str
    providerOptions: Options | None = None


class _Bytes(Strict, tag_field="type", tag="data"):
    data: str


class _Url(Strict, tag_field="type", tag="url"):
    url: str
    originalUrl: Raw = NONE


class _PlainText(Strict, tag_field="type", tag="text"):
    text: str


class _Reference(Strict, tag_field="type", tag="reference"):
    reference: Raw = NONE


_Data = str | _Bytes | _Url | _PlainText | _Reference


class _File(_Part, tag_field="type", tag="file"):
    data: _Data
    mediaType: str
    filename: str | None = None
    originalUrl: Raw = NONE
    providerOptions: Options | None = None


class _Reasoning(_Part, tag_field="type", tag="reasoning"):
    text: str
    providerOptions: Options | None = None


class _ToolCall(_Part, tag_field="type", tag="tool-call"):
    toolCallId: Id
    toolName: Name
    input: Any = None
    providerExecuted: bool | None = None
    providerOptions: Options | None = None


class _Output(Strict):
    type: str
    value: Any = None
    reason: str | None = None
    providerOptions: Options | None = None


class _ToolResult(_Part, tag_field="type", tag="tool-result"):
    toolCallId: Id
    toolName: Name
    output: _Output
    providerOptions: Options | None = None


class _LetGo(_Part):
    """What only the provider that wrote it could read, or what is between the SDK and its user."""

    type: str
    kind: Raw = NONE
    data: Raw = NONE
    mediaType: Raw = NONE
    approvalId: Raw = NONE
    approved: Raw = NONE
    reason: Raw = NONE
    providerOptions: Raw = NONE


class AnyMessage(Strict):
    role: str
    content: Raw
    providerOptions: Options | None = None


_USER = OneOf[_Part]({"text": _Text, "file": _File}, what="A user's part")
_ASSISTANT = OneOf[_Part](
    {
        "text": _Text,
        "reasoning": _Reasoning,
        "tool-call": _ToolCall,
        "tool-result": _ToolResult,
        "custom": _LetGo,
        "reasoning-file": _LetGo,
    },
    what="An assistant's part",
)
_TOOL = OneOf[_Part]({"tool-result": _ToolResult, "tool-approval-response": _LetGo}, what="A tool's part")
_PARTS = msgspec.json.Decoder(_Parts)
_STRING = msgspec.json.Decoder(str)


# --- reading ---------------------------------------------------------------------------------


def messages_of(
    prompt: Sequence[AnyMessage], tools: Iterable[AnyTool], *, cached: bool, warnings: Warnings
) -> tuple[Message, ...]:
    """`cached`: mark the end of the system's words, which stay the same from request to request.
    Raises `BadRequest` and `Unsupported`."""
    kinds: dict[str, CallKind] = {tool.name: "custom" for tool in tools if isinstance(tool, CustomTool)}
    if any(isinstance(tool, HostedTool) and tool.kind == "local_shell" for tool in tools):
        kinds["local_shell"] = "local_shell"
    messages: list[Message] = []
    for index, message in enumerate(prompt):
        messages += _messages(message, f"prompt[{index}]", kinds, warnings)
    if cached:
        _mark_system(messages)
    return tuple(messages)


def _mark_system(messages: list[Message]) -> None:
    at = max((at for at, message in enumerate(messages) if message.role == "system"), default=None)
    if at is not None:
        *before, last = messages[at].parts
        messages[at] = replace(messages[at], parts=(*before, replace(last, cached=True)))


def _messages(
    message: AnyMessage, where: str, kinds: Mapping[str, CallKind], warnings: Warnings
) -> list[Message]:
    where = f"{where}.content"
    match message.role:
        case "system":
            text = decode_at(_STRING, message.content, where)
            return [Message("system", (TextPart(text, cache_mark(message.providerOptions)),))]
        case "user":
            parts = [_part(part, at, warnings) for part, at in _each(_USER, message.content, where)]
            return [Message("user", _marked(parts, message.providerOptions))]
        case "assistant":
            return [_assistant(message, where, kinds, warnings)]
        case "tool":
            return _results(message, where, warnings)
    raise BadRequest("A message's role is system, user, assistant or tool.", where.replace("content", "role"))


def _each(kinds: OneOf[_Part], content: Raw, where: str) -> Iterable[tuple[_Part, str]]:
    raws = decode_at(_PARTS, content, where)
    for index, raw in enumerate(raws):
        at = f"{where}[{index}]"
        yield kinds.decode(raw, at), at


def _assistant(message: AnyMessage, where: str, kinds: Mapping[str, CallKind], warnings: Warnings) -> Message:
    parts: list[Part] = []
    thoughts: list[Reasoning] = []
    calls: list[ToolCall] = []
    for part, at in _each(_ASSISTANT, message.content, where):
        match part:
            case _Text():
                parts.append(_part(part, at, warnings))
            case _Reasoning():
                thoughts.append(_thought(part))
            case _ToolCall() if not part.providerExecuted:
                calls.append(_call(part, kinds))
            case _ToolCall() | _ToolResult():
                warnings.unsupported("prompt", "Calls that a provider made and answered are not sent back.")
            case _:
                warnings.unsupported(
                    "prompt", f"An assistant's part of type {part_type(part)} is not sent back."
                )
    return Message(
        "assistant",
        _marked(parts, message.providerOptions),
        tool_calls=tuple(calls),
        reasoning=tuple(thoughts),
    )


def part_type(part: _Part) -> str:
    return part.type if isinstance(part, _LetGo) else type(part).__name__


def _results(message: AnyMessage, where: str, warnings: Warnings) -> list[Message]:
    results: list[Message] = []
    for part, at in _each(_TOOL, message.content, where):
        if not isinstance(part, _ToolResult):
            warnings.unsupported("prompt", "Answers to a provider's own requests for approval are not sent.")
            continue
        parts, failed = _output(part.output, f"{at}.output", warnings)
        marked = _marked(parts, part.providerOptions or message.providerOptions)
        results.append(Message("tool", marked, tool_call_id=part.toolCallId, tool_failed=failed))
    return results


def _thought(part: _Reasoning) -> Reasoning:
    """The seal is where the SDK's provider for OpenAI or Anthropic puts it, or where we put any other."""
    options = part.providerOptions or {}
    anthropic, openai, ours = (options.get(name, {}) for name in ("anthropic", "openai", "tiltyard"))
    if signature := _string(anthropic, "signature"):
        return Reasoning(part.text, signature, "anthropic_messages")
    if redacted := _string(anthropic, "redactedData"):
        return Reasoning("", redacted, "anthropic_messages", redacted=True)
    if sealed := _string(openai, "reasoningEncryptedContent"):
        return Reasoning(part.text, sealed, "responses", _string(openai, "itemId"))
    if seal := _string(ours, "seal"):
        return Reasoning(part.text, seal, _string(ours, "wire"), _string(ours, "id"))
    return Reasoning(part.text)


def _call(part: _ToolCall, kinds: Mapping[str, CallKind]) -> ToolCall:
    kind = kinds.get(part.toolName, "function")
    if kind == "custom" and isinstance(part.input, str):
        return ToolCall(part.toolCallId, part.toolName, part.input, kind)
    given = part.input
    if kind == "local_shell" and isinstance(given, dict):
        given = given.get("action", given)
    text = given if isinstance(given, str) else json.dumps({} if given is None else given)
    return ToolCall(part.toolCallId, part.toolName, text, kind)


def _output(output: _Output, where: str, warnings: Warnings) -> tuple[list[Part], bool]:
    """What a tool gave, and whether it failed."""
    match output.type:
        case "text" | "error-text" if isinstance(output.value, str):
            return [TextPart(output.value)], output.type == "error-text"
        case "json" | "error-json":
            return [TextPart(json.dumps(output.value))], output.type == "error-json"
        case "execution-denied":
            return [TextPart(output.reason or "The user denied this call.")], True
        case "content" if isinstance(output.value, list):
            parts = [
                _result_part(part, f"{where}.value[{index}]", warnings)
                for index, part in enumerate(output.value[:1_000])
            ]
            return [part for part in parts if part is not None], False
    raise BadRequest(f"`{where}` is not a tool's result.", where)


def _result_part(part: Any, where: str, warnings: Warnings) -> Part | None:
    if not isinstance(part, dict):
        raise BadRequest(f"`{where}` must be an object.", where)
    name = _string(part, "filename")
    match part:
        case {"type": "text", "text": str(text)}:
            return TextPart(text)
        case {"type": "image-url", "url": str(url)}:
            return _media(url, "image/*", name, where)
        case {"type": "file-url", "url": str(url)}:
            return _media(url, _string(part, "mediaType") or "", name, where)
        case {"type": "file-data" | "image-data" | "media", "data": str(data), "mediaType": str(media_type)}:
            return _media(data, media_type, name, where)
        case {"type": "file", "data": {"type": "data", "data": str(data)}, "mediaType": str(media_type)}:
            return _media(data, media_type, name, where)
        case {"type": "file", "data": {"type": "url", "url": str(url)}, "mediaType": str(media_type)}:
            return _media(url, media_type, name, where)
        case {"type": "file", "data": {"type": "text", "text": str(text)}}:
            return TextPart(text)
        case {"type": "custom"}:
            warnings.unsupported("prompt", "A tool result's part of type custom is not sent.")
            return None
    raise Unsupported(f"`{where}` cannot be carried here.", where)


def _part(part: _Part, where: str, warnings: Warnings) -> Part:
    match part:
        case _Text():
            return TextPart(part.text, cache_mark(part.providerOptions))
        case _File(_Bytes(data) | _Url(data)) | _File(str(data)):
            made = _media(data, part.mediaType, part.filename, where)
            detail = _string((part.providerOptions or {}).get("openai", {}), "imageDetail")
            if isinstance(made, ImagePart) and detail in ("low", "high"):
                made = replace(made, detail=detail)
            return replace(made, cached=cache_mark(part.providerOptions))
        case _File(_PlainText(text)):
            return TextPart(text, cache_mark(part.providerOptions))
    raise Unsupported("Files that a provider keeps are not carried here; send the file itself.", where)


def _media(data: str, media_type: str, name: str | None, where: str) -> ImagePart | FilePart:
    """An address, a `data:` URL, or base64 as it is."""
    if not _ADDRESS.match(data):
        data = f"data:{media_type or 'application/octet-stream'};base64,{data}"
    if media_type.startswith("image") or data.startswith("data:image/"):
        return image(data, None, where)
    return file(data, media_type if "*" not in media_type else None, name, where)


def _marked(parts: Sequence[Part], options: Options | None) -> tuple[Part, ...]:
    """A message's own mark is that of its last part."""
    if parts and cache_mark(options):
        *before, last = parts
        return (*before, replace(last, cached=True))
    return tuple(parts)


def cache_mark(options: Options | None) -> bool:
    """Anthropic's `cacheControl`, where the SDK's provider for Anthropic has it."""
    return bool((options or {}).get("anthropic", {}).get("cacheControl"))


def _string(options: Mapping[str, Any], name: str) -> str | None:
    found = options.get(name)
    return found if isinstance(found, str) and found else None
