"""Checks a team's exported entries, JSON or CSV: the chain, the sums, and the balance that was shown.

With nothing but the standard library and `chain`: whoever holds an export needs neither the database
nor this product to be running. The rules are stated again here, and the numbers of `accounts.py` too.
docs/proof.md says what a sound export proves, and what it cannot.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import chain
from billing.audit_entry import Finding, Said, Used, digest

FORMAT: Final = "tiltyard-entries-1"
_KINDS: Final = ("allowance", "grant", "payment", "adjustment", "lapse", "settle", "expire")
_BUCKETS: Final = ("input", "cached_input", "cache_write", "output", "tool_call", "image", "request")
_RUNS: Final = (6, 7)
_SPENT: Final = -3
# Which system accounts an entry of a kind may be booked against.
_SYSTEM: Final = {1: (-1,), 2: (-1,), 3: (-2,), 4: (-6,), 5: (-4,), 6: (_SPENT, -5), 7: (_SPENT, -5)}
_ALLOWANCE_NANO_USD: Final = 5_000_000_000
_USD = re.compile(r"(-?)(\d{1,10})\.(\d{9})", re.ASCII)
_HEAD = re.compile(r"(\d{1,18}):(\d{1,18}):([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Head:
    """A team's chain up to an entry: `TEAM:SEQ:HASH`. Entry 0 is before the first, and its hash zeros."""

    team_id: int
    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.team_id}:{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Entry:
    """As the export has it: what its hash covers, the amount that is shown, and the hash that it claims."""

    said: Said
    amount_nano_usd: int
    hash: str


@dataclass(frozen=True, slots=True)
class Export:
    team_id: int
    head: Head
    balance_nano_usd: int
    allowance_due_nano_usd: int
    ended_nano_usd: int
    entries: Sequence[Entry]


def head_of(text: str) -> Head:
    """Raises `ValueError`."""
    found = _HEAD.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is no head of the form TEAM:SEQ:HASH")
    return Head(int(found[1]), int(found[2]), found[3])


# --- what must hold -------------------------------------------------------------------------------


def check(export: Export) -> Iterator[Finding]:
    """Everything that does not hold. One alteration may break several rules; the first names its place."""
    previous, balance_nano_usd, before_ms = chain.GENESIS, 0, 0
    accounts: dict[int, int] = {}
    for no, entry in enumerate(export.entries, start=1):
        said, place = entry.said, f"entry {entry.said.seq}"
        if said.seq != no:
            missing = f"entry {no} is not there: {place} stands in its place"
            yield Finding("entries are numbered from 1 without gaps", export.team_id, missing)
            return  # whatever follows is out of step, and says nothing more
        if said.team_id != export.team_id:
            yield Finding("every entry is the team's", export.team_id, place)
        if said.at_ms < before_ms:
            yield Finding("time never goes back", export.team_id, place)
        balance_nano_usd += sum(amount for account, amount in said.postings if account > 0)
        for rule in _broken_by(entry, balance_nano_usd, accounts):
            yield Finding(rule, export.team_id, place)
        if _digest(previous, said) != entry.hash:
            yield Finding("an entry hashes to what it says", export.team_id, place)
        previous, before_ms = bytes.fromhex(entry.hash), said.at_ms
    yield from _whole(export, Head(export.team_id, len(export.entries), previous.hex()), balance_nano_usd)


def _broken_by(entry: Entry, balance_nano_usd: int, accounts: dict[int, int]) -> Iterator[str]:
    """The rules that one entry breaks. `accounts` are the team's, and are brought up to it."""
    said = entry.said
    numbers = [account for account, _ in said.postings]
    own = sum(amount for account, amount in said.postings if account > 0)
    if sum(amount for _, amount in said.postings) != 0:
        yield "the postings of an entry sum to zero"
    if numbers != sorted(set(numbers)) or 0 in numbers:
        yield "an entry posts to each account once"
    if any(account < 0 and account not in _SYSTEM[said.kind] for account in numbers):
        yield "an entry posts to the system accounts that its kind is for"
    if entry.amount_nano_usd != own:
        yield "an entry's amount is what it posts to the team's accounts"
    if said.balance_after_nano_usd != balance_nano_usd:
        yield "a balance after an entry is the one before it and what the entry did"
    for account, amount in said.postings:
        accounts[account] = accounts.get(account, 0) + amount
        if account > 0 > accounts[account]:
            yield "no account is below zero"
    if said.kind == 1 and own != _ALLOWANCE_NANO_USD:
        yield "an allowance is five dollars"
    if (said.kind in _RUNS) != (said.used is not None) or (said.kind in _RUNS) != (said.hold_no is not None):
        yield "an entry that ends a hold has its usage, and no other has"
    elif said.used is not None:
        pico_usd = sum(quantity * price for _, quantity, price in said.used.lines)
        if dict(said.postings).get(_SPENT, 0) != -(-pico_usd // 1_000):
            yield "what a run cost is the sum of its lines, rounded up once"


def _whole(export: Export, newest: Head, booked_nano_usd: int) -> Iterator[Finding]:
    if export.head != newest:
        claimed = f"entry {export.head.seq}, where the newest is entry {newest.seq}"
        yield Finding("the head is the hash of the newest entry", export.team_id, claimed)
    if export.allowance_due_nano_usd not in (0, _ALLOWANCE_NANO_USD) or not (
        0 <= export.ended_nano_usd <= booked_nano_usd
    ):
        yield Finding("what no entry says yet is an allowance, or credit that was there", export.team_id, "")
    told = booked_nano_usd + export.allowance_due_nano_usd - export.ended_nano_usd
    if export.balance_nano_usd != told:
        yield Finding("the entries sum to the balance", export.team_id, f"balance, after entry {newest.seq}")


def kept(export: Export, heads: Sequence[Head]) -> Iterator[Finding]:
    """Heads that somebody kept, and that this export must go on from."""
    for head in heads:
        if head.team_id != export.team_id:
            yield Finding("a kept head is of the same team", export.team_id, f"head of team {head.team_id}")
        elif head.seq > len(export.entries):
            yield Finding("what was there is there still", export.team_id, f"entry {head.seq} is missing")
        elif _hash_at(export, head.seq) != head.hash:
            rule = "an entry is what it was when its head was kept"
            yield Finding(rule, export.team_id, f"entry {head.seq}")


def _hash_at(export: Export, seq: int) -> str:
    return export.entries[seq - 1].hash if seq else chain.GENESIS.hex()


def _digest(previous: bytes, said: Said) -> str:
    try:
        return digest(previous, said).hex()
    except ValueError:
        return ""  # too large for the chain, so nothing that it ever covered


# --- reading a file -------------------------------------------------------------------------------


def read(path: Path) -> Export:
    """Raises `OSError`, and `ValueError` with a sentence where the file is no whole export."""
    with path.open(encoding="utf-8", newline="") as file:
        first = file.read(1)
        file.seek(0)
        try:
            return _of_json(json.load(file)) if first == "{" else _of_csv(file)
        except (csv.Error, RecursionError) as error:
            raise ValueError(str(error)) from error


def _of_json(whole: object) -> Export:
    said = _Fields(whole, "the file")
    if said.values.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    team_id = said.integer("team_id")
    entries = said.values.get("entries")
    if not isinstance(entries, list):
        raise ValueError("it has no list of entries")
    return Export(
        team_id=team_id,
        head=head_of(said.text("head")),
        balance_nano_usd=said.usd("balance_usd"),
        allowance_due_nano_usd=said.usd("allowance_due_usd"),
        ended_nano_usd=said.usd("ended_usd"),
        entries=[_entry_of_json(each, team_id, no) for no, each in enumerate(entries, start=1)],
    )


def _entry_of_json(whole: object, team_id: int, no: int) -> Entry:
    entry = _Fields(whole, f"entry at place {no}")
    entry = _Fields(whole, f"entry {entry.integer('seq')}")
    usage = entry.values.get("usage")
    said = Said(
        team_id=team_id,
        seq=entry.integer("seq"),
        kind=entry.number_of("kind", _KINDS),
        at_ms=entry.integer("at_ms"),
        hold_no=entry.maybe("hold_no"),
        actor_user_id=entry.maybe("actor_user_id"),
        balance_after_nano_usd=entry.usd("balance_after_usd"),
        ref=entry.text("ref"),
        reason=entry.text("reason"),
        postings=[
            (posting.integer("account_no"), posting.integer("amount_nano_usd"))
            for posting in entry.each("postings")
        ],
        used=None if usage is None else _used_of_json(_Fields(usage, entry.place)),
    )
    return Entry(said, entry.usd("amount_usd"), entry.hash())


def _used_of_json(usage: _Fields) -> Used:
    estimated = usage.values.get("estimated")
    if not isinstance(estimated, bool):
        raise ValueError(f"{usage.place}: estimated is neither true nor false")
    return Used(
        user_id=usage.maybe("user_id"),
        key_id=usage.maybe("key_id"),
        estimated=int(estimated),
        texts=tuple(usage.text(name) for name in ("model", "provider", "price_version", "series", "tags")),
        lines=tuple(
            (line.number_of("bucket", _BUCKETS), line.integer("quantity"), line.integer("price_pico_usd"))
            for line in usage.each("lines")
        ),
    )


def _of_csv(file: Any) -> Export:
    entries: list[Entry] = []
    last: dict[str, _Fields] = {}
    for no, row in enumerate(csv.DictReader(file, strict=True), start=2):
        fields = _Fields(row, f"line {no}")
        if None in row or None in row.values():
            raise ValueError(f"line {no} has more or fewer cells than the first")
        if fields.text("seq"):
            if last:
                raise ValueError(f"line {no}: an entry follows the balance")
            entries.append(_entry_of_csv(row))
        else:
            last[fields.text("kind")] = fields
    if "balance" not in last:
        raise ValueError("it ends without a balance")
    balance = last["balance"]
    due, ended = last.get("allowance_due"), last.get("ended")
    return Export(
        team_id=balance.written("team_id"),
        head=head_of(balance.text("hash")),
        balance_nano_usd=balance.usd("balance_after_usd"),
        allowance_due_nano_usd=0 if due is None else due.usd("amount_usd"),
        ended_nano_usd=0 if ended is None else -ended.usd("amount_usd"),
        entries=entries,
    )


def _entry_of_csv(row: Mapping[str, str]) -> Entry:
    entry = _Fields(row, f"entry {row['seq'][:20]}")
    kind = entry.number_of("kind", _KINDS)
    said = Said(
        team_id=entry.written("team_id"),
        seq=entry.written("seq"),
        kind=kind,
        at_ms=entry.written("at_ms"),
        hold_no=entry.maybe_written("hold_no"),
        actor_user_id=entry.maybe_written("actor_user_id"),
        balance_after_nano_usd=entry.usd("balance_after_usd"),
        ref=entry.plain("ref"),
        reason=entry.plain("reason"),
        postings=[(account, amount) for account, amount in entry.tuples("postings", 2)],
        used=None if kind not in _RUNS else _used_of_csv(entry),
    )
    return Entry(said, entry.usd("amount_usd"), entry.hash())


def _used_of_csv(entry: _Fields) -> Used:
    return Used(
        user_id=entry.maybe_written("user_id"),
        key_id=entry.maybe_written("key_id"),
        estimated=entry.written("estimated"),
        texts=tuple(entry.plain(name) for name in ("model", "provider", "price_version", "series", "tags")),
        lines=tuple((bucket, quantity, price) for bucket, quantity, price in entry.tuples("lines", 3)),
    )


class _Fields:
    """Named values of a file that anybody may have written: each is what it should be, or `ValueError`."""

    def __init__(self, values: object, place: str) -> None:
        if not isinstance(values, Mapping):
            raise ValueError(f"{place} is no object")
        self.values: Mapping[str, Any] = values
        self.place = place

    def integer(self, name: str) -> int:
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{self.place}: {name} is no integer")
        return value

    def maybe(self, name: str) -> int | None:
        return None if self.values.get(name) is None else self.integer(name)

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if not isinstance(value, str):
            raise ValueError(f"{self.place}: {name} is no text")
        return value

    def written(self, name: str) -> int:
        """An integer in a cell."""
        text = self.text(name)
        if re.fullmatch(r"-?\d{1,19}", text, re.ASCII) is None:
            raise ValueError(f"{self.place}: {name} is no integer")
        return int(text)

    def maybe_written(self, name: str) -> int | None:
        return None if self.text(name) == "" else self.written(name)

    def plain(self, name: str) -> str:
        """A cell's text without the apostrophe that keeps a spreadsheet from reading it as a formula."""
        return self.text(name).removeprefix("'")

    def tuples(self, name: str, size: int) -> Iterator[tuple[int, ...]]:
        """`1:-20 2:-30`."""
        for part in self.text(name).split():
            numbers = part.split(":")
            if len(numbers) != size or not all(
                re.fullmatch(r"-?\d{1,19}", each, re.ASCII) for each in numbers
            ):
                raise ValueError(f"{self.place}: {name} cannot be read")
            yield tuple(int(each) for each in numbers)

    def number_of(self, name: str, names: Sequence[str]) -> int:
        """The number, from 1, that stands for a name."""
        text = self.text(name)
        if text not in names:
            raise ValueError(f"{self.place}: there is no {name} {text[:40]!r}")
        return names.index(text) + 1

    def usd(self, name: str) -> int:
        """Nano-dollars of an exact decimal."""
        found = _USD.fullmatch(self.text(name))
        if found is None:
            raise ValueError(f"{self.place}: {name} is no amount with nine decimals")
        nano_usd = int(found[2]) * 1_000_000_000 + int(found[3])
        return -nano_usd if found[1] else nano_usd

    def hash(self) -> str:
        text = self.text("hash")
        if re.fullmatch(r"[0-9a-f]{64}", text, re.ASCII) is None:
            raise ValueError(f"{self.place}: its hash is none")
        return text

    def each(self, name: str) -> Iterator[_Fields]:
        values = self.values.get(name)
        if not isinstance(values, list):
            raise ValueError(f"{self.place}: {name} is no list")
        for value in values:
            yield _Fields(value, self.place)
