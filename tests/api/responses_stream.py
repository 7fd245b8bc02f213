"""Reads a responses stream as a strict client does: every event valid by OpenAI's own types, in order."""

from __future__ import annotations

import json
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def events_of(text: str) -> list[dict[str, Any]]:
    """Raises `AssertionError` and pydantic's `ValidationError`."""
    events = []
    for frame in text.split("\n\n"):
        if not frame:
            continue
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        parsed = _EVENT.validate_python(event)
        assert parsed.type == event["type"], f"{event['type']} was taken for {parsed.type}"
        events.append(event)
    return events


def checked(text: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The events, and the response that the last one carries; the rules of the wire hold for them."""
    events = events_of(text)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert last["type"] in ("response.completed", "response.incomplete", "response.failed")
    added = [event for event in events if event["type"] == "response.output_item.added"]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in added] == list(range(len(added)))
    if last["type"] != "response.failed":
        whole = sorted(done, key=lambda event: int(event["output_index"]))
        assert [event["item"] for event in whole] == last["response"]["output"]
        for event in added:
            _check_item(event["output_index"], event["item"], events)
    Response.model_validate(last["response"])
    return events, last["response"]


def _check_item(index: int, announced: dict[str, Any], events: list[dict[str, Any]]) -> None:
    own = [event for event in events if event.get("output_index") == index]
    assert own[0]["type"] == "response.output_item.added"
    assert own[-1]["type"] == "response.output_item.done"
    assert own[-1]["item"]["id"] == announced["id"]
    assert all(event["item_id"] == announced["id"] for event in own[1:-1])
    pieces = "".join(event["delta"] for event in own if event["type"].endswith(".delta"))
    for event in own:
        for field in ("text", "arguments", "input"):
            if event["type"].endswith(".done") and field in event:
                assert event[field] == pieces
