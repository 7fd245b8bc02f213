"""A kept response on the responses wire: what it repeats of its request, and what it was given, as items.

Of a request only what was kept is repeated: its `metadata` and who was to answer belonged to that call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.wire.openai_responses_objects import ANSWERED_NOTHING, called_item, text_part
from api.wire.pieces import Called, Said, Thought, pieces_of
from api.wire.seals import sealed
from api.wire.turns import Conversation
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
    ReasoningProof,
    TextPart,
    Tool,
)
from gateway.records import RunRecord

MOST_LISTED = 100
_OWN_WIRE = "responses"
_OUTPUTS: Mapping[CallKind, str] = {
    "function": "function_call_output",
    "custom": "custom_tool_call_output",
    "local_shell": "local_shell_call_output",
}


def echo_of(record: RunRecord) -> Mapping[str, object]:
    """What the answer repeats of a request whose text is there."""
    asked = record.asked
    before = {"previous_response_id": record.parent_run_id, "store": record.keeps_text}
    if asked is None:
        return {**ANSWERED_NOTHING, **before}
    sampling = asked.sampling
    instructions = [message.text for message in asked.messages if message.instructions]
    return {
        **ANSWERED_NOTHING,
        **before,
        "instructions": "\n\n".join(instructions) or None,
        "max_output_tokens": sampling.max_output_tokens,
        "max_tool_calls": asked.max_tool_calls,
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "prompt_cache_key": asked.cache_key,
        "reasoning": {"effort": sampling.effort, "summary": sampling.reasoning_summary},
        "temperature": sampling.temperature,
        "text": {
            "format": _format(asked.response_format),
            **({"verbosity": sampling.verbosity} if sampling.verbosity else {}),
        },
        "tool_choice": _choice(asked.tool_choice),
        "tools": [_tool(tool) for tool in asked.tools],
        "top_p": sampling.top_p,
    }


def _format(asked: Mapping[str, object] | None) -> Mapping[str, object]:
    """The chat completions wire, whose shape is kept, nests a schema one level deeper."""
    if asked is None:
        return {"type": "text"}
    schema = asked.get("json_schema")
    return {"type": "json_schema", **schema} if isinstance(schema, Mapping) else asked


def _choice(asked: str | Mapping[str, object] | None) -> object:
    if asked is None or isinstance(asked, str):
        return asked or "auto"
    kind = str(asked.get("type"))
    inner = asked.get(kind)
    return {"type": kind, **(inner if isinstance(inner, Mapping) else {})}


def _tool(tool: AnyTool) -> dict[str, object]:
    match tool:
        case Tool():
            said: dict[str, object] = {
                "type": "function", "name": tool.name, "parameters": tool.parameters or None,
                "strict": bool(tool.strict),
            }  # fmt: skip
            return {**said, "description": tool.description} if tool.description else said
        case CustomTool(name, description, format):
            more = {"description": description, "format": format}
            return {"type": "custom", "name": name, **{key: value for key, value in more.items() if value}}
        case HostedTool(kind, options):
            return {"type": kind, **options}


# --- the conversation that it is part of ------------------------------------------------------


def answer_of(record: RunRecord) -> tuple[Message, ...]:
    """The answer as the next request has it: thoughts with their seals, text, calls. What the provider
    called itself is not sent again: the item holds no result."""
    conversation = Conversation()
    for piece in pieces_of(record):
        match piece:
            case Thought():
                proof = piece.proof
                thought = Reasoning(piece.text)
                if proof is not None:
                    thought = Reasoning(piece.text, proof.proof, proof.wire, proof.id, proof.redacted)
                conversation.think(thought)
            case Said():
                conversation.say((TextPart(piece.text),))
            case Called():
                conversation.call(piece.call)
    conversation.end_turn()
    return tuple(conversation.messages)


# --- its input --------------------------------------------------------------------------------


def input_items(record: RunRecord, *, with_seals: bool) -> list[dict[str, Any]]:
    """All that the model was given but the instructions, first first; earlier responses included. An item's
    id says which response it was for, and its place."""
    kinds = {call.id: call.kind for message in record.messages for call in message.tool_calls}
    items: list[dict[str, Any]] = []
    for message in record.messages:
        if message.instructions:
            continue
        for prefix, item in _items(message, kinds, with_seals):
            items.append({"id": f"{prefix}_{record.id.removeprefix('run_')}_in_{len(items)}", **item})
    return items


def listed(
    items: Sequence[dict[str, Any]], *, after: str | None, limit: int, newest_first: bool
) -> dict[str, object]:
    """A page of them as OpenAI lists things. Raises `KeyError` where nothing has the id `after`."""
    ordered = list(reversed(items)) if newest_first else list(items)
    start = 0
    if after is not None:
        places = {item["id"]: at for at, item in enumerate(ordered)}
        start = places[after] + 1
    page = ordered[start : start + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": start + limit < len(ordered),
    }


def _items(
    message: Message, kinds: Mapping[str, CallKind], with_seals: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    if message.role == "tool":
        call_id = message.tool_call_id or ""
        content = [_part(part) for part in message.parts]
        output = message.text if all(isinstance(part, TextPart) for part in message.parts) else content
        kind = _OUTPUTS[kinds.get(call_id, "function")]
        yield "out", {"type": kind, "call_id": call_id, "output": output, "status": "completed"}
        return
    for thought in message.reasoning:
        yield "rs", _thought(thought, with_seals)
    if message.parts:
        said = (
            [text_part(message.text, ())] if message.role == "assistant" else list(map(_part, message.parts))
        )
        yield "msg", {"type": "message", "role": message.role, "status": "completed", "content": said}
    for call in message.tool_calls:
        yield "call", {**called_item(call.kind, call.id, call.name, call.arguments), "status": "completed"}


def _thought(thought: Reasoning, with_seals: bool) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": thought.text}] if thought.text else []
    item: dict[str, Any] = {"type": "reasoning", "summary": summary}
    if with_seals and thought.proof is not None and thought.wire is not None:
        proof = ReasoningProof(thought.proof, thought.wire, thought.id, thought.redacted)
        item["encrypted_content"] = sealed(proof, _OWN_WIRE)
    return item


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "input_text", "text": text}
        case ImagePart(url, detail):
            return {"type": "input_image", "image_url": url, "detail": detail}
        case FilePart(url, _, name):
            place = "file_data" if url.startswith("data:") else "file_url"
            return {"type": "input_file", place: url, **({"filename": name} if name else {})}
