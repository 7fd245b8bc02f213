"""What a team is shown of its money: balance and history. Reads only, and is the only reader.

Every call sees one moment of the ledger (`reading.py`), on either engine, and any thread may ask. The
balance is what the team could use if it asked now: an allowance that its next request would be given
counts, and credit that has ended does not, though its entries come with that request.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from billing import allowance
from billing.accounts import BUCKETS, AccountKind, EntryKind, SystemAccount
from billing.allowance import ALLOWANCE_NANO_USD, FreeMoney, counted_after_ms, must_find_room
from billing.commands import Bucket, Facts, Line
from billing.reading import Reader, moments_of

_BUCKET_OF: Final[dict[int, Bucket]] = {no: bucket for bucket, no in BUCKETS.items()}  # type: ignore[misc]
_MOST_ENTRIES: Final = 1_000


@dataclass(frozen=True, slots=True)
class OpenHold:
    """A run that still runs, and what is set aside for it."""

    run_id: str
    model: str
    amount_nano_usd: int
    progress_nano_usd: int
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Balance:
    """`balance` = `available` + `held`. `allowance_remaining` is the free part of the present window's.

    `next_allowance_at_ms` is None before the team's first use (then 30 days after it), and where a
    payment ended the allowance: then `ends_allowance`.
    """

    balance_nano_usd: int
    held_nano_usd: int
    available_nano_usd: int
    total_used_nano_usd: int
    allowance_remaining_nano_usd: int
    next_allowance_at_ms: int | None
    ends_allowance: bool
    open_holds: tuple[OpenHold, ...] = ()


@dataclass(frozen=True, slots=True)
class PostingView:
    """`account` is a system account's name in lower case, or the kind of the team's own account."""

    account_no: int
    account: str
    amount_nano_usd: int


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry as its team sees it: `amount` is what it did to the team's credit (spending is below 0).

    What follows `postings` is None or empty where the entry settles no run. `reason` is an operator's
    words; `ref` names the grant, or the run.
    """

    seq: int
    at_ms: int
    kind: EntryKind
    amount_nano_usd: int
    balance_after_nano_usd: int
    ref: str
    reason: str
    hash: str
    postings: tuple[PostingView, ...]
    run_id: str | None = None
    model: str | None = None
    provider: str | None = None
    price_version: str | None = None
    user_id: int | None = None
    key_id: int | None = None
    tags: tuple[str, ...] = ()
    series: str | None = None
    estimated: bool = False
    cost_nano_usd: int = 0
    writeoff_nano_usd: int = 0
    lines: tuple[Line, ...] = ()


class Statements:
    """Of the ledger in a SQLite file, or at a `postgresql://` URL. `free_money_limit_nano_usd` is the
    writer's: past it, a new team is shown no allowance."""

    def __init__(self, where: Path | str, *, free_money_limit_nano_usd: int | None = None) -> None:
        self._reading = moments_of(where)
        self._limit_nano_usd = free_money_limit_nano_usd

    def balance(self, team_id: int, now_ms: int) -> Balance:
        """Raises `LedgerUnavailable`."""
        with self._reading() as db:
            team = db.execute(
                "SELECT first_use_ms, allowance_starts_ms, first_payment_ms, used_nano_usd, clock_ms"
                " FROM ledger_team WHERE id = ?",
                (team_id,),
            ).fetchone() or (None, None, None, 0, 0)
            first_use_ms, allowance_ms, payment_ms, used, clock_ms = team
            now_ms = max(now_ms, clock_ms)
            free, held, allowance_free = _credit(db, team_id, now_ms)
            if self._allowance_comes(db, first_use_ms, allowance_ms, payment_ms, now_ms):
                free += ALLOWANCE_NANO_USD
                allowance_free += ALLOWANCE_NANO_USD
            return Balance(
                balance_nano_usd=free + held,
                held_nano_usd=held,
                available_nano_usd=free,
                total_used_nano_usd=used,
                allowance_remaining_nano_usd=allowance_free,
                next_allowance_at_ms=allowance.next_at_ms(first_use_ms, payment_ms, now_ms),
                ends_allowance=payment_ms is not None,
                open_holds=_open_holds(db, team_id),
            )

    def entries(self, team_id: int, limit: int = 50, before_seq: int | None = None) -> tuple[EntryView, ...]:
        """The newest entries, newest first; older ones with the last `seq` as `before_seq`."""
        with self._reading() as db:
            rows = db.execute(
                f"{_ENTRIES} WHERE entry.team_id = ? AND entry.seq < ? ORDER BY entry.seq DESC LIMIT ?",
                (team_id, 1 << 62 if before_seq is None else before_seq, max(min(limit, _MOST_ENTRIES), 0)),
            ).fetchall()
            return tuple(_view(db, team_id, _EntryRow(*row)) for row in rows)

    def entry_of_run(self, team_id: int, run_id: str) -> EntryView | None:
        """The entry that settled a run; None while it runs, and where nothing was owed."""
        with self._reading() as db:
            rows = db.execute(
                f"{_ENTRIES} JOIN ledger_hold AS hold"
                " ON hold.team_id = entry.team_id AND hold.no = entry.hold_no"
                " WHERE hold.run_id = ? AND hold.team_id = ?",
                (run_id, team_id),
            ).fetchall()
            return _view(db, team_id, _EntryRow(*rows[0])) if rows else None

    def _allowance_comes(
        self,
        db: Reader,
        first_use_ms: int | None,
        newest_starts_ms: int | None,
        first_payment_ms: int | None,
        now_ms: int,
    ) -> bool:
        """Whether the team's next reserve would be given the allowance."""
        due = allowance.window_due_ms(first_use_ms, newest_starts_ms, first_payment_ms, now_ms)
        if due is None or self._limit_nano_usd is None or not must_find_room(newest_starts_ms, now_ms):
            return due is not None
        (teams,) = db.execute(
            "SELECT count(*) FROM ledger_team WHERE allowance_starts_ms > ?", (counted_after_ms(now_ms),)
        ).fetchone()
        return FreeMoney(self._limit_nano_usd, teams * ALLOWANCE_NANO_USD).room()


_ENTRIES: Final = (
    "SELECT entry.seq, entry.at_ms, entry.kind, entry.ref, entry.reason, entry.balance_after_nano_usd,"
    " entry.hash, entry.hold_no, usage.model, usage.provider, usage.price_version, usage.user_id,"
    " usage.key_id, usage.tags, usage.series, usage.estimated"
    " FROM ledger_entry AS entry LEFT JOIN ledger_usage AS usage USING (team_id, seq)"
)


def _credit(db: Reader, team_id: int, now_ms: int) -> tuple[int, int, int]:
    """Free credit that lives, all that is held, and the allowance's share of what is free."""
    free = held = allowance_free = 0
    for kind, expires_ms, starts_ms, balance_nano_usd, held_nano_usd in db.execute(
        "SELECT kind, expires_ms, starts_ms, balance_nano_usd, held_nano_usd FROM ledger_account"
        " WHERE team_id = ? AND balance_nano_usd > 0",
        (team_id,),
    ):
        held += held_nano_usd
        if starts_ms <= now_ms and (expires_ms is None or now_ms < expires_ms):
            free += balance_nano_usd - held_nano_usd
            if kind == AccountKind.ALLOWANCE:
                allowance_free += balance_nano_usd - held_nano_usd
    return free, held, allowance_free


def _open_holds(db: Reader, team_id: int) -> tuple[OpenHold, ...]:
    """Oldest first."""
    return tuple(
        OpenHold(
            run_id=run_id,
            model=msgspec.json.decode(facts, type=Facts).model,
            amount_nano_usd=amount_nano_usd,
            progress_nano_usd=progress_nano_usd,
            created_ms=created_ms,
            expires_ms=expires_ms,
        )
        for run_id, facts, amount_nano_usd, progress_nano_usd, created_ms, expires_ms in db.execute(
            "SELECT hold.run_id, running.facts, hold.amount_nano_usd, running.progress_nano_usd,"
            " hold.created_ms, running.expires_ms"
            " FROM ledger_open_hold AS running"
            " JOIN ledger_hold AS hold ON hold.team_id = running.team_id AND hold.no = running.hold_no"
            " WHERE running.team_id = ? ORDER BY hold.no",
            (team_id,),
        )
    )


class _EntryRow(NamedTuple):
    seq: int
    at_ms: int
    kind: int
    ref: str
    reason: str
    balance_after_nano_usd: int
    hash: bytes
    hold_no: int | None
    model: str | None
    provider: str | None
    price_version: str | None
    user_id: int | None
    key_id: int | None
    tags: str | None
    series: str | None
    estimated: int | None


def _view(db: Reader, team_id: int, row: _EntryRow) -> EntryView:
    settles = row.hold_no is not None
    postings = _postings(db, team_id, row.seq)
    by_account = {posting.account_no: posting.amount_nano_usd for posting in postings}
    return EntryView(
        seq=row.seq,
        at_ms=row.at_ms,
        kind=EntryKind(row.kind),
        amount_nano_usd=sum(amount for no, amount in by_account.items() if no > 0),
        balance_after_nano_usd=row.balance_after_nano_usd,
        ref=row.ref,
        reason=row.reason,
        hash=row.hash.hex(),
        postings=postings,
        run_id=row.ref if settles else None,
        model=row.model,
        provider=row.provider,
        price_version=row.price_version,
        user_id=row.user_id,
        key_id=row.key_id,
        tags=msgspec.json.decode(row.tags, type=tuple[str, ...]) if row.tags is not None else (),
        series=row.series,
        estimated=bool(row.estimated),
        cost_nano_usd=by_account.get(SystemAccount.SPENT, 0),
        writeoff_nano_usd=-by_account.get(SystemAccount.WRITTEN_OFF, 0),
        lines=_lines(db, team_id, row.seq) if settles else (),
    )


def _postings(db: Reader, team_id: int, seq: int) -> tuple[PostingView, ...]:
    return tuple(
        PostingView(no, (AccountKind(kind) if no > 0 else SystemAccount(no)).name.lower(), amount_nano_usd)
        for no, kind, amount_nano_usd in db.execute(
            "SELECT posting.account_no, account.kind, posting.amount_nano_usd FROM ledger_posting AS posting"
            " JOIN ledger_account AS account"
            " ON account.team_id = posting.team_id AND account.no = posting.account_no"
            " WHERE posting.team_id = ? AND posting.seq = ? ORDER BY posting.account_no DESC",
            (team_id, seq),
        )
    )


def _lines(db: Reader, team_id: int, seq: int) -> tuple[Line, ...]:
    return tuple(
        Line(_BUCKET_OF[bucket], quantity, price_pico_usd)
        for bucket, quantity, price_pico_usd in db.execute(
            "SELECT bucket, quantity, price_pico_usd FROM ledger_usage_line"
            " WHERE team_id = ? AND seq = ? ORDER BY no",
            (team_id, seq),
        )
    )
