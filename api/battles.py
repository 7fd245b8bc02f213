"""/v1/battles: put one prompt to several lanes, go on, stop, try again, vote; and the team's votes as data.

A battle is answered as its reader may see it: who is who in a blind one is null until they have voted.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec

from api.authentication import principal_of
from api.exchange import Answer, Exchange, Text
from api.wire.battles import (
    BattleBody,
    LaneBody,
    RetryBody,
    StopBody,
    TurnBody,
    VoteBody,
    as_lines,
    battle_shape,
    exported,
    lane_wish,
    line_shape,
    settings_in,
    vote_shape,
)
from api.wire.reading import Strict, decode
from battles import history
from battles.ballots import Ballot
from battles.comparisons import VoterKind
from battles.errors import BadBattle
from battles.history import Sought
from battles.looking import view
from battles.models import CATEGORIES, BattleWish, LaneWish, Pair, Prompt
from battles.prompt_values import PromptVersion
from billing.money import parse_usd
from gateway.errors import BadRequest
from identity.permissions import require
from identity.principal import Principal

S = TypeVar("S", bound=Strict)

_LONGEST_KEY = 255
_VOTERS: dict[str, tuple[VoterKind, ...]] = {"people": ("person",), "judges": ("judge",)}
_LATEST_MS = 253_402_300_799_999  # the end of year 9999


async def create(exchange: Exchange) -> Answer:
    """202: it is under way. Raises `BadBattle` and what the catalog and the library raise."""
    principal = await principal_of(exchange)
    require(principal, "run_models")
    asked = await _body(exchange, BattleBody)
    wish = await _wish(exchange, principal, asked)
    prompt = Prompt(asked.prompt, asked.images, asked.variables)
    battles = exchange.services.battles
    battle = await battles.create(principal, wish, surface="api", idempotency_key=_key(exchange))
    await battles.start_turn(principal, battle.id, prompt, unless_begun=True)
    return await _shown(exchange, principal, battle.id, 202)


async def list_all(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    category = exchange.query("category")
    if category is not None and category not in CATEGORIES:
        raise BadRequest(f"`category` is one of {', '.join(CATEGORIES)}.", "category")
    sought = Sought(
        text=exchange.query("q"),
        model=exchange.query("model"),
        category=category,
        tag=exchange.query("tag"),
        mine=exchange.query("mine") == "true",
        before=exchange.query("before"),
    )
    limit = _number(exchange, "limit", 50, history.MOST)
    lines = await asyncio.to_thread(
        history.lines, exchange.services.battles.database, principal, sought, limit
    )
    return Answer(
        200, {"object": "list", "data": [line_shape(line) for line in lines], "has_more": len(lines) == limit}
    )


async def show(exchange: Exchange) -> Answer:
    principal = await _reader(exchange)
    return await _shown(exchange, principal, _id(exchange), 200)


async def start_turn(exchange: Exchange) -> Answer:
    principal = await _starter(exchange)
    asked = await _body(exchange, TurnBody)
    prompt = Prompt(asked.prompt, asked.images, asked.variables)
    await exchange.services.battles.start_turn(principal, _id(exchange), prompt, asked.parent_turn_id)
    return await _shown(exchange, principal, _id(exchange), 202)


async def stop(exchange: Exchange) -> Answer:
    principal = await _starter(exchange)
    asked = await _body(exchange, StopBody)
    await exchange.services.battles.stop(principal, _id(exchange), asked.lane)
    return await _shown(exchange, principal, _id(exchange), 200)


async def retry(exchange: Exchange) -> Answer:
    principal = await _starter(exchange)
    asked = await _body(exchange, RetryBody)
    await exchange.services.battles.retry(principal, _id(exchange), asked.turn_id, asked.lane)
    return await _shown(exchange, principal, _id(exchange), 202)


async def vote(exchange: Exchange) -> Answer:
    principal = await _starter(exchange)
    asked = await _body(exchange, VoteBody)
    pairs = tuple(Pair(pair.left, pair.right, pair.outcome) for pair in asked.pairs)
    cast = await exchange.services.votes.cast(
        principal,
        _id(exchange),
        Ballot(asked.outcome, asked.best, asked.worst, pairs),
        reasons=asked.reasons,
        turn_id=asked.turn_id,
        stage=asked.stage,
    )
    return Answer(201, vote_shape(cast))


async def reveal(exchange: Exchange) -> Answer:
    """The names without a vote."""
    principal = await _starter(exchange)
    await exchange.services.votes.reveal(principal, _id(exchange))
    return await _shown(exchange, principal, _id(exchange), 200)


async def votes(exchange: Exchange) -> Answer:
    """The team's votes, two lanes at a time, nobody named."""
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    since_ms = _number(exchange, "since_ms", 0, _LATEST_MS)
    kinds = _VOTERS.get(exchange.query("voters") or "people")
    if kinds is None:
        raise BadRequest("`voters` is `people` or `judges`.", "voters")
    found = await asyncio.to_thread(exchange.services.votes.comparisons, principal.team_id, since_ms, kinds)
    rows = exported(found)
    if exchange.query("format") == "jsonl":
        return Answer(200, Text(as_lines(rows), "application/x-ndjson"))
    return Answer(200, {"object": "list", "data": rows})


# --- pieces -------------------------------------------------------------------------------------


async def _wish(exchange: Exchange, principal: Principal, asked: BattleBody) -> BattleWish:
    shared, model = settings_in(asked.request)
    if (asked.lanes is None) == (asked.models is None):
        raise BadBattle("Name `models`, or `lanes` where they differ in more.", "lanes")
    bodies = asked.lanes if asked.lanes is not None else [LaneBody(name) for name in asked.models or ()]
    lanes: list[LaneWish] = []
    for no, body in enumerate(bodies):
        saved = await _saved(exchange, principal, body)
        own, named = settings_in(body.request) if body.request is not None else (None, None)
        chosen = body.model or named or (saved.model if saved else None) or model
        if chosen is None:
            raise BadBattle("This lane names no model.", f"lanes[{no}].model")
        lanes.append(lane_wish(chosen, body, shared, own, saved))
    return BattleWish(
        lanes=tuple(lanes),
        blind=asked.blind,
        personal=asked.personal,
        category=asked.category,
        tags=asked.tags,
        order=asked.order,
        cost_cap_nano_usd=_cap(asked.cost_cap_usd),
        shared=shared,
        kind="drill" if asked.drill else "battle",
        keep=asked.keep,
    )


async def _saved(exchange: Exchange, principal: Principal, body: LaneBody) -> PromptVersion | None:
    if body.prompt is None:
        return None
    if body.request is not None:
        raise BadBattle("A lane has a saved `prompt` or a `request` of its own, not both.", "lanes")
    prompts, wanted = exchange.services.prompts, body.prompt
    return await asyncio.to_thread(
        prompts.served, principal, wanted.name, label=wanted.label, no=wanted.version
    )


async def _shown(exchange: Exchange, principal: Principal, battle_id: str, status: int) -> Answer:
    return Answer(status, battle_shape(await view(exchange.services.battles, principal, battle_id)))


async def _reader(exchange: Exchange) -> Principal:
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    return principal


async def _starter(exchange: Exchange) -> Principal:
    principal = await principal_of(exchange)
    require(principal, "run_models")
    return principal


def _id(exchange: Exchange) -> str:
    return exchange.params["battle"]


def _cap(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_usd(text)
    except ValueError as error:
        raise BadBattle(str(error), "cost_cap_usd") from None


def _key(exchange: Exchange) -> str | None:
    key = exchange.header(b"idempotency-key")
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isprintable()):
        raise BadRequest(
            f"`Idempotency-Key` has 1 to {_LONGEST_KEY} printable characters.", "Idempotency-Key"
        )
    return key


def _number(exchange: Exchange, name: str, default: int, most: int) -> int:
    said = exchange.query(name)
    if said is None:
        return default
    if not said.isascii() or not said.isdigit() or len(said) > 18 or int(said) > most:
        raise BadRequest(f"`{name}` is a whole number up to {most}.", name)
    return int(said)


async def _body(exchange: Exchange, kind: type[S]) -> S:
    return decode(msgspec.json.Decoder(kind), await exchange.body())
