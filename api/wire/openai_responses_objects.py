"""The objects of the responses wire: a response, its output items, their parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from api.wire.pieces import Called, Hosted, Piece, Said, Thought
from api.wire.seals import sealed
from api.wire.shapes import Begun
from gateway.messages import CallKind, Citation, FinishReason

Ended = Literal["completed", "incomplete"]

# By what a tool is called among all, the namespace and the name under which its caller knows it.
Namespaces = Mapping[str, tuple[str, str]]

_OWN_WIRE = "responses"
_IDS = {Thought: "rs", Said: "msg", Hosted: "ws"}
_CALL_IDS = {"function": "fc", "custom": "ctc", "local_shell": "lsh"}

# What is repeated of a request that is not known any more.
ANSWERED_NOTHING: Mapping[str, object] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
}


def response(
    begun: Begun,
    echo: Mapping[str, object],
    status: str,
    output: list[dict[str, Any]],
    *,
    usage: dict[str, object] | None = None,
    error: dict[str, object] | None = None,
    incomplete: str | None = None,
    completed_ms: int | None = None,
) -> dict[str, object]:
    """`usage` is known once the run is settled."""
    return {
        "id": begun.run_id,
        "object": "response",
        "created_at": begun.created_ms // 1000,
        "completed_at": completed_ms // 1000 if completed_ms and status == "completed" else None,
        "status": status,
        "background": False,
        "error": error,
        "incomplete_details": None if incomplete is None else {"reason": incomplete},
        "model": begun.model,
        "output": output,
        "service_tier": "default",
        "top_logprobs": 0,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
        **echo,
    }


def incomplete_reason(finish: FinishReason) -> str | None:
    return {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)


def named_in(namespace: str, name: str) -> str:
    """What a tool of a namespace is called where there are none."""
    return f"{namespace}__{name}"


@dataclass(slots=True, eq=False)
class Item:
    """A piece of the answer as an output item; `index` is its place. `ended` once it was told whole."""

    run_id: str
    index: int
    piece: Piece
    with_seals: bool
    namespaces: Namespaces
    ended: Ended | None = None

    @property
    def id(self) -> str:
        piece = self.piece
        if isinstance(piece, Hosted) and piece.call.id:
            return piece.call.id
        kind = _CALL_IDS[piece.kind] if isinstance(piece, Called) else _IDS[type(piece)]
        return f"{kind}_{self.run_id.removeprefix('run_')}_{self.index}"

    def announced(self) -> dict[str, Any]:
        """As it begins: with nothing in it."""
        match self.piece:
            case Thought():
                return {"id": self.id, "type": "reasoning", "summary": []}
            case Said():
                return self._message("in_progress", [])
            case Called(kind="local_shell"):
                return self._called("in_progress", self.piece.arguments)
            case Called():
                return self._called("in_progress", "")
            case Hosted():
                return {**self._hosted(), "status": "in_progress"}

    def whole(self, status: Ended) -> dict[str, Any]:
        match self.piece:
            case Thought():
                return self._thought()
            case Said(citations=citations):
                return self._message(status, [text_part(self.piece.text, citations)])
            case Called():
                return self._called(status, self.piece.arguments)
            case Hosted():
                return self._hosted()

    def delta_event(self) -> tuple[str, dict[str, object]]:
        """The name of its deltas, and what each of them says beside the delta."""
        place: dict[str, object] = {"item_id": self.id, "output_index": self.index}
        match self.piece:
            case Thought():
                return "response.reasoning_summary_text.delta", {**place, "summary_index": 0}
            case Called(kind="custom"):
                return "response.custom_tool_call_input.delta", place
            case Called():
                return "response.function_call_arguments.delta", place
            case _:
                return "response.output_text.delta", {**place, "content_index": 0, "logprobs": []}

    def _message(self, status: str, content: list[dict[str, object]]) -> dict[str, Any]:
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _thought(self) -> dict[str, Any]:
        assert isinstance(self.piece, Thought)
        proof = self.piece.proof
        text = self.piece.text
        summary = [{"type": "summary_text", "text": text}] if text else []
        item: dict[str, Any] = {"id": self.id, "type": "reasoning", "summary": summary}
        if self.with_seals and proof is not None:
            item["encrypted_content"] = sealed(proof, _OWN_WIRE)
        return item

    def _called(self, status: str, arguments: str) -> dict[str, Any]:
        call = self.piece
        assert isinstance(call, Called)
        item: dict[str, Any] = {"id": self.id, "status": status}
        namespace, name = self.namespaces.get(call.name, (None, call.name))
        if namespace is not None:
            item["namespace"] = namespace
        return {**item, **called_item(call.kind, call.id, name, arguments)}

    def _hosted(self) -> dict[str, Any]:
        assert isinstance(self.piece, Hosted)
        call = self.piece.call
        kind = "web_search_call" if call.kind.startswith("web_search") else call.kind
        return {"type": kind, "status": "completed", **call.item, "id": self.id}


def called_item(kind: CallKind, call_id: str, name: str, arguments: str) -> dict[str, Any]:
    match kind:
        case "function":
            return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
        case "custom":
            return {"type": "custom_tool_call", "call_id": call_id, "name": name, "input": arguments}
        case "local_shell":
            return {"type": "local_shell_call", "call_id": call_id, "action": _action(arguments)}


def text_part(text: str, citations: Iterable[Citation]) -> dict[str, object]:
    marks = [annotation(citation) for citation in citations]
    return {"type": "output_text", "text": text, "annotations": marks, "logprobs": []}


def annotation(citation: Citation) -> dict[str, object]:
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title,
        "start_index": citation.start,
        "end_index": citation.end,
    }


def _action(arguments: str) -> dict[str, Any]:
    """A shell call's action; a model that wrote none gets an empty command, which runs nothing."""
    nothing: dict[str, Any] = {"type": "exec", "command": [], "env": {}}
    try:
        action = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return nothing
    return {**nothing, **action} if isinstance(action, dict) else nothing
