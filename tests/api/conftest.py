"""The API on the real gateway, with a scripted provider, a ledger that counts, and real keys."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

import gateway.tables  # noqa: F401  # both make their tables known to the metadata
import identity.tables  # noqa: F401
from api.asgi import Api, ApiMiddleware, ApiServices, Readiness
from api.edge import local_hosts
from api.errors import status_of
from battles.battle import Battles, Means
from battles.held_log import HeldLog
from battles.hidden import HiddenRuns
from battles.leaderboard import Leaderboard
from battles.pack_desk import Packs
from battles.prompt_figures import PromptFigures
from battles.prompts import Prompts
from battles.shares import Shares
from battles.sharing import Sharing
from battles.votes import Votes
from billing.accounts import EntryKind
from billing.commands import CapSet, Checkpoint, Hold, HoldLine, Line, Receipt, Reserve, SetCap, Settle, Void
from billing.errors import IdempotencyConflict, InsufficientCredits, Replayed
from billing.statements import Balance, EntryView, PostingView
from gateway.catalog import Catalog, CatalogOverrides
from gateway.completion import Gateway, Limits
from gateway.connections import PROVIDER_KEY
from gateway.kept_runs import KeptRuns
from gateway.messages import Event, Finished, TextDelta, Usage
from gateway.provider_keys import ProviderKeys
from gateway.providers.base import Call, Deadlines, Embedded, EmbeddingCall
from gateway.rate_limits import RateLimits
from gateway.retention import Retention
from gateway.routing import Routing
from gateway.tiers import Allowances, Rate, Tier
from identity.api_keys import ApiKeys, create_key
from identity.claims import Rules
from identity.keys import purpose_key
from identity.local import LocalIdentity
from identity.people import open_people
from identity.sealing import Sealer
from identity.tables import MemberRow, TeamRow, UserRow
from store.databases import Database, open_engine
from store.tables import AppTable
from telemetry.rows import RequestRow
from tests.battles.voting import Box

KEY = "ty_" + "k" * 40
OTHER_KEY = "ty_" + "o" * 40
TIERS = (Tier(1, 0, Rate(1_000, 1_000_000)),)
START_NANO_USD = 5_000_000_000

Step = Event | Exception | asyncio.Event | float


class ScriptedProvider:
    """Plays `script`: yields events, raises errors, sleeps, waits for an event to be set."""

    id = "lab"

    def __init__(self) -> None:
        self.script: Sequence[Step] = (
            TextDelta("Hel"),
            TextDelta("lo \u2603"),
            Finished("stop"),
            Usage(input=9, output=3),
        )
        self.calls: list[Call] = []
        self.vectors: Embedded | Exception | float = 9.0
        self.embedded: list[EmbeddingCall] = []
        self.dropped = 0

    async def stream(self, call: Call) -> AsyncIterator[Event]:
        self.calls.append(call)
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        except (GeneratorExit, asyncio.CancelledError):
            self.dropped += 1
            raise

    async def embed(self, call: EmbeddingCall) -> Embedded:
        self.embedded.append(call)
        if isinstance(self.vectors, Exception):
            raise self.vectors
        if isinstance(self.vectors, float):
            await asyncio.sleep(self.vectors)
            raise AssertionError("nobody stopped it")
        return self.vectors

    async def close(self) -> None: ...


@dataclass
class CountingLedger:
    """Reserves, settles and voids as the ledger does, in one dictionary a team."""

    available: dict[int, int] = field(default_factory=lambda: {1: START_NANO_USD, 2: START_NANO_USD})
    used: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 0})
    open: dict[str, Hold] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    keys: dict[tuple[int, bytes], tuple[bytes, str]] = field(default_factory=dict)

    async def reserve(self, command: Reserve) -> Hold:
        team = command.team_id
        if command.idempotency is not None:
            known = self.keys.get((team, command.idempotency.key_sha256))
            if known is not None:
                same = known[0] == command.idempotency.fingerprint
                raise Replayed(known[1]) if same else IdempotencyConflict(known[1])
        amount = min(command.amount_nano_usd, self.available[team])
        if amount < command.least_nano_usd:
            raise InsufficientCredits(command.least_nano_usd, self.available[team], 1_790_000_000_000)
        self.available[team] -= amount
        if command.idempotency is not None:
            self.keys[team, command.idempotency.key_sha256] = (
                command.idempotency.fingerprint,
                command.run_id,
            )
        hold = Hold(
            team_id=team,
            no=1,
            run_id=command.run_id,
            amount_nano_usd=amount,
            lines=(HoldLine(1, amount),),
            scopes=command.scopes,
            facts=command.facts,
            created_ms=0,
            expires_ms=command.lease_ms,
            available_after_nano_usd=self.available[team],
        )
        self.open[command.run_id] = hold
        return hold

    async def settle(self, command: Settle) -> Receipt:
        hold = self.open.pop(command.hold.run_id)
        self.available[hold.team_id] += hold.amount_nano_usd - command.cost_nano_usd
        self.used[hold.team_id] += command.cost_nano_usd
        receipt = Receipt(
            team_id=hold.team_id,
            run_id=hold.run_id,
            entry_seq=len(self.receipts) + 1,
            cost_nano_usd=command.cost_nano_usd,
            charged_nano_usd=command.cost_nano_usd,
            writeoff_nano_usd=0,
            available_after_nano_usd=self.available[hold.team_id],
            entry_hash=b"\x01" * 32,
            at_ms=1,
            estimated=command.estimated,
        )
        self.receipts[hold.run_id] = receipt
        return receipt

    async def void(self, command: Void) -> None:
        hold = self.open.pop(command.run_id)
        self.available[hold.team_id] += hold.amount_nano_usd

    async def checkpoint(self, command: Checkpoint) -> None: ...


class NoCaps:
    def caps(self, team_id: int, now_ms: int) -> tuple[()]:
        return ()


class CountedStatements:
    """What `billing.statements.Statements` would read of that ledger."""

    def __init__(self, ledger: CountingLedger) -> None:
        self._ledger = ledger

    def balance(self, team_id: int, now_ms: int) -> Balance:
        held = sum(hold.amount_nano_usd for hold in self._ledger.open.values() if hold.team_id == team_id)
        available = self._ledger.available[team_id]
        return Balance(
            balance_nano_usd=available + held,
            held_nano_usd=held,
            available_nano_usd=available,
            total_used_nano_usd=self._ledger.used[team_id],
            allowance_remaining_nano_usd=available,
            next_allowance_at_ms=1_792_592_000_000,
            ends_allowance=False,
        )

    def entry_of_run(self, team_id: int, run_id: str) -> EntryView | None:
        receipt = self._ledger.receipts.get(run_id)
        if receipt is None or receipt.team_id != team_id:
            return None
        cost = receipt.cost_nano_usd
        return EntryView(
            seq=receipt.entry_seq,
            at_ms=receipt.at_ms,
            kind=EntryKind.SETTLE,
            amount_nano_usd=-cost,
            balance_after_nano_usd=receipt.available_after_nano_usd,
            ref=run_id,
            reason="",
            hash=receipt.entry_hash.hex(),
            postings=(PostingView(1, "allowance", -cost), PostingView(-1, "spent", cost)),
            run_id=run_id,
            estimated=receipt.estimated,
            cost_nano_usd=cost,
            lines=(Line("input", 9, 100_000), Line("output", 3, 400_000)),
        )


@dataclass
class Answered:
    """What one raw ASGI call got: good for streams and for callers who leave."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    complete: bool = False

    @property
    def text(self) -> str:
        return b"".join(self.bodies).decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def events(self) -> list[Any]:
        """The stream's data, `[DONE]` as a string."""
        lines = [line for line in self.text.split("\n\n") if line]
        assert all(line.startswith("data: ") for line in lines)
        data = [line.removeprefix("data: ") for line in lines]
        return [one if one == "[DONE]" else json.loads(one) for one in data]

    @property
    def error(self) -> Any:
        return self.json["error"]


class Caller:
    """A connection: sends one request, keeps what comes, can leave or stop reading at any time."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.answered = Answered()
        self.arrived = asyncio.Event()
        self._left = asyncio.Event()
        self._blocked: asyncio.Event | None = None
        self._body: list[bytes] = []

    async def ask(
        self,
        method: str,
        path: str,
        body: object = b"",
        headers: dict[str, str] | None = None,
        key: str = KEY,
    ) -> Answered:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._body = [raw[at : at + 65_536] for at in range(0, len(raw), 65_536)] or [b""]
        path, _, query = path.partition("?")
        named = {"host": "localhost:8501", "authorization": f"Bearer {key}", **(headers or {})}
        scope: Scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [
                (name.lower().encode(), value.encode("latin-1")) for name, value in named.items() if value
            ],
        }
        await self._app(scope, self._receive, self._send)
        return self.answered

    def leave(self) -> None:
        self._left.set()

    def stop_reading(self) -> None:
        self._blocked = asyncio.Event()

    @property
    def unread(self) -> int:
        return len(self._body)

    async def _receive(self) -> Message:
        if self._body:
            return {"type": "http.request", "body": self._body.pop(0), "more_body": bool(self._body)}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._blocked is not None:
            await self._blocked.wait()
        if message["type"] == "http.response.start":
            assert not self.answered.status
            self.answered.status = message["status"]
            self.answered.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            assert self.answered.status
            self.answered.bodies.append(message.get("body", b""))
            self.answered.complete = not message.get("more_body", False)
        self.arrived.set()
        if self.answered.complete:
            self._left.set()


@dataclass
class World:
    """Everything behind one API, to look at and to steer."""

    app: Any
    api: Api
    services: ApiServices
    provider: ScriptedProvider
    ledger: CountingLedger
    gateway: Gateway
    keys: ApiKeys
    rows: list[RequestRow]
    ballots: Box  # what the leaderboard reads

    def caller(self) -> Caller:
        return Caller(self.app)

    async def post(self, body: object, **how: Any) -> Answered:
        return await self.caller().ask("POST", "/v1/chat/completions", body, **how)

    async def get(self, path: str, **how: Any) -> Answered:
        return await self.caller().ask("GET", path, **how)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://localhost:8501",
            headers={"authorization": f"Bearer {KEY}"},
        )

    async def settled(self) -> None:
        """Until no run is open any more."""
        async with asyncio.timeout(20):
            while self.gateway.runs.running() or self.ledger.open:
                await asyncio.sleep(0.005)


def chat(content: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "lab/fast", "messages": [{"role": "user", "content": content}], **more}


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands for Streamlit: a page at every address."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    headers = [(b"content-type", b"text/html"), (b"content-security-policy", b"default-src *")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"<html>a page</html>"})


def catalog() -> Catalog:
    model = {
        "context_tokens": 32_768,
        "max_output_tokens": 4_096,
        "input_usd_per_million": "0.10",
        "output_usd_per_million": "0.40",
        "providers": [{"id": "lab", "model": "fast-1"}],
    }
    fees = {"tool_fees_usd_per_thousand_calls": {"web_search": "10.00"}}
    over_responses = {"providers": [{"id": "lab", "model": "search-1", "wire": "responses"}]}
    return Catalog.load(
        CatalogOverrides(
            providers={
                "lab": {"base_url": "https://lab.example/v1"},
                "far": {"base_url": "https://far.example/v1", "api_key_env": "FAR_KEY"},
            },
            models=[
                {"id": "lab/fast", "name": "Lab Fast", "aliases": ["fast"], **model},
                {
                    "id": "lab/full",
                    "name": "Lab Full",
                    **model,
                    "providers": [{"id": "lab", "model": "full-1", "wire": "responses"}],
                    "features": [
                        "streaming",
                        "tools",
                        "structured_output",
                        "json_mode",
                        "reasoning",
                        "image_input",
                        "prompt_caching",
                        "local_shell",
                    ],
                    "image_tokens": 1_000,
                    "tool_fees_usd_per_thousand_calls": {"web_search": "10"},
                    "sampling": {"effort": True, "temperature": [0, 2], "stop": True},
                },
                {"id": "lab/search", "name": "Lab Search", **model, **fees, **over_responses},
                *(
                    {
                        "id": f"lab/over-{wire}",
                        "name": f"Lab over {wire}",
                        **model,
                        "providers": [{"id": "lab", "model": "crossed-1", "wire": wire}],
                        "features": [
                            *("streaming", "tools", "reasoning", "image_input", "structured_output")
                        ],
                        "image_tokens": 1_000,
                    }
                    for wire in ("chat_completions", "responses", "anthropic_messages")
                ),
                {
                    "id": "lab/vectors",
                    "name": "Lab Vectors",
                    "context_tokens": 512,
                    "max_output_tokens": 1,
                    "input_usd_per_million": "0.10",
                    "output_usd_per_million": "0",
                    "providers": [{"id": "lab", "model": "vectors-1"}],
                    "endpoints": ["embeddings"],
                    "vector_dimensions": 3,
                    "features": ["fewer_dimensions"],
                    "sampling": {},
                    "output_modalities": [],
                },
                {
                    "id": "far/away",
                    "name": "Far Away",
                    **model,
                    "providers": [{"id": "far", "model": "away"}],
                },
                {
                    "id": "lab/old",
                    "name": "Lab Old",
                    **model,
                    "lifecycle": {"retired_on": "2020-01-01", "successor": "lab/fast"},
                },
                {
                    "id": "lab/older",
                    "name": "Lab Older",
                    **model,
                    "lifecycle": {"retired_on": "2019-01-01", "successor": "lab/fast"},
                },
            ],
            stand_ins={"lab/older": "lab/fast"},
        )
    )


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with two teams, an owner and a key each; every test has its own copy."""
    path = tmp_path_factory.mktemp("api") / "app.db"
    with _opened(path) as database:
        AppTable.metadata.create_all(database.engine)
        LocalIdentity.open(database, KEY)
        with database.session() as session:
            team, user = TeamRow(name="Other", created_ms=0, approved_ms=0), UserRow(name="Bo", created_ms=0)
            session.add_all([team, user])
            session.flush()
            assert (team.id, user.id) == (2, 2)
            session.add(MemberRow(team_id=2, user_id=2, role="owner", joined_ms=0))
            create_key(session, 2, 2, "other", now_ms=0, secret=OTHER_KEY)
    return path


@pytest.fixture
def database(filled: Path, tmp_path: Path) -> Iterator[Database]:
    with _opened(Path(shutil.copy(filled, tmp_path / "app.db"))) as opened:
        yield opened


@contextmanager
def _opened(path: Path) -> Iterator[Database]:
    engine = open_engine(path)
    with ThreadPoolExecutor(2) as threads:
        yield Database(engine, threads)
    engine.dispose()


@pytest.fixture(scope="session")
def models() -> Catalog:
    return catalog()


async def _no_cap(command: SetCap) -> CapSet:
    """Caps are tested on the real ledger."""
    return CapSet(command.team_id, 1, 1)


@pytest.fixture
async def world(database: Database, models: Catalog) -> AsyncIterator[World]:
    keys = ApiKeys(database)
    provider, ledger, rows = ScriptedProvider(), CountingLedger(), list[RequestRow]()
    rates = RateLimits(Allowances(database, lambda _: 0, TIERS, 1))
    gateway_ = Gateway(
        catalog=models,
        routing=Routing(models, {"lab": provider}, {"far": "set FAR_KEY."}),
        ledger=ledger,
        kept_runs=KeptRuns(database),
        log=rows.append,
        status_of=status_of,
        deadlines=Deadlines(connect_s=1, first_token_s=2, idle_s=2, total_s=10),
        limits=Limits(),
        rates=rates,
    )
    await gateway_.open()
    box = Box()
    battles = Battles(
        Means(
            gateway=gateway_,
            catalog=models,
            database=database,
            set_cap=_no_cap,
            charged=lambda team_id, run_id: None,
            held_log=HeldLog(rows.append),
            hidden_runs=HiddenRuns(database),
        )
    )

    packs = Packs(battles, models, bytes(32))

    async def readiness() -> Readiness:
        return Readiness(not gateway_.draining, {"catalog": models.hash, "draining": gateway_.draining})

    services = ApiServices(
        gateway=gateway_,
        catalog=models,
        statements=CountedStatements(ledger),  # type: ignore[arg-type]  # behaves as the part that is used
        usage=cast(Any, None),  # these four are tested on the real ledger
        budgets=cast(Any, NoCaps()),
        quotes=cast(Any, None),
        top_ups=cast(Any, None),
        api_keys=keys,
        team_money=cast(Any, None),  # grants are tested on the real ledger
        retention=Retention(database),
        packs=packs,
        sharing=Sharing(Shares(database), battles, packs, gateway_),
        views=cast(Any, None),  # tested on a log
        prompts=Prompts(database),
        prompt_figures=PromptFigures(database),
        leaderboard=Leaderboard(box),
        batches=cast(Any, None),  # they are tested on the real ledger
        battles=battles,
        votes=Votes(battles),
        people=open_people(database, keys, "http://testserver", Rules()),
        provider_keys=ProviderKeys(database, Sealer(purpose_key(bytes(32), PROVIDER_KEY)), models),
        readiness=readiness,
        rates=rates,
        add_credit="python -m operate grant --team 1 --usd 5 --reason more",
    )
    api = Api(services)
    app = ApiMiddleware(pages, api=api, hosts=local_hosts("127.0.0.1"))
    yield World(app, api, services, provider, ledger, gateway_, keys, rows, box)
    await battles.close()
    await gateway_.drain(1.0)
    await gateway_.close()
    await rates.close()
    await keys.close()
