"""Bearer tokens of other issuers: a CI job or a platform proves who it is, and no key is kept anywhere.

What must hold, in this order, and one answer for whatever does not: the header names a signature that we
take and a key by its id, and brings no key of its own along; the issuer is trusted by some team; its keys
come from its own discovery document alone; the signature fits; issuer, audience, end and subject are there
and right; the claims are those that the team asks for. An ID token is a person's, and no credential here.
Keys are kept for an hour; one that is unknown is looked for again, at most once a minute an issuer.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from identity.changes import NowMs, wall_ms
from identity.errors import NotAuthenticated
from identity.policy import decoded
from identity.principal import Principal
from identity.tables import TeamRow, TrustedIssuerRow
from identity.trusted_issuers import IssuerView, view_of
from store.databases import Database

_log = logging.getLogger(__name__)

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
)  # fmt: skip
LEEWAY_S: Final = 30
KEYS_KEPT_MS: Final = 60 * 60 * 1000
KEYS_ASKED_EVERY_MS: Final = 60 * 1000
TRUST_KEPT_MS: Final = 5_000
_LONGEST: Final = 16 * 1024
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
# A header may say which key and which signature, and nothing else: no key, no place to fetch one.
_HEADER: Final = frozenset({"alg", "kid", "typ"})
_HARMLESS: Final = frozenset({"x5t", "x5t#S256", "cty"})
# What only an ID token has: it was made for a person's sign-in, whatever its audience says.
_OF_AN_ID_TOKEN: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
_SCOPES: Final = ("run", "read")

Fetch = Callable[[str], Awaitable[Any]]


@dataclass(slots=True)
class _Keys:
    """What an issuer signs with, and when it was asked."""

    by_id: Mapping[str, Mapping[str, Any]]
    asked_ms: int


@dataclass(frozen=True, slots=True)
class _Trust:
    """What a team trusts an issuer with, and the team as it is now."""

    view: IssuerView
    principal: Principal


class BearerTokens:
    """On the loop. `fetch` gets a JSON document through the guard, and raises for whatever fails."""

    def __init__(self, database: Database, fetch: Fetch, *, now_ms: NowMs = wall_ms) -> None:
        self._database = database
        self._fetch = fetch
        self._now_ms = now_ms
        self._keys: dict[str, _Keys] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        self._trust: dict[str, tuple[int, tuple[_Trust, ...]]] = {}

    async def principal_of(self, token: str) -> Principal:
        """Who speaks with this token. Raises `NotAuthenticated`."""
        header, claims = _unproved(token)
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or not 0 < len(issuer) <= 500:
            raise NotAuthenticated
        trusted = await self._trusted(issuer)
        if not trusted:
            raise NotAuthenticated
        key = await self._key(issuer, header["kid"])
        proved = self._proved(token, key, header["alg"])
        return _match(proved, trusted)

    def forget(self) -> None:
        self._trust.clear()

    async def _trusted(self, issuer: str) -> tuple[_Trust, ...]:
        kept = self._trust.get(issuer)
        if kept is not None and self._now_ms() < kept[0]:
            return kept[1]
        if len(self._trust) > 1_000:
            self._trust.clear()
        until_ms = self._now_ms() + TRUST_KEPT_MS
        found = await self._database.read(lambda session: _look_up(session, issuer))
        self._trust[issuer] = (until_ms, found)
        return found

    async def _key(self, issuer: str, kid: str) -> Mapping[str, Any]:
        keys = self._keys.get(issuer)
        now_ms = self._now_ms()
        if keys is None or kid not in keys.by_id or now_ms - keys.asked_ms >= KEYS_KEPT_MS:
            keys = await self._asked(issuer)
        if kid not in keys.by_id:
            raise NotAuthenticated
        return keys.by_id[kid]

    async def _asked(self, issuer: str) -> _Keys:
        """The issuer's keys, asked for again at most once a minute, by one caller for all."""
        lock = self._asking.setdefault(issuer, asyncio.Lock())
        async with lock:
            kept, now_ms = self._keys.get(issuer), self._now_ms()
            if kept is not None and now_ms - kept.asked_ms < KEYS_ASKED_EVERY_MS:
                return kept
            try:
                found = await self._fetch_keys(issuer)
            except Exception as error:
                _log.warning("the keys of issuer %.200r could not be had: %s", issuer, error)
                found = kept.by_id if kept is not None else {}
            self._keys[issuer] = _Keys(found, now_ms)
            return self._keys[issuer]

    async def _fetch_keys(self, issuer: str) -> Mapping[str, Mapping[str, Any]]:
        about = await self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if not isinstance(about, dict) or about.get("issuer") != issuer:
            raise ValueError("its discovery document is another issuer's")
        listed = await self._fetch(str(about.get("jwks_uri")))
        keys = listed.get("keys") if isinstance(listed, dict) else None
        if not isinstance(keys, list):
            raise ValueError("its list of keys is none")
        return {
            key["kid"]: key
            for key in keys
            if isinstance(key, dict)
            and isinstance(key.get("kid"), str)
            and key.get("kty") in ("RSA", "EC", "OKP")
            and key.get("use", "sig") == "sig"
        }

    def _proved(self, token: str, key: Mapping[str, Any], algorithm: str) -> Mapping[str, Any]:
        """The claims, once the signature fits and the times are right."""
        if key.get("alg", algorithm) != algorithm:
            raise NotAuthenticated
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns of EdDSA's name, which issuers still use
                keys = KeySet.import_key_set({"keys": [cast(Any, dict(key))]})
                decoded_token = jwt.decode(token, keys, algorithms=[algorithm])
            registry = JWTClaimsRegistry(
                now=self._now_ms() // 1000,
                leeway=LEEWAY_S,
                iss={"essential": True},
                aud={"essential": True},
                sub={"essential": True},
                exp={"essential": True},
            )
            registry.validate(decoded_token.claims)
        except (JoseError, ValueError, TypeError):
            raise NotAuthenticated from None
        return decoded_token.claims


def looks_like_one(credential: str) -> bool:
    """Whether a bearer credential is worth reading as a token: three parts, none of our keys."""
    return credential.count(".") == 2


def _unproved(token: str) -> tuple[dict[str, str], Mapping[str, Any]]:
    """Header and claims as they are said, to know whom to ask; nothing of it is believed yet."""
    if len(token) > _LONGEST or not token.isascii() or token.count(".") != 2:
        raise NotAuthenticated
    head, body, _ = token.split(".")
    try:
        header, claims = (msgspec.json.decode(_unbase64(part)) for part in (head, body))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise NotAuthenticated from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise NotAuthenticated
    kid, kind = header.get("kid"), header.get("typ", "JWT")
    if (
        header.get("alg") not in ALGORITHMS
        or not (isinstance(kid, str) and 0 < len(kid) <= 300)
        or not (isinstance(kind, str) and kind.lower() in _TYPES)
        or set(header) - _HEADER - _HARMLESS
        or set(claims) & _OF_AN_ID_TOKEN
    ):
        raise NotAuthenticated
    return {"alg": str(header["alg"]), "kid": kid}, claims


def _match(claims: Mapping[str, Any], trusted: tuple[_Trust, ...]) -> Principal:
    subject, audience = claims.get("sub"), claims.get("aud")
    if not isinstance(subject, str) or not subject:
        raise NotAuthenticated
    audiences = audience if isinstance(audience, list) else [audience]
    for trust in trusted:
        view = trust.view
        if claims.get("iss") != view.issuer or view.audience not in audiences:
            continue
        if all(_says(claims.get(name), value) for name, value in view.claims.items()):
            return trust.principal
    raise NotAuthenticated


def _says(said: object, wanted: str) -> bool:
    """Numbers and truth values are compared as JSON writes them; lists never match."""
    if isinstance(said, bool):
        return wanted == ("true" if said else "false")
    return isinstance(said, str | int) and str(said) == wanted


def _look_up(session: Session, issuer: str) -> tuple[_Trust, ...]:
    if "\0" in issuer:
        return ()
    rows = session.execute(
        select(TrustedIssuerRow, TeamRow)
        .join(TeamRow, col(TeamRow.id) == col(TrustedIssuerRow.team_id))
        .where(
            col(TrustedIssuerRow.issuer) == issuer,
            col(TrustedIssuerRow.removed_ms).is_(None),
            col(TeamRow.deleted_ms).is_(None),
        )
        .order_by(col(TrustedIssuerRow.id))
    )
    return tuple(_Trust(view_of(row), _speaker(view_of(row), team)) for row, team in rows)


def _speaker(view: IssuerView, team: TeamRow) -> Principal:
    return Principal(
        team_id=view.team_id,
        team_name=team.name,
        user_id=None,
        role=view.role,
        key_name=view.tag,
        scopes=_SCOPES,
        tags=(view.tag,),
        policy=decoded(team.policy),
        ready=team.approved_ms is not None,
        issuer=view.issuer,
    )


def _unbase64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
