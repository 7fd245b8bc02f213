"""Where a growing Markdown text may be cut, so that each piece renders as it would in the whole.

Given only whole lines, every top-level block but the last is final: whatever comes next belongs to the
last one or begins another. A cut lies at the start of the *line* on which a block begins (the parser's
ranges are bytes and leave out indentation). Link definitions make no block, and a title may follow on
the next line: behind one, a cut needs a blank line between.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyromark

from markup.markdown import OPTIONS


def cuts(lines: str) -> list[int]:
    """Offsets, in characters and ascending, at which `lines` (whole lines only) may be cut for good.

    What lies behind the last of them may still change.
    """
    raw = lines.encode()
    starts = sorted({raw.rfind(b"\n", 0, begin) + 1 for begin in _block_starts(lines)})[1:]
    if not starts:
        return []
    definitions = [
        definition["span"]["end"]
        for definition in pyromark.reference_definitions(lines, options=OPTIONS).values()
    ]
    good = [start for start in starts if not _follows_open_definition(raw, start, definitions)]
    return _in_characters(raw, good)


def _block_starts(lines: str) -> Iterable[int]:
    depth = 0
    for event, where in pyromark.events_with_range(lines, options=OPTIONS):
        if depth == 0:
            yield where["start"]
        if isinstance(event, dict):
            depth += ("Start" in event) - ("End" in event)


def _follows_open_definition(raw: bytes, start: int, definition_ends: list[int]) -> bool:
    """Whether a definition ends above `start` with nothing, not even a blank line, between them."""
    return any(
        end <= start and not (between := raw[end:start]).strip() and between.count(b"\n") < 2
        for end in definition_ends
    )


def _in_characters(raw: bytes, offsets: list[int]) -> list[int]:
    if raw.isascii():
        return offsets
    found, characters, done = [], 0, 0
    for offset in offsets:
        characters += len(raw[done:offset].decode())
        done = offset
        found.append(characters)
    return found
