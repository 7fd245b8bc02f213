"""Code keeps every character, whatever its colours."""

from __future__ import annotations

import re
import time
from html import unescape

import pytest
from hypothesis import given, settings, strategies as st

from markup.code import _LANGUAGES, LONGEST_CHARS, LONGEST_LINE, GrowingCode, highlight

PYTHON = 'def f(x: int) -> str:\n    """Says "hi"."""\n    return f"<{x}> & y"  # done\n'


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def test_code_is_coloured_by_class_name() -> None:
    assert highlight("def f(): return 1\n", "py") == (
        '<span class="k">def</span> <span class="f">f</span>(): <span class="k">return</span> '
        '<span class="n">1</span>\n'
    )


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    st.sampled_from(["python", "html", "json", "bash", "c", "yaml", "diff", None]),
)
def test_colouring_changes_no_character(code: str, language: str | None) -> None:
    assert text_of(highlight(code, language)) == code


@pytest.mark.parametrize("language", [None, "", "no-such-language", "../../etc", "python; drop"])
def test_an_unknown_language_is_plain_text(language: str | None) -> None:
    assert highlight("a < b", language) == "a &lt; b"


# What took single lexers longest, of some 300 pieces repeated to the longest line and code that are coloured.
@pytest.mark.parametrize("piece", ['"\\', "\t", '"a::', "'''", "<a b="])
def test_no_language_can_be_made_to_hold_up_the_process(piece: str) -> None:
    line = (piece * LONGEST_LINE)[: LONGEST_LINE - 2] + "\n"
    code = line * 8
    for language in _LANGUAGES:
        began_s = time.thread_time()
        assert text_of(highlight(code, language)) == code
        assert time.thread_time() - began_s < 1, language


def test_a_very_long_line_is_plain_text() -> None:
    assert "<span" not in highlight("x = 1 + " * LONGEST_LINE, "python")


def test_very_long_code_is_plain_text() -> None:
    assert "<span" not in highlight("x = 1\n" * LONGEST_CHARS, "python")


def test_growing_code_is_coloured_line_by_line_and_says_the_same() -> None:
    growing = GrowingCode()
    for end in range(len(PYTHON) + 1):
        growing.rewind()
        assert text_of(growing(PYTHON[:end], "python")) == PYTHON[:end]
    growing.rewind()
    assert growing(PYTHON, "python") == highlight(PYTHON, "python")


def test_growing_code_is_not_coloured_again_for_each_letter() -> None:
    line = "x = 1\n"
    growing, coloured_whole = GrowingCode(), 0
    for end in range(0, 600 * len(line), 3):
        growing.rewind()
        html = growing((line * 600)[:end], "python")
        coloured_whole += html.endswith("</span>\n") and end % len(line) == 0
    assert 0 < coloured_whole < 300


def test_two_code_blocks_of_one_tail_are_kept_apart() -> None:
    growing = GrowingCode()
    for _ in range(2):
        growing.rewind()
        assert "class" in growing("x = 1\n", "python")
        assert text_of(growing("let y = 2\n", "js")) == "let y = 2\n"
