"""Secrets at rest: sealed with AES-256-GCM under a key of this installation, and opened only by it.

A sealed secret names the key that sealed it, so that a changed `TILTYARD_SECRET_KEY` is told from
tampering, and is bound to its `context` (whose it is, and for what): a row copied elsewhere stays shut.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity.keys import PurposeKey

_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2.2


class NotOpened(Exception):
    """`str()` says in words why a sealed secret could not be opened."""


@dataclass(frozen=True, slots=True)
class Sealed:
    sealed_with: str
    secret: bytes = field(repr=False)


class Sealer:
    def __init__(self, key: PurposeKey) -> None:
        self._key_id = key.id
        self._cipher = AESGCM(key.secret)

    def seal(self, secret: str, context: str) -> Sealed:
        nonce = os.urandom(_NONCE_BYTES)
        return Sealed(self._key_id, nonce + self._cipher.encrypt(nonce, secret.encode(), context.encode()))

    def open(self, sealed: Sealed, context: str) -> str:
        """Raises `NotOpened`."""
        if sealed.sealed_with != self._key_id:
            raise NotOpened("It was sealed under another TILTYARD_SECRET_KEY; enter it again.")
        nonce, rest = sealed.secret[:_NONCE_BYTES], sealed.secret[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, rest, context.encode()).decode()
        except (InvalidTag, ValueError):
            raise NotOpened("It was changed since it was sealed; enter it again.") from None
