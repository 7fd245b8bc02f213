"""An answer that grows: blocks that are finished, each rendered once, and a tail rendered again.

Definitions of links reach back over blocks that are finished already: those are mended when the answer
ends, never while somebody reads. Where a text defines one label twice in different blocks, each block
takes its own. A block that outgrows its bound is cut where it stands; nothing is ever lost.

Not safe for two threads at once; any one thread will do.
"""

from __future__ import annotations

from html import escape

import pyromark

from markup.blocks import cuts
from markup.code import GrowingCode, highlight
from markup.markdown import OPTIONS, Highlight, Rendered, label_of, render
from markup.unfinished import with_open_inline_closed, without_lone_markers

LONGEST_TAIL_CHARS = 48_000
LONGEST_CHARS = 2_000_000
_TOO_LONG = "<p><em>The rest is not shown here. Copy has all of it.</em></p>"


class GrowingAnswer:
    """`blocks`: HTML that stands; `tail`: HTML of the rest so far; `mended`: blocks by index whose
    links were resolved when the answer ended."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.tail = ""
        self.mended: dict[int, str] = {}
        self._taken = 0
        self._searched = 0
        self._references: dict[str, tuple[str, str]] = {}
        self._unresolved: dict[int, tuple[str, frozenset[str]]] = {}
        self._code = GrowingCode()
        self._fence = ""  # re-opens the code block that a forced cut went through

    def advance(self, text: str) -> None:
        """Take the whole text so far, which begins with what was given before."""
        text = _tidy(text)
        self._finish_blocks(text)
        self.tail = self._render_tail(text[self._taken :])

    def finish(self, text: str) -> None:
        """Take the whole text: all of it becomes blocks, and late definitions are applied."""
        too_long = len(text) > LONGEST_CHARS
        text = _tidy(text)
        self._finish_blocks(text + "\n")
        if text[self._taken :].strip():
            self._add_block(text[self._taken :])
        self._taken = len(text)
        if too_long:
            self.blocks.append(_TOO_LONG)
        self.tail = ""
        self._mend()

    def _finish_blocks(self, text: str) -> None:
        lines_end = text.rfind("\n") + 1
        if lines_end > max(self._taken, self._searched):
            self._searched = lines_end
            shift = self._taken - len(self._fence)
            for cut in cuts(self._fence + text[self._taken : lines_end]):
                self._take(text, shift + cut)
        while len(text) - self._taken > LONGEST_TAIL_CHARS:
            self._cut_by_force(text)

    def _take(self, text: str, end: int) -> None:
        self._add_block(text[self._taken : end])
        self._taken = end

    def _add_block(self, source: str) -> None:
        source, self._fence = self._fence + source, ""
        self._code.forget()
        self._learn_definitions(source)
        rendered = _render(source, self._references, highlight)
        if rendered.missed:
            self._unresolved[len(self.blocks)] = (source, rendered.missed)
        self.blocks.append(rendered.html)

    def _learn_definitions(self, source: str) -> None:
        if "]:" not in source:
            return
        for label, definition in pyromark.reference_definitions(source, options=OPTIONS).items():
            self._references.setdefault(label_of(label), (definition["dest"], definition["title"] or ""))

    def _cut_by_force(self, text: str) -> None:
        within = text[self._taken : self._taken + LONGEST_TAIL_CHARS]
        size = within.rfind("\n") + 1 or within.rfind(" ") + 1 or len(within)
        source = self._fence + within[:size]
        fence = _open_fence(source)
        self._take(text, self._taken + size)
        self._fence = fence

    def _render_tail(self, source: str) -> str:
        source = self._fence + without_lone_markers(source)
        if not source.strip():
            return ""
        self._code.rewind()
        rendered = _render(source, self._references, self._code)
        if rendered.ends_in_code:
            return rendered.html
        closed = with_open_inline_closed(source)
        if closed == source:
            return rendered.html
        self._code.rewind()
        return _render(closed, self._references, self._code).html

    def _mend(self) -> None:
        for index, (source, missed) in self._unresolved.items():
            if any(label in self._references for label in missed):
                self.mended[index] = _render(source, self._references, highlight).html
        self._unresolved.clear()


def _render(source: str, references: dict[str, tuple[str, str]], colour: Highlight) -> Rendered:
    try:
        return render(source, references, colour)
    except Exception:  # a lexer or parser that stumbles must not take the answer away
        return Rendered(f'<p class="raw" dir="auto">{escape(source)}</p>', frozenset(), False)


def _tidy(text: str) -> str:
    """One kind of line end, no lone surrogates, and no more than a page can show."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text[:LONGEST_CHARS]


def _open_fence(source: str) -> str:
    """The line that would re-open the fenced code block which `source` ends in; "" outside of one."""
    size = len(source.encode())
    opened = ""
    for event, where in pyromark.events_with_range(source, options=OPTIONS):
        if isinstance(event, dict) and isinstance(start := event.get("Start"), dict) and "CodeBlock" in start:
            open_still = where["end"] >= size and isinstance(start["CodeBlock"], dict)
            opened = source.encode()[where["start"] :].split(b"\n", 1)[0].decode() if open_still else ""
    return f"{opened}\n" if opened else ""
