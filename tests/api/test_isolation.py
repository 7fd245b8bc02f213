"""Who gets what from each route: the whole table of routes, each role, own team and another's, no credential.

The routes are read from the API's own table, and each must have its line in `NEEDS`: a new one cannot be
forgotten. Every asker has an installation of their own, so that what they may break is theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import pytest
from sqlalchemy.orm import Session

from api.asgi import Api, ApiMiddleware, ApiServices, Readiness
from api.edge import local_hosts
from api.routes import ROUTES
from battles.batch_models import BatchSpec, BatchWish
from battles.batch_rows import rows_of
from battles.batches import Batches
from battles.battle import Battles
from battles.held_log import HeldLog
from battles.leaderboard import Leaderboard
from battles.models import BattleWish, LaneWish, Settings
from battles.pack_desk import Packs
from battles.prompt_figures import PromptFigures
from battles.prompt_values import VersionWish
from battles.prompts import Prompts
from battles.sandbox import Sandbox
from battles.shares import Shares, ShareWish
from battles.sharing import Sharing
from battles.votes import Votes
from billing.budgets import Budgets
from billing.codes import PURPOSE, TopUps
from billing.usage import Usage
from gateway.catalog import Catalog
from gateway.connections import PROVIDER_KEY
from gateway.provider_keys import ProviderKeys
from gateway.quote import Quotes
from gateway.retention import Retention
from gateway.team_money import TeamMoney
from identity.api_keys import ApiKeys, KeyWish, create_key
from identity.changes import wall_ms
from identity.claims import Rules
from identity.keys import purpose_key
from identity.people import open_people
from identity.permissions import Permission, role_may
from identity.principal import TeamRole
from identity.sealing import Sealer
from identity.tables import InvitationRow, TrustedIssuerRow
from telemetry.views import Views
from tests.api.conftest import Answered, Caller, pages
from tests.api.known import BATCH, BATTLE, PROMPT, TEAM, ai_sdk_with, bodies_with
from tests.battles.ring import means_of
from tests.gateway.desk import LOCAL, Desk, asking, desk, ended
from tests.identity.house import ROLES, house

SECRET = b"s" * 32
OPERATOR_KEY = "ty_" + "l" * 40
MINE = "ty_" + "m" * 40
STRANGERS = "ty_" + "s" * 40
REVOKED = "ty_" + "r" * 40

Need = Permission | Literal["public", "anyone", "own_token"]  # a token of its own: no key of ours opens it

NEEDS: dict[tuple[str, str], Need] = {
    ("POST", "/v1/chat/completions"): "run_models",
    ("POST", "/v1/responses"): "run_models",
    ("GET", "/v1/responses/*"): "read_runs",
    ("GET", "/v1/responses/{response}/input_items"): "read_runs",
    ("DELETE", "/v1/responses/*"): "run_models",
    ("POST", "/v1/responses/*"): "run_models",
    ("POST", "/v1/messages"): "run_models",
    ("POST", "/v1/messages/count_tokens"): "anyone",
    ("POST", "/v1/embeddings"): "run_models",
    ("GET", "/v1/models"): "anyone",
    ("GET", "/v1/models/*"): "anyone",
    ("POST", "/v1/quote"): "run_models",
    ("GET", "/v1/credits"): "read_credits",
    ("POST", "/v1/credits/redeem"): "add_credit",
    ("GET", "/v1/provider-keys"): "read_keys",
    ("PUT", "/v1/provider-keys/*"): "connect_models",
    ("DELETE", "/v1/provider-keys/*"): "connect_models",
    ("GET", "/v1/what-if"): "read_credits",
    ("GET", "/v1/generation"): "read_runs",
    ("GET", "/v1/report"): "read_credits",
    ("GET", "/v1/leaderboard"): "read_runs",
    ("GET", "/v1/latency"): "read_credits",
    ("GET", "/v1/me"): "anyone",
    **{("POST", f"{base}/language-model"): "run_models" for base in ("/v1/ai", "/v3/ai", "/v4/ai")},
    **{("POST", f"{base}/embedding-model"): "run_models" for base in ("/v1/ai", "/v3/ai", "/v4/ai")},
    **{("GET", f"{base}/config"): "anyone" for base in ("/v1/ai", "/v3/ai", "/v4/ai")},
    ("GET", "/v1/batches"): "read_runs",
    ("POST", "/v1/batches"): "run_models",
    ("GET", BATCH): "read_runs",
    ("PATCH", BATCH): "run_models",
    **{("POST", f"{BATCH}/{way}"): "run_models" for way in ("pause", "resume", "stop", "retry")},
    ("GET", f"{BATCH}/results"): "read_runs",
    ("POST", "/v1/battles"): "run_models",
    ("GET", "/v1/battles"): "read_runs",
    ("GET", "/v1/battles/votes"): "read_runs",
    ("GET", BATTLE): "read_runs",
    **{("POST", f"{BATTLE}/{what}"): "run_models" for what in ("turns", "stop", "retry", "votes", "reveal")},
    ("GET", "/v1/prompts"): "read_prompts",
    ("POST", "/v1/prompts"): "write_prompts",
    ("GET", PROMPT): "read_prompts",
    ("PATCH", PROMPT): "write_prompts",
    ("GET", f"{PROMPT}/versions"): "read_prompts",
    ("POST", f"{PROMPT}/versions"): "write_prompts",
    ("PUT", f"{PROMPT}/labels/{{label}}"): "write_prompts",
    ("DELETE", f"{PROMPT}/labels/{{label}}"): "write_prompts",
    ("GET", f"{PROMPT}/rows"): "read_prompts",
    ("PUT", f"{PROMPT}/rows"): "write_prompts",
    ("GET", "/v1/battles/{battle}/pack"): "read_runs",
    ("GET", "/v1/pack-key"): "public",
    ("GET", "/s/*"): "public",
    ("GET", "/healthz"): "public",
    ("GET", "/readyz"): "public",
    ("GET", "/openapi.json"): "public",
    ("GET", "/docs"): "public",
    ("GET", "/metrics"): "own_token",
    ("GET", "/v1/admin/teams"): "operate",
    ("POST", "/v1/admin/teams"): "operate",
    ("GET", "/v1/admin/models"): "operate",
    ("GET", "/v1/admin/audit"): "operate",
    ("GET", TEAM): "read_team",
    ("PATCH", TEAM): "manage_policy",
    ("GET", f"{TEAM}/policy"): "read_team",
    ("PUT", f"{TEAM}/policy"): "manage_policy",
    ("GET", f"{TEAM}/members"): "read_team",
    ("PATCH", f"{TEAM}/members/{{user}}"): "manage_members",
    ("DELETE", f"{TEAM}/members/{{user}}"): "manage_members",
    ("GET", f"{TEAM}/invitations"): "manage_members",
    ("POST", f"{TEAM}/invitations"): "manage_members",
    ("DELETE", f"{TEAM}/invitations/{{invitation}}"): "manage_members",
    ("GET", f"{TEAM}/keys"): "read_team",
    ("POST", f"{TEAM}/keys"): "make_keys",
    ("POST", f"{TEAM}/keys/{{key}}/rotate"): "manage_keys",
    ("DELETE", f"{TEAM}/keys/{{key}}"): "manage_keys",
    ("GET", f"{TEAM}/issuers"): "read_team",
    ("POST", f"{TEAM}/issuers"): "manage_issuers",
    ("DELETE", f"{TEAM}/issuers/{{issuer}}"): "manage_issuers",
    ("POST", f"{TEAM}/grants"): "operate",
    ("GET", f"{TEAM}/audit"): "read_audit",
    ("GET", f"{TEAM}/export"): "export_team",
    ("DELETE", TEAM): "delete_team",
}
HIDDEN: frozenset[tuple[str, str]] = frozenset(
    # A key that is none of a member's business is not found, rather than refused.
    {("POST", f"{TEAM}/keys/{{key}}/rotate"), ("DELETE", f"{TEAM}/keys/{{key}}")}
)
BODIES = bodies_with("simulated/steady", "simulated/vectors", "embedded/smollm2-135m")
AI_SDK = ai_sdk_with("simulated/steady", "simulated/embedding")


@dataclass
class Here:
    """One installation, with a thing of each kind in team 1 and its ids."""

    app: Any
    desk: Desk
    ids: dict[str, str]
    run_id: str

    async def ask(self, method: str, path: str, key: str | None) -> Answered:
        address = path.replace("{", "{{").replace("}", "}}")
        for name, value in self.ids.items():
            address = address.replace(f"{{{{{name}}}}}", value)
        if address == "/v1/generation":
            address += f"?id={self.run_id}"
        address = address.replace("/v1/responses/*", f"/v1/responses/{self.run_id}")
        address = address.replace("/v1/models/*", "/v1/models/simulated/steady")
        address = address.replace("/v1/provider-keys/*", "/v1/provider-keys/openai")
        address = address.replace("/s/*", f"/s/{self.ids['share']}")
        if method == "POST" and path == "/v1/responses/*":
            address += "/cancel"
        body = BODIES.get((method, path), {} if method in ("POST", "PUT", "PATCH") else None)
        headers = dict(AI_SDK) if path.endswith(("/language-model", "/embedding-model")) else {}
        headers |= {"authorization": ""} if key is None else {}
        return await Caller(self.app).ask(method, address, body, key=key or "", headers=headers)


@asynccontextmanager
async def installation(folder: Path, role: TeamRole | None) -> AsyncIterator[Here]:
    """With MINE a personal key of that role in team 1."""
    async with desk(folder) as at:
        database = at.databases.app
        people_here = house(database, wall_ms)
        run = await ended(await at.gateway.admit(LOCAL, asking("simulated/steady"), surface="api"))
        keys = ApiKeys(database)
        people = open_people(database, keys, "http://here.example", Rules())
        with database.session() as session:
            ids = _things(session)
            if role is not None:
                create_key(session, 1, 11 + ROLES.index(role), "mine", now_ms=0, secret=MINE)
            create_key(session, 2, 21, "stranger's", now_ms=0, secret=STRANGERS)
            gone = create_key(session, 1, 11, "gone", now_ms=0, secret=REVOKED)
        victim = people_here.keys.make(people_here.people["owner"], 1, KeyWish("ci", role="member"))
        people_here.keys.revoke(people_here.operator, 1, gone.key.id)
        ids["key"] = str(victim.key.id)
        prompts = Prompts(database)
        prompts.create(people_here.people["owner"], "ours", VersionWish(Settings(template="Hello")))
        prompts.set_label(people_here.people["owner"], "ours", "production", 1)
        quotes = Quotes(at.gateway, Usage(folder / "ledger.db", at.statements))
        batches = Batches(database, Catalog.load(), Sandbox(), at.ledger.set_cap, quotes.quote)
        lane = LaneWish("embedded/smollm2-135m", settings=Settings(template="{{a}}"))
        wish = BatchWish("Ours", BatchSpec("", (lane,)), rows_of([{"a": "1"}]))
        batch = await batches.open(people_here.people["member"], wish, surface="page")
        ids |= {"prompt": "ours", "label": "production", "batch": batch.id}
        provider_keys = ProviderKeys(database, Sealer(purpose_key(SECRET, PROVIDER_KEY)), Catalog.load())
        await provider_keys.open()
        usage = Usage(folder / "ledger.db", at.statements)
        battles = Battles(means_of(at, Catalog.load(), HeldLog(at.rows.append)))
        ids["battle"] = await _a_battle(battles)
        packs = Packs(battles, Catalog.load(), SECRET)
        sharing = Sharing(Shares(database), battles, packs, at.gateway)
        sharing_wish = ShareWish("battle", ids["battle"], without_sign_in=True)
        ids["share"] = (await sharing.make(LOCAL, sharing_wish)).secret

        async def readiness() -> Readiness:
            return Readiness(True)

        services = ApiServices(
            gateway=at.gateway,
            catalog=Catalog.load(),
            statements=at.statements,
            usage=usage,
            budgets=Budgets(folder / "ledger.db"),
            quotes=Quotes(at.gateway, usage),
            top_ups=TopUps(purpose_key(SECRET, PURPOSE), database, at.ledger.grant),
            api_keys=keys,
            team_money=TeamMoney(at.ledger, people),
            retention=Retention(database),
            packs=packs,
            sharing=sharing,
            views=Views(at.databases.log.engine),
            prompts=prompts,
            prompt_figures=PromptFigures(database),
            battles=battles,
            votes=Votes(battles),
            leaderboard=Leaderboard(Votes(battles)),
            batches=batches,
            people=people,
            provider_keys=provider_keys,
            readiness=readiness,
        )
        yield Here(ApiMiddleware(pages, api=Api(services), hosts=local_hosts("127.0.0.1")), at, ids, run.id)
        await provider_keys.close()
        await keys.close()


async def _a_battle(battles: Battles) -> str:
    """Of team 1, between simulated models, which only a drill may set against each other."""
    lanes = (LaneWish("simulated/steady"), LaneWish("simulated/rate-limited"))
    return (await battles.create(LOCAL, BattleWish(lanes, kind="drill"))).id


def _things(session: Session) -> dict[str, str]:
    invitation = InvitationRow(
        team_id=1, role="member", sha256=b"i" * 32, made_by=1, created_ms=1, expires_ms=wall_ms() + 10**9
    )
    issuer = TrustedIssuerRow(
        team_id=1, issuer="https://ci.example", audience="x", claims='{"a": "b"}', role="member", tag="ci",
        created_ms=1,
    )  # fmt: skip
    session.add_all([invitation, issuer])
    session.flush()
    return {"team": "1", "user": "12", "invitation": str(invitation.id), "issuer": str(issuer.id)}


def in_order() -> list[tuple[str, str]]:
    """What ends the team comes last, what ends a member before it."""
    keys = [(route.method, route.path) for route in ROUTES]
    return sorted(keys, key=lambda key: (key == ("DELETE", TEAM), key[1].endswith("{user}")))


def test_every_route_says_what_it_needs() -> None:
    assert {(route.method, route.path) for route in ROUTES} == set(NEEDS)
    assert set(get_args(Permission)) >= set(NEEDS.values()) - {"public", "anyone", "own_token"}


def expected(key: tuple[str, str], role: TeamRole, *, operator: bool) -> int | None:
    """The refusal that is due; None where the request may go on."""
    need = NEEDS[key]
    if need in ("public", "anyone"):
        return None
    if need == "own_token":
        return 401
    if key in (("DELETE", "/v1/responses/*"), ("POST", "/v1/responses/*")):  # another member's: an owner may
        return None if role == "owner" else 403
    if key[1] in (f"{BATTLE}/stop", f"{BATTLE}/retry"):  # so is the battle
        return None if role == "owner" else 403
    if need == "operate":
        return None if operator else 403
    if role_may(role, cast(Permission, need)) or (operator and TEAM in key[1]):
        return None
    if key in HIDDEN and role_may(role, "make_keys"):
        return 404
    return 403


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_gets_what_the_table_of_permissions_gives_it(tmp_path: Path, role: TeamRole) -> None:
    wrong: list[str] = []
    async with installation(tmp_path, role) as here:
        for key in in_order():
            if key == ("DELETE", f"{TEAM}/members/{{user}}") and role == "member":
                continue  # leaving is everybody's own
            got, due = (await here.ask(*key, MINE)).status, expected(key, role, operator=False)
            if (got != due) if due is not None else (got in (401, 403)):
                wrong.append(f"{key}: {got}, not {due or 'let through'}")
    assert wrong == []


async def test_an_operator_reaches_every_team(tmp_path: Path) -> None:
    async with installation(tmp_path, None) as here:
        for key in in_order():
            if NEEDS[key] == "own_token":
                continue
            assert (await here.ask(*key, OPERATOR_KEY)).status not in (401, 403, 500), key


async def test_another_teams_things_are_as_unknown_as_none(tmp_path: Path) -> None:
    wrong: list[str] = []
    async with installation(tmp_path, None) as here:
        for key in in_order():
            answered = await here.ask(*key, STRANGERS)
            named = ("{team}", "{prompt}", "{battle}", "{batch}")
            about_team_1 = any(name in key[1] for name in named)
            about_team_1 |= key[1] in ("/v1/generation", "/v1/responses/*")
            if about_team_1 and answered.status != 404:
                wrong.append(f"{key}: {answered.status}")
            if key[0] == "GET" and NEEDS[key] != "public" and "Local" in answered.text:
                wrong.append(f"{key} tells of the other team")
        here.ids["team"] = "2"  # their own team, the other's things
        for key in in_order():
            if key[1].count("{") == 2 and (status := (await here.ask(*key, STRANGERS)).status) != 404:
                wrong.append(f"{key} of the own team: {status}")
    assert wrong == []


@pytest.mark.parametrize("key_sent", [None, REVOKED, "ty_" + "u" * 43, "a.b.c", "sk-something"])
async def test_without_a_good_credential_every_route_answers_alike(
    tmp_path: Path, key_sent: str | None
) -> None:
    bodies: set[str] = set()
    async with installation(tmp_path, None) as here:
        for key in in_order():
            answered = await here.ask(*key, key_sent)
            if NEEDS[key] == "public":
                assert answered.status == 200
                continue
            assert answered.status == 401, key
            bodies.add(answered.json["error"]["message"] if "error" in answered.json else "")
    assert len({body for body in bodies if body}) == 1
