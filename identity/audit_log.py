"""What was done by whom: append-only, and chained like the ledger, so that nothing can be taken out
unnoticed.

`note` writes in the transaction of the change that it tells of: neither is there without the other. The
database refuses to change or delete an entry. Nothing secret is ever noted: ids, names and numbers alone.
A whole chain rewritten by whoever owns the database would still hold together; `head` is for keeping
elsewhere.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from chain import GENESIS, digest
from identity.principal import Principal
from identity.tables import AuditHeadRow, AuditRow
from store.databases import Database

Kind = Literal[
    "signed_in", "signed_out", "refused_sign_in", "user_changed",
    "team_made", "team_approved", "team_renamed", "team_deleted", "team_exported",
    "member_joined", "member_changed", "member_left",
    "invitation_made", "invitation_withdrawn",
    "key_made", "key_rotated", "key_revoked",
    "issuer_trusted", "issuer_removed",
    "policy_changed", "cap_changed", "credit_changed", "limit_changed",
    "text_read", "text_deleted", "text_shared", "share_ended", "prompt_made", "prompt_label_moved",
    "provider_key_changed", "catalog_changed",
]  # fmt: skip

_HEAD: Final = 1
_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class AuditView:
    """One entry. `detail` holds what the kind tells; `hash` is hexadecimal."""

    seq: int
    at_ms: int
    kind: str
    team_id: int | None
    user_id: int | None
    key_id: int | None
    subject: str
    detail: Mapping[str, Any]
    hash: str


def note(
    session: Session,
    kind: Kind,
    *,
    by: Principal | None,
    subject: str,
    team_id: int | None = None,
    detail: Mapping[str, Any] | None = None,
    now_ms: int | None = None,
) -> None:
    """Append an entry; nobody else appends until this transaction ends. `by` is None for the installation
    itself. The team is the one named, else that of whoever did it."""
    row = AuditRow(
        seq=0,
        at_ms=time.time_ns() // 1_000_000 if now_ms is None else now_ms,
        kind=kind,
        team_id=team_id if team_id is not None else (by.team_id if by else None),
        user_id=by.user_id if by else None,
        key_id=by.key_id if by else None,
        subject=subject[:200],
        detail=json.dumps(dict(detail or {}), sort_keys=True, ensure_ascii=False),
        hash=b"",
    )
    row.seq, previous = _next(session)
    row.hash = _hash(previous, row)
    session.add(row)
    session.execute(update(AuditHeadRow).where(col(AuditHeadRow.id) == _HEAD).values(hash=row.hash))
    session.flush()


def entries(
    session: Session, *, team_id: int | None = None, before_seq: int | None = None, limit: int = 100
) -> tuple[AuditView, ...]:
    """Newest first; of one team where one is named."""
    query = select(AuditRow).order_by(col(AuditRow.seq).desc()).limit(min(limit, _MOST))
    if team_id is not None:
        query = query.where(col(AuditRow.team_id) == team_id)
    if before_seq is not None:
        query = query.where(col(AuditRow.seq) < before_seq)
    return tuple(_view(row) for row in session.scalars(query))


def head(session: Session) -> tuple[int, str]:
    """The last entry's number and hash; (0, zeros) before the first."""
    row = session.get(AuditHeadRow, _HEAD)
    return (row.seq, row.hash.hex()) if row is not None else (0, GENESIS.hex())


def broken_at(session: Session) -> int | None:
    """The number of the first entry that is missing, altered or out of order; None where all is well."""
    previous, expected = GENESIS, 1
    for row in session.scalars(select(AuditRow).order_by(col(AuditRow.seq))):
        if row.seq != expected or _hash(previous, row) != row.hash:
            return expected
        previous, expected = row.hash, expected + 1
    return None if head(session) == (expected - 1, previous.hex()) else expected


class AuditLog:
    """The same, for script threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(
        self, *, team_id: int | None = None, before_seq: int | None = None, limit: int = 100
    ) -> tuple[AuditView, ...]:
        with self._database.session() as session:
            return entries(session, team_id=team_id, before_seq=before_seq, limit=limit)

    def broken_at(self) -> int | None:
        with self._database.session() as session:
            return broken_at(session)

    def head(self) -> tuple[int, str]:
        with self._database.session() as session:
            return head(session)

    def note(
        self,
        kind: Kind,
        *,
        by: Principal | None,
        subject: str,
        team_id: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """For what changes elsewhere than in this database: credit, caps, exports."""
        with self._database.session() as session:
            note(session, kind, by=by, subject=subject, team_id=team_id, detail=detail)


def _next(session: Session) -> tuple[int, bytes]:
    """The next number, and the hash that its entry follows; the row stays locked."""
    taken = session.execute(
        update(AuditHeadRow)
        .where(col(AuditHeadRow.id) == _HEAD)
        .values(seq=col(AuditHeadRow.seq) + 1)
        .returning(col(AuditHeadRow.seq), col(AuditHeadRow.hash))
    ).one_or_none()
    if taken is not None:
        return taken[0], taken[1]
    session.add(AuditHeadRow(id=_HEAD, seq=1, hash=GENESIS))
    session.flush()
    return 1, GENESIS


def _hash(previous: bytes, row: AuditRow) -> bytes:
    """An id that is not there is hashed as 0, which no row has."""
    return digest(
        previous,
        (row.seq, row.at_ms, row.team_id or 0, row.user_id or 0, row.key_id or 0),
        (row.kind, row.subject, row.detail),
    )


def _view(row: AuditRow) -> AuditView:
    return AuditView(
        row.seq, row.at_ms, row.kind, row.team_id, row.user_id, row.key_id, row.subject,
        json.loads(row.detail), row.hash.hex(),
    )  # fmt: skip
