"""Battles on the wire. A lane's settings are a chat completions request with places for variables, as in
the prompt library; what its reader must not know yet is null."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api.wire.prompts import request_with, wish_of
from api.wire.reading import Strict
from api.wire.values import instant
from battles.comparisons import Choice, Comparison
from battles.history import BattleLine
from battles.models import AS_IT_IS, Category, LaneWish, Order, Reason, Settings, Vote
from battles.prompt_values import PromptVersion
from battles.views import BattleView, LaneHead, LaneView, TurnView
from billing.money import decimal_usd
from gateway.messages import Sampling
from gateway.runs import Figures

Shape = dict[str, Any]

_LaneNo = Annotated[int, Meta(ge=0, le=5)]
_Model = Annotated[str, Meta(min_length=1, max_length=200)]
_Id = Annotated[str, Meta(min_length=1, max_length=80)]
_Tag = Annotated[str, Meta(min_length=1, max_length=64)]
_Prompt = Annotated[str, Meta(min_length=1, max_length=400_000)]
_Images = Annotated[tuple[str, ...], Meta(max_length=8)]
_Variables = Annotated[dict[str, str], Meta(max_length=100)]


class SavedPrompt(Strict):
    """A version of the prompt library: the one that `label` or `version` names."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    label: Annotated[str, Meta(max_length=80)] | None = None
    version: Annotated[int, Meta(ge=1, le=10**6)] | None = None


class LaneBody(Strict):
    """`request` is a chat completions request with `{{prompt}}` where the prompt goes; without one the lane
    has the battle's. `prompt` takes a saved version instead."""

    model: _Model | None = None
    provider: Annotated[str, Meta(min_length=1, max_length=80)] | None = None
    request: dict[str, Any] | None = None
    prompt: SavedPrompt | None = None


class TurnBody(Strict):
    prompt: _Prompt
    images: _Images = ()
    variables: _Variables = msgspec.field(default_factory=dict)
    parent_turn_id: _Id | None = None


class BattleBody(Strict):
    """`models` is short for lanes that differ in the model alone."""

    prompt: _Prompt
    models: Annotated[list[_Model], Meta(min_length=2, max_length=6)] | None = None
    lanes: Annotated[list[LaneBody], Meta(min_length=2, max_length=6)] | None = None
    images: _Images = ()
    variables: _Variables = msgspec.field(default_factory=dict)
    request: dict[str, Any] | None = None
    blind: bool = False
    personal: bool = False
    category: Category | None = None
    tags: Annotated[tuple[_Tag, ...], Meta(max_length=8)] = ()
    order: Order = "auto"
    cost_cap_usd: Annotated[str, Meta(max_length=40)] | None = None
    drill: bool = False
    keep: bool = True


class StopBody(Strict):
    lane: _LaneNo | None = None


class RetryBody(Strict):
    turn_id: _Id
    lane: _LaneNo | None = None


class PairBody(Strict):
    left: _LaneNo
    right: _LaneNo
    outcome: Choice


class VoteBody(Strict):
    """One way of voting: `outcome`, or `best` and `worst`, or `pairs`."""

    outcome: Choice | None = None
    best: _LaneNo | None = None
    worst: _LaneNo | None = None
    pairs: Annotated[tuple[PairBody, ...], Meta(max_length=15)] = ()
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=12)] = ()
    turn_id: _Id | None = None
    stage: Literal["first", "final"] | None = None


def settings_in(request: dict[str, Any] | None) -> tuple[Settings, str | None]:
    """Settings, and the model that was named with them. Raises `BadRequest` and `BadPrompt`."""
    if request is None:
        return AS_IT_IS, None
    wish = wish_of(request, "")
    return wish.settings, wish.model


def lane_wish(
    model: str, body: LaneBody, shared: Settings, own: Settings | None, saved: PromptVersion | None
) -> LaneWish:
    if saved is not None:
        provider = body.provider or saved.provider
        return LaneWish(model, provider, saved.id, saved.settings, _differ(saved.settings, shared))
    settings = shared if own is None else own
    return LaneWish(model, body.provider, None, settings, _differ(settings, shared))


def _differ(settings: Settings, shared: Settings) -> tuple[str, ...]:
    """The names of what a lane has of its own."""
    own = [
        field.name
        for field in fields(Settings)
        if field.name != "sampling" and getattr(settings, field.name) != getattr(shared, field.name)
    ]
    own += [
        field.name
        for field in fields(Sampling)
        if getattr(settings.sampling, field.name) != getattr(shared.sampling, field.name)
    ]
    return tuple(own)


# --- out ----------------------------------------------------------------------------------------


def battle_shape(view: BattleView) -> Shape:
    return {
        "object": "battle",
        "id": view.id,
        "created_at": instant(view.created_ms),
        "kind": view.kind,
        "blind": view.blind,
        "hidden": view.hidden,
        "personal": view.personal,
        "category": view.category,
        "tags": view.tags,
        "order": view.order,
        "state": "running" if view.running else "ended",
        "cost": _usd(view.cost_nano_usd),
        "cost_cap": _usd(view.cost_cap_nano_usd),
        "lanes": [_head(lane) for lane in view.lanes],
        "turns": [_turn(turn) for turn in view.turns],
        "votes": [vote_shape(vote) for vote in view.votes],
        "may_vote": view.may_vote,
        "why_no_vote": view.why_no_vote or None,
    }


def _head(lane: LaneHead) -> Shape:
    return {
        "lane": lane.no,
        "label": lane.label,
        "model": lane.model,
        "snapshot": lane.snapshot,
        "provider": lane.provider,
        "prompt_version_id": lane.prompt_version_id,
        "asked_as": lane.asked_no,
        "own": lane.own,
        "request": None if lane.settings is None else request_with(lane.settings, lane.model, lane.provider),
    }


def _turn(turn: TurnView) -> Shape:
    return {
        "id": turn.id,
        "number": turn.no,
        "parent_turn_id": turn.parent_turn_id,
        "created_at": instant(turn.created_ms),
        "prompt": None if turn.prompt is None else turn.prompt.text,
        "images": [] if turn.prompt is None else turn.prompt.images,
        "variables": {} if turn.prompt is None else turn.prompt.variables,
        "state": "running" if turn.running else "ended",
        "lanes": [_lane(lane) for lane in turn.lanes],
    }


def _lane(lane: LaneView) -> Shape:
    answered = lane.answered_by or (None, None)
    return {
        "lane": lane.no,
        "label": lane.label,
        "state": lane.state,
        "tries": lane.tries,
        "text": lane.text,
        "text_kept": lane.text_kept,
        "reasoning": lane.reasoning or None,
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in lane.tool_calls],
        "finish_reason": lane.finish_reason,
        "failure": None
        if lane.failure is None
        else {"kind": lane.failure.kind, "message": lane.failure.message},
        "run_id": lane.run_id,
        "model": answered[0],
        "provider": answered[1],
        "cost": _usd(lane.cost_nano_usd),
        "figures": None if lane.figures is None else _figures(lane.figures),
        "shares_cpu": lane.shares_cpu,
        "notes": lane.notes,
    }


def _figures(figures: Figures) -> Shape:
    names = (
        "first_token_ms", "first_answer_ms", "total_ms", "tokens_per_s", "input_tokens", "output_tokens",
        "reasoning_tokens", "estimated",
    )  # fmt: skip
    return {name: getattr(figures, name) for name in names}


def vote_shape(vote: Vote) -> Shape:
    return {
        "object": "battle.vote",
        "id": vote.id,
        "turn_id": vote.turn_id,
        "stage": vote.stage,
        "voter": vote.voter,
        "pairs": [{"left": pair.left, "right": pair.right, "outcome": pair.outcome} for pair in vote.pairs],
        "reasons": vote.reasons,
        "created_at": instant(vote.created_ms),
    }


def line_shape(line: BattleLine) -> Shape:
    return {
        "object": "battle.line",
        "id": line.id,
        "created_at": instant(line.created_ms),
        "kind": line.kind,
        "title": line.title,
        "blind": line.blind,
        "hidden": line.hidden,
        "personal": line.personal,
        "category": line.category,
        "tags": line.tags,
        "models": line.models,
        "turns": line.turns,
        "votes": line.votes,
        "voted": line.voted,
    }


_WINNERS: dict[Choice, str] = {
    "left": "model_a", "right": "model_b", "tie": "tie", "both_bad": "tie (bothbad)",
}  # fmt: skip


def exported(comparisons: Iterable[Comparison]) -> list[Shape]:
    """Pairs in the columns that FastChat's arena published, and ours after them. Voters are numbered as they
    first come, so that nobody is named and one voter's votes stay together."""
    judges: dict[str, str] = {}
    rows = []
    for one in comparisons:
        judge = judges.setdefault(one.voter, f"{one.voter_kind}_{len(judges) + 1}")
        rows.append(
            {
                "question_id": one.prompt_sha256,
                "model_a": one.left.model,
                "model_b": one.right.model,
                "winner": _WINNERS[one.outcome],
                "judge": judge,
                "turn": 1,
                "anony": one.stage == "first",
                "language": one.prompt_language or "unknown",
                "tstamp": one.created_ms / 1_000,
                "stage": one.stage,
                "board": one.board,
                "vote_id": one.vote_id,
                "category": one.category,
                "tags": one.tags,
                "reasons": one.reasons,
                "provider_a": one.left.provider,
                "provider_b": one.right.provider,
                "snapshot_a": one.left.snapshot,
                "snapshot_b": one.right.snapshot,
                "prompt_version_a": one.left.prompt_version_id,
                "prompt_version_b": one.right.prompt_version_id,
                "cost_a_usd": _usd(one.left.cost_nano_usd),
                "cost_b_usd": _usd(one.right.cost_nano_usd),
                "first_answer_a_ms": one.left.first_answer_ms,
                "first_answer_b_ms": one.right.first_answer_ms,
            }
        )
    return rows


def as_lines(rows: Iterable[Shape]) -> str:
    """JSON, one row a line."""
    return "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)


def _usd(nano_usd: int | None) -> str | None:
    return None if nano_usd is None else decimal_usd(nano_usd)
