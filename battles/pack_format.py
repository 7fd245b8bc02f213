"""The file of a pack: parts in JSON, a chain of digests over them, and a signature. Standard library, `chain`
and `cryptography` only, so that anybody can check one.

A pack is exactly the canonical JSON of itself (keys sorted, no blanks, UTF-8 unescaped, numbers as Python
writes them), so that any byte that is changed, added or left out is found. Each part is one record of the
chain (`chain/__init__.py`): its place from 0, its name, its canonical JSON. The last digest is the *head*;
what is signed with Ed25519 (RFC 8032) is `tiltyard-pack/1`, the key's id and the head in hexadecimal, a line
break between them.

The digests say that a pack is whole. Only the signature, with the key that the installation shows at
`GET /v1/pack-key`, says whose it is: whoever changes a pack can make new digests, and sign with a key of
their own.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from battles.errors import PackRefused
from chain import GENESIS, digest

FORMAT: Final = "tiltyard-pack/1"
PARTS: Final = ("about", "lanes", "turns", "runs", "votes", "prices", "checks")
PURPOSE: Final = "pack-signature"
MOST_BYTES: Final = 64 * 1024 * 1024

Parts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signer:
    """`key_id` names the installation's key for packs; `secret` are its 32 bytes."""

    key_id: str
    secret: bytes = field(repr=False)

    @property
    def public_key(self) -> str:
        """32 bytes in base64, as packs and `GET /v1/pack-key` show them."""
        return _base64(self._key.public_key().public_bytes_raw())

    def sign(self, head: str) -> str:
        return _base64(self._key.sign(_signed(self.key_id, head)))

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.secret)


@dataclass(frozen=True, slots=True)
class Opened:
    """A pack that is whole. `public_key` says whose signature it carries."""

    parts: Parts
    head: str
    key_id: str
    public_key: str


def packed(parts: Parts, signer: Signer) -> bytes:
    """The file."""
    assert set(parts) == set(PARTS)
    digests, head = _chain(parts)
    return _canonical(
        {
            "format": FORMAT,
            "parts": parts,
            "digests": digests,
            "head": head,
            "signature": {
                "algorithm": "Ed25519",
                "key_id": signer.key_id,
                "public_key": signer.public_key,
                "value": signer.sign(head),
            },
        }
    )


def opened(file: bytes, *, public_key: str | None = None) -> Opened:
    """What a pack holds, once it was found whole and, where `public_key` is named, signed with that key.
    Raises `PackRefused`, which says what is wrong."""
    if len(file) > MOST_BYTES:
        raise PackRefused(f"This is larger than {MOST_BYTES // 1024**2} MB, and no pack.")
    read = _read(file)
    if read.get("format") != FORMAT:
        raise PackRefused(f"This is no pack of the form {FORMAT}.")
    parts, signature = read.get("parts"), read.get("signature")
    if not isinstance(parts, dict) or set(parts) != set(PARTS) or not isinstance(signature, dict):
        raise PackRefused("Parts are missing from this pack.")
    if _canonical(read) != file:
        raise PackRefused("This is not the file that was written: bytes were changed, added or left out.")
    digests, head = _chain(parts)
    if digests != read.get("digests") or head != read.get("head"):
        wrong = [name for name in PARTS if digests[name] != (read.get("digests") or {}).get(name)]
        raise PackRefused(f"This pack was changed after it was signed: {wrong[0] if wrong else 'head'}.")
    _check_signature(head, signature, public_key)
    return Opened(parts, head, str(signature.get("key_id")), str(signature["public_key"]))


def _read(file: bytes) -> dict[str, Any]:
    try:
        read = json.loads(file.decode("utf-8", "strict"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise PackRefused("This is no JSON, and no pack.") from None
    if not isinstance(read, dict):
        raise PackRefused("This is JSON, and no pack.")
    return read


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _check_signature(head: str, signature: Mapping[str, Any], public_key: str | None) -> None:
    if public_key is not None and signature.get("public_key") != public_key:
        raise PackRefused("This pack was signed with another key than the one that you named.")
    try:
        key_id = str(signature["key_id"])
        raw_key, value = (
            base64.b64decode(str(signature[name]), validate=True) for name in ("public_key", "value")
        )
        if signature["algorithm"] != "Ed25519" or _base64(value) != signature["value"]:
            raise ValueError  # base64 has spare bits at its end
        Ed25519PublicKey.from_public_bytes(raw_key).verify(value, _signed(key_id, head))
    except (KeyError, ValueError, binascii.Error, InvalidSignature):
        raise PackRefused("The signature of this pack does not hold.") from None


def _chain(parts: Parts) -> tuple[dict[str, str], str]:
    """Each part's digest, which covers the parts before it, and the last one."""
    digests: dict[str, str] = {}
    previous = GENESIS
    for place, name in enumerate(PARTS):
        try:
            previous = digest(previous, (place,), (name, _canonical(parts[name]).decode()))
        except ValueError:
            raise PackRefused("This pack holds text that is no Unicode.") from None
        digests[name] = previous.hex()
    return digests, previous.hex()


def _canonical(value: object) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (ValueError, RecursionError):
        raise PackRefused("This pack holds what JSON cannot.") from None


def _signed(key_id: str, head: str) -> bytes:
    return f"{FORMAT}\n{key_id}\n{head}".encode()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
