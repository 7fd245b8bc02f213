"""Uploads: everything is read, or what is wrong is told by line."""

from __future__ import annotations

import json

import pytest

from battles.batch_rows import MOST_ROWS, read_rows, rows_of
from battles.errors import BadRows


def problems(data: bytes, name: str = "") -> tuple[tuple[int, str], ...]:
    with pytest.raises(BadRows) as refused:
        read_rows(data, name)
    return refused.value.problems


def test_csv_with_quotes_line_breaks_and_a_mark_at_its_start() -> None:
    upload = read_rows('\ufeffquestion,answer\r\n"a, ""b""\nc",1\r\n\r\nd,2\r\n'.encode())
    assert upload.columns == ("question", "answer")
    assert [dict(row.values) for row in upload.rows] == [
        {"question": 'a, "b"\nc', "answer": "1"},
        {"question": "d", "answer": "2"},
    ]
    assert [row.line_no for row in upload.rows] == [2, 5]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_the_first_lines(separator: str) -> None:
    upload = read_rows(f"a{separator}b\n1{separator}2\n".encode())
    assert dict(upload.rows[0].values) == {"a": "1", "b": "2"}


def test_json_lines_keep_what_is_no_text_as_json() -> None:
    upload = read_rows(
        b'{"q": "x", "n": 1.50, "l": ["\xc3\xa9"], "z": null}\n\n{"q":"","n":2,"l":[],"z":true}'
    )
    assert [dict(row.values) for row in upload.rows] == [
        {"q": "x", "n": "1.5", "l": '["é"]', "z": ""},
        {"q": "", "n": "2", "l": "[]", "z": "true"},
    ]
    assert [row.line_no for row in upload.rows] == [1, 3]


def test_an_array_of_objects_is_rows_too() -> None:
    assert len(read_rows(b' [{"a": 1},\n {"a": 2}]').rows) == 2


def test_five_thousand_rows_are_five_thousand_rows() -> None:
    data = "".join(json.dumps({"no": no}) + "\n" for no in range(5_000)).encode()
    upload = read_rows(data, "rows.jsonl")
    assert [int(row.values["no"]) for row in upload.rows] == list(range(5_000))


def test_what_is_wrong_is_told_by_line_and_nothing_is_read() -> None:
    assert problems(b"a,b\n1,2\n1\n1,2,3\n") == (
        (3, "it has 1 fields, and the first line names 2"),
        (4, "it has 3 fields, and the first line names 2"),
    )
    assert problems(b'{"a": 1}\nnot json\n{"b": 1}\n', "x.jsonl")[0][0] == 2
    assert problems(b'{"a": 1}\n{"b": 1}\n') == (
        (2, "it has no 'a'; it has 'b', which the first row has not"),
    )
    assert problems(b"a,b\n1,\xff\n")[0][0] == 2
    assert problems(b"a,b\n1,2\x00\n")[0][0] == 2
    assert "twice" in problems(b"a,a\n1,2\n")[0][1]
    assert "no name" in problems(b"a,\n1,2\n")[0][1]
    assert "quotes" in problems(b'a,b\n1,"2\n')[0][1]
    assert problems(b"") == ((0, "it is empty"),)
    assert problems(b"a,b\n")[0][1] == "it has no row"
    assert problems(b'{"a": "\\ud800"}\n') == ((1, "its 'a' has a character that is no text"),)
    assert problems(b"[" * 100_000)


def test_many_mistakes_are_counted_and_the_first_are_told() -> None:
    with pytest.raises(BadRows) as refused:
        read_rows(b"a,b\n" + b"1\n" * 100)
    assert refused.value.count == 100 and len(refused.value.problems) == 20
    assert "and 80 more" in str(refused.value)


def test_too_many_rows_are_refused_before_they_are_kept() -> None:
    assert "the most" in problems(b"a\n" + b"1\n" * (MOST_ROWS + 1))[0][1]


def test_rows_of_a_request_are_held_to_the_same_rules() -> None:
    assert dict(rows_of([{"a": 1}]).rows[0].values) == {"a": "1"}
    with pytest.raises(BadRows):
        rows_of([{"a": 1}, {"b": 1}])
