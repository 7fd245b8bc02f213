"""What differs between two answers: word by word, by the structure of their JSON, or line by line of their
code. Pure; what is drawn is decided elsewhere.

Words are compared within lines that differ, so that long answers cost what their differences cost. Where a
stretch is still too long to be compared in time it is shown as replaced whole: right, if less fine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final, Literal

Side = Literal["same", "left", "right"]
Shape = Literal["words", "json", "code"]
ChangeKind = Literal["added", "removed", "changed"]

_WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")
_FENCE: Final = re.compile(
    r"^ {0,3}(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:^ {0,3}\1[ \t]*$|\Z)", re.M | re.S
)
_MOST_TOKENS: Final = 3_000  # of a stretch, both sides together: 3,000 take 0.1 s at worst
_MOST_LINES: Final = 4_000
_MOST_CHANGES: Final = 500
_DEEPEST: Final = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that both have, or only one of them."""

    side: Side
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of code, with its number on each side that has it, from 1."""

    side: Side
    text: str
    left_no: int | None
    right_no: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """A place in a JSON value: `path` as in JSONPath (`$.items[2].name`), values as JSON text, "" where
    there is none."""

    path: str
    kind: ChangeKind
    left: str
    right: str


# --- words -----------------------------------------------------------------------------------


def words(left: str, right: str) -> tuple[Piece, ...]:
    """In reading order; what was taken out stands before what came instead."""
    pieces: list[Piece] = []
    for side, taken, put in _blocks(
        left.splitlines(keepends=True), right.splitlines(keepends=True), _MOST_LINES
    ):
        if side == "same":
            pieces.append(Piece("same", "".join(taken)))
        else:
            pieces.extend(_words_within("".join(taken), "".join(put)))
    return _joined(pieces)


def likeness(left: str, right: str) -> float:
    """The share of both texts that they have in common, 0 to 1; 1 for two empty texts."""
    both = len(left) + len(right)
    if not both:
        return 1.0
    return 2 * sum(len(piece.text) for piece in words(left, right) if piece.side == "same") / both


def _words_within(left: str, right: str) -> Iterator[Piece]:
    for side, taken, put in _blocks(_WORDS.findall(left), _WORDS.findall(right), _MOST_TOKENS):
        if side == "same":
            yield Piece("same", "".join(taken))
            continue
        if taken:
            yield Piece("left", "".join(taken))
        if put:
            yield Piece("right", "".join(put))


def _blocks(
    left: Sequence[str], right: Sequence[str], most: int
) -> Iterator[tuple[Literal["same", "differ"], Sequence[str], Sequence[str]]]:
    """Stretches that are equal and that differ, in order. The ends that both share are cut off first."""
    start = _shared(left, right)
    left_rest, right_rest = left[start:], right[start:]
    end = _shared(left_rest[::-1], right_rest[::-1])
    if start:
        yield "same", left[:start], left[:start]
    left_mid, right_mid = left_rest[: len(left_rest) - end], right_rest[: len(right_rest) - end]
    if len(left_mid) + len(right_mid) > most:
        yield "differ", left_mid, right_mid
    else:
        matcher = SequenceMatcher(None, left_mid, right_mid, autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            yield ("same" if tag == "equal" else "differ"), left_mid[a:b], right_mid[c:d]
    if end:
        tail = left_rest[len(left_rest) - end :]
        yield "same", tail, tail


def _shared(left: Sequence[str], right: Sequence[str]) -> int:
    """How many items both begin with."""
    for at, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return at
    return min(len(left), len(right))


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    joined: list[Piece] = []
    for piece in pieces:
        if joined and joined[-1].side == piece.side:
            joined[-1] = Piece(piece.side, joined[-1].text + piece.text)
        elif piece.text:
            joined.append(piece)
    return tuple(joined)


# --- code ------------------------------------------------------------------------------------


def code_of(text: str) -> str | None:
    """The fenced code of an answer, its blocks below each other; None where it has none."""
    blocks = [found[3] for found in _FENCE.finditer(text)]
    return "\n".join(block.rstrip("\n") for block in blocks) + "\n" if blocks else None


def lines(left: str, right: str) -> tuple[Line, ...]:
    """Two pieces of code, line by line."""
    found: list[Line] = []
    left_no = right_no = 0
    for side, taken, put in _blocks(left.splitlines(), right.splitlines(), _MOST_LINES):
        if side == "same":
            for text in taken:
                left_no, right_no = left_no + 1, right_no + 1
                found.append(Line("same", text, left_no, right_no))
            continue
        for text in taken:
            left_no += 1
            found.append(Line("left", text, left_no, None))
        for text in put:
            right_no += 1
            found.append(Line("right", text, None, right_no))
    return tuple(found)


# --- JSON ------------------------------------------------------------------------------------

_NOTHING: Final = object()


def json_of(text: str) -> Any:
    """The JSON value that an answer is, or that its first fenced block holds. Raises `ValueError`."""
    for found in (text.strip(), *(fence[3].strip() for fence in _FENCE.finditer(text))):
        if found[:1] in ("{", "["):
            try:
                return json.loads(found)
            except (ValueError, RecursionError):
                continue
    raise ValueError("no JSON object or list")


def structure(left: object, right: object) -> tuple[Change, ...]:
    """Where two JSON values differ, the order of keys left aside; at most 500 places. Items of lists are
    matched with their equals, so that one more at the front is one change."""
    return tuple(_limited(_changes("$", left, right, 0)))


def _limited(changes: Iterator[Change]) -> Iterator[Change]:
    for count, change in enumerate(changes):
        if count == _MOST_CHANGES:
            return
        yield change


def _changes(path: str, left: object, right: object, depth: int) -> Iterator[Change]:
    if _text(left) == _text(right):
        return
    if depth < _DEEPEST and isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys((*left, *right)):
            yield from _changes(_key(path, key), left.get(key, _NOTHING), right.get(key, _NOTHING), depth + 1)
    elif depth < _DEEPEST and isinstance(left, list) and isinstance(right, list):
        yield from _list_changes(path, left, right, depth)
    elif left is _NOTHING:
        yield Change(path, "added", "", _text(right))
    elif right is _NOTHING:
        yield Change(path, "removed", _text(left), "")
    else:
        yield Change(path, "changed", _text(left), _text(right))


def _list_changes(path: str, left: list[Any], right: list[Any], depth: int) -> Iterator[Change]:
    ours, theirs = [_text(item) for item in left], [_text(item) for item in right]
    if len(ours) + len(theirs) > _MOST_TOKENS:
        yield Change(path, "changed", _text(left), _text(right))
        return
    for tag, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for at in range(max(b - a, d - c)):
            one = left[a + at] if a + at < b else _NOTHING
            other = right[c + at] if c + at < d else _NOTHING
            yield from _changes(f"{path}[{(a if other is _NOTHING else c) + at}]", one, other, depth + 1)


def _key(path: str, key: str) -> str:
    return (
        f"{path}.{key}"
        if re.fullmatch(r"[A-Za-z_]\w*", key)
        else f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    )


def _text(value: object) -> str:
    """Equal for values that are equal, whatever the order of their keys; true is not 1."""
    return "" if value is _NOTHING else json.dumps(value, ensure_ascii=False, sort_keys=True)


# --- which of them -----------------------------------------------------------------------------


def shapes(left: str, right: str) -> tuple[Shape, ...]:
    """The ways in which these two can be compared, the one that says most first."""
    found: list[Shape] = ["words"]
    if code_of(left) is not None and code_of(right) is not None:
        found.insert(0, "code")
    try:
        json_of(left), json_of(right)
    except ValueError:
        return tuple(found)
    return ("json", *found)
