"""The content blocks of Anthropic's messages: what a user shows, what an assistant thought, said and called.

A search that the provider ran itself (`server_tool_use` and its result) is let through and not sent
again; other makers' models cannot read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from api.wire.reading import NONE, CacheMark, Id, Name, OneOf, Strict, file, image
from api.wire.seals import unsealed
from api.wire.turns import Conversation
from gateway.errors import BadRequest, Unsupported
from gateway.messages import Message, Part, TextPart, ToolCall

_OWN_WIRE = "anthropic_messages"


class TextBlock(Strict, kw_only=True):
    type: Literal["text"] = "text"
    text: str
    cache_control: CacheMark | None = None
    citations: Raw = NONE


class _Base64(Strict, tag_field="type", tag="base64"):
    media_type: Name
    data: str


class _Url(Strict, tag_field="type", tag="url"):
    url: str


class _PlainText(Strict, tag_field="type", tag="text"):
    data: str
    media_type: Literal["text/plain"] = "text/plain"


class _Image(Strict, kw_only=True):
    type: Literal["image"]
    source: _Base64 | _Url
    cache_control: CacheMark | None = None


class _Citations(Strict):
    enabled: Literal[False] | None = None


class _Document(Strict, kw_only=True):
    type: Literal["document"]
    source: _Base64 | _Url | _PlainText
    title: str | None = None
    context: str | None = None
    citations: _Citations | None = None
    cache_control: CacheMark | None = None


class _Thinking(Strict, kw_only=True):
    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


class _RedactedThinking(Strict, kw_only=True):
    type: Literal["redacted_thinking"]
    data: str


class _ToolUse(Strict, kw_only=True):
    type: Literal["tool_use"]
    id: Id
    name: Name
    input: dict[str, Any]
    cache_control: CacheMark | None = None
    caller: Raw = NONE


class _ToolResult(Strict, kw_only=True):
    type: Literal["tool_result"]
    tool_use_id: Id
    content: str | Annotated[list[Raw], Meta(max_length=1_000)] | None = None
    is_error: bool | None = None
    cache_control: CacheMark | None = None


class _NotSentAgain(msgspec.Struct):
    type: Literal["server_tool_use", "web_search_tool_result"]


_SHOWN: dict[str, type[Any]] = {"text": TextBlock, "image": _Image, "document": _Document}
_SYSTEM: OneOf[Any] = OneOf({"text": TextBlock}, what="A content block of a system")
USER: OneOf[Any] = OneOf({**_SHOWN, "tool_result": _ToolResult}, what="A content block of a user")
RESULT: OneOf[Any] = OneOf(_SHOWN, what="A content block of a tool's result")
ASSISTANT: OneOf[Any] = OneOf(
    {
        "text": TextBlock,
        "thinking": _Thinking,
        "redacted_thinking": _RedactedThinking,
        "tool_use": _ToolUse,
        "server_tool_use": _NotSentAgain,
        "web_search_tool_result": _NotSentAgain,
    },
    what="A content block of an assistant",
)


def messages_of(messages: Iterable[tuple[str, str | list[Raw]]]) -> tuple[Message, ...]:
    """Raises `BadRequest` and `Unsupported`, with the place of the block at fault."""
    conversation = Conversation()
    for at, (role, content) in enumerate(messages):
        where = f"messages[{at}].content"
        if role == "user":
            _user(conversation, content, where)
        elif role == "system":
            conversation.add(Message("system", _said(content, where)))
        else:
            _assistant(conversation, content, where)
            conversation.end_turn()
    conversation.end_turn()
    if not conversation.messages:
        raise BadRequest("`messages` hold nothing to answer.", "messages")
    return tuple(conversation.messages)


def _said(content: str | list[Raw], where: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (TextPart(content),)
    places = [(raw, f"{where}[{at}]") for at, raw in enumerate(content)]
    return tuple(_part(_SYSTEM.decode(raw, place), place) for raw, place in places)


def _user(conversation: Conversation, content: str | list[Raw], where: str) -> None:
    """A tool's result is a message of its own, where it stands among the rest."""
    if isinstance(content, str):
        conversation.add(Message.of("user", content))
        return
    parts: list[Part] = []
    for at, raw in enumerate(content):
        place = f"{where}[{at}]"
        block = USER.decode(raw, place)
        if not isinstance(block, _ToolResult):
            parts.append(_part(block, place))
            continue
        if parts:
            conversation.add(Message("user", tuple(parts)))
            parts = []
        conversation.add(_result(block, place))
    if parts or not content:
        conversation.add(Message("user", tuple(parts)))


def _result(block: _ToolResult, where: str) -> Message:
    cached = block.cache_control is not None
    content = block.content or ""
    if isinstance(content, str):
        parts: tuple[Part, ...] = (TextPart(content, cached),)
    else:
        places = [(raw, f"{where}.content[{at}]") for at, raw in enumerate(content)]
        parts = tuple(_part(RESULT.decode(raw, place), place) for raw, place in places)
    return Message("tool", parts, tool_call_id=block.tool_use_id, tool_failed=bool(block.is_error))


def _part(block: TextBlock | _Image | _Document, where: str) -> Part:
    cached = block.cache_control is not None
    match block:
        case TextBlock():
            return TextPart(block.text, cached)
        case _Image(source=_Url(url)):
            return image(url, None, f"{where}.source.url", cached=cached)
        case _Image(source=_Base64(media_type, data)):
            return image(
                f"data:{media_type};base64,{data}", None, f"{where}.source.media_type", cached=cached
            )
        case _Document(source=_PlainText(data)):
            told = (block.title, block.context, data)
            return TextPart("\n\n".join(text for text in told if text), cached)
        case _Document() if block.context is not None:
            raise Unsupported(f"`{where}.context` is carried for plain text only.", f"{where}.context")
        case _Document(source=_Url(url)):
            return file(url, None, block.title, f"{where}.source.url", cached=cached)
        case _Document(source=_Base64(media_type, data)):
            url = f"data:{media_type};base64,{data}"
            return file(url, media_type, block.title, f"{where}.source.media_type", cached=cached)
    raise AssertionError(block)


def _assistant(conversation: Conversation, content: str | list[Raw], where: str) -> None:
    if isinstance(content, str):
        conversation.say([TextPart(content)])
        return
    for at, raw in enumerate(content):
        match ASSISTANT.decode(raw, f"{where}[{at}]"):
            case TextBlock() as block:
                conversation.say([TextPart(block.text, block.cache_control is not None)])
            case _Thinking() as block:
                conversation.think(unsealed(block.thinking, block.signature, _OWN_WIRE))
            case _RedactedThinking() as block:
                conversation.think(unsealed("", block.data, _OWN_WIRE))
            case _ToolUse() as block:
                arguments = msgspec.json.encode(block.input).decode()
                conversation.call(ToolCall(block.id, block.name, arguments))
