"""Fits a request to what the model takes: leaves out sampling fields that it does not have and says
so in words; refuses what would change the meaning (images, tools, a schema)."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from gateway.catalog import Model
from gateway.errors import BadRequest, Unsupported
from gateway.messages import CompletionRequest, FilePart, ImagePart, Sampling

_DEFAULTS = Sampling()


def fit(request: CompletionRequest, model: Model) -> tuple[CompletionRequest, tuple[str, ...]]:
    """The request as it can be sent, and a note for each field that was left out or bounded.

    Raises `BadRequest` for a request without a message, and `Unsupported`.
    """
    if not request.messages:
        raise BadRequest("There is no message to answer.", "messages")
    if not model.answers:
        raise Unsupported(f"{model.name} makes embeddings; it answers no prompts.", "model")
    _refuse_unsupported(request, model)
    changes: dict[str, Any] = {}
    notes: list[str] = []
    for field in fields(Sampling):
        value = getattr(request.sampling, field.name)
        if value == getattr(_DEFAULTS, field.name) or field.name == "max_output_tokens":
            continue  # the cap on output is the hold's to decide, not the model's
        fitted, note = _fitted(field.name, value, model)
        if note:
            changes[field.name] = fitted
            notes.append(note)
    if not changes:
        return request, ()
    return replace(request, sampling=replace(request.sampling, **changes)), tuple(notes)


def _fitted(name: str, value: Any, model: Model) -> tuple[Any, str]:
    """The value to send and a note where it is another one than was asked for."""
    taken = model.takes(name)
    if taken is None:
        return getattr(_DEFAULTS, name), f"{name} was left out: {model.name} does not take it."
    if taken.choices and value not in taken.choices:
        return None, f"{name} was left out: {model.name} takes {', '.join(taken.choices)}."
    if isinstance(value, int | float):
        least = value if taken.least is None else max(value, taken.least)
        bounded = least if taken.most is None else min(least, taken.most)
        if bounded != value:
            note = f"{name} was set to {bounded:g}, the nearest that {model.name} takes."
            return type(value)(bounded), note
    return value, ""


def _refuse_unsupported(request: CompletionRequest, model: Model) -> None:
    if any(isinstance(part, ImagePart) for message in request.messages for part in message.parts):
        if "image_input" not in model.features:
            raise Unsupported(f"{model.name} does not take images.", "messages")
    if any(isinstance(part, FilePart) for message in request.messages for part in message.parts):
        raise Unsupported(f"{model.name} does not take files here.", "messages")
    if request.tools and "tools" not in model.features:
        raise Unsupported(f"{model.name} does not call tools.", "tools")
    if request.response_format is not None:
        kind = request.response_format.get("type")
        needed = {"json_schema": "structured_output", "json_object": "json_mode"}.get(str(kind))
        if needed is not None and needed not in model.features:
            raise Unsupported(f"{model.name} cannot be held to a response format.", "response_format")
