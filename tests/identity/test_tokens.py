from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from identity.errors import Invalid, IssuerNotFound, NotAuthenticated, NotPermitted
from identity.tokens import KEYS_ASKED_EVERY_MS, TRUST_KEPT_MS, BearerTokens
from identity.trusted_issuers import IssuerWish, TrustedIssuers
from store.databases import Database
from tests.databases import Home
from tests.identity.conftest import Clock
from tests.identity.house import House, house
from tests.identity.issuer import URL, Issuer, curve_key, rsa_key

BASE = "https://tiltyard.example"
AUDIENCE = f"{BASE}/teams/1"
REPOSITORY = "octo/widgets"


@pytest.fixture(scope="module")
def ci() -> Issuer:
    return Issuer()


@pytest.fixture
def here(sqlite_home: Home, clock: Clock) -> House:
    return house(sqlite_home.open().app, clock)


def issuers_of(database: Database, here: House, clock: Clock) -> TrustedIssuers:
    return TrustedIssuers(database, BASE, here.changes, now_ms=clock)


@pytest.fixture
def issuers(here: House, clock: Clock) -> TrustedIssuers:
    made = issuers_of(here.database, here, clock)
    made.trust(
        here.people["owner"], 1, IssuerWish(URL, {"repository": REPOSITORY, "ref_protected": "true"}, "ci")
    )
    return made


def tokens_of(here: House, ci: Issuer, clock: Clock) -> BearerTokens:
    return BearerTokens(here.database, ci.fetch, now_ms=clock)


@pytest.fixture
def tokens(here: House, issuers: TrustedIssuers, ci: Issuer, clock: Clock) -> BearerTokens:
    return tokens_of(here, ci, clock)


def good(clock: Clock, **more: Any) -> dict[str, Any]:
    now_s = clock.ms // 1000
    claims = {
        "iss": URL,
        "aud": AUDIENCE,
        "sub": f"repo:{REPOSITORY}:ref:refs/heads/main",
        "repository": REPOSITORY,
        "ref_protected": True,
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + 300,
    } | more
    return {name: value for name, value in claims.items() if value is not None}


async def test_a_token_acts_for_the_team_that_trusts_its_claims(
    tokens: BearerTokens, ci: Issuer, clock: Clock
) -> None:
    principal = await tokens.principal_of(ci.token(good(clock)))
    assert (principal.team_id, principal.role, principal.tags) == (1, "member", ("ci",))
    assert (principal.user_id, principal.key_id, principal.issuer) == (None, None, URL)
    assert principal.scopes == ("run", "read") and not principal.operator
    for audience in ([AUDIENCE, "another"], [AUDIENCE]):
        assert (await tokens.principal_of(ci.token(good(clock, aud=audience)))).team_id == 1


Bad = Callable[[Issuer, Clock], str]

BAD: dict[str, Bad] = {
    "alg none": lambda ci, at: ci.raw({"alg": "none", "kid": ci.kid}, good(at)),
    "alg None in capitals": lambda ci, at: ci.raw({"alg": "NONE", "kid": ci.kid}, good(at), b"x"),
    "HS256 with the public key": lambda ci, at: ci.hs256(good(at)),
    "signed by somebody else": lambda ci, at: ci.token(good(at), key=rsa_key("somebody else")),
    "another curve's signature under that key id": lambda ci, at: ci.token(
        good(at), {"alg": "ES256"}, curve_key(ci.kid)
    ),
    "no signature": lambda ci, at: ci.token(good(at)).rpartition(".")[0] + ".",
    "changed after signing": lambda ci, at: _with_claims(ci, ci.token(good(at)), good(at, sub="root")),
    "unknown kid": lambda ci, at: ci.token(good(at), {"kid": "other"}),
    "no kid": lambda ci, at: ci.token(good(at), {"kid": None}),
    "kid that is no text": lambda ci, at: ci.raw({"alg": "RS256", "kid": {"a": 1}}, good(at), b"x"),
    "jku header": lambda ci, at: ci.token(good(at), {"jku": "https://evil.example/keys"}),
    "jwk header": lambda ci, at: ci.token(good(at), {"jwk": ci.keys[ci.kid].as_dict(private=False)}),
    "x5u header": lambda ci, at: ci.token(good(at), {"x5u": "https://evil.example/cert"}),
    "crit header": lambda ci, at: ci.raw(
        {"alg": "RS256", "kid": ci.kid, "crit": ["x"], "x": 1}, good(at), b"x"
    ),
    "another algorithm of that key": lambda ci, at: ci.token(good(at), {"alg": "PS256"}, rsa_key("one")),
    "type of another token": lambda ci, at: ci.token(good(at), {"typ": "logout+jwt"}),
    "issuer that nobody trusts": lambda ci, at: ci.token(good(at, iss="https://evil.example")),
    "issuer with a slash more": lambda ci, at: ci.token(good(at, iss=URL + "/")),
    "no issuer": lambda ci, at: ci.token(good(at, iss=None)),
    "another team's audience": lambda ci, at: ci.token(good(at, aud=f"{BASE}/teams/2")),
    "audience that only begins alike": lambda ci, at: ci.token(good(at, aud=f"{AUDIENCE}1")),
    "no audience": lambda ci, at: ci.token(good(at, aud=None)),
    "expired": lambda ci, at: ci.token(good(at, exp=at.ms // 1000 - 31)),
    "no end": lambda ci, at: ci.token(good(at, exp=None)),
    "end that is no number": lambda ci, at: ci.token(good(at, exp="tomorrow")),
    "not yet good": lambda ci, at: ci.token(good(at, nbf=at.ms // 1000 + 120)),
    "no subject": lambda ci, at: ci.token(good(at, sub=None)),
    "empty subject": lambda ci, at: ci.token(good(at, sub="")),
    "another repository": lambda ci, at: ci.token(good(at, repository="evil/widgets")),
    "claim that is a list": lambda ci, at: ci.token(good(at, repository=[REPOSITORY])),
    "claim that is missing": lambda ci, at: ci.token(good(at, ref_protected=None)),
    "claim that is not true": lambda ci, at: ci.token(good(at, ref_protected=False)),
    "ID token with a nonce": lambda ci, at: ci.token(good(at, nonce="n")),
    "ID token with at_hash": lambda ci, at: ci.token(good(at, at_hash="h")),
    "two parts": lambda ci, at: "a.b",
    "five parts, encrypted": lambda ci, at: "a.b.c.d.e",
    "no JSON": lambda ci, at: "YQ.YQ.YQ",
    "a list for claims": lambda ci, at: ci.raw({"alg": "RS256", "kid": ci.kid}, [], b"x"),  # type: ignore[arg-type]
    "not ASCII": lambda ci, at: "\u00e9.\u00e9.\u00e9",
    "too long": lambda ci, at: ci.token(good(at, padding="x" * 20_000)),
}


def _with_claims(ci: Issuer, token: str, claims: dict[str, Any]) -> str:
    head, _, signature = token.split(".")
    return ".".join((head, ci.raw({}, claims).split(".")[1], signature))


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_token_is_refused_like_no_token(
    tokens: BearerTokens, ci: Issuer, clock: Clock, name: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc warns of what this test does on purpose
        token = BAD[name](ci, clock)
    with pytest.raises(NotAuthenticated):
        await tokens.principal_of(token)


async def test_a_rotated_key_is_found_and_the_old_one_lets_nobody_in(
    here: House, issuers: TrustedIssuers, clock: Clock
) -> None:
    ci = Issuer()
    tokens = tokens_of(here, ci, clock)
    old = ci.token(good(clock, exp=clock.ms // 1000 + 90_000))
    await tokens.principal_of(old)
    ci.rotate("two")
    clock.ms += KEYS_ASKED_EVERY_MS
    assert (await tokens.principal_of(ci.token(good(clock)))).team_id == 1
    with pytest.raises(NotAuthenticated):
        await tokens.principal_of(old)


async def test_unknown_keys_ask_the_issuer_once_a_minute(
    here: House, issuers: TrustedIssuers, clock: Clock
) -> None:
    ci = Issuer()
    tokens = tokens_of(here, ci, clock)
    await tokens.principal_of(ci.token(good(clock)))
    for number in range(20):
        with pytest.raises(NotAuthenticated):
            await tokens.principal_of(ci.token(good(clock), {"kid": f"guess {number}"}))
    assert len(ci.asked) == 2  # discovery and keys, once
    assert (await tokens.principal_of(ci.token(good(clock)))).team_id == 1


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example", "jwks_uri": f"{URL}/keys"},
        {"issuer": URL, "jwks_uri": "https://evil.example/keys"},
        {"issuer": URL},
        {},
    ],
)
async def test_an_issuer_whose_discovery_is_wrong_lets_nobody_in(
    here: House, issuers: TrustedIssuers, clock: Clock, discovery: dict[str, Any]
) -> None:
    ci = Issuer()
    ci.discovery = discovery
    with pytest.raises(NotAuthenticated):
        await tokens_of(here, ci, clock).principal_of(ci.token(good(clock)))


async def test_a_key_for_encryption_signs_nothing(here: House, issuers: TrustedIssuers, clock: Clock) -> None:
    ci = Issuer()
    listed = [{**ci.keys["one"].as_dict(private=False), "use": "enc"}]

    async def fetch(url: str) -> Any:
        return {"keys": listed} if url.endswith("/keys") else ci.discovery

    tokens = BearerTokens(here.database, fetch, now_ms=clock)
    with pytest.raises(NotAuthenticated):
        await tokens.principal_of(ci.token(good(clock)))


async def test_trust_that_is_taken_back_ends_within_five_seconds(
    here: House, issuers: TrustedIssuers, tokens: BearerTokens, ci: Issuer, clock: Clock
) -> None:
    token = ci.token(good(clock))
    await tokens.principal_of(token)
    issuers.remove(here.people["owner"], 1, issuers.list(here.people["member"], 1)[0].id)
    clock.ms += TRUST_KEPT_MS
    with pytest.raises(NotAuthenticated):
        await tokens.principal_of(token)
    assert here.kinds() == ["issuer_trusted", "issuer_removed"]


def test_only_owners_trust_issuers_and_only_their_own_team_sees_them(
    here: House, issuers: TrustedIssuers
) -> None:
    wish = IssuerWish(URL, {"repository": "a"}, "ci")
    for role in ("member", "viewer", "auditor"):
        with pytest.raises(NotPermitted):
            issuers.trust(here.people[role], 1, wish)
    with pytest.raises(IssuerNotFound):
        issuers.remove(here.stranger, 2, issuers.list(here.people["owner"], 1)[0].id)
    assert issuers.list(here.stranger, 2) == ()


@pytest.mark.parametrize(
    "wish",
    [
        IssuerWish(URL, {}, "ci"),
        IssuerWish("http://ci.example", {"a": "b"}, "ci"),
        IssuerWish("https://10.0.0.1", {"a": "b"}, "ci"),
        IssuerWish(URL, {"a": ""}, "ci"),
        IssuerWish(URL, {"a": "b"}, ""),
        IssuerWish(URL, {"a": "b"}, "ci", role="owner"),
    ],
)
def test_trust_that_would_let_everybody_in_is_refused(
    here: House, issuers: TrustedIssuers, wish: IssuerWish
) -> None:
    with pytest.raises(Invalid):
        issuers.trust(here.people["owner"], 1, wish)
