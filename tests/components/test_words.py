"""How the pages speak: plainly, without exclamation marks or emoji; and what is typed stays text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest

from components import words


def said(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from said(each)


SENTENCES = [text for name in vars(words) if name.isupper() for text in said(getattr(words, name))]


def test_no_sentence_shouts() -> None:
    assert SENTENCES
    assert [text for text in SENTENCES if "!" in text] == []


def test_no_sentence_has_an_emoji() -> None:
    assert [text for text in SENTENCES if any(unicodedata.category(letter) == "So" for letter in text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://example.com/a.png)",
        "[link](javascript:alert(1))",
        "**bold**",
        "<b>x</b>",
        ":red[x]",
        "$x$ and $y$",
        "# head",
    ],
)
def test_text_that_is_not_ours_is_never_markup(text: str) -> None:
    escaped = words.escaped(text)
    for letter in "[]()*<>:$#!":
        assert escaped.count(letter) == escaped.count(f"\\{letter}")


def test_a_sentence_begins_large_and_ends() -> None:
    assert words.sentence("the engine is not here") == "The engine is not here."
    assert words.sentence("Why?") == "Why?"
    assert words.sentence("") == ""
