"""/v1/admin: teams, members, invitations, keys, rules, trusted issuers, grants and the audit log.

What the team page and the operator's page do, for scripts. A team's owner reaches their own team with a
key of scope `manage`; an operator reaches all with one of scope `admin`. Another team's id, or that of a
thing in it, is as unknown as one that never was. Bodies hold known fields alone; whose team it is comes
from the credential and the path, never from a body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.admin import (
    audit_entry,
    granted_shape,
    invitation_shape,
    issuer_shape,
    key_shape,
    listed,
    member_shape,
    policy_shape,
    team_shape,
)  # fmt: skip
from billing.money import parse_usd
from gateway.errors import BadRequest
from identity.api_keys import KeyWish
from identity.people import People
from identity.permissions import require
from identity.principal import Principal, Scope, TeamRole
from identity.team_export import team_export
from identity.teams import INVITATION_MS
from identity.trusted_issuers import IssuerWish

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

_SHOWN_ONCE = "Shown this once, and kept as a hash."
_MOST = 2**63 - 1  # what a database keeps as one number

Id = Annotated[int, Meta(gt=0, le=_MOST)]
Hours = Annotated[int, Meta(ge=0, le=24 * 366)]
InstantMs = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]  # the end of year 9999: no date is later


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class TeamBody(_Strict):
    name: str
    owner_id: Id | None = None


class TeamChangeBody(_Strict):
    name: str | None = None
    approved: Literal[True] | None = None


class RoleBody(_Strict):
    role: str


class InvitationBody(_Strict):
    role: str = "member"
    life_hours: Hours = INVITATION_MS // 3_600_000


class KeyBody(_Strict):
    name: str
    role: TeamRole | None = None
    scopes: tuple[Scope, ...] = ("run", "read")
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    expires_ms: InstantMs | None = None
    limit_usd: str | None = None


class RotationBody(_Strict):
    overlap_hours: Hours = 24


class IssuerBody(_Strict):
    issuer: str
    claims: dict[str, str]
    tag: str
    role: TeamRole = "member"


class GrantBody(_Strict):
    amount_usd: str
    reason: str
    kind: Literal["grant", "payment", "adjustment"] = "grant"
    ref: str | None = None
    expires_ms: InstantMs | None = None


# --- teams -----------------------------------------------------------------------------------


async def teams(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    return Answer(200, listed(await _aside(lambda: people.teams.all(by)), team_shape))


async def make_team(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    require(by, "operate")
    asked = await _body(exchange, TeamBody)
    return Answer(
        201, team_shape(await _aside(lambda: people.teams.create(by, asked.name, owner_id=asked.owner_id)))
    )


async def team(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    return Answer(200, team_shape(await _aside(lambda: people.teams.show(by, team_id))))


async def change_team(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    shown = await _aside(lambda: people.teams.show(by, team_id))
    asked = await _body(exchange, TeamChangeBody)
    if (name := asked.name) is not None:
        shown = await _aside(lambda: people.teams.rename(by, team_id, name))
    if asked.approved:
        shown = await _aside(lambda: people.teams.approve(by, team_id))
    return Answer(200, team_shape(shown))


async def delete_team(exchange: Exchange) -> Answer:
    """The team ends at once; its prompts and answers are deleted, what it spent stays in the ledger."""
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    await _aside(lambda: people.teams.delete(by, team_id))
    await exchange.services.retention.forget_team(team_id, by)
    return Answer(204, None)


async def policy(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    return Answer(200, policy_shape((await _aside(lambda: people.teams.show(by, team_id))).policy))


async def set_policy(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    await _aside(lambda: people.teams.show(by, team_id))
    said = _json(await exchange.body())
    return Answer(200, policy_shape(await _aside(lambda: people.teams.set_policy(by, team_id, said))))


# --- members ---------------------------------------------------------------------------------


async def members(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    return Answer(200, listed(await _aside(lambda: people.teams.members(by, team_id)), member_shape))


async def change_member(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id, user_id = _id(exchange, "team"), _id(exchange, "user")
    await _aside(lambda: people.teams.show(by, team_id))
    role = (await _body(exchange, RoleBody)).role
    await _aside(lambda: people.teams.change_role(by, team_id, user_id, role))
    return Answer(204, None)


async def remove_member(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id, user_id = _id(exchange, "team"), _id(exchange, "user")
    await _aside(lambda: people.teams.remove(by, team_id, user_id))
    return Answer(204, None)


async def invitations(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    return Answer(200, listed(await _aside(lambda: people.teams.invitations(by, team_id)), invitation_shape))


async def invite(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    await _aside(lambda: people.teams.show(by, team_id))
    asked = await _body(exchange, InvitationBody)
    made = await _aside(
        lambda: people.teams.invite(by, team_id, asked.role, life_ms=asked.life_hours * 3_600_000)
    )
    return Answer(201, invitation_shape(made.invitation) | {"secret": made.secret, "note": _SHOWN_ONCE})


async def withdraw(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id, invitation_id = _id(exchange, "team"), _id(exchange, "invitation")
    await _aside(lambda: people.teams.withdraw(by, team_id, invitation_id))
    return Answer(204, None)


# --- keys ------------------------------------------------------------------------------------


async def keys(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    return Answer(200, listed(await _aside(lambda: people.keys.list(by, team_id)), key_shape))


async def make_key(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    await _aside(lambda: people.teams.show(by, team_id))
    asked = await _body(exchange, KeyBody)
    limit_nano_usd = _usd(asked.limit_usd, "limit_usd") if asked.limit_usd is not None else None
    wish = KeyWish(asked.name, asked.role, asked.scopes, asked.models, asked.tags, asked.expires_ms)
    made = await _aside(lambda: people.keys.make(by, team_id, wish))
    if limit_nano_usd is not None:
        await exchange.services.team_money.cap_key(by, team_id, made.key.id, limit_nano_usd)
    return Answer(201, key_shape(made.key) | {"secret": made.secret, "note": _SHOWN_ONCE})


async def rotate_key(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id, key_id = _id(exchange, "team"), _id(exchange, "key")
    await _aside(lambda: people.teams.show(by, team_id))
    hours = (await _body(exchange, RotationBody)).overlap_hours
    made = await _aside(lambda: people.keys.rotate(by, team_id, key_id, overlap_ms=hours * 3_600_000))
    return Answer(201, key_shape(made.key) | {"secret": made.secret, "note": _SHOWN_ONCE})


async def revoke_key(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id, key_id = _id(exchange, "team"), _id(exchange, "key")
    return Answer(200, key_shape(await _aside(lambda: people.keys.revoke(by, team_id, key_id))))


# --- trusted issuers -------------------------------------------------------------------------


async def issuers(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    return Answer(200, listed(await _aside(lambda: people.issuers.list(by, team_id)), issuer_shape))


async def trust(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    await _aside(lambda: people.teams.show(by, team_id))
    asked = await _body(exchange, IssuerBody)
    wish = IssuerWish(asked.issuer, asked.claims, asked.tag, asked.role)
    return Answer(201, issuer_shape(await _aside(lambda: people.issuers.trust(by, team_id, wish))))


async def distrust(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id, issuer_id = _id(exchange, "team"), _id(exchange, "issuer")
    await _aside(lambda: people.issuers.remove(by, team_id, issuer_id))
    return Answer(204, None)


# --- money, models, audit --------------------------------------------------------------------


async def grant(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    await _aside(lambda: people.teams.show(by, team_id))
    require(by, "operate")
    asked = await _body(exchange, GrantBody)
    granted = await exchange.services.team_money.grant(
        by, team_id, _usd(asked.amount_usd, "amount_usd"), asked.reason,
        kind=asked.kind, ref=asked.ref, expires_ms=asked.expires_ms,
    )  # fmt: skip
    return Answer(200 if granted.replayed else 201, granted_shape(granted))


async def models(exchange: Exchange) -> Answer:
    """Every model of the catalog, and why nobody answers for it here, where nobody does."""
    by, _ = await _asker(exchange)
    require(by, "operate")
    services = exchange.services
    data = [
        {"id": model.id, "name": model.name, "unavailable": services.gateway.routable(model)}
        for model in services.catalog.models()
    ]
    return Answer(200, {"object": "list", "data": data})


async def audit(exchange: Exchange) -> Answer:
    """The whole installation's, with where the chain is broken, if it is."""
    by, people = await _asker(exchange)
    require(by, "operate")
    before, limit = _page(exchange)
    entries = await _aside(lambda: people.audit.entries(before_seq=before, limit=limit))
    broken = await _aside(people.audit.broken_at)
    return Answer(200, listed(entries, audit_entry) | {"chain_broken_at": broken})


async def team_audit(exchange: Exchange) -> Answer:
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    await _aside(lambda: people.teams.may_audit(by, team_id))
    before, limit = _page(exchange)
    entries = await _aside(lambda: people.audit.entries(team_id=team_id, before_seq=before, limit=limit))
    return Answer(200, listed(entries, audit_entry))


async def export(exchange: Exchange) -> Answer:
    """What the team page's export holds: no secret, no prompt, no answer."""
    by, people = await _asker(exchange)
    team_id = _id(exchange, "team")
    return Answer(200, await _aside(lambda: team_export(people, by, team_id)))


# --- what they share -------------------------------------------------------------------------


async def _asker(exchange: Exchange) -> tuple[Principal, People]:
    return await principal_of(exchange), exchange.services.people


async def _aside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def _id(exchange: Exchange, name: str) -> int:
    """What the path says in that place; an id that is no number names nothing."""
    said = exchange.params[name]
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0


async def _body(exchange: Exchange, kind: type[S]) -> S:
    try:
        return msgspec.convert(_json(await exchange.body() or b"{}"), kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The body does not fit: {error}.") from None


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest("The body is not JSON.") from None


def _usd(said: str, param: str) -> int:
    try:
        return parse_usd(said)
    except ValueError:
        raise BadRequest("An amount is a decimal number of dollars in quotes.", param) from None


def _page(exchange: Exchange) -> tuple[int | None, int]:
    before, limit = exchange.query("before"), exchange.query("limit")
    if any(said is not None and not (said.isascii() and said.isdigit()) for said in (before, limit)):
        raise BadRequest("before and limit are numbers.", "before")
    return (min(int(before), _MOST) if before else None), min(int(limit), 1000) if limit else 100
