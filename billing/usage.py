"""What was used, read from settled runs: lengths of answers, pace of spending, runs with their lines.

The balance and its history are `statements`'. A team's entries are numbered without gaps and their
instants never go back, so a window of time is found by halving and read as a range of the primary key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from billing import allowance
from billing.accounts import BUCKET_OF, BUCKETS, AccountKind, SystemAccount
from billing.admission import admitted_nano_usd
from billing.allowance import ALLOWANCE_NANO_USD
from billing.budgets import caps_of
from billing.caps import caps_on
from billing.commands import Line
from billing.reading import Reader, moments_of
from billing.statements import Statements, newest_seq as _newest_seq, seq_at as _seq_at

QUARTER_MS: Final = 15 * 60 * 1_000
PACE_WINDOW_MS: Final = 7 * 24 * 60 * 60 * 1_000
MONTH_MS: Final = 30 * 24 * 60 * 60 * 1_000
LEAST_PACE_MS: Final = 24 * 60 * 60 * 1_000
MOST_LENGTHS: Final = 200
_LOOKED_THROUGH: Final = 5_000  # newest entries of a team, for the lengths of one model's answers
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class SettledRun:
    """A run that was billed: what was used, at which prices. `cost` is what it came to, whoever bore it."""

    team_id: int
    seq: int
    run_id: str
    at_ms: int
    model: str
    provider: str
    price_version: str
    series: str
    estimated: bool
    user_id: int | None
    key_id: int | None
    tags: tuple[str, ...]
    cost_nano_usd: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """What a team spent in a window: from `from_ms` (7 days ago unless asked otherwise, or its first use
    where that is later, and never less than a day ago) to `to_ms`."""

    spent_nano_usd: int
    runs: int
    from_ms: int
    to_ms: int

    def lasts_ms(self, nano_usd: int) -> int | None:
        """For how long this much lasts at this pace; None where nothing was spent."""
        if self.spent_nano_usd <= 0:
            return None
        return max(nano_usd, 0) * (self.to_ms - self.from_ms) // self.spent_nano_usd


@dataclass(frozen=True, slots=True)
class Spent:
    """What a team was charged in one quarter of an hour of UTC, from which the days of any zone can be
    made, by one member with one key (None: in the pages) on one model."""

    at_ms: int
    model: str
    user_id: int | None
    key_id: int | None
    series: str
    charged_nano_usd: int
    runs: int


@dataclass(frozen=True, slots=True)
class CreditAccount:
    """One grant of credit, as far as it is there."""

    no: int
    kind: AccountKind
    expires_ms: int | None
    free_nano_usd: int


@dataclass(frozen=True, slots=True)
class WouldHold:
    """What a reserve would set aside now, and what there is before it."""

    amount_nano_usd: int
    available_nano_usd: int


class Usage:
    """Of the ledger in a SQLite file, or at a `postgresql://` URL. Any thread may ask; every call sees
    one moment, and raises `LedgerUnavailable` where there is none to be had."""

    def __init__(self, where: Path | str, statements: Statements) -> None:
        self._reading = moments_of(where)
        self._statements = statements

    def output_lengths(self, team_id: int, model: str) -> tuple[int, ...]:
        """Output tokens of the newest answers of a model, at most 200, among the team's newest 5,000
        entries.

        Only of runs whose provider said what was used: one that was stopped says nothing of how long
        answers are.
        """
        with self._reading() as db:
            rows = db.execute(
                "SELECT used.seq, coalesce(sum(line.quantity), 0) FROM ledger_usage AS used"
                " LEFT JOIN ledger_usage_line AS line"
                " ON line.team_id = used.team_id AND line.seq = used.seq AND line.bucket = ?"
                " WHERE used.team_id = ? AND used.seq > ? AND used.model = ? AND used.estimated = 0"
                " GROUP BY used.seq ORDER BY used.seq DESC LIMIT ?",
                (BUCKETS["output"], team_id, _newest_seq(db, team_id) - _LOOKED_THROUGH, model, MOST_LENGTHS),
            )
            return tuple(int(tokens) for _, tokens in rows)

    def spent(self, team_id: int, from_ms: int) -> tuple[Spent, ...]:
        """What the team was charged since, oldest first; runs that cost nothing count too."""
        with self._reading() as db:
            first = _seq_at(db, team_id, from_ms)
            rows = db.execute(
                "SELECT entry.at_ms / ? AS quarter, used.model, used.user_id, used.key_id, used.series,"
                " coalesce(sum(paid.charged), 0), count(*) FROM ledger_usage AS used"
                " JOIN ledger_entry AS entry ON entry.team_id = used.team_id AND entry.seq = used.seq"
                " LEFT JOIN (SELECT seq, -sum(amount_nano_usd) AS charged FROM ledger_posting"
                "   WHERE team_id = ? AND seq >= ? AND account_no > 0 GROUP BY seq) AS paid"
                " ON paid.seq = used.seq"
                " WHERE used.team_id = ? AND used.seq >= ?"
                " GROUP BY quarter, used.model, used.user_id, used.key_id, used.series ORDER BY quarter",
                (QUARTER_MS, team_id, first, team_id, first),
            )
            return tuple(
                Spent(int(quarter) * QUARTER_MS, model, user_id, key_id, series, int(charged), int(runs))
                for quarter, model, user_id, key_id, series, charged, runs in rows
            )

    def pace(self, team_id: int, now_ms: int, window_ms: int = PACE_WINDOW_MS) -> Pace:
        """What the team was charged lately, demonstration included."""
        with self._reading() as db:
            first_use_ms, _, _, clock_ms = _team(db, team_id)
            to_ms = max(now_ms, clock_ms)
            from_ms = to_ms - window_ms
            if first_use_ms is not None:
                from_ms = max(from_ms, min(first_use_ms, to_ms - LEAST_PACE_MS))
            spent, written_off = int(SystemAccount.SPENT), int(SystemAccount.WRITTEN_OFF)
            charged, runs = db.execute(
                "SELECT coalesce(sum(amount_nano_usd), 0),"
                " coalesce(sum(CASE WHEN account_no = ? THEN 1 ELSE 0 END), 0) FROM ledger_posting"
                " WHERE team_id = ? AND seq >= ? AND account_no IN (?, ?)",
                (spent, team_id, _seq_at(db, team_id, from_ms), spent, written_off),
            ).fetchone()
            return Pace(int(charged), int(runs), from_ms, to_ms)

    def settled(
        self, team_id: int, from_ms: int, to_ms: int, provider: str | None = None
    ) -> Iterator[SettledRun]:
        """Every run that was billed from `from_ms` on and before `to_ms`, oldest first; read a page at a
        time, of one moment that lasts until the last is read."""
        with self._reading() as db:
            after = _seq_at(db, team_id, from_ms) - 1
            last = _seq_at(db, team_id, to_ms)
            while page := _page(db, team_id, after, last, provider):
                after = page[-1].seq
                yield from page

    def teams(self) -> tuple[int, ...]:
        """Every team that the ledger knows."""
        with self._reading() as db:
            return tuple(int(team_id) for (team_id,) in db.execute("SELECT id FROM ledger_team ORDER BY id"))

    def accounts_of_entry(self, team_id: int, seq: int) -> tuple[CreditAccount, ...]:
        """The team's own accounts that an entry posted to."""
        with self._reading() as db:
            return tuple(
                CreditAccount(no, AccountKind(kind), expires_ms, balance - held)
                for no, kind, expires_ms, balance, held in db.execute(
                    "SELECT account.no, account.kind, account.expires_ms, account.balance_nano_usd,"
                    " account.held_nano_usd FROM ledger_posting AS posting JOIN ledger_account AS account"
                    " ON account.team_id = posting.team_id AND account.no = posting.account_no"
                    " WHERE posting.team_id = ? AND posting.seq = ? AND account.no > 0 ORDER BY account.no",
                    (team_id, seq),
                )
            )

    def would_hold(
        self,
        team_id: int,
        asked_nano_usd: int,
        least_nano_usd: int,
        scopes: Sequence[tuple[str, str]],
        now_ms: int,
    ) -> WouldHold:
        """What a reserve of `asked`, or as much as there is down to `least`, would set aside.

        Raises what the reserve would: `InsufficientCredits`, `FreeCreditExhausted`, `CapReached`.
        """
        balance = self._statements.balance(team_id, now_ms)
        with self._reading() as db:
            first_use_ms, allowance_ms, payment_ms, clock_ms = _team(db, team_id)
            caps = caps_of(db, team_id)
        now_ms = max(now_ms, clock_ms)
        # The balance counts an allowance that is due, unless the operator's limit refuses it.
        due = allowance.window_due_ms(first_use_ms, allowance_ms, payment_ms, now_ms) is not None
        amount = admitted_nano_usd(
            asked_nano_usd,
            least_nano_usd,
            balance.available_nano_usd,
            caps_on(caps, scopes),
            now_ms,
            next_allowance_at_ms=balance.next_allowance_at_ms,
            refused_allowance=due and balance.allowance_remaining_nano_usd < ALLOWANCE_NANO_USD,
        )
        return WouldHold(amount, balance.available_nano_usd)


def _team(db: Reader, team_id: int) -> tuple[int | None, int | None, int | None, int]:
    """First use, start of the newest allowance, first payment, and the team's clock."""
    found = db.execute(
        "SELECT first_use_ms, allowance_starts_ms, first_payment_ms, clock_ms FROM ledger_team WHERE id = ?",
        (team_id,),
    ).fetchone()
    return (None, None, None, 0) if found is None else (found[0], found[1], found[2], found[3])


def _page(db: Reader, team_id: int, after: int, last: int, provider: str | None) -> list[SettledRun]:
    """The runs that follow entry `after` and precede entry `last`, as many as are read at once."""
    wanted, named = ("", ()) if provider is None else (" AND used.provider = ?", (provider,))
    rows = db.execute(
        "SELECT used.seq, entry.ref, entry.at_ms, used.model, used.provider, used.price_version, used.series,"
        " used.estimated, used.user_id, used.key_id, used.tags, coalesce(spent.amount_nano_usd, 0)"
        " FROM ledger_usage AS used"
        " JOIN ledger_entry AS entry ON entry.team_id = used.team_id AND entry.seq = used.seq"
        " LEFT JOIN ledger_posting AS spent"
        " ON spent.team_id = used.team_id AND spent.seq = used.seq AND spent.account_no = ?"
        f" WHERE used.team_id = ? AND used.seq > ? AND used.seq < ?{wanted} ORDER BY used.seq LIMIT ?",
        (int(SystemAccount.SPENT), team_id, after, last, *named, _PAGE),
    ).fetchall()
    lines = _lines(db, team_id, rows[0][0], rows[-1][0]) if rows else {}
    return [
        SettledRun(
            team_id=team_id,
            seq=seq,
            run_id=run_id,
            at_ms=at_ms,
            model=model,
            provider=answered,
            price_version=version,
            series=series,
            estimated=bool(estimated),
            user_id=user_id,
            key_id=key_id,
            tags=msgspec.json.decode(tags, type=tuple[str, ...]),
            cost_nano_usd=cost,
            lines=tuple(lines.get(seq, ())),
        )
        for (
            seq, run_id, at_ms, model, answered, version, series, estimated, user_id, key_id, tags, cost
        ) in rows
    ]  # fmt: skip


def _lines(db: Reader, team_id: int, first: int, last: int) -> dict[int, list[Line]]:
    found: dict[int, list[Line]] = {}
    for seq, bucket, quantity, price in db.execute(
        "SELECT seq, bucket, quantity, price_pico_usd FROM ledger_usage_line"
        " WHERE team_id = ? AND seq BETWEEN ? AND ? ORDER BY seq, no",
        (team_id, first, last),
    ):
        found.setdefault(seq, []).append(Line(BUCKET_OF[bucket], quantity, price))
    return found
