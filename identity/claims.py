"""What a signed-in person's token says, judged by this installation's rules. Pure.

The token was proved before (signature, issuer, nonce, state) by whoever took it from the provider. Here:
is it still good, whose session is it, may they come in, are they an operator, and which teams do their
claims open. An address counts only where the provider says that it verified it, or where this provider's
addresses are trusted by setting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from identity.errors import NotAdmitted, NotAuthenticated
from identity.principal import TeamRole

Claims = Mapping[str, Any]
NewTeams = Literal["operator", "approval", "anyone"]

LEEWAY_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class Provider:
    """`name` is in our settings and in its cookie; `title` is on the button."""

    name: str
    title: str
    client_id: str
    trust_email: bool = False


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """Whoever's claim has the value (or has it in its list) is a member of the team, with the role.

    `team` is the id of a team, or the name of one that is made for this rule.
    """

    claim: str
    value: str
    team: int | str
    role: TeamRole = "member"
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """`operators` are addresses, or issuer#subject. Without `domains` every address may come in.
    `new_teams` says who may make a team: the operators, anybody who then waits for approval, anybody."""

    providers: tuple[Provider, ...] = ()
    operators: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    new_teams: NewTeams = "operator"
    team_claims: tuple[ClaimRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """Who the claims are of. `address` is None unless it is verified."""

    issuer: str
    subject: str
    name: str
    email: str | None
    address: str | None
    session: str
    provider: str
    expires_ms: int


def person_of(claims: Claims, rules: Rules, now_ms: int) -> Person:
    """Raises `NotAuthenticated` for claims that are incomplete, another's, or too old."""
    if claims.get("is_logged_in") is not True:
        raise NotAuthenticated
    provider = next((one for one in rules.providers if one.name == claims.get("provider")), None)
    issuer, subject = claims.get("iss"), claims.get("sub")
    expires_s, issued_s = claims.get("exp"), claims.get("iat")
    if (
        provider is None
        or not (isinstance(issuer, str) and issuer and isinstance(subject, str) and 0 < len(subject) <= 255)
        or not (isinstance(expires_s, int | float) and isinstance(issued_s, int | float))
    ):
        raise NotAuthenticated
    audience = claims.get("aud")
    if provider.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise NotAuthenticated
    expires_ms = int(expires_s * 1000)
    if expires_ms <= now_ms or issued_s * 1000 > now_ms + LEEWAY_MS:
        raise NotAuthenticated
    email = claims.get("email")
    email = email.strip() if isinstance(email, str) and "@" in email else None
    verified = claims.get("email_verified") in (True, "true") or provider.trust_email
    name = claims.get("name") or claims.get("preferred_username") or email or subject
    return Person(
        issuer=issuer,
        subject=subject,
        name=str(name)[:120],
        email=email,
        address=email.casefold() if email and verified else None,
        session=session_of(claims),
        provider=provider.name,
        expires_ms=expires_ms,
    )


def session_of(claims: Claims) -> str:
    """A name for this sign-in that cannot be turned back into anything of the token."""
    said = "\0".join(
        str(claims.get(name, "")) for name in ("iss", "sub", "iat", "exp", "nonce", "sid", "jti")
    )
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def admit(person: Person, rules: Rules) -> None:
    """Raises `NotAdmitted` where no rule lets this person in."""
    if not rules.domains or is_operator(person, rules):
        return
    if person.address is None:
        raise NotAdmitted(
            "Your provider does not say that it verified your address, which is asked for here."
        )
    if person.address.rpartition("@")[2] not in rules.domains:
        raise NotAdmitted("Addresses of your domain are not let in here.")


def is_operator(person: Person, rules: Rules) -> bool:
    named = {name.casefold() if "#" not in name else name for name in rules.operators}
    return person.address in named or f"{person.issuer}#{person.subject}" in named


def teams_of(claims: Claims, rules: Rules) -> dict[int | str, TeamRole]:
    """Which teams the claims open, each with the first role that a rule gives."""
    opened: dict[int | str, TeamRole] = {}
    for rule in rules.team_claims:
        if rule.provider is not None and rule.provider != claims.get("provider"):
            continue
        said = claims.get(rule.claim)
        values = said if isinstance(said, list) else [said]
        if rule.value in [value for value in values if isinstance(value, str)]:
            opened.setdefault(rule.team, rule.role)
    return opened
