"""One piece of Markdown as HTML: CommonMark with tables, strikethrough and task lists.

What always holds: no markup of the model's own gets through (raw HTML is shown as the text that it
is), nothing is loaded from anywhere (an image becomes a link), and a link goes to an absolute http,
https or mailto address, with its host in sight. The HTML is built here from parser events with every
text escaped, and passes an allow-list sanitiser last: two doors, either of which would do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import nh3
import pyromark
from pyromark import Options

from markup.code import CLASSES, highlight
from markup.links import safe_link

OPTIONS = Options.ENABLE_TABLES | Options.ENABLE_STRIKETHROUGH | Options.ENABLE_TASKLISTS

Highlight = Callable[[str, str | None], str]
References = Mapping[str, tuple[str, str]]  # label as `label_of` gives it -> (address, title)

_DEEPEST = 40  # nested quotes and lists; cleaning takes quadratic time in depth

_INLINE = {"Emphasis": "em", "Strong": "strong", "Strikethrough": "del"}
_BLOCK = {"Paragraph": "p", "BlockQuote": "blockquote", "Item": "li"}
_NESTING = {"BlockQuote", "List", "Item"}
# A page has its own first two levels of headings.
_HEADING = {"H1": "h3", "H2": "h4", "H3": "h5", "H4": "h6", "H5": "h6", "H6": "h6"}
_ALIGN = {"Left": ' class="al"', "Center": ' class="ac"', "Right": ' class="ar"'}

_TURNED = {"dir"}
_CLEANER = nh3.Cleaner(
    tags={
        "a", "blockquote", "br", "code", "del", "div", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
        "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
    },
    attributes={
        "a": {"href"}, "ol": {"start", "dir"}, "ul": _TURNED, "p": _TURNED, "blockquote": _TURNED,
        "table": _TURNED, "h3": _TURNED, "h4": _TURNED, "h5": _TURNED, "h6": _TURNED,
        "pre": {"dir", "tabindex"}, "div": {"tabindex"}, "th": {"scope"},
    },
    allowed_classes={
        "span": {*CLASSES, "host"}, "div": {"wide"}, "p": {"raw"},
        "th": {"al", "ac", "ar"}, "td": {"al", "ac", "ar"},
    },
    set_tag_attribute_values={"a": {"target": "_blank"}},
    link_rel="noopener noreferrer nofollow",
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rendered:
    """`missed`: labels that were used like references and have no definition yet."""

    html: str
    missed: frozenset[str]
    ends_in_code: bool


def label_of(reference: str) -> str:
    """Labels match without regard to case and runs of white space (CommonMark 0.31, 4.7)."""
    return " ".join(reference.split()).casefold()


def render(source: str, references: References, colour: Highlight = highlight) -> Rendered:
    """`source` as sanitised HTML. Never raises on any text without lone surrogates."""
    missed: set[str] = set()

    def look_up(broken: Any) -> tuple[str, str] | None:
        label = label_of(broken["reference"])
        found = references.get(label)
        if found is None:
            missed.add(label)
        return found

    writer = _Writer(colour)
    for event in pyromark.events(source, options=OPTIONS, broken_link_callback=look_up):
        writer.take(event)
    return Rendered(_CLEANER.clean("".join(writer.out)), frozenset(missed), writer.ends_in_code)


@dataclass(slots=True)
class _Writer:
    """Writes HTML from parser events; a value of an event is a name or one pair of name and data."""

    colour: Highlight
    out: list[str] = field(default_factory=list)
    ends_in_code: bool = False
    _code: list[str] | None = None
    _language: str | None = None
    _anchors: list[str] = field(default_factory=list)  # what closes each open link or image
    _linked: int = 0
    _link_text: list[str] = field(default_factory=list)
    _aligns: tuple[str, ...] = ()
    _column: int = 0
    _cell: str = "td"
    _depth: int = 0

    def take(self, event: Any) -> None:
        name, data = _pair(event)
        match name:
            case "Text":
                self._text(data)
            case "Code":
                self.out.append(f"<code>{escape(data)}</code>")
                self._link_text.append(data)
            case "Start":
                self._start(*_pair(data))
            case "End":
                self._end(*_pair(data))
            case "SoftBreak":
                self.out.append("\n")
            case "HardBreak":
                self.out.append("<br>\n")
            case "Rule":
                self.out.append("<hr>")
            case "TaskListMarker":
                self.out.append("\N{BALLOT BOX WITH CHECK} " if data else "\N{BALLOT BOX} ")
            case _:  # Html, InlineHtml and whatever a later parser may add: shown as written
                self._text(str(data))

    def _text(self, text: str) -> None:
        if self._code is not None:
            self._code.append(text)
        else:
            self.out.append(escape(text))
            if self._linked:
                self._link_text.append(text)
            if text.strip():
                self.ends_in_code = False

    def _start(self, name: str, data: Any) -> None:
        if name in _NESTING:
            self._depth += 1
            if self._depth > _DEEPEST:
                return
        if name in _INLINE:
            self.out.append(f"<{_INLINE[name]}>")
        elif name in _BLOCK:
            self.out.append(f"<{_BLOCK[name]}>" if name == "Item" else f'<{_BLOCK[name]} dir="auto">')
        elif name == "Heading":
            self.out.append(f'<{_HEADING[data["level"]]} dir="auto">')
        elif name == "List":
            self.out.append('<ul dir="auto">' if data is None else f'<ol start="{int(data)}" dir="auto">')
        elif name == "CodeBlock":
            self._code = []
            info = data["Fenced"].split() if isinstance(data, dict) else []
            self._language = info[0].strip("{}.,") if info else None
        elif name in ("Link", "Image"):
            self._open_link(name, data["dest_url"], data["link_type"])
        elif name == "HtmlBlock":
            self.out.append('<p class="raw" dir="auto">')
        elif name.startswith("Table"):
            self._start_table(name, data)

    def _end(self, name: str, data: Any) -> None:
        if name in _NESTING:
            self._depth -= 1
            if self._depth >= _DEEPEST:
                return
        if name in _INLINE:
            self.out.append(f"</{_INLINE[name]}>")
        elif name in _BLOCK:
            self.out.append(f"</{_BLOCK[name]}>")
        elif name == "Heading":
            self.out.append(f"</{_HEADING[data]}>")
        elif name == "List":
            self.out.append("</ol>" if data else "</ul>")
        elif name == "CodeBlock":
            self._end_code()
        elif name in ("Link", "Image"):
            self._close_link()
        elif name == "HtmlBlock":
            self.out.append("</p>")
        elif name.startswith("Table"):
            self._end_table(name)

    def _end_code(self) -> None:
        code = "".join(self._code or ())
        self._code = None
        self.ends_in_code = True
        html = self.colour(code, self._language)
        self.out.append(f'<pre dir="ltr" tabindex="0"><code>{html}</code></pre>')

    def _open_link(self, name: str, address: str, kind: Any) -> None:
        if kind == "Email":
            address = f"mailto:{address}"
        link = None if self._linked else safe_link(address)
        opening = f'<a href="{escape(link.href)}">' if link else ""
        self.out.append(opening + ("image: " if name == "Image" else ""))
        self._anchors.append(link.host if link else "")
        if link:
            self._linked += 1
            self._link_text.clear()

    def _close_link(self) -> None:
        host = self._anchors.pop()
        if not host:
            return
        self._linked -= 1
        # Text that shows the address already needs no second sight of its host.
        shown = "".join(self._link_text).strip().lower()
        spoken = shown.removeprefix("https://").removeprefix("http://").removeprefix("mailto:")
        named = spoken == host or spoken.startswith((f"{host}/", f"{host}?")) or spoken.endswith(f"@{host}")
        self.out.append("</a>" if named else f'</a> <span class="host">{escape(host)}</span>')

    def _start_table(self, name: str, data: Any) -> None:
        if name == "Table":
            self._aligns = tuple(data)
            self.out.append('<div class="wide" tabindex="0"><table dir="auto">')
        elif name == "TableCell":
            align = _ALIGN.get(self._aligns[self._column], "") if self._column < len(self._aligns) else ""
            scope = ' scope="col"' if self._cell == "th" else ""
            self.out.append(f"<{self._cell}{scope}{align}>")
        else:
            self._column = 0
            self._cell = "th" if name == "TableHead" else "td"
            self.out.append("<thead><tr>" if name == "TableHead" else "<tr>")

    def _end_table(self, name: str) -> None:
        if name == "Table":
            self.out.append("</tbody></table></div>")
        elif name == "TableCell":
            self._column += 1
            self.out.append(f"</{self._cell}>")
        else:
            self.out.append("</tr></thead><tbody>" if name == "TableHead" else "</tr>")


def _pair(event: Any) -> tuple[str, Any]:
    if isinstance(event, str):
        return event, None
    ((name, data),) = event.items()
    return name, data
