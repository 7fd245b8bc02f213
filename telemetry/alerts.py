"""What is to be told of, once: decided here, kept until it has left, forgotten after a quarter.

A subject and a threshold are told again after `again_ms` at the earliest, by whichever process is first:
the row is the claim. A letter that could not be sent waits, longer each time, and is given up after a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, Update, delete, select, update

from store.upserts import insert_into
from telemetry.tables import ALERT

FOR_EVER_MS: Final = 10 * 365 * 24 * 60 * 60 * 1_000
_KEPT_MS: Final = 92 * 24 * 60 * 60 * 1_000
_FIRST_PAUSE_MS: Final = 60_000
_MOST_TRIES: Final = 11  # the last one half a day after the one before: more than a day in all
_MOST: Final = 200
_STALE_MS: Final = 2 * 24 * 60 * 60 * 1_000  # nobody wants to be told later than that


@dataclass(frozen=True, slots=True)
class Alert:
    """`subject` and `threshold` name it, `text` is a sentence; not told again before `again_ms` are over."""

    subject: str
    threshold: str
    text: str
    again_ms: int = FOR_EVER_MS


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """`sent_ms` is None while it waits; `given_up` where it will not leave any more."""

    subject: str
    threshold: str
    text: str
    told_ms: int
    sent_ms: int | None
    tries: int

    @property
    def given_up(self) -> bool:
        return self.sent_ms is None and self.tries >= _MOST_TRIES


class Alerts:
    """The alerts of an installation. Any thread may ask."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def decide(self, found: Iterable[Alert], now_ms: int) -> tuple[Alert, ...]:
        """Those of `found` that are news; they wait to be sent from now on."""
        with self._engine.begin() as connection:
            connection.execute(delete(ALERT).where(ALERT.c.told_ms < now_ms - _KEPT_MS))
            return tuple(alert for alert in found if _claim(connection, alert, now_ms))

    def due(self, now_ms: int) -> tuple[KeptAlert, ...]:
        """What is to be sent now, oldest first."""
        with self._engine.connect() as connection:
            asked = (
                select(*_COLUMNS)
                .where(ALERT.c.sent_ms.is_(None), ALERT.c.due_ms <= now_ms, ALERT.c.tries < _MOST_TRIES)
                .where(ALERT.c.told_ms > now_ms - _STALE_MS)
                .order_by(ALERT.c.told_ms)
            )
            return tuple(KeptAlert(*row) for row in connection.execute(asked.limit(_MOST)))

    def sent(self, alerts: Iterable[KeptAlert], now_ms: int) -> None:
        with self._engine.begin() as connection:
            for alert in alerts:
                connection.execute(_of(alert).values(sent_ms=now_ms))

    def failed(self, alerts: Iterable[KeptAlert], now_ms: int) -> None:
        with self._engine.begin() as connection:
            for alert in alerts:
                pause_ms = _FIRST_PAUSE_MS * 2**alert.tries
                connection.execute(_of(alert).values(tries=alert.tries + 1, due_ms=now_ms + pause_ms))

    def newest(self, limit: int = 50) -> tuple[KeptAlert, ...]:
        with self._engine.connect() as connection:
            asked = select(*_COLUMNS).order_by(ALERT.c.told_ms.desc(), ALERT.c.subject).limit(limit)
            return tuple(KeptAlert(*row) for row in connection.execute(asked))


_COLUMNS = tuple(ALERT.c[name] for name in ("subject", "threshold", "text", "told_ms", "sent_ms", "tries"))


def _claim(connection: Connection, alert: Alert, now_ms: int) -> bool:
    fresh = {"text": alert.text, "told_ms": now_ms, "due_ms": now_ms, "tries": 0, "sent_ms": None}
    made = insert_into(connection, ALERT).values(subject=alert.subject, threshold=alert.threshold, **fresh)
    claimed = made.on_conflict_do_update(
        index_elements=["subject", "threshold"],
        set_=fresh,
        where=ALERT.c.told_ms <= now_ms - alert.again_ms,
    )
    return connection.execute(claimed.returning(ALERT.c.subject)).first() is not None


def _of(alert: KeptAlert) -> Update:
    """That very telling of it: one that was told again meanwhile has its own."""
    here = (
        ALERT.c.subject == alert.subject,
        ALERT.c.threshold == alert.threshold,
        ALERT.c.told_ms == alert.told_ms,
    )
    return update(ALERT).where(*here)
