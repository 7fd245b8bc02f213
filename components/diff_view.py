"""Draws what differs between two texts: words, JSON structure or lines of code (`battles/diff.py`).

What was taken out and what was put in are marked by colour, by a line through or below it, and in words for
those who hear the page. All text is shown as it was written, never read as Markdown or HTML.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from battles import diff
from battles.diff import Line, Piece, Shape
from components import diff_words as say, figure, table

_AROUND: Final = 3  # equal lines that stay beside a change
_MOST: Final = 60_000  # characters of each side: more is cut, and said


def show(left: str, right: str, *, left_name: str, right_name: str, key: str) -> None:
    """Two texts, in the way that says most; the reader may pick another."""
    common = figure.share(diff.likeness(left[:_MOST], right[:_MOST]))
    st.caption(f"{say.likeness(common)} {say.legend(left_name, right_name)}")
    if max(len(left), len(right)) > _MOST:
        st.caption(say.cut(_MOST))
        left, right = left[:_MOST], right[:_MOST]
    if left == right:
        st.caption(say.SAME)
        return
    shapes = diff.shapes(left, right)
    shape: Shape = shapes[0]
    if len(shapes) > 1:
        picked = st.segmented_control(
            say.WAY, shapes, default=shapes[0], required=True, format_func=say.WAYS.__getitem__, key=key,
            label_visibility="collapsed",
        )  # fmt: skip
        shape = picked or shape
    if shape == "json":
        _structure(diff.json_of(left), diff.json_of(right), left_name, right_name)
    elif shape == "code":
        st.html(as_lines(diff.lines(diff.code_of(left) or "", diff.code_of(right) or "")))
    else:
        st.html(as_words(diff.words(left, right)))


def as_words(pieces: Sequence[Piece]) -> str:
    """As HTML."""
    return f'<div class="ty-diff" dir="auto">{"".join(_piece(piece) for piece in pieces)}</div>'


def as_lines(lines: Sequence[Line]) -> str:
    """As an HTML table: the number on either side, then the line; long equal stretches are left out."""
    shown = _near_changes(lines)
    rows, skipped = [], False
    for line, near in zip(lines, shown, strict=True):
        if near:
            rows.append(_row(line))
        elif not skipped:
            rows.append(f'<tr class="ty-skipped"><td colspan="3">{html.escape(say.SKIPPED)}</td></tr>')
        skipped = not near
    head = "".join(f'<th scope="col">{html.escape(each)}</th>' for each in say.LINE_HEADS)
    return (
        f'<div class="ty-wide" tabindex="0" role="region" aria-label="{html.escape(say.CODE)}">'
        f'<table class="ty-lines"><thead class="ty-hidden"><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _piece(piece: Piece) -> str:
    text = html.escape(piece.text)
    if piece.side == "same":
        return text
    tag, said = ("del", say.REMOVED) if piece.side == "left" else ("ins", say.ADDED)
    return f'<{tag}><span class="ty-hidden">{html.escape(said)}: </span>{text}</{tag}>'


def _row(line: Line) -> str:
    numbers = "".join(f"<td>{'' if no is None else no}</td>" for no in (line.left_no, line.right_no))
    text = _piece(Piece(line.side, line.text)) if line.text else _piece(Piece(line.side, " "))
    return f'<tr class="ty-line-{line.side}">{numbers}<td><code>{text}</code></td></tr>'


def _near_changes(lines: Sequence[Line]) -> list[bool]:
    near = [False] * len(lines)
    for at, line in enumerate(lines):
        if line.side != "same":
            for beside in range(max(0, at - _AROUND), min(len(lines), at + _AROUND + 1)):
                near[beside] = True
    return near


def _structure(left: Any, right: Any, left_name: str, right_name: str) -> None:
    changes = diff.structure(left, right)
    if not changes:
        st.caption(say.SAME_STRUCTURE)
        return
    table.show(
        say.STRUCTURE,
        (say.PATH, say.CHANGE, left_name, right_name),
        [
            (
                change.path,
                say.CHANGES[change.kind],
                _short(change.left),
                _short(change.right),
            )
            for change in changes
        ],
    )


def _short(text: str) -> table.Cell:
    if not text:
        return table.Cell(figure.UNKNOWN, faint=True)
    return table.Cell(text if len(text) <= 60 else f"{text[:57]}...", about=text[:500])
