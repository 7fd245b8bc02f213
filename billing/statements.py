"""What a team is shown of its money: balance and history. Reads only, and is the only reader.

Every call sees one moment of the ledger (`reading.py`), on either engine, and any thread may ask. The
balance is what the team could use if it asked now: an allowance that its next request would be given
counts, and credit that has ended does not, though its entries come with that request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from billing import allowance
from billing.accounts import BUCKET_OF, AccountKind, EntryKind, SystemAccount
from billing.allowance import ALLOWANCE_NANO_USD, FreeMoney, counted_after_ms, must_find_room
from billing.commands import Facts, Line
from billing.reading import Reader, moments_of

_MOST_ENTRIES: Final = 1_000
_AT_ONCE: Final = 500  # entries, where all are read
_LOOKED_THROUGH: Final = 100_000  # newest entries of a team, for what its entries can be told apart by


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
    payment ended the allowance: then `ends_allowance`. What no entry says yet: `allowance_due`, which
    the next request brings, and `ended`, which it takes. The entries sum to `booked`.
    """

    balance_nano_usd: int
    held_nano_usd: int
    available_nano_usd: int
    total_used_nano_usd: int
    allowance_remaining_nano_usd: int
    next_allowance_at_ms: int | None
    ends_allowance: bool
    open_holds: tuple[OpenHold, ...] = ()
    allowance_due_nano_usd: int = 0
    ended_nano_usd: int = 0

    @property
    def booked_nano_usd(self) -> int:
        return self.balance_nano_usd - self.allowance_due_nano_usd + self.ended_nano_usd


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
    hold_no: int | None = None
    actor_user_id: int | None = None
    tags_json: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries to show; what is None is not asked. `user_id` is who spent, or who gave; the key
    "pages" means runs that no key asked for. From `from_ms` on, and before `to_ms`."""

    kinds: tuple[EntryKind, ...] = ()
    model: str | None = None
    user_id: int | None = None
    key: int | Literal["pages"] | None = None
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a team's entries can be told apart by: which kinds, models, members and keys there are."""

    kinds: tuple[EntryKind, ...] = ()
    models: tuple[str, ...] = ()
    user_ids: tuple[int, ...] = ()
    keys: tuple[int | Literal["pages"], ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """All of a team's entries and its balance, of one moment. `entries` come oldest first and can be
    gone through once, while the moment lasts. `head` is the hash of the newest (zeros: there is none)."""

    team_id: int
    now_ms: int
    balance: Balance
    newest_seq: int
    head: str
    entries: Iterator[EntryView]


class Statements:
    """Of the ledger in a SQLite file, or at a `postgresql://` URL. `free_money_limit_nano_usd` is the
    writer's: past it, a new team is shown no allowance."""

    def __init__(self, where: Path | str, *, free_money_limit_nano_usd: int | None = None) -> None:
        self._reading = moments_of(where)
        self._limit_nano_usd = free_money_limit_nano_usd

    def balance(self, team_id: int, now_ms: int) -> Balance:
        """Raises `LedgerUnavailable`."""
        with self._reading() as db:
            return self._balance(db, team_id, now_ms)

    def entries(
        self,
        team_id: int,
        limit: int = 50,
        before_seq: int | None = None,
        wanted: Wanted | None = None,
    ) -> tuple[EntryView, ...]:
        """The newest entries, newest first; older ones with the last `seq` as `before_seq`."""
        with self._reading() as db:
            conditions, values = _conditions(db, team_id, before_seq, wanted or Wanted())
            rows = db.execute(
                f"{_ENTRIES} WHERE {' AND '.join(conditions)} ORDER BY entry.seq DESC LIMIT ?",
                (*values, max(min(limit, _MOST_ENTRIES), 0)),
            ).fetchall()
            return _views(db, team_id, rows)

    def told(self, team_id: int) -> Told:
        """What the newest 100,000 entries can be told apart by."""
        with self._reading() as db:
            after = newest_seq(db, team_id) - _LOOKED_THROUGH
            kinds = db.execute(
                "SELECT DISTINCT kind FROM ledger_entry WHERE team_id = ? AND seq > ?", (team_id, after)
            ).fetchall()
            used = db.execute(
                "SELECT DISTINCT model, user_id, key_id FROM ledger_usage WHERE team_id = ? AND seq > ?",
                (team_id, after),
            ).fetchall()
            actors = db.execute(
                "SELECT DISTINCT actor_user_id FROM ledger_entry WHERE team_id = ? AND seq > ?"
                " AND actor_user_id IS NOT NULL",
                (team_id, after),
            ).fetchall()
        keys = {key for _, _, key in used}
        pages: tuple[Literal["pages"], ...] = ("pages",) if None in keys else ()
        return Told(
            kinds=tuple(sorted(EntryKind(kind) for (kind,) in kinds)),
            models=tuple(sorted({model for model, _, _ in used})),
            user_ids=tuple(sorted({user for _, user, _ in used if user} | {user for (user,) in actors})),
            keys=(*pages, *sorted(key for key in keys if key is not None)),
        )

    def newest(self, team_id: int) -> tuple[int, str]:
        """The number and the hash of the newest entry; 0 and zeros where there is none."""
        with self._reading() as db:
            return _newest(db, team_id)

    @contextmanager
    def history(self, team_id: int, now_ms: int) -> Iterator[History]:
        """Everything of a team, of one moment, however long the reading takes."""
        with self._reading() as db:
            balance = self._balance(db, team_id, now_ms)
            yield History(team_id, now_ms, balance, *_newest(db, team_id), _all(db, team_id))

    def _balance(self, db: Reader, team_id: int, now_ms: int) -> Balance:
        team = db.execute(
            "SELECT first_use_ms, allowance_starts_ms, first_payment_ms, used_nano_usd, clock_ms"
            " FROM ledger_team WHERE id = ?",
            (team_id,),
        ).fetchone() or (None, None, None, 0, 0)
        first_use_ms, allowance_ms, payment_ms, used, clock_ms = team
        now_ms = max(now_ms, clock_ms)
        free, held, allowance_free, ended = _credit(db, team_id, now_ms)
        due = 0
        if self._allowance_comes(db, first_use_ms, allowance_ms, payment_ms, now_ms):
            due = ALLOWANCE_NANO_USD
        return Balance(
            balance_nano_usd=free + due + held,
            held_nano_usd=held,
            available_nano_usd=free + due,
            total_used_nano_usd=used,
            allowance_remaining_nano_usd=allowance_free + due,
            next_allowance_at_ms=allowance.next_at_ms(first_use_ms, payment_ms, now_ms),
            ends_allowance=payment_ms is not None,
            open_holds=_open_holds(db, team_id),
            allowance_due_nano_usd=due,
            ended_nano_usd=ended,
        )

    def entry_of_run(self, team_id: int, run_id: str) -> EntryView | None:
        """The entry that settled a run; None while it runs, and where nothing was owed."""
        with self._reading() as db:
            rows = db.execute(
                f"{_ENTRIES} JOIN ledger_hold AS hold"
                " ON hold.team_id = entry.team_id AND hold.no = entry.hold_no"
                " WHERE hold.run_id = ? AND hold.team_id = ?",
                (run_id, team_id),
            ).fetchall()
            return next(iter(_views(db, team_id, rows)), None)

    def free_money(self, now_ms: int) -> FreeMoney | None:
        """The operator's limit on free credit, and what teams take of it now; None without a limit."""
        if self._limit_nano_usd is None:
            return None
        with self._reading() as db:
            return _free_money(db, self._limit_nano_usd, now_ms)

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
        return _free_money(db, self._limit_nano_usd, now_ms).room()


_ENTRIES: Final = (
    "SELECT entry.seq, entry.at_ms, entry.kind, entry.ref, entry.reason, entry.balance_after_nano_usd,"
    " entry.hash, entry.hold_no, entry.actor_user_id, usage.model, usage.provider, usage.price_version,"
    " usage.user_id, usage.key_id, usage.tags, usage.series, usage.estimated"
    " FROM ledger_entry AS entry LEFT JOIN ledger_usage AS usage USING (team_id, seq)"
)


def seq_at(db: Reader, team_id: int, at_ms: int) -> int:
    """The number of the first entry at this instant or later; one more than the newest where none is.

    Found by halving: a team's instants never go back.
    """
    low, high = 1, newest_seq(db, team_id) + 1
    while low < high:
        middle = (low + high) // 2
        (found,) = db.execute(
            "SELECT at_ms FROM ledger_entry WHERE team_id = ? AND seq = ?", (team_id, middle)
        ).fetchone()
        if found < at_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _newest(db: Reader, team_id: int) -> tuple[int, str]:
    found = db.execute("SELECT entry_seq, head FROM ledger_team WHERE id = ?", (team_id,)).fetchone()
    return (0, bytes(32).hex()) if found is None else (int(found[0]), bytes(found[1]).hex())


def newest_seq(db: Reader, team_id: int) -> int:
    (newest,) = db.execute(
        "SELECT coalesce(max(seq), 0) FROM ledger_entry WHERE team_id = ?", (team_id,)
    ).fetchone()
    return int(newest)


def _conditions(
    db: Reader, team_id: int, before_seq: int | None, wanted: Wanted
) -> tuple[list[str], list[Any]]:
    """SQL that holds for what is wanted, and its values."""
    first = 0 if wanted.from_ms is None else seq_at(db, team_id, wanted.from_ms)
    beyond = 1 << 62 if wanted.to_ms is None else seq_at(db, team_id, wanted.to_ms)
    if before_seq is not None:
        beyond = min(beyond, before_seq)
    conditions, values = ["entry.team_id = ? AND entry.seq >= ? AND entry.seq < ?"], [team_id, first, beyond]
    asked: list[tuple[str, tuple[Any, ...]]] = []
    if wanted.kinds:
        asked.append((f"entry.kind IN ({_marks(wanted.kinds)})", tuple(int(kind) for kind in wanted.kinds)))
    if wanted.model is not None:
        asked.append(("usage.model = ?", (wanted.model,)))
    if wanted.user_id is not None:
        asked.append(("coalesce(usage.user_id, entry.actor_user_id) = ?", (wanted.user_id,)))
    if wanted.key == "pages":
        asked.append(("usage.model IS NOT NULL AND usage.key_id IS NULL", ()))
    elif wanted.key is not None:
        asked.append(("usage.key_id = ?", (wanted.key,)))
    for condition, more in asked:
        conditions.append(condition)
        values += more
    return conditions, values


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)


def _credit(db: Reader, team_id: int, now_ms: int) -> tuple[int, int, int, int]:
    """Free credit that lives, all that is held, the allowance's share of what is free, and what has
    ended though no entry says so yet."""
    free = held = allowance_free = ended = 0
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
        else:
            ended += balance_nano_usd - held_nano_usd
    return free, held, allowance_free, ended


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
    actor_user_id: int | None
    model: str | None
    provider: str | None
    price_version: str | None
    user_id: int | None
    key_id: int | None
    tags: str | None
    series: str | None
    estimated: int | None


def _all(db: Reader, team_id: int) -> Iterator[EntryView]:
    after = 0
    while rows := db.execute(
        f"{_ENTRIES} WHERE entry.team_id = ? AND entry.seq > ? ORDER BY entry.seq LIMIT ?",
        (team_id, after, _AT_ONCE),
    ).fetchall():
        after = rows[-1][0]
        yield from _views(db, team_id, rows)


def _views(db: Reader, team_id: int, rows: Sequence[Sequence[Any]]) -> tuple[EntryView, ...]:
    """These entries with their postings and lines, which are read for all of them at once."""
    entries = [_EntryRow(*row) for row in rows]
    seqs = [entry.seq for entry in entries]
    postings = _postings(db, team_id, seqs)
    lines = _lines(db, team_id, [entry.seq for entry in entries if entry.hold_no is not None])
    return tuple(
        _view(entry, tuple(postings.get(entry.seq, ())), tuple(lines.get(entry.seq, ()))) for entry in entries
    )


def _view(row: _EntryRow, postings: tuple[PostingView, ...], lines: tuple[Line, ...]) -> EntryView:
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
        run_id=row.ref if row.hold_no is not None else None,
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
        lines=lines,
        hold_no=row.hold_no,
        actor_user_id=row.actor_user_id,
        tags_json=row.tags,
    )


def _postings(db: Reader, team_id: int, seqs: Sequence[int]) -> dict[int, list[PostingView]]:
    """By entry; the team's own accounts before the system's."""
    found: dict[int, list[PostingView]] = {}
    if not seqs:
        return found
    for seq, no, kind, amount_nano_usd in db.execute(
        "SELECT posting.seq, posting.account_no, account.kind, posting.amount_nano_usd"
        " FROM ledger_posting AS posting JOIN ledger_account AS account"
        " ON account.team_id = posting.team_id AND account.no = posting.account_no"
        f" WHERE posting.team_id = ? AND posting.seq IN ({_marks(seqs)})"
        " ORDER BY posting.seq, posting.account_no DESC",
        (team_id, *seqs),
    ):
        name = (AccountKind(kind) if no > 0 else SystemAccount(no)).name.lower()
        found.setdefault(seq, []).append(PostingView(no, name, amount_nano_usd))
    return found


def _lines(db: Reader, team_id: int, seqs: Sequence[int]) -> dict[int, list[Line]]:
    """By entry, in the order of the bill."""
    found: dict[int, list[Line]] = {}
    if not seqs:
        return found
    for seq, bucket, quantity, price_pico_usd in db.execute(
        "SELECT seq, bucket, quantity, price_pico_usd FROM ledger_usage_line"
        f" WHERE team_id = ? AND seq IN ({_marks(seqs)}) ORDER BY seq, no",
        (team_id, *seqs),
    ):
        found.setdefault(seq, []).append(Line(BUCKET_OF[bucket], quantity, price_pico_usd))
    return found


def _free_money(db: Reader, limit_nano_usd: int, now_ms: int) -> FreeMoney:
    (teams,) = db.execute(
        "SELECT count(*) FROM ledger_team WHERE allowance_starts_ms > ?", (counted_after_ms(now_ms),)
    ).fetchone()
    return FreeMoney(limit_nano_usd, teams * ALLOWANCE_NANO_USD)
