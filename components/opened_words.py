"""The English sentences of what was opened in the playground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

DROP: Final = "Leave out"
DROP_HELP: Final = "Model, settings and prompt stay in their fields; what came along goes."
JSON_ANSWER: Final = "the JSON that the answer must be"


def opened(name: str, along: str) -> str:
    return f"{name}. With it comes: {along}."


def opened_plainly(name: str) -> str:
    return f"{name}."


def messages(count: int) -> str:
    return f"{count} earlier {'message' if count == 1 else 'messages'}"


def images(count: int) -> str:
    return f"{count} {'image' if count == 1 else 'images'}"


def files(count: int) -> str:
    return f"{count} {'file' if count == 1 else 'files'}"


def tools(count: int) -> str:
    return f"{count} {'tool' if count == 1 else 'tools'}"


def only(providers: Sequence[str]) -> str:
    return f"answered by {' or '.join(providers)} alone"
