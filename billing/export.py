"""A team's whole history as one file: JSON or CSV, whose amounts sum to the balance that is shown.

Both carry everything that an entry's hash covers, so that `python -m billing.audit FILE` can check them
without this installation; docs/proof.md describes them. They are of one moment and come piece by piece.
What no entry says yet (an allowance that the next request brings, credit that has ended) has lines of
its own without a number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from billing.accounts import BUCKETS, LAYOUT, head
from billing.money import decimal_usd
from billing.statements import EntryView, History, PostingView, Statements

FORMAT: Final = "tiltyard-entries-1"
COLUMNS: Final = (
    "seq", "at", "kind", "amount_usd", "balance_after_usd", "model", "provider", "series", "estimated",
    "user_id", "key_id", "ref", "reason", "postings", "lines", "price_version", "tags", "hold_no",
    "actor_user_id", "at_ms", "team_id", "hash",
)  # fmt: skip
_PIECE: Final = 64 * 1024  # characters
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")


def as_json(statements: Statements, team_id: int, now_ms: int) -> Iterator[bytes]:
    """One object, an entry a line. Raises `LedgerUnavailable`."""
    with statements.history(team_id, now_ms) as history:
        opening = msgspec.json.encode(_summary(history)).removesuffix(b"}")
        yield opening + b',"entries":['
        separator = b"\n"
        for entry in history.entries:
            yield separator + msgspec.json.encode(_entry(entry))
            separator = b",\n"
        yield b"\n]}\n"


def as_csv(statements: Statements, team_id: int, now_ms: int) -> Iterator[bytes]:
    """A row an entry; the last row is the balance, with the head of the chain as its hash.

    Raises `LedgerUnavailable`.
    """
    with statements.history(team_id, now_ms) as history:
        text = io.StringIO()
        rows = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
        rows.writeheader()
        for entry in history.entries:
            rows.writerow(_row(team_id, entry))
            if text.tell() > _PIECE:
                yield _taken(text)
        rows.writerows(_last_rows(history))
        yield _taken(text)


def _summary(history: History) -> dict[str, object]:
    balance = history.balance
    return {
        "format": FORMAT,
        "layout": LAYOUT,
        "team_id": history.team_id,
        "made_at": _instant(history.now_ms),
        "head": head(history.team_id, history.newest_seq, history.head),
        "balance_usd": decimal_usd(balance.balance_nano_usd),
        "booked_usd": decimal_usd(balance.booked_nano_usd),
        "allowance_due_usd": decimal_usd(balance.allowance_due_nano_usd),
        "ended_usd": decimal_usd(balance.ended_nano_usd),
        "held_usd": decimal_usd(balance.held_nano_usd),
        "available_usd": decimal_usd(balance.available_nano_usd),
    }


def _entry(entry: EntryView) -> dict[str, object]:
    said: dict[str, object] = {
        "seq": entry.seq,
        "at": _instant(entry.at_ms),
        "at_ms": entry.at_ms,
        "kind": entry.kind.name.lower(),
        "amount_usd": decimal_usd(entry.amount_nano_usd),
        "balance_after_usd": decimal_usd(entry.balance_after_nano_usd),
        "ref": entry.ref,
        "reason": entry.reason,
        "hold_no": entry.hold_no,
        "actor_user_id": entry.actor_user_id,
        "postings": [
            {"account_no": each.account_no, "account": each.account, "amount_nano_usd": each.amount_nano_usd}
            for each in _in_order(entry)
        ],
        "usage": None,
        "hash": entry.hash,
    }
    if entry.tags_json is not None:
        said["usage"] = {
            "model": entry.model,
            "provider": entry.provider,
            "price_version": entry.price_version,
            "series": entry.series,
            "tags": entry.tags_json,
            "user_id": entry.user_id,
            "key_id": entry.key_id,
            "estimated": entry.estimated,
            "lines": [
                {"bucket": each.bucket, "quantity": each.quantity, "price_pico_usd": each.price_pico_usd}
                for each in entry.lines
            ],
        }
    return said


def _row(team_id: int, entry: EntryView) -> dict[str, object]:
    """Absent is an empty cell; numbers in `postings` and `lines` are those of `accounts.py`."""
    row: dict[str, object] = {
        "seq": entry.seq,
        "at": _instant(entry.at_ms),
        "kind": entry.kind.name.lower(),
        "amount_usd": decimal_usd(entry.amount_nano_usd),
        "balance_after_usd": decimal_usd(entry.balance_after_nano_usd),
        "ref": _harmless(entry.ref),
        "reason": _harmless(entry.reason),
        "postings": " ".join(f"{each.account_no}:{each.amount_nano_usd}" for each in _in_order(entry)),
        "hold_no": _or_empty(entry.hold_no),
        "actor_user_id": _or_empty(entry.actor_user_id),
        "at_ms": entry.at_ms,
        "team_id": team_id,
        "hash": entry.hash,
    }
    if entry.tags_json is not None:
        row |= {
            "model": _harmless(entry.model or ""),
            "provider": _harmless(entry.provider or ""),
            "series": _harmless(entry.series or ""),
            "price_version": _harmless(entry.price_version or ""),
            "tags": _harmless(entry.tags_json),
            "estimated": int(entry.estimated),
            "user_id": _or_empty(entry.user_id),
            "key_id": _or_empty(entry.key_id),
            "lines": " ".join(
                f"{BUCKETS[each.bucket]}:{each.quantity}:{each.price_pico_usd}" for each in entry.lines
            ),
        }
    return row


def _last_rows(history: History) -> Iterator[dict[str, object]]:
    balance = history.balance
    same: dict[str, object] = {"team_id": history.team_id, "at": _instant(history.now_ms)}
    if balance.allowance_due_nano_usd:
        yield {**same, "kind": "allowance_due", "amount_usd": decimal_usd(balance.allowance_due_nano_usd)}
    if balance.ended_nano_usd:
        yield {**same, "kind": "ended", "amount_usd": decimal_usd(-balance.ended_nano_usd)}
    yield {
        **same,
        "kind": "balance",
        "balance_after_usd": decimal_usd(balance.balance_nano_usd),
        "hash": head(history.team_id, history.newest_seq, history.head),
    }


def _in_order(entry: EntryView) -> list[PostingView]:
    """As they are hashed."""
    return sorted(entry.postings, key=lambda posting: posting.account_no)


def _taken(text: io.StringIO) -> bytes:
    piece = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return piece


def _harmless(text: str) -> str:
    """Text that a spreadsheet would take for a formula, behind an apostrophe; so that it can be undone,
    what begins with an apostrophe gets one too."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _or_empty(value: int | None) -> int | str:
    return "" if value is None else value


def _instant(at_ms: int) -> str:
    seconds, ms = divmod(at_ms, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"
