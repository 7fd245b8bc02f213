"""A good request for every route, made of things that are there: what a description's readers would send.

`bodies_with` is what each route takes; `Known` makes a thing of each kind on a running server, and another
where a request uses it up.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from battles.shares import Shares, ShareWish
from identity.principal import Principal
from identity.tables import MemberRow, UserRow
from store.databases import Databases
from tests.server import ROOT, Server

TEAM = "/v1/admin/teams/{team}"
PROMPT = "/v1/prompts/{prompt}"
BATCH = "/v1/batches/{batch}"
BATTLE = "/v1/battles/{battle}"

_HELLO = [{"role": "user", "content": "Hello"}]
_BASES = ("/v1/ai", "/v3/ai", "/v4/ai")
_AI_PROMPT = {"prompt": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]}


def bodies_with(model: str, vectors: str, other: str) -> dict[tuple[str, str], object]:
    """By method and path, as `api/routes.py` writes it. A battle is between `model` and `other`."""
    chat = {"model": model, "messages": _HELLO}
    return {
        ("POST", "/v1/chat/completions"): chat,
        ("POST", "/v1/responses"): {"model": model, "input": "Hello"},
        ("POST", "/v1/messages"): {"model": model, "max_tokens": 50, "messages": _HELLO},
        ("POST", "/v1/messages/count_tokens"): chat,
        ("POST", "/v1/embeddings"): {"model": vectors, "input": "Hello"},
        ("POST", "/v1/quote"): chat,
        ("POST", "/v1/credits/redeem"): {"code": "TYC-NONE"},
        ("PUT", "/v1/provider-keys/*"): {"api_key": "sk-of-the-team-0123456789"},
        **{("POST", f"{base}/language-model"): _AI_PROMPT for base in _BASES},
        **{("POST", f"{base}/embedding-model"): {"values": ["Hello"]} for base in _BASES},
        ("POST", "/v1/batches"): {
            "name": "Another", "rows": [{"a": "1"}], "request": {"messages": _HELLO},
            "lanes": [{"model": other}],
        },
        ("PATCH", BATCH): {"cost_cap_usd": "1.00"},
        ("POST", "/v1/battles"): {"prompt": "Hello", "models": [model, other]},
        ("POST", f"{BATTLE}/turns"): {"prompt": "Hello"},
        ("POST", f"{BATTLE}/stop"): {},
        ("POST", f"{BATTLE}/retry"): {"turn_id": "trn_none"},
        ("POST", f"{BATTLE}/votes"): {"outcome": "tie"},
        ("POST", "/v1/prompts"): {"name": "another", "request": {"messages": _HELLO}},
        ("PATCH", PROMPT): {"description": "What it is for"},
        ("POST", f"{PROMPT}/versions"): {"request": {"messages": _HELLO}},
        ("PUT", f"{PROMPT}/labels/{{label}}"): {"version": 1},
        ("PUT", f"{PROMPT}/rows"): {"rows": []},
        ("POST", "/v1/admin/teams"): {"name": "New"},
        ("PATCH", TEAM): {"name": "Renamed"},
        ("PUT", f"{TEAM}/policy"): {},
        ("PATCH", f"{TEAM}/members/{{user}}"): {"role": "viewer"},
        ("POST", f"{TEAM}/invitations"): {"role": "member"},
        ("POST", f"{TEAM}/keys"): {"name": "made"},
        ("POST", f"{TEAM}/keys/{{key}}/rotate"): {},
        ("POST", f"{TEAM}/issuers"): {"issuer": "https://ci.example", "claims": {"a": "b"}, "tag": "ci"},
        ("POST", f"{TEAM}/grants"): {"amount_usd": "1", "reason": "matrix"},
    }  # fmt: skip


def ai_sdk_with(model: str, vectors: str) -> dict[str, str]:
    return {
        "ai-language-model-id": model,
        "ai-language-model-specification-version": "3",
        "ai-language-model-streaming": "false",
        "ai-model-id": vectors,
    }


@dataclass
class Good:
    """A request as it is sent: the parts that a path names, the rest of the address, headers, body."""

    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None


# What a route needs anew for each request, beside what is always there.
_USES_UP: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("DELETE", "/v1/responses/{id}"): ("id",),
    ("POST", "/v1/battles/{battle}/turns"): ("battle",),
    ("POST", "/v1/battles/{battle}/votes"): ("battle",),
    ("POST", "/v1/battles/{battle}/reveal"): ("battle",),
    ("POST", "/v1/battles/{battle}/retry"): ("battle",),
    **{("POST", f"/v1/batches/{{batch}}/{way}"): ("batch",) for way in ("pause", "resume", "stop", "retry")},
    ("PATCH", BATCH): ("batch",),
    ("PATCH", PROMPT): ("prompt",),
    ("DELETE", f"{PROMPT}/labels/{{label}}"): ("prompt",),
    ("DELETE", TEAM): ("team",),
    ("PATCH", TEAM): ("team",),
    ("PUT", f"{TEAM}/policy"): ("team",),
    ("PATCH", f"{TEAM}/members/{{user}}"): ("user",),
    ("DELETE", f"{TEAM}/members/{{user}}"): ("user",),
    ("DELETE", f"{TEAM}/invitations/{{invitation}}"): ("invitation",),
    ("POST", f"{TEAM}/keys/{{key}}/rotate"): ("key",),
    ("DELETE", f"{TEAM}/keys/{{key}}"): ("key",),
    ("DELETE", f"{TEAM}/issuers/{{issuer}}"): ("issuer",),
    ("POST", f"{TEAM}/issuers"): ("team",),  # of which one team has 50 at most
    ("POST", "/v1/credits/redeem"): ("code",),
    ("DELETE", "/v1/provider-keys/{provider}"): ("provider",),
}
_QUERIES: Mapping[str, dict[str, str]] = {
    "/v1/report": {"start_date": "2026-01-01", "end_date": "2027-01-01"},
    "/v1/what-if": {"model": "lab/native"},
}
_NEW_NAMES = {("POST", "/v1/prompts"): "name", ("POST", f"{TEAM}/issuers"): "tag"}


class Known:
    """`model` and `other` answer at once; `vectors` makes vectors."""

    def __init__(self, server: Server, *, model: str, other: str, busy: str, vectors: str) -> None:
        self._numbers = itertools.count(1)
        self._bodies = bodies_with(model, vectors, other)
        self._ai_sdk = ai_sdk_with(model, vectors)
        self._model, self._busy = model, busy
        self.url = server.url
        self._server = server
        self._client = server.client()
        self._databases = Databases.open(server.data_dir)
        self._codes = iter(self._top_up_codes())
        self._make: Mapping[str, Callable[[], str]] = {
            "id": self._response,
            "battle": self._battle,
            "batch": self._batch,
            "prompt": self._prompt,
            "team": self._team,
            "user": self._user,
            "invitation": lambda: str(self._made(f"{TEAM}/invitations")["id"]),
            "key": lambda: str(self._made(f"{TEAM}/keys")["id"]),
            "issuer": self._issuer,
            "provider": self._provider,
            "code": lambda: next(self._codes),
            "secret": self._shared,
        }
        creator, _, name = model.partition("/")
        self._there = {"creator": creator, "model": name, "label": "production"}

    def close(self) -> None:
        self._client.close()
        self._databases.close()

    @property
    def run_id(self) -> str:
        return self._here("id")

    @property
    def log(self) -> str:
        return self._server.log

    def request(self, method: str, path: str) -> Good:
        """A good one for a route, as the description names it."""
        good = Good()
        fresh = _USES_UP.get((method, path), ())
        for name in (*_names(path), *fresh):
            good.path[name] = self._fresh(method, path, name) if name in fresh else self._here(name)
        if "{user}" in path or "{invitation}" in path or "{issuer}" in path or "{key}" in path:
            good.path["team"] = "1"
        good.query = dict(_QUERIES.get(path, {}))
        if path == "/v1/generation":
            good.query["id"] = self._here("id")
        if path.endswith(("/language-model", "/embedding-model")):
            good.headers = dict(self._ai_sdk)
        if method in ("POST", "PUT", "PATCH"):
            good.body = self._body(method, path, good)
        return good

    def _body(self, method: str, path: str, good: Good) -> Any:
        route = path.replace("/v1/provider-keys/{provider}", "/v1/provider-keys/*")
        body = self._bodies.get((method, route))
        if not isinstance(body, dict):
            return body
        if (method, path) in _NEW_NAMES:
            body = {**body, _NEW_NAMES[method, path]: f"n{next(self._numbers)}"}
        if path.endswith("/redeem"):
            return {"code": good.path.pop("code")}
        if path.endswith("/battles/{battle}/retry"):
            shown = self._client.get(f"/v1/battles/{good.path['battle']}").json()
            return {"turn_id": shown["turns"][0]["id"]}
        return body

    # --- things -------------------------------------------------------------------------------

    def _here(self, name: str) -> str:
        if name not in self._there:
            self._there[name] = "1" if name == "team" else self._make[name]()
        return self._there[name]

    def _made(self, path: str, **more: Any) -> dict[str, Any]:
        body = self._bodies["POST", path]
        assert isinstance(body, dict)
        answered = self._client.post(path.replace("{team}", "1"), json={**body, **more})
        assert answered.is_success, (path, answered.text)
        made: dict[str, Any] = answered.json()
        return made

    def _response(self) -> str:
        return str(self._made("/v1/responses", store=True)["id"])

    def _fresh(self, method: str, path: str, name: str) -> str:
        if path in (f"{BATTLE}/reveal", f"{BATTLE}/votes"):
            return self._battle(blind=True)
        if path == f"{BATTLE}/retry":
            return self._battle(models=[self._model, self._busy])
        made = self._make[name]()
        if path in (f"{BATCH}/resume", f"{BATCH}/retry"):
            self._client.post(f"/v1/batches/{made}/pause")
        return made

    def _battle(self, **more: Any) -> str:
        battle_id = str(self._made("/v1/battles", **more)["id"])
        self._until(f"/v1/battles/{battle_id}", "ended")
        return battle_id

    def _shared(self) -> str:
        wish = ShareWish("battle", self._here("battle"), without_sign_in=True)
        return Shares(self._databases.app).make(Principal(1, "Local", 1, "owner"), wish).secret

    def _top_up_codes(self) -> list[str]:
        made = subprocess.run(
            [sys.executable, "-m", "operate", "codes", "make", "--usd", "50", "--count", "100"],
            cwd=ROOT, env=self._server.environment, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        return [word for word in made.split() if word.startswith("TYC-")]

    def _batch(self) -> str:
        return str(self._made("/v1/batches")["id"])

    def _prompt(self) -> str:
        name = str(self._made("/v1/prompts", name=f"p{next(self._numbers)}")["name"])
        self._client.put(f"/v1/prompts/{name}/labels/production", json={"version": 1}).raise_for_status()
        return name

    def _team(self) -> str:
        return str(self._made("/v1/admin/teams", name=f"t{next(self._numbers)}")["id"])

    def _issuer(self) -> str:
        return str(self._made(f"{TEAM}/issuers", tag=f"i{next(self._numbers)}")["id"])

    def _provider(self) -> str:
        """One whose key the team has."""
        key = {"api_key": "sk-of-the-team-0123456789"}
        self._client.put("/v1/provider-keys/openai", json=key).raise_for_status()
        return "openai"

    def _user(self) -> str:
        """A member who signed in, which nobody does here."""
        with self._databases.app.session() as session:
            user = UserRow(name=f"u{next(self._numbers)}", created_ms=1)
            session.add(user)
            session.flush()
            assert user.id is not None
            session.add(MemberRow(team_id=1, user_id=user.id, role="member", joined_ms=1))
            return str(user.id)

    def _until(self, path: str, state: str, within_s: float = 20.0) -> None:
        limit_s = time.monotonic() + within_s
        while self._client.get(path).json().get("state") != state:
            if time.monotonic() > limit_s:
                raise TimeoutError(path)
            time.sleep(0.02)


def _names(path: str) -> list[str]:
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]
