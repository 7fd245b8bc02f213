"""Fits a request to what a model takes on its route's wire: leaves out or bounds what changes nothing
essential and says so in words; refuses by name what would change the meaning (images, tools, a schema).

How a wire then writes what is left is `gateway/providers/`'s: a custom tool may go as a function, an
effort as a budget of tokens, a schema as a tool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, get_args

from msgspec import structs

from gateway.catalog import Model
from gateway.catalog_values import Price, SamplingField, Wire
from gateway.errors import BadRequest, Unsupported
from gateway.messages import AnyTool, CompletionRequest, Effort, FilePart, HostedTool, ImagePart, Sampling
from gateway.tool_fees import tool_of

_DEFAULTS = Sampling()
_NAMED = tuple((field.name, field.default) for field in fields(Sampling) if field.name != "max_output_tokens")
_EFFORTS: tuple[str, ...] = get_args(Effort)
_LOCAL_SHELL = "local_shell"
NEEDED_FOR_FORMAT: Mapping[str, str] = {"json_schema": "structured_output", "json_object": "json_mode"}
_NOTHING: frozenset[str] = frozenset()
# What a wire has no field for, whatever the model.
_NOT_ON_WIRE: Mapping[Wire, frozenset[str]] = {
    "chat_completions": frozenset({"reasoning_summary", "reasoning_tokens"}),
    "responses": frozenset(
        {"frequency_penalty", "presence_penalty", "seed", "stop", "top_k", "reasoning_tokens"}
    ),
    "anthropic_messages": frozenset({"frequency_penalty", "presence_penalty", "seed", "verbosity"}),
}
_WIRE_NAMES: Mapping[Wire, str] = {
    "chat_completions": "chat completions",
    "responses": "responses",
    "anthropic_messages": "Anthropic's messages",
}


def fit(
    request: CompletionRequest, model: Model, wire: Wire = "chat_completions"
) -> tuple[CompletionRequest, tuple[str, ...]]:
    """The request as it can be sent, and a note for each thing that was left out or bounded.

    Raises `BadRequest` for a request without a message, and `Unsupported`.
    """
    if not request.messages:
        raise BadRequest("There is no message to answer.", "messages")
    if not model.answers:
        raise Unsupported(f"{model.name} makes embeddings; it answers no prompts.", "model")
    _refuse_parts(request, model, wire)
    _refuse_format(request, model, wire)
    notes: list[str] = []
    if request.tools or request.max_tool_calls is not None:
        request = _fit_tools(request, model, wire, notes)
    if request.sampling != _DEFAULTS:
        request = _fit_sampling(request, model, wire, notes)
    if _loses_thoughts(request, wire):
        notes.append(
            f"The sealed thoughts of earlier answers were left out: {model.name} is asked over "
            f"{_WIRE_NAMES[wire]}, and they are another maker's."
        )
    return request, tuple(notes)


def _loses_thoughts(request: CompletionRequest, wire: Wire) -> bool:
    """A seal is of use on the wire alone that gave it; each wire's request leaves the others out."""
    return any(
        thought.proof is not None and thought.wire != wire
        for message in request.messages
        if message.reasoning
        for thought in message.reasoning
    )


# --- sampling ---------------------------------------------------------------------------------------


def _fit_sampling(
    request: CompletionRequest, model: Model, wire: Wire, notes: list[str]
) -> CompletionRequest:
    """The cap on output is the hold's to decide, not the model's."""
    changes: dict[str, Any] = {}
    for name, default in _NAMED:
        value = getattr(request.sampling, name)
        if value == default:
            continue
        fitted, note = _fitted(name, value, model, wire)
        if note:
            changes[name] = fitted
            notes.append(note)
    if not changes:
        return request
    return structs.replace(request, sampling=replace(request.sampling, **changes))


def _fitted(name: str, value: Any, model: Model, wire: Wire) -> tuple[Any, str]:
    """The value to send and a note where it is another one than was asked for."""
    field = taken(name, model, wire)
    if field is None:
        why = f"{model.name} does not take it."
        if model.takes(name) is not None:
            why = f"{model.name} is asked over {_WIRE_NAMES[wire]}, which has no such field."
        return getattr(_DEFAULTS, name), f"{name} was left out: {why}"
    if name == "stop" and wire == "anthropic_messages":
        return _fitted_stop(value, model)
    if field.choices and value not in field.choices:
        return _nearest(name, value, field, model)
    if isinstance(value, int | float):
        least = value if field.least is None else max(value, field.least)
        bounded = least if field.most is None else min(least, field.most)
        if bounded != value:
            note = f"{name} was set to {bounded:g}, the nearest that {model.name} takes."
            return type(value)(bounded), note
    return value, ""


def taken(name: str, model: Model, wire: Wire) -> SamplingField | None:
    """The sampling field of that name, if this model takes it on this wire."""
    if name in _NOT_ON_WIRE.get(wire, _NOTHING):
        return None
    field = model.takes(name)
    if field is not None or not model.reasons:
        return field
    # A summary of thoughts is asked for by the wire, and an effort can be said as a budget of tokens.
    if name == "reasoning_summary" or (
        name == "effort" and wire == "anthropic_messages" and model.takes("reasoning_tokens")
    ):
        return SamplingField(name)
    return None


def _nearest(name: str, value: Any, taken: SamplingField, model: Model) -> tuple[Any, str]:
    """Efforts have an order; of two that are as near the lower is taken, which costs less."""
    known = [choice for choice in taken.choices if choice in _EFFORTS]
    if name != "effort" or value not in _EFFORTS or not known:
        return None, f"{name} was left out: {model.name} takes {', '.join(taken.choices)}."
    at = _EFFORTS.index(value)
    nearest = min(known, key=lambda choice: (abs(_EFFORTS.index(choice) - at), _EFFORTS.index(choice)))
    return nearest, f"effort was set to {nearest}, the nearest that {model.name} takes."


def _fitted_stop(value: tuple[str, ...], model: Model) -> tuple[tuple[str, ...], str]:
    shown = tuple(text for text in value if text.strip())
    if len(shown) == len(value):
        return value, ""
    return shown, f"stop lost what is only white space: {model.name} does not take that."


# --- tools ------------------------------------------------------------------------------------------


def _fit_tools(request: CompletionRequest, model: Model, wire: Wire, notes: list[str]) -> CompletionRequest:
    if request.tools and "tools" not in model.features:
        raise Unsupported(f"{model.name} does not call tools.", "tools")
    if "free_tool_choice" in model.features and _forces(request.tool_choice):
        raise Unsupported(f"{model.name} cannot be made to call a tool; it decides itself.", "tool_choice")
    kept = tuple(tool for tool in request.tools if _runs(tool, model, wire))
    if len(kept) != len(request.tools):
        _refuse_needed(request, kept, model, wire)
        lost = [_kind(tool) for tool in request.tools if tool not in kept]
        notes += [f"The tool {kind} was left out: {_nobody_runs(kind, model, wire)}" for kind in lost]
        request = structs.replace(request, tools=kept)
    if request.max_tool_calls is not None and not any(map(_by_provider, kept)):
        if wire != "responses":
            request = structs.replace(request, max_tool_calls=None)
            notes.append("max_tool_calls was left out: no tool here is run by the provider.")
    return request


def _runs(tool: AnyTool, model: Model, wire: Wire) -> bool:
    """Whether somebody runs the tool: the caller, or on this wire the provider, at a price that is known."""
    if not _by_provider(tool):
        return True
    if wire == "responses":
        return any(tool_of(_kind(tool)) in (price.tool_fees or {}) for price in _prices(model))
    return wire == "anthropic_messages" and _kind(tool).startswith("web_search") and (
        "web_search" in model.features
    )  # fmt: skip


def _prices(model: Model) -> Iterator[Price]:
    """All of them, each provider's own included: which holds is decided once it is known who answers."""
    yield from model.prices
    for route in model.providers:
        yield from route.prices


def _by_provider(tool: AnyTool) -> bool:
    return isinstance(tool, HostedTool) and tool.kind != _LOCAL_SHELL


def _kind(tool: AnyTool) -> str:
    return tool.kind if isinstance(tool, HostedTool) else tool.name


def _refuse_needed(request: CompletionRequest, kept: tuple[AnyTool, ...], model: Model, wire: Wire) -> None:
    """A tool that nobody runs may go, unless it is the only one or the one that is asked for."""
    lost = [_kind(tool) for tool in request.tools if tool not in kept]
    asked = str(request.tool_choice) if isinstance(request.tool_choice, Mapping) else ""
    named = next((kind for kind in lost if f"'{kind}'" in asked), None)
    if not kept or named:
        kind = (named or lost[0])[:60]
        raise Unsupported(f"The tool {kind!r} cannot be used: {_nobody_runs(kind, model, wire)}", "tools")


def _nobody_runs(kind: str, model: Model, wire: Wire) -> str:
    if wire == "responses":
        return f"{model.name} has no price for calls of {tool_of(kind)} here."
    return f"{model.name} is asked over {_WIRE_NAMES[wire]}, where nobody runs it."


def _forces(choice: object) -> bool:
    if isinstance(choice, Mapping):
        inner = choice.get("allowed_tools")
        said = inner if isinstance(inner, Mapping) else choice
        return choice.get("type") != "allowed_tools" or said.get("mode") == "required"
    return choice == "required"


# --- what is refused --------------------------------------------------------------------------------


def _refuse_parts(request: CompletionRequest, model: Model, wire: Wire) -> None:
    images = files = False
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ImagePart):
                images = True
            elif isinstance(part, FilePart):
                files = True
                _refuse_file(part, model, wire)
    if images and "image_input" not in model.features:
        raise Unsupported(f"{model.name} does not take images.", "messages")
    if files and "file_input" not in model.features:
        raise Unsupported(f"{model.name} does not take files here.", "messages")


def _refuse_file(part: FilePart, model: Model, wire: Wire) -> None:
    if "file_input" not in model.features:
        return
    if wire == "chat_completions" and not part.url.startswith("data:"):
        raise Unsupported(f"{model.name} takes files by data: address here, and not by link.", "messages")
    if part.media_type != "application/pdf" and not (
        wire == "anthropic_messages" and part.media_type.startswith("text/") and part.url.startswith("data:")
    ):
        raise Unsupported(f"{model.name} takes PDF files here, and not {part.media_type[:80]}.", "messages")


def _refuse_format(request: CompletionRequest, model: Model, wire: Wire) -> None:
    asked = request.response_format
    if asked is None:
        return
    if not takes_format(asked, model, wire):
        raise Unsupported(f"{model.name} cannot be held to a response format.", "response_format")
    if request.tools and not _natively(asked, model, wire):
        message = f"{model.name} cannot be held to a response format while it has tools."
        raise Unsupported(message, "response_format")


def takes_format(format: Mapping[str, object], model: Model, wire: Wire) -> bool:
    """On Anthropic's wire a tool that has to be called can stand for a format."""
    by_tool = {"free_tool_choice", "always_thinks"}.isdisjoint(model.features) and "tools" in model.features
    return _natively(format, model, wire) or (wire == "anthropic_messages" and by_tool)


def _natively(format: Mapping[str, object], model: Model, wire: Wire) -> bool:
    needed = NEEDED_FOR_FORMAT.get(str(format.get("type")))
    if needed is None:
        return True
    return needed in model.features and not (wire == "anthropic_messages" and needed == "json_mode")
