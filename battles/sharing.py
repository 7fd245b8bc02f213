"""What a share link shows: a battle, or the conversation that a run ends, with what its maker left out.

Text is its author's until shared: a run is shared by whoever asked it, a battle by whoever opened it or an
owner of the team, and neither before its names are known to them. A link shows what is kept when it is
opened, in the parts that packs have (`pack_contents.py`), so that it reads like one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from battles.battle import Battles
from battles.errors import BattleNotFound, NotYours, ShareNotFound, StillBlind
from battles.looking import is_hidden
from battles.pack_contents import Json, instant, run_part
from battles.pack_desk import Packs
from battles.shares import NewShare, Share, Shares, ShareWish
from gateway.completion import Gateway
from gateway.records import RunRecord
from identity.principal import Principal

_LONGEST = 100  # turns of a conversation


@dataclass(frozen=True, slots=True)
class Shown:
    """`parts` as in a pack, redacted."""

    share: Share
    parts: Mapping[str, Any]


class Sharing:
    """On the loop only."""

    def __init__(self, shares: Shares, battles: Battles, packs: Packs, gateway: Gateway) -> None:
        self.shares = shares
        self._battles = battles
        self._packs = packs
        self._gateway = gateway

    async def make(self, by: Principal, wish: ShareWish) -> NewShare:
        """Raises `NotPermitted`, `BadShare`, `NotYours`, `StillBlind`, `BattleNotFound` and `RunNotFound`."""
        if wish.kind == "battle":
            battle = await self._battles.find(by, wish.subject_id)
            if battle.user_id != by.user_id and by.role != "owner":
                raise NotYours("Only whoever opened a battle, or an owner of the team, shares it.")
            if await is_hidden(self._battles, by, battle):
                raise StillBlind("A link names the lanes: vote first.")
        else:
            if await self._battles.hidden_runs.hides(by, wish.subject_id):
                raise StillBlind("This run is a lane of a blind battle: vote first.")
            record = await self._gateway.record(by, wish.subject_id)
            if record.user_id is None or record.user_id != by.user_id:
                raise NotYours("Only whoever asked this shares it.")
        return await asyncio.to_thread(self.shares.make, by, wish)

    async def look(self, secret: str) -> Shown:
        """What the link shows now. Raises `ShareNotFound`."""
        share = await asyncio.to_thread(self.shares.opened, secret)
        maker = Principal(share.team_id, "", share.made_by, "owner")
        try:
            if share.kind == "battle":
                parts = await self._packs.parts(maker, share.subject_id)
            else:
                parts = conversation_parts(await self._conversation(share))
        except (BattleNotFound, StillBlind):
            raise ShareNotFound from None
        return Shown(share, redacted(parts, names=share.hides_names, prompts=share.hides_prompts))

    async def _conversation(self, share: Share) -> list[RunRecord]:
        """The turns that lead to the run, as far as their author is the link's maker."""
        turns: list[RunRecord] = []
        next_id: str | None = share.subject_id
        while next_id is not None and len(turns) < _LONGEST:
            record = (await self._gateway.records(share.team_id, [next_id])).get(next_id)
            if record is None or record.user_id != share.made_by:
                break
            turns.insert(0, record)
            next_id = record.parent_run_id
        if not turns:
            raise ShareNotFound
        return turns


def conversation_parts(turns: list[RunRecord]) -> Json:
    """A conversation in the parts of a pack: one lane, a run a turn. Pure."""
    last = turns[-1]
    return {
        "about": {
            "battle": last.id, "kind": "run", "blind": False, "category": None, "tags": [],
            "created_at": instant(turns[0].created_ms), "packed_at": instant(time.time_ns() // 1_000_000),
            "cost_usd": None,
        },
        "lanes": [
            {"no": 0, "label": "A", "model": last.model_id, "snapshot": None, "provider": last.provider,
             "prompt_version": last.prompt_version_id, "own": [], "settings": None}
        ],
        "turns": [
            {"no": no, "after": no - 1 or None, "language": None, "created_at": instant(turn.created_ms),
             "prompt": {"text": turn.prompt, "images": [], "variables": {}} if turn.messages else None}
            for no, turn in enumerate(turns, 1)
        ],
        "runs": [run_part(no, 0, turn) for no, turn in enumerate(turns, 1)],
        "votes": [],
        "prices": [],
        "checks": [],
    }  # fmt: skip


def redacted(parts: Mapping[str, Any], *, names: bool, prompts: bool) -> Json:
    """Without models and providers, or without everything but the answers; requests never leave. Pure."""
    told: Json = {**parts, "runs": [{**run, "request": None, "run": None} for run in parts["runs"]]}
    if names:
        labels = {lane["no"]: f"Model {lane['label']}" for lane in parts["lanes"]}
        told["lanes"] = [
            {**lane, "model": labels[lane["no"]], "snapshot": None, "provider": None, "prompt_version": None}
            for lane in told["lanes"]
        ]
        told["runs"] = [
            {**run, "model": labels[run["lane"]], "provider": None, "notes": []} for run in told["runs"]
        ]
        told["prices"] = []
    if prompts:
        told["turns"] = [{**turn, "prompt": None} for turn in told["turns"]]
        told["lanes"] = [{**lane, "settings": None} for lane in told["lanes"]]
        told["runs"] = [{**run, "tool_calls": None, "reasoning": None} for run in told["runs"]]
    return told
