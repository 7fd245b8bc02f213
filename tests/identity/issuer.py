"""A small issuer of tokens: keys that rotate, and whatever else a bad one would send."""

from __future__ import annotations

import base64
import functools
import hmac
import json
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

URL = "https://ci.example"


class Issuer:
    """`fetch` is what the outside would answer; `asked` counts by address."""

    def __init__(self, url: str = URL) -> None:
        self.url = url
        self.keys: dict[str, Key] = {}
        self.discovery: dict[str, Any] = {"issuer": url, "jwks_uri": f"{url}/keys"}
        self.asked: list[str] = []
        self.rotate("one")

    def rotate(self, kid: str, *, keep: bool = False) -> None:
        """Sign with a new key from now on."""
        if not keep:
            self.keys.clear()
        self.keys[kid] = rsa_key(kid, {"use": "sig", "alg": "RS256"})
        self.kid = kid

    async def fetch(self, url: str) -> Any:
        self.asked.append(url)
        if url == f"{self.url}/.well-known/openid-configuration":
            return self.discovery
        if url == f"{self.url}/keys":
            return {"keys": [key.as_dict(private=False) for key in self.keys.values()]}
        raise OSError(f"nothing at {url}")

    def token(
        self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None, key: Key | None = None
    ) -> str:
        head = {"alg": "RS256", "kid": self.kid, "typ": "JWT"} | dict(header or {})
        head = {name: value for name, value in head.items() if value is not None}
        signing = key or self.keys[self.kid]
        return jwt.encode(head, dict(claims), signing, algorithms=[head["alg"]])

    def raw(self, header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"") -> str:
        """A token that no library would make."""
        parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)

    def public_pem(self) -> bytes:
        key = self.keys[self.kid]
        assert isinstance(key, RSAKey)
        return key.as_pem(private=False)

    def hs256(self, claims: Mapping[str, Any]) -> str:
        """The public key taken for a shared secret, as old libraries could be made to."""
        body = self.raw({"alg": "HS256", "kid": self.kid, "typ": "JWT"}, claims).rpartition(".")[0]
        signature = hmac.digest(self.public_pem(), body.encode(), "sha256")
        return f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def rsa_key(name: str, more: Mapping[str, str] | None = None) -> RSAKey:
    """The same for the same name: making one takes a quarter of a second."""
    return RSAKey.import_key({**_rsa(name), "kid": name, **(more or {})})


@functools.cache
def _rsa(name: str) -> dict[str, Any]:
    return dict(RSAKey.generate_key(2048).as_dict(private=True))


def curve_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})
