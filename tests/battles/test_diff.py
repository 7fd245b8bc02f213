"""What differs between two answers, by words, by structure, by lines."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from battles.diff import Change, Piece, code_of, json_of, likeness, lines, shapes, structure, words


def test_words_that_differ_stand_between_those_that_do_not() -> None:
    assert words("The sky is blue today.", "The sea is blue today!") == (
        Piece("same", "The "),
        Piece("left", "sky"),
        Piece("right", "sea"),
        Piece("same", " is blue today"),
        Piece("left", "."),
        Piece("right", "!"),
    )


@given(st.text(alphabet="ab \n.", max_size=200), st.text(alphabet="ab \n.", max_size=200))
def test_each_side_can_be_read_from_the_pieces(left: str, right: str) -> None:
    pieces = words(left, right)
    assert "".join(piece.text for piece in pieces if piece.side != "right") == left
    assert "".join(piece.text for piece in pieces if piece.side != "left") == right
    assert 0 <= likeness(left, right) <= 1 and (likeness(left, right) == 1) is (left == right)


@given(st.text(alphabet="ab\n", max_size=100), st.text(alphabet="ab\n", max_size=100))
def test_lines_of_code_keep_their_numbers(left: str, right: str) -> None:
    found = lines(left, right)
    assert [line.text for line in found if line.left_no is not None] == left.splitlines()
    assert [line.right_no for line in found if line.right_no is not None] == list(
        range(1, len(right.splitlines()) + 1)
    )


def test_two_long_answers_with_nothing_in_common_are_compared_at_once() -> None:
    left, right = (" ".join(f"{letter}{no}" for no in range(40_000)) for letter in "ab")
    before = time.process_time()
    assert likeness(left, right) < 0.01
    assert time.process_time() - before < 2


def test_one_more_item_at_the_front_is_one_change() -> None:
    assert structure([1, 2, 3], [0, 1, 2, 3]) == (Change("$[0]", "added", "", "0"),)


def test_a_change_has_its_path_whatever_the_order_of_keys() -> None:
    left = {"name": "Anna", "tags": ["a", "b"], "at": {"zip code": 1, "gone": None}}
    right = {"tags": ["a", "c"], "name": "Anna", "at": {"zip code": True, "new": []}}
    assert structure(left, right) == (
        Change("$.tags[1]", "changed", '"b"', '"c"'),
        Change('$.at["zip code"]', "changed", "1", "true"),
        Change("$.at.gone", "removed", "null", ""),
        Change("$.at.new", "added", "", "[]"),
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, JSON)
def test_no_change_is_found_just_where_the_values_are_equal(left: Any, right: Any) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert (structure(left, right) == ()) is same


FENCED = "Here:\n```python\nprint(1)\n```\nand\n~~~\nx\n~~~\n"


def test_code_and_json_are_found_in_their_fences() -> None:
    assert code_of(FENCED) == "print(1)\nx\n"
    assert code_of("no fence") is None
    assert code_of("```\ncut off") == "cut off\n"
    assert json_of('Sure!\n```json\n{"a": 1}\n```') == {"a": 1}
    for text in ("", "12", "{broken", '"text"', "[" * 100_000):
        with pytest.raises(ValueError, match="no JSON"):
            json_of(text)


def test_the_way_that_says_most_comes_first() -> None:
    assert shapes("a", "b") == ("words",)
    assert shapes(FENCED, FENCED) == ("code", "words")
    assert shapes('{"a": 1}', "[]") == ("json", "words")
    assert shapes('{"a": 1}', "text") == ("words",)
