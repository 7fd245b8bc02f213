"""A hash chain over records of integers and texts: each digest covers its record and all before it.

Whoever knows one digest can tell whether anything up to it was altered, left out or reordered.
What the numbers mean is the user's to write down (for the ledger: `billing/accounts.py`). Standard
library only, so that a chain can be checked anywhere; the encoding never changes.

    digest = SHA-256(previous digest, 32 bytes
                   | number of integers, 4 bytes | number of texts, 4 bytes
                   | each integer as 8 bytes, two's complement
                   | each text as its length in bytes, 4 bytes, then its UTF-8)

All numbers are big-endian. No two different records encode alike.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

GENESIS = bytes(32)
"""What the first record of a chain follows."""


def digest(previous: bytes, integers: Sequence[int], texts: Sequence[str]) -> bytes:
    """The digest (32 bytes) of a record that follows `previous`.

    Raises `ValueError` where `previous` is no digest, an integer needs more than 64 bits, or a
    text is no valid Unicode.
    """
    if len(previous) != 32:
        raise ValueError("a digest has 32 bytes")
    try:
        parts = [previous, _layout(len(integers)).pack(len(integers), len(texts), *integers)]
    except struct.error as error:
        raise ValueError("an integer does not fit into 64 bits") from error
    for text in texts:
        encoded = text.encode()
        parts.append(_LENGTH.pack(len(encoded)))
        parts.append(encoded)
    return sha256(b"".join(parts)).digest()


_LENGTH = struct.Struct(">I")


@lru_cache(maxsize=256)
def _layout(integers: int) -> struct.Struct:
    return struct.Struct(f">II{integers}q")
