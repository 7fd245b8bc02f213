"""What every audit shares: a finding, and the digest that follows from what an entry says.

The bytes are laid out by the text of `accounts.py`, and share no code with the writer. Standard
library and `chain` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import chain

LAYOUT = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that does not hold, for a team (None: the file as a whole), and where."""

    rule: str
    team_id: int | None
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: team {self.team_id}, {self.detail}"


@dataclass(frozen=True, slots=True)
class Used:
    """An entry's usage: its texts are model, provider, price version, series and tags, in this order;
    its lines bucket, quantity and price."""

    user_id: int | None
    key_id: int | None
    estimated: int
    texts: tuple[str, ...]
    lines: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What the hash of an entry covers. Postings are account and amount, by account."""

    team_id: int
    seq: int
    kind: int
    at_ms: int
    hold_no: int | None
    actor_user_id: int | None
    balance_after_nano_usd: int
    ref: str
    reason: str
    postings: Sequence[tuple[int, int]]
    used: Used | None


def digest(previous: bytes, said: Said) -> bytes:
    """The hash of an entry that says this and follows `previous`. Raises what `chain.digest` raises."""
    integers = [LAYOUT, said.team_id, said.seq, said.kind, said.at_ms]
    integers += [*_maybe(said.hold_no), *_maybe(said.actor_user_id), said.balance_after_nano_usd]
    integers += [len(said.postings), *(value for posting in said.postings for value in posting)]
    texts = [said.ref, said.reason]
    if said.used is None:
        integers.append(0)
    else:
        integers += [1, *_maybe(said.used.user_id), *_maybe(said.used.key_id), said.used.estimated]
        integers += [len(said.used.lines), *(value for line in said.used.lines for value in line)]
        texts += said.used.texts
    return chain.digest(previous, integers, texts)


def _maybe(value: int | None) -> tuple[int, int]:
    return (0, 0) if value is None else (1, value)
