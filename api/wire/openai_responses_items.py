"""The responses wire's `input`: a flat list of items, put together into messages.

What an assistant did in one turn is one message: thoughts, then text, then calls. Calls that were made
together stay together, since other wires want their results right after them. A search that the
provider ran itself (`web_search_call`) is let through and not sent again: the item holds no result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from api.wire.openai_responses_objects import named_in
from api.wire.reading import NONE, Detail, Id, Name, OneOf, Strict, file, image
from api.wire.seals import unsealed
from api.wire.turns import Conversation
from gateway.errors import BadRequest
from gateway.messages import Message, Part, TextPart, ToolCall

MOST_ITEMS = 10_000
_OWN_WIRE = "responses"


class _InputText(Strict, tag_field="type", tag="input_text"):
    text: str
    prompt_cache_breakpoint: Raw = NONE


class _OutputText(Strict, tag_field="type", tag="output_text"):
    text: str
    annotations: Raw = NONE
    logprobs: Raw = NONE


class _Refusal(Strict, tag_field="type", tag="refusal"):
    refusal: str


class _InputImage(Strict, tag_field="type", tag="input_image"):
    image_url: str | None = None
    detail: Detail | None = None
    file_id: None = None
    prompt_cache_breakpoint: Raw = NONE


class _InputFile(Strict, tag_field="type", tag="input_file"):
    file_data: str | None = None
    file_url: str | None = None
    filename: Name | None = None
    file_id: None = None
    detail: Raw = NONE
    prompt_cache_breakpoint: Raw = NONE


_InputPart = _InputText | _InputImage | _InputFile
_Output = str | Annotated[list[_InputPart], Meta(max_length=1_000)]


class _Item(Strict, kw_only=True):
    """What answers carry beside the content, and agents send back with it."""

    type: str = ""
    id: str | None = None
    status: Raw = NONE


class _Message(_Item, kw_only=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | Annotated[list[_InputPart | _OutputText | _Refusal], Meta(max_length=1_000)]
    phase: Raw = NONE
    end_turn: Raw = NONE


class _SummaryText(Strict):
    text: str
    type: Literal["summary_text"] = "summary_text"


class _ReasoningText(Strict):
    text: str
    type: Literal["reasoning_text", "text"] = "reasoning_text"


class _Thought(_Item, kw_only=True):
    summary: Annotated[list[_SummaryText], Meta(max_length=1_000)] | None = None
    content: Annotated[list[_ReasoningText], Meta(max_length=1_000)] | None = None
    encrypted_content: str | None = None


class _FunctionCall(_Item, kw_only=True):
    call_id: Id
    name: Name
    namespace: Name | None = None
    arguments: str
    caller: Raw = NONE


class _CustomCall(_Item, kw_only=True):
    call_id: Id
    name: Name
    namespace: Name | None = None
    input: str
    caller: Raw = NONE


class _ShellCall(_Item, kw_only=True):
    call_id: Id
    action: dict[str, Any]


class _CallOutput(_Item, kw_only=True):
    call_id: Id
    output: _Output
    caller: Raw = NONE


class _ShellOutput(_Item, kw_only=True):
    """`id` is the call's; agents say `call_id`, as everywhere else."""

    output: _Output
    call_id: Id | None = None


class _WebSearchCall(_Item, kw_only=True):
    action: Raw = NONE
    results: Raw = NONE


ITEMS: OneOf[Any] = OneOf(
    {
        "message": _Message,
        "reasoning": _Thought,
        "function_call": _FunctionCall,
        "function_call_output": _CallOutput,
        "custom_tool_call": _CustomCall,
        "custom_tool_call_output": _CallOutput,
        "local_shell_call": _ShellCall,
        "local_shell_call_output": _ShellOutput,
        "web_search_call": _WebSearchCall,
    },
    what="An input item",
    bare="message",
)


def messages_of(items: Sequence[Raw]) -> tuple[Message, ...]:
    """Raises `BadRequest` and `Unsupported`, with the place of the item at fault."""
    conversation = Conversation()
    for at, raw in enumerate(items):
        where = f"input[{at}]"
        _take(conversation, ITEMS.decode(raw, where), where)
    conversation.end_turn()
    if not conversation.messages:
        raise BadRequest("`input` holds nothing to answer.", "input")
    return tuple(conversation.messages)


def _take(conversation: Conversation, item: _Item, where: str) -> None:
    match item:
        case _Message(role="assistant"):
            conversation.say(_parts(item, where))
        case _Message():
            conversation.add(Message("user" if item.role == "user" else "system", _parts(item, where)))
        case _Thought():
            said = [part.text for part in item.summary or ()] or [part.text for part in item.content or ()]
            thought = unsealed("\n\n".join(said), item.encrypted_content, _OWN_WIRE, id=item.id)
            if thought.text or thought.proof:
                conversation.think(thought)
        case _FunctionCall():
            conversation.call(ToolCall(item.call_id, _called(item), item.arguments))
        case _CustomCall():
            conversation.call(ToolCall(item.call_id, _called(item), item.input, "custom"))
        case _ShellCall():
            action = msgspec.json.encode(item.action).decode()
            conversation.call(ToolCall(item.call_id, "local_shell", action, "local_shell"))
        case _CallOutput():
            conversation.add(_result(item.call_id, item.output, where))
        case _ShellOutput():
            call_id = item.call_id or item.id
            if call_id is None:
                raise BadRequest(f"`{where}.call_id` is missing.", f"{where}.call_id")
            conversation.add(_result(call_id, item.output, where))


def _called(item: _FunctionCall | _CustomCall) -> str:
    return item.name if item.namespace is None else named_in(item.namespace, item.name)


def _result(call_id: str, output: _Output, where: str) -> Message:
    if isinstance(output, str):
        return Message("tool", (TextPart(output),), tool_call_id=call_id)
    parts = tuple(_input_part(part, f"{where}.output[{at}]") for at, part in enumerate(output))
    return Message("tool", parts, tool_call_id=call_id)


def _parts(message: _Message, where: str) -> tuple[Part, ...]:
    if isinstance(message.content, str):
        return (TextPart(message.content),)
    parts: list[Part] = []
    for at, part in enumerate(message.content):
        place = f"{where}.content[{at}]"
        match part:
            case _OutputText():
                parts.append(TextPart(part.text))
            case _Refusal():
                parts.append(TextPart(part.refusal))
            case _InputImage() | _InputFile() if message.role != "user":
                raise BadRequest("Images and files belong to a user's message.", place)
            case _InputText() | _InputImage() | _InputFile():
                parts.append(_input_part(part, place))
    return tuple(parts)


def _input_part(part: _InputPart, where: str) -> Part:
    match part:
        case _InputText():
            return TextPart(part.text)
        case _InputImage():
            if part.image_url is None:
                raise BadRequest(f"`{where}.image_url` is missing.", f"{where}.image_url")
            return image(part.image_url, part.detail, f"{where}.image_url")
        case _InputFile():
            named = "file_url" if part.file_data is None else "file_data"
            url = part.file_data or part.file_url
            if url is None:
                raise BadRequest(f"`{where}.file_data` is missing.", f"{where}.file_data")
            return file(url, None, part.filename, f"{where}.{named}")
