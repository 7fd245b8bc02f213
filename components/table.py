"""A small table to read, with digits that line up: real HTML. On a phone a row of many columns is a card.

For tables that people sort or pick from, `st.dataframe` is better.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

_STACKED_ABOVE: Final = 3  # columns: a phone has no room for more, and shows each row as a card


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure with what stands small beside it; `faint` where there are too few samples to lean on. With
    `pick` it is a button (`picks`), with `link` it leads there. `wide_only`: a phone's card leaves it out."""

    text: str
    aside: str = ""
    faint: bool = False
    about: str = ""
    pick: str = ""
    link: str = ""
    wide_only: bool = False


def show(
    caption: str,
    heads: Sequence[str | Cell],
    rows: Sequence[Sequence[str | Cell]],
    *,
    total: bool = False,
    about: str = "",
    texts: int = 1,
    current: int | None = None,
    titled: bool = True,
) -> None:
    """The first columns, so many as `texts` says, are text, the others figures. `total` sets the last row
    apart, `current` is the row that stands open. Not `titled`: a heading of the page has said the caption."""
    head = "".join(
        f'<th scope="col"{_class(each, no < texts)}{_title(each)}>{_inside(each)}</th>'
        for no, each in enumerate(heads)
    )
    names = [each if isinstance(each, str) else _named(each) for each in heads]
    body = "".join(
        _row(row, names, texts, last=total and no == len(rows) - 1, current=no == current)
        for no, row in enumerate(rows)
    )
    note = f'<span class="ty-dim"> {html.escape(about)}</span>' if about else ""
    kind = "ty-wide ty-stack" if len(heads) > _STACKED_ABOVE else "ty-wide"
    seen = "" if titled else ' class="ty-hidden"'
    st.html(
        f'<div class="{kind}" tabindex="0" role="region" aria-label="{html.escape(caption)}">'
        f'<table role="table"><caption><span{seen}>{html.escape(caption)}</span>{note}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _named(head: Cell) -> str:
    """A head in one line, as it stands over each figure of a card."""
    aside = head.aside.replace("\n", ", ")
    return f"{head.text}: {aside}" if aside else head.text


def _row(row: Sequence[str | Cell], heads: Sequence[str], texts: int, *, last: bool, current: bool) -> str:
    first, *rest = row
    cells = "".join(
        f'<td role="cell" data-head="{html.escape(head)}"{_class(each, no < texts)}{_title(each)}>'
        f"{_inside(each)}</td>"
        for no, (each, head) in enumerate(zip(rest, heads[1:], strict=True), 1)
    )
    kind = ' class="ty-total"' if last else ' aria-current="true"' if current else ""
    return f'<tr role="row"{kind}><th scope="row" role="rowheader">{_inside(first)}</th>{cells}</tr>'


def _inside(cell: str | Cell) -> str:
    if isinstance(cell, str):
        return html.escape(cell)
    aside = f" <small>{html.escape(cell.aside)}</small>" if cell.aside else ""
    return _pressed(cell) + aside


def _pressed(cell: Cell) -> str:
    text = html.escape(cell.text)
    if cell.pick:
        return f'<button type="button" class="ty-pick" data-pick="{html.escape(cell.pick)}">{text}</button>'
    if not cell.link:
        return text
    away = ' target="_blank" rel="noopener noreferrer"' if "://" in cell.link else ' target="_self"'
    return f'<a href="{html.escape(cell.link)}"{away}>{text}</a>'


def _class(cell: str | Cell, is_text: bool) -> str:
    kinds = ["ty-text"] if is_text else []
    if isinstance(cell, Cell):
        kinds += [name for name, has in (("ty-faint", cell.faint), ("ty-aside", cell.wide_only)) if has]
    return f' class="{" ".join(kinds)}"' if kinds else ""


def _title(cell: str | Cell) -> str:
    return f' title="{html.escape(cell.about)}"' if isinstance(cell, Cell) and cell.about else ""
