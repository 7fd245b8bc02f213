"""What a crash would bill, as it is kept beside an open hold.

Lines; with them, where somebody else answers than the hold was made with, who that is and by which
price, so that the entry of a run that its process did not end names the right provider.
"""

from __future__ import annotations

import msgspec

from billing.commands import Facts, Line


class Progress(msgspec.Struct, frozen=True):
    lines: tuple[Line, ...]
    facts: Facts


Kept = tuple[Line, ...] | Progress


def kept_progress(lines: tuple[Line, ...], facts: Facts | None) -> Kept:
    return lines if facts is None else Progress(lines, facts)


def lines_of(kept: Kept) -> tuple[Line, ...]:
    return kept.lines if isinstance(kept, Progress) else kept


def facts_of(kept: Kept) -> Facts | None:
    return kept.facts if isinstance(kept, Progress) else None
