"""What a team's spending caps are and how full; who set them, and which thresholds were told. Reads only.

An alert is a row of the ledger, written in the transaction whose entry crossed the threshold: so each
stands exactly once a threshold and window, however many processes write and whatever dies. Whoever
delivers alerts (a page, a webhook, a mail) reads `alerts` and remembers each by its `key`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from billing.caps import COLUMNS, Cap, cap_of, window_name
from billing.commands import CapWindow
from billing.reading import Reader, moments_of

_MOST_ALERTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class CapView:
    """A cap as it stands in the window of now. `days` is 0 but for a rolling window, which has no end:
    what was spent leaves it bit by bit. `told` are the percents that were told in this window."""

    no: int
    scope: str
    subject: str
    window: CapWindow
    days: int
    zone: str
    limit_nano_usd: int
    spent_nano_usd: int
    held_nano_usd: int
    remaining_nano_usd: int
    window_starts_ms: int
    window_ends_ms: int | None
    alert_at: tuple[int, ...]
    told: tuple[int, ...]
    change_no: int


@dataclass(frozen=True, slots=True)
class CapChange:
    """What somebody set a cap to; a limit of None switched it off. `actor_user_id` is None for an
    operator's command."""

    cap_no: int
    no: int
    scope: str
    subject: str
    window: CapWindow
    days: int
    at_ms: int
    actor_user_id: int | None
    limit_nano_usd: int | None
    zone: str
    alert_at: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CapAlert:
    """Spending reached `percent` of a cap, with the entry `entry_seq`; where that is None, the cap turned
    a request away, with `spent_nano_usd` of its limit spent."""

    team_id: int
    cap_no: int
    change_no: int
    percent: int
    window_starts_ms: int
    at_ms: int
    entry_seq: int | None
    limit_nano_usd: int
    spent_nano_usd: int
    scope: str
    subject: str
    window: CapWindow
    days: int
    zone: str

    @property
    def key(self) -> str:
        """The same for the same alert, for ever: what a delivery is known by."""
        return f"cap:{self.team_id}:{self.cap_no}:{self.change_no}:{self.percent}:{self.window_starts_ms}"


class Budgets:
    """Of the ledger in a SQLite file, or at a `postgresql://` URL. Any thread may ask; every call raises
    `LedgerUnavailable` where the ledger cannot be read."""

    def __init__(self, where: Path | str) -> None:
        self._reading = moments_of(where)

    def caps(self, team_id: int, now_ms: int) -> tuple[CapView, ...]:
        """Those that are not switched off, in the order that they were first set in."""
        with self._reading() as db:
            (clock_ms,) = db.execute(
                "SELECT coalesce(max(clock_ms), 0) FROM ledger_team WHERE id = ?", (team_id,)
            ).fetchone()
            caps = caps_of(db, team_id)
        now_ms = max(now_ms, clock_ms)
        return tuple(_view(cap, cap.limit_nano_usd, now_ms) for cap in caps if cap.limit_nano_usd is not None)

    def changes(self, team_id: int) -> tuple[CapChange, ...]:
        """Every time that somebody set a cap, newest first."""
        with self._reading() as db:
            caps = {cap.no: cap for cap in caps_of(db, team_id)}
            return tuple(
                CapChange(
                    cap_no, no, caps[cap_no].scope, caps[cap_no].subject, caps[cap_no].window_name,
                    caps[cap_no].days, at_ms, actor, limit, zone, tuple(msgspec.json.decode(alert_at)),
                )
                for cap_no, no, at_ms, actor, limit, zone, alert_at in db.execute(
                    "SELECT cap_no, no, at_ms, actor_user_id, limit_nano_usd, zone, alert_at"
                    " FROM ledger_cap_change WHERE team_id = ? ORDER BY at_ms DESC, cap_no DESC, no DESC",
                    (team_id,),
                )
            )  # fmt: skip

    def alerts(self, from_ms: int, team_id: int | None = None) -> tuple[CapAlert, ...]:
        """What was told since, of one team or of all, oldest first; at most 1,000.

        Several processes write: one may come in a moment after a later one. Whoever reads again and
        again should ask from a minute before the newest that it has, and know them by their keys.
        """
        one, named = ("", ()) if team_id is None else (" AND told.team_id = ?", (team_id,))
        with self._reading() as db:
            rows = db.execute(
                "SELECT told.team_id, told.cap_no, told.change_no, told.percent, told.window_starts_ms,"
                " told.at_ms, told.seq, told.limit_nano_usd, told.spent_nano_usd, cap.scope, cap.subject,"
                ' cap."window", cap.days, cap.zone FROM ledger_cap_alert AS told JOIN ledger_cap AS cap'
                " ON cap.team_id = told.team_id AND cap.no = told.cap_no"
                f" WHERE told.at_ms >= ?{one} ORDER BY told.at_ms, told.team_id, told.cap_no, told.percent"
                " LIMIT ?",
                (from_ms, *named, _MOST_ALERTS),
            ).fetchall()
        return tuple(
            CapAlert(
                team, cap, change, percent, starts_ms, at_ms, seq, limit, spent, scope, subject,
                window_name(window), days, zone,
            )
            for (
                team, cap, change, percent, starts_ms, at_ms, seq, limit, spent, scope, subject,
                window, days, zone,
            ) in rows
        )  # fmt: skip


def lasting(caps: Iterable[CapView]) -> tuple[CapView, ...]:
    """Without those of battles and batches of which nothing runs: each of these has its own, and they may be
    thousands."""
    return tuple(cap for cap in caps if cap.scope not in ("battle", "batch") or cap.held_nano_usd)


def caps_of(db: Reader, team_id: int) -> list[Cap]:
    rows = db.execute(f"SELECT {COLUMNS} FROM ledger_cap WHERE team_id = ? ORDER BY no", (team_id,))
    return [cap_of(row) for row in rows]


def _view(cap: Cap, limit_nano_usd: int, now_ms: int) -> CapView:
    starts_ms, ends_ms = cap.window_at(now_ms)
    return CapView(
        no=cap.no,
        scope=cap.scope,
        subject=cap.subject,
        window=cap.window_name,
        days=cap.days,
        zone=cap.zone,
        limit_nano_usd=limit_nano_usd,
        spent_nano_usd=cap.spent_at(now_ms),
        held_nano_usd=cap.held_nano_usd,
        remaining_nano_usd=cap.remaining_nano_usd(now_ms) or 0,
        window_starts_ms=starts_ms,
        window_ends_ms=ends_ms,
        alert_at=cap.alert_at,
        told=tuple(sorted(percent for percent, at_ms in cap.alerted.items() if at_ms >= starts_ms)),
        change_no=cap.change_no,
    )
