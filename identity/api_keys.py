"""API keys: `ty_`, 43 random characters and a checksum, shown once and kept as a hash.

A personal key has what its maker may do, and dies with the membership; a service key belongs to the team
and has a role of its own. Either can be narrowed: scopes, models, an end; tags mark all that it spends.
A key is looked up by its SHA-256 alone (it carries 256 random bits, so a slow hash would add
nothing). Whether it is unknown, revoked, expired, or its maker left the team, the answer is the same.
A look-up is remembered for 5 s at most, which is how long a revoked key may live on elsewhere.
The checksum is for scanners that search leaked text; nothing here refuses a key for want of one.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlmodel import col

from identity.errors import KeyNotFound, KeyTaken, NotAuthenticated
from identity.policy import decoded
from identity.principal import Principal, Scope, TeamRole
from identity.tables import ApiKeyRow, MemberRow, TeamRow, UserRow
from store.databases import Database

_log = logging.getLogger(__name__)

PREFIX = "ty_"
REMEMBERED_MS = 5_000
USE_NOTED_EVERY_MS = 60_000
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM = 43  # characters of base 62: just over 256 bits
_CHECKSUM = 6
_SHOWN = len(PREFIX) + 6
_LONGEST = 256
_REMEMBERED_MOST = 10_000


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as its team may see it."""

    id: int
    team_id: int
    user_id: int
    name: str
    prefix: str
    created_ms: int
    expires_ms: int | None
    last_used_ms: int | None
    revoked_ms: int | None
    role: TeamRole | None = None  # a service key's own; None for a personal key
    scopes: tuple[Scope, ...] | None = None
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    rotates_id: int | None = None

    @property
    def service(self) -> bool:
        return self.role is not None

    def works(self, now_ms: int) -> bool:
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a new key shall be. `role` makes it a service key; `scopes` of None is all that the role has."""

    name: str
    role: TeamRole | None = None
    scopes: tuple[Scope, ...] | None = ("run", "read")
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    expires_ms: int | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is shown to whoever made the key, now and never again."""

    key: KeyView
    secret: str = field(repr=False)


def new_secret() -> str:
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{PREFIX}{body}{checksum(body)}"


def checksum(body: str) -> str:
    """CRC-32 of the random part in base 62, as wide as the largest."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, 62)
        digits = _ALPHABET[digit] + digits
    return digits


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


# --- in a session ----------------------------------------------------------------------------


def create_key(
    session: Session,
    team_id: int,
    user_id: int,
    name: str,
    *,
    now_ms: int,
    expires_ms: int | None = None,
    secret: str | None = None,
    wish: KeyWish | None = None,
    rotates_id: int | None = None,
) -> NewKey:
    """Make a key, or keep the one given. Raises `KeyTaken`."""
    secret = secret or new_secret()
    wanted = wish or KeyWish(name, scopes=None, expires_ms=expires_ms)
    row = ApiKeyRow(
        team_id=team_id,
        user_id=user_id,
        name=wanted.name,
        prefix=secret[:_SHOWN],
        sha256=digest(secret),
        created_ms=now_ms,
        expires_ms=wanted.expires_ms,
        role=wanted.role,
        scopes=None if wanted.scopes is None else json.dumps(wanted.scopes),
        models=json.dumps(wanted.models),
        tags=json.dumps(wanted.tags),
        rotates_id=rotates_id,
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise KeyTaken from error
    return NewKey(_view(row), secret)


def list_keys(session: Session, team_id: int) -> tuple[KeyView, ...]:
    """All keys of a team, revoked ones too, newest first."""
    rows = session.scalars(
        select(ApiKeyRow).where(col(ApiKeyRow.team_id) == team_id).order_by(col(ApiKeyRow.id).desc())
    )
    return tuple(_view(row) for row in rows)


def revoke_key(session: Session, team_id: int, key_id: int, *, now_ms: int) -> KeyView:
    """End a key; one that is revoked keeps its first date. Raises `KeyNotFound`."""
    row = session.get(ApiKeyRow, key_id)
    if row is None or row.team_id != team_id:
        raise KeyNotFound(key_id)
    if row.revoked_ms is None:
        row.revoked_ms = now_ms
        session.flush()
    return _view(row)


def key_of(session: Session, team_id: int, key_id: int) -> KeyView:
    """Raises `KeyNotFound`."""
    row = session.get(ApiKeyRow, key_id)
    if row is None or row.team_id != team_id:
        raise KeyNotFound(key_id)
    return _view(row)


def key_principal(session: Session, sha256: bytes, now_ms: int) -> Principal | None:
    """Who the key with this hash speaks for; None where it does not work."""
    found = _find(session, sha256, now_ms)
    return found[0] if found is not None else None


def end_key_at(session: Session, team_id: int, key_id: int, ends_ms: int) -> None:
    """Let a key live until then at most. Raises `KeyNotFound`."""
    row = session.get(ApiKeyRow, key_id)
    if row is None or row.team_id != team_id:
        raise KeyNotFound(key_id)
    if row.expires_ms is None or ends_ms < row.expires_ms:
        row.expires_ms = ends_ms
        session.flush()


# --- for the event loop ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Known:
    """What a look-up found: who the key speaks for, and when that must be asked again or ends."""

    principal: Principal
    forget_ms: int


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class ApiKeys:
    def __init__(self, database: Database, *, now_ms: Callable[[], int] = _now_ms) -> None:
        self._database = database
        self._now_ms = now_ms
        self._known: dict[bytes, _Known] = {}
        self._asking: dict[bytes, asyncio.Task[Principal | None]] = {}
        self._notes: set[asyncio.Task[None]] = set()
        self._revocations = 0

    async def principal_of(self, secret: str) -> Principal:
        """Who speaks with this key. Raises `NotAuthenticated`."""
        if not secret.startswith(PREFIX) or len(secret) > _LONGEST or not secret.isascii():
            raise NotAuthenticated
        sha256 = digest(secret)
        known = self._known.get(sha256)
        if known is not None and self._now_ms() < known.forget_ms:
            return known.principal
        # Many requests may miss at once; one of them asks, and a caller who leaves stops nobody else.
        task = self._asking.get(sha256)
        if task is None:
            task = self._asking[sha256] = asyncio.create_task(self._look_up(sha256))
            task.add_done_callback(lambda _: self._asking.pop(sha256, None))
        principal = await asyncio.shield(task)
        if principal is None:
            raise NotAuthenticated
        return principal

    async def create(
        self,
        team_id: int,
        user_id: int,
        name: str,
        *,
        expires_ms: int | None = None,
        secret: str | None = None,
    ) -> NewKey:
        now_ms = self._now_ms()
        return await self._database.write(
            lambda session: create_key(
                session, team_id, user_id, name, now_ms=now_ms, expires_ms=expires_ms, secret=secret
            )
        )

    async def list(self, team_id: int) -> tuple[KeyView, ...]:
        return await self._database.read(lambda session: list_keys(session, team_id))

    async def revoke(self, team_id: int, key_id: int) -> KeyView:
        """Here at once; in other processes within 5 s."""
        now_ms = self._now_ms()
        view = await self._database.write(lambda session: revoke_key(session, team_id, key_id, now_ms=now_ms))
        self.forget()
        return view

    def forget(self) -> None:
        """Somebody's rights changed: ask again for every key. On the loop; elsewhere within 5 s."""
        self._revocations += 1
        self._known.clear()

    async def close(self) -> None:
        """Wait for what is still being written."""
        await asyncio.gather(*self._notes, *self._asking.values(), return_exceptions=True)

    async def _look_up(self, sha256: bytes) -> Principal | None:
        now_ms, revocations = self._now_ms(), self._revocations
        found = await self._database.read(lambda session: _find(session, sha256, now_ms))
        if found is None:
            self._known.pop(sha256, None)
            return None
        principal, row = found
        if revocations == self._revocations:  # else this may be what was true before
            self._remember(sha256, principal, now_ms, row.expires_ms)
        if row.last_used_ms is None or now_ms - row.last_used_ms >= USE_NOTED_EVERY_MS:
            note = asyncio.create_task(self._note_use(cast(int, row.id), now_ms))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)
        return principal

    def _remember(self, sha256: bytes, principal: Principal, now_ms: int, expires_ms: int | None) -> None:
        if len(self._known) >= _REMEMBERED_MOST:
            self._known.clear()
        until_ms = now_ms + REMEMBERED_MS
        self._known[sha256] = _Known(principal, min(until_ms, expires_ms) if expires_ms else until_ms)

    async def _note_use(self, key_id: int, now_ms: int) -> None:
        """Other processes may have noted a use meanwhile: the condition keeps it to once a minute."""
        change = (
            update(ApiKeyRow)
            .where(
                col(ApiKeyRow.id) == key_id,
                or_(
                    col(ApiKeyRow.last_used_ms).is_(None),
                    col(ApiKeyRow.last_used_ms) <= now_ms - USE_NOTED_EVERY_MS,
                ),
            )
            .values(last_used_ms=now_ms)
        )
        try:
            await self._database.write(lambda session: session.execute(change))
        except SQLAlchemyError:
            _log.warning("the last use of API key %s could not be noted", key_id, exc_info=True)


def _find(session: Session, sha256: bytes, now_ms: int) -> tuple[Principal, ApiKeyRow] | None:
    query = (
        select(ApiKeyRow, TeamRow, UserRow, col(MemberRow.role))
        .join(TeamRow, col(TeamRow.id) == col(ApiKeyRow.team_id))
        .join(UserRow, col(UserRow.id) == col(ApiKeyRow.user_id))
        .outerjoin(
            MemberRow,
            (col(MemberRow.team_id) == col(ApiKeyRow.team_id))
            & (col(MemberRow.user_id) == col(ApiKeyRow.user_id)),
        )
        .where(col(ApiKeyRow.sha256) == sha256, col(TeamRow.deleted_ms).is_(None))
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    row, team, user, member_role = found
    ended = row.revoked_ms is not None or (row.expires_ms is not None and row.expires_ms <= now_ms)
    if ended or not hmac.compare_digest(row.sha256, sha256):
        return None
    role = row.role or (member_role if user.deactivated_ms is None else None)
    if role is None:  # its maker left
        return None
    view = _view(row)
    service = view.service
    principal = Principal(
        team_id=row.team_id,
        team_name=team.name,
        user_id=None if service else row.user_id,
        role=cast(TeamRole, role),
        key_id=row.id,
        key_name=row.name,
        operator=not service and user.operator,
        scopes=view.scopes,
        models=view.models,
        tags=view.tags,
        policy=decoded(team.policy),
        ready=team.approved_ms is not None,
        user_name="" if service else user.name,
    )
    return principal, row


def _view(row: ApiKeyRow) -> KeyView:
    return KeyView(
        id=cast(int, row.id),
        team_id=row.team_id,
        user_id=row.user_id,
        name=row.name,
        prefix=row.prefix,
        created_ms=row.created_ms,
        expires_ms=row.expires_ms,
        last_used_ms=row.last_used_ms,
        revoked_ms=row.revoked_ms,
        role=cast("TeamRole | None", row.role),
        scopes=None if row.scopes is None else tuple(json.loads(row.scopes)),
        models=tuple(json.loads(row.models)),
        tags=tuple(json.loads(row.tags)),
        rotates_id=row.rotates_id,
    )
