"""Signed tickets that let a page's own channel say who it is.

A ticket is good for that channel alone, for one principal (a person in a team, by one sign-in) and for one
thing: a run, a turn of a battle, or the charts. It holds no secret, so a page may carry it, and it ends
within the hour; a page that stays open has it renewed (`api/live/tab.py`). Nothing is stored: whether what
it says is still so, and what that person may see of the thing, the channel asks at each use
(`api/live/standing.py`, `gateway/completion.py`).
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import replace

import msgspec

from identity.errors import NotAuthenticated
from identity.keys import PurposeKey, purpose_key
from identity.policy import Policy
from identity.principal import Principal

LIFE_MS = 60 * 60 * 1000
CHARTS = "charts"
_PURPOSE = "live-ticket"
_LONGEST = 2048


class _Claims(msgspec.Struct, forbid_unknown_fields=True):
    principal: Principal
    about: str
    expires_ms: int


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Tickets:
    """`key` is the installation's secret; the signing key is derived from it."""

    def __init__(self, key: bytes, *, now_ms: Callable[[], int] = _now_ms) -> None:
        self._key: PurposeKey = purpose_key(key, _PURPOSE)
        self._now_ms = now_ms
        self._claims = msgspec.json.Decoder(_Claims)

    def issue(self, principal: Principal, about: str) -> str:
        """`about`: the id of a run or of a battle's turn, or `CHARTS`. Good for half an hour at least. All
        that are made in one half hour are alike: a page that is drawn again carries what it carried."""
        # To look takes no rules, and a long list of models would not fit.
        looking = replace(principal, policy=Policy(text_readers=principal.policy.text_readers), models=())
        half_ms = LIFE_MS // 2
        claims = msgspec.json.encode(_Claims(looking, about, (self._now_ms() // half_ms + 2) * half_ms))
        body = f"{self._key.id}.{_base64(claims)}"
        return f"{body}.{_base64(self._key.sign(body.encode()))}"

    def read(self, ticket: str, about: str) -> Principal:
        """Whose ticket this is. Raises `NotAuthenticated` where it is forged, foreign, too old, or about
        something else."""
        if len(ticket) > _LONGEST or not ticket.isascii():
            raise NotAuthenticated
        body, _, signature = ticket.rpartition(".")
        key_id, _, encoded = body.partition(".")
        try:
            signed = self._key.verifies(body.encode(), _unbase64(signature))
            if not signed or key_id != self._key.id:
                raise NotAuthenticated
            claims = self._claims.decode(_unbase64(encoded))
        except (binascii.Error, msgspec.DecodeError):
            raise NotAuthenticated from None
        if claims.about != about or claims.expires_ms <= self._now_ms():
            raise NotAuthenticated
        return claims.principal


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
