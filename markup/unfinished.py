"""How the last, half-written line of an answer is shown, so that it does not flicker.

A line that so far holds nothing but markers ("-", "##", "1.") is held back for the moment: beneath a
paragraph a lone "-" would read as the underline of a heading. Emphasis, code and links that are open
are closed for show. None of this touches what the answer is in the end.
"""

from __future__ import annotations

import re

_ONLY_MARKERS = re.compile(r"[\s>]*(?:[-=*_+#|`~:>\s]+|\d{1,9}[.)]?\s*|[-*+]\s+\[[ xX]?\]?)")
_OPEN_LINK = re.compile(r"!?\[([^\[\]\n]*)(?:\](?:\([^()\s]*)?)?$")
_CODE_SPAN = re.compile(r"(`+)(?:.*?[^`])?\1(?!`)")


def without_lone_markers(text: str) -> str:
    """`text` without its last line, if that line is only markers so far."""
    begin = text.rfind("\n") + 1
    return text[:begin] if begin < len(text) and _ONLY_MARKERS.fullmatch(text, begin) else text


def with_open_inline_closed(text: str) -> str:
    """`text` with what its last line left open closed. Not for text that ends inside code."""
    begin = text.rfind("\n") + 1
    head, line = text[:begin], text[begin:]
    bare = _CODE_SPAN.sub(lambda span: "x" * len(span[0]), line)
    tick = bare.find("`")
    if tick >= 0:  # the rest of the line is code so far
        ticks = len(bare) - len(bare[tick:].lstrip("`")) - tick
        rest = line[tick + ticks :].rstrip("`")
        return head + line[:tick] + (("`" * ticks) + rest + ("`" * ticks) if rest.strip() else "")
    if link := _OPEN_LINK.search(bare):
        line = line[: link.start()] + line[link.start(1) : link.end(1)]
        bare = bare[: link.start()] + bare[link.start(1) : link.end(1)]
    return head + _with_closed_emphasis(line, bare)


def _with_closed_emphasis(line: str, bare: str) -> str:
    body = line.rstrip()
    for mark in ("**", "~~"):
        if bare.count(mark) % 2 == 0:
            continue
        if body.endswith(mark):
            body = body[: -len(mark)]
        else:
            body = body.removesuffix(mark[0]) + mark
    return body + line[len(line.rstrip()) :]
