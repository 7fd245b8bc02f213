"""One key a purpose, all derived from the installation's secret (HKDF-SHA256, RFC 5869).

A key made for one purpose never opens what another made. Each has an id that is stored beside what
it signs or encrypts, so that a change of the secret can be told from tampering.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

_HASH_BYTES = 32
_SALT = b"tiltyard/keys/v1"


@dataclass(frozen=True, slots=True)
class PurposeKey:
    """`id` is public: 8 hexadecimal digits that change with the secret and the purpose."""

    id: str
    secret: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self.secret, message, "sha256")

    def verifies(self, message: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(self.sign(message), signature)


def purpose_key(secret: bytes, purpose: str) -> PurposeKey:
    """The key for `purpose`, for example "live-ticket". The secret has at least 32 bytes."""
    if len(secret) < _HASH_BYTES:
        raise ValueError("the secret key must have at least 32 bytes")
    info = b"tiltyard/" + purpose.encode()
    return PurposeKey(
        id=hkdf_sha256(secret, salt=_SALT, info=info + b"/id", length=4).hex(),
        secret=hkdf_sha256(secret, salt=_SALT, info=info, length=_HASH_BYTES),
    )


def hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """Extract, then expand: RFC 5869, sections 2.2 and 2.3."""
    key = hmac.digest(salt or bytes(_HASH_BYTES), secret, hashlib.sha256)
    blocks, block = b"", b""
    for counter in range(1, -(-length // _HASH_BYTES) + 1):
        block = hmac.digest(key, block + info + bytes([counter]), hashlib.sha256)
        blocks += block
    return blocks[:length]
