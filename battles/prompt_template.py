"""Templates: a text with places for variables, `{{name}}`. Pure.

A name is a letter or `_` and then letters, digits or `_`, at most 64; blanks beside it do not count. Braces
around anything else are text. What fills a place is never looked into again, so that a row whose value
holds `{{x}}` puts just that there, and no value reaches another's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

PROMPT: Final = "prompt"
"""The variable that stands for what was typed, where a template goes around it."""

_PLACE: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class MissingVariables(ValueError):
    """`names` have a place in the template and no value."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(f"No value for {', '.join(f'{{{{{name}}}}}' for name in names)}.")
        self.names = names


def variables_of(*texts: str | None) -> tuple[str, ...]:
    """The names that have a place, in the order in which they first come."""
    return tuple(dict.fromkeys(name for text in texts for name in _PLACE.findall(text or "")))


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def missing(names: Iterable[str], values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in values)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with every place filled; values without a place are not looked at. Raises
    `MissingVariables`."""
    if names := missing(variables_of(text), values):
        raise MissingVariables(names)
    return _PLACE.sub(lambda place: values[place[1]], text)
