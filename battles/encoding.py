"""Battles' values as text in the database, and back. What a person wrote is kept apart from the rest, so
that it can be forgotten by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from battles.models import Example, Prompt, Settings
from gateway.messages import Sampling, Tool

T = TypeVar("T")


class _Said(msgspec.Struct, omit_defaults=True):
    """The part of `Settings` that is text."""

    system: str | None = None
    examples: tuple[Example, ...] = ()
    template: str | None = None


class _Chosen(msgspec.Struct, omit_defaults=True):
    """The part of `Settings` that is not."""

    sampling: dict[str, object] = {}
    response_format: Mapping[str, object] | None = None
    tools: tuple[Tool, ...] = ()


def encode(value: object) -> str:
    """As JSON that both engines store: PostgreSQL takes no NUL in a text, and no engine half of a
    surrogate pair."""
    text = msgspec.json.encode(value).decode()
    return text.replace("\\u0000", "\\ufffd")


def decode(text: str, kind: type[T]) -> T:
    return msgspec.json.decode(text, type=kind)


def settings_json(settings: Settings) -> str:
    asked = {
        name: value
        for name in Sampling.__dataclass_fields__
        if (value := getattr(settings.sampling, name)) not in (None, ())
    }
    return encode(_Chosen(asked, settings.response_format, settings.tools))


def said_json(settings: Settings) -> str:
    return encode(_Said(settings.system, settings.examples, settings.template))


def settings_of(chosen: str, said: str | None) -> Settings:
    """Without its text where that is no longer kept."""
    kept, text = decode(chosen, _Chosen), decode(said or "{}", _Said)
    return Settings(
        text.system,
        text.examples,
        text.template,
        msgspec.convert(kept.sampling, Sampling),
        kept.response_format,
        kept.tools,
    )


def prompt_json(prompt: Prompt) -> str:
    return encode(prompt)


def prompt_of(text: str) -> Prompt:
    return decode(text, Prompt)
