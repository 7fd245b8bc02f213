"""Top-up codes: credit on a slip of text, good once, for whichever team brings it first.

A code says itself what it is worth, and until when; it is signed with a key of the installation, so it
cannot be guessed, changed or made elsewhere, and nothing is stored when it is made. That it is good
once is kept twice: a row names the team that it belongs to from its first use on (one team, for ever),
and the ledger takes the code's reference once in that team (one entry, for ever). A crash between the
two leaves a code that the same team can bring again.

`TYC-` and 64 letters and digits: base32 of 25 bytes (version and kind, nano-dollars, end in seconds,
days that its credit lives, 10 random bytes) and the first 15 bytes of their HMAC-SHA256.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from billing.commands import MAX_AMOUNT_NANO_USD, Grant, Granted
from billing.errors import CodeSpent, CodeUnknown
from billing.tables import RedeemedCodeRow
from store.databases import Database
from store.tables import AppTable
from store.upserts import insert_into

PURPOSE: Final = "top-up-code"
_PREFIX: Final = "TYC"
_FIELDS: Final = struct.Struct(">BQIH10s")
_MAC_BYTES: Final = 15
_LETTERS: Final = (_FIELDS.size + _MAC_BYTES) * 8 // 5
_GROUP: Final = 8
_VERSION: Final = 0x10
_KINDS: Final[tuple[Kind, ...]] = ("grant", "payment")
_DAY_MS: Final = 24 * 60 * 60 * 1_000
_TABLE: Table = AppTable.metadata.tables["redeemed_code"]

Kind = Literal["grant", "payment"]


class Signer(Protocol):
    """`identity.keys.PurposeKey`, for `PURPOSE`."""

    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Code:
    """`id` may be shown to anybody: the code cannot be made from it. `credit_days` is None for ever."""

    id: str
    kind: Kind
    amount_nano_usd: int
    expires_ms: int
    credit_days: int | None = None


def make_code(
    signer: Signer,
    amount_nano_usd: int,
    expires_ms: int,
    kind: Kind = "payment",
    credit_days: int | None = None,
) -> str:
    """A new code, as it is handed out. Raises `ValueError` for an amount or an end that no code can say."""
    if not 0 < amount_nano_usd <= MAX_AMOUNT_NANO_USD:
        raise ValueError("a code is worth more than nothing, and at most ten million dollars")
    try:
        said = _FIELDS.pack(
            _VERSION | _KINDS.index(kind),
            amount_nano_usd,
            expires_ms // 1_000,
            credit_days or 0,
            secrets.token_bytes(10),
        )
    except struct.error:
        raise ValueError("a code ends before the year 2106, and its credit within 65,535 days") from None
    letters = base64.b32encode(said + signer.sign(said)[:_MAC_BYTES]).decode()
    groups = [letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP)]
    return "-".join([_PREFIX, *groups])


def read_code(signer: Signer, text: str) -> Code:
    """What a code says, however it is spaced and in small letters too. Raises `CodeUnknown`."""
    letters = "".join(text[:200].upper().replace("-", " ").split()).removeprefix(_PREFIX)
    if len(letters) != _LETTERS or not letters.isascii():
        raise CodeUnknown
    try:
        raw = base64.b32decode(letters)
    except binascii.Error:
        raise CodeUnknown from None
    said, mac = raw[: _FIELDS.size], raw[_FIELDS.size :]
    if not hmac.compare_digest(signer.sign(said)[:_MAC_BYTES], mac):
        raise CodeUnknown
    version, amount, expires_s, days, nonce = _FIELDS.unpack(said)
    kind = version ^ _VERSION
    if kind >= len(_KINDS):  # of a later version of ours
        raise CodeUnknown
    return Code(nonce.hex(), _KINDS[kind], amount, expires_s * 1_000, days or None)


class TopUps:
    """`grant` is the ledger's. `now_ms` is for tests."""

    def __init__(
        self,
        signer: Signer,
        database: Database,
        grant: Callable[[Grant], Awaitable[Granted]],
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._signer = signer
        self._database = database
        self._grant = grant
        self._now_ms = now_ms

    async def redeem(self, team_id: int, user_id: int | None, text: str) -> Granted:
        """Give a team what a code is worth; the same team may ask again and is given nothing twice.

        Raises `CodeUnknown`, `CodeSpent`, and what the ledger raises.
        """
        code, now_ms = read_code(self._signer, text), self._now_ms()
        await self._claim(code, team_id, now_ms)
        return await self._grant(
            Grant(
                team_id=team_id,
                kind=code.kind,
                amount_nano_usd=code.amount_nano_usd,
                ref=f"code:{code.id}",
                reason=f"top-up code {code.id}",
                expires_ms=None if code.credit_days is None else now_ms + code.credit_days * _DAY_MS,
                actor_user_id=user_id,
            )
        )

    async def withdraw(self, text: str) -> Code:
        """Make a code worthless. Raises `CodeUnknown`, and `CodeSpent` where a team has it."""
        code = read_code(self._signer, text)
        row = await self._database.write(lambda session: _taken(session, code.id, None, self._now_ms()))
        if row.team_id is not None:
            raise CodeSpent("A team has redeemed this code.")
        return code

    async def _claim(self, code: Code, team_id: int, now_ms: int) -> None:
        row = await self._database.read(lambda session: session.get(RedeemedCodeRow, code.id))
        if row is None and code.expires_ms <= now_ms:
            raise CodeSpent("This code has ended.")
        if row is None:
            row = await self._database.write(lambda session: _taken(session, code.id, team_id, now_ms))
        if row.team_id != team_id:
            raise CodeSpent("This code has been used.")


def _taken(session: Session, code_id: str, team_id: int | None, now_ms: int) -> RedeemedCodeRow:
    """The row of a code, made now where there is none: the first one stays."""
    row = {"code_id": code_id, "team_id": team_id, "at_ms": now_ms}
    session.execute(insert_into(session.connection(), _TABLE).values(row).on_conflict_do_nothing())
    return session.execute(select(RedeemedCodeRow).filter_by(code_id=code_id)).scalar_one()
