"""What Send sends: the conversation so far and the new prompt, as one request. Pure.

The system prompt is the one on the page now, not the one of earlier turns. A turn that brought no text
counts as not having happened. `Dead` says why a conversation cannot go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from gateway.messages import CompletionRequest, ImagePart, Message, Sampling
from gateway.records import RunRecord

Dead = Literal["running", "text_gone"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What stands on the page besides the prompt."""

    model: str
    system: str
    sampling: Sampling


def ask(settings: Settings, turns: Sequence[RunRecord], prompt: str) -> CompletionRequest:
    """The prompt after what was said before it."""
    return _request(settings, (*_said(turns), Message.of("user", prompt)))


def ask_after(settings: Settings, before: Sequence[Message], prompt: str) -> CompletionRequest:
    """The prompt after example turns that nobody sent."""
    return _request(settings, (*before, Message.of("user", prompt)))


def with_images(request: CompletionRequest, urls: Sequence[str]) -> CompletionRequest:
    """The same, with these images before the text of its last message."""
    if not urls:
        return request
    *before, last = request.messages
    parts = (*(ImagePart(url) for url in urls), *last.parts)
    return replace(request, messages=(*before, replace(last, parts=parts)))


def ask_again(settings: Settings, turn: RunRecord) -> CompletionRequest:
    """What this turn asked, with the model and settings that stand on the page now."""
    return _request(settings, _without_system(turn.messages))


def dead(turns: Sequence[RunRecord]) -> Dead | None:
    """Why nothing can follow these turns; None where something can."""
    if not turns:
        return None
    if turns[-1].state == "running":
        return "running"
    return "text_gone" if any(not turn.messages for turn in turns) else None


def most_tokens(request: CompletionRequest) -> int:
    """No text has more tokens than bytes."""
    return sum(len(message.text.encode()) for message in request.messages)


def images_of(turn: RunRecord) -> int:
    """How many images went with this turn's prompt."""
    asked = [message for message in turn.messages if message.role == "user"]
    return sum(isinstance(part, ImagePart) for part in asked[-1].parts) if asked else 0


def examples_before(turn: RunRecord) -> tuple[Message, ...]:
    """The example turns that a first turn carried."""
    spoken = _without_system(turn.messages)
    return spoken[:-1]


def _said(turns: Sequence[RunRecord]) -> tuple[Message, ...]:
    answered = [turn for turn in turns if turn.text]
    if not answered:
        return examples_before(turns[0]) if turns else ()
    last = answered[-1]
    return (*_without_system(last.messages), Message.of("assistant", last.text))


def _request(settings: Settings, spoken: tuple[Message, ...]) -> CompletionRequest:
    system = (Message.of("system", settings.system),) if settings.system else ()
    return CompletionRequest(settings.model, (*system, *spoken), settings.sampling)


def _without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(message for message in messages if message.role != "system")
