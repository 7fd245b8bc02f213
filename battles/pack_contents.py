"""What a pack says of a battle, as JSON values: prompts, parameters, outputs, timings, costs, votes, prices.

Made from what its reader may see (`views.py`): who does not know the names yet gets no pack. People are
numbered, never named. Money is a decimal string of dollars, an instant ISO 8601 in UTC, a duration
milliseconds. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from battles.errors import StillBlind
from battles.models import Settings, Vote
from battles.views import BattleView, LaneHead, LaneView, TurnView
from billing.money import decimal_usd
from gateway.catalog_values import Price
from gateway.messages import CompletionRequest, FilePart, ImagePart, Message, Part, TextPart, Tool
from gateway.records import RunRecord
from gateway.runs import Figures

Json = dict[str, Any]
RecordOf = Callable[[str], RunRecord | None]
PriceOf = Callable[[str, str | None], Price | None]
"""The price list in force for a model at a provider; None where there is none."""

_FIELDS = {
    "max_output_tokens": "max_completion_tokens", "temperature": "temperature", "top_p": "top_p",
    "top_k": "top_k", "frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty",
    "seed": "seed", "stop": "stop", "effort": "reasoning_effort", "verbosity": "verbosity",
}  # fmt: skip
_PICO_PER_MILLION = 1_000_000  # pico-dollars a token / this = dollars a million tokens


def parts_of(
    view: BattleView, record_of: RecordOf, price_of: PriceOf, *, now_ms: int, checks: Sequence[Json] = ()
) -> Json:
    """All parts of a pack. Raises `StillBlind`."""
    if view.hidden:
        raise StillBlind("A pack names the lanes: vote first.")
    return {
        "about": _about(view, now_ms),
        "lanes": [_lane(lane) for lane in view.lanes],
        "turns": [_turn(turn, view) for turn in view.turns],
        "runs": [
            _run(turn, lane, record_of(lane.run_id) if lane.run_id else None)
            for turn in view.turns
            for lane in turn.lanes
        ],
        "votes": _votes(view),
        "prices": _prices(view, price_of),
        "checks": list(checks),
    }


def _about(view: BattleView, now_ms: int) -> Json:
    cost = view.cost_nano_usd
    return {
        "battle": view.id,
        "kind": view.kind,
        "blind": view.blind,
        "category": view.category,
        "tags": list(view.tags),
        "created_at": instant(view.created_ms),
        "packed_at": instant(now_ms),
        "cost_usd": None if cost is None else decimal_usd(cost),
    }


def _lane(lane: LaneHead) -> Json:
    return {
        "no": lane.no,
        "label": lane.label,
        "model": lane.model,
        "snapshot": lane.snapshot,
        "provider": lane.provider,
        "prompt_version": lane.prompt_version_id,
        "own": list(lane.own),
        "settings": None if lane.settings is None else _settings(lane.settings),
    }


def _settings(settings: Settings) -> Json:
    told: Json = {
        "system": settings.system,
        "examples": msgspec.to_builtins(settings.examples) or None,
        "template": settings.template,
        "parameters": _parameters(settings.sampling) or None,
        "response_format": settings.response_format,
        "tools": [_tool(tool) for tool in settings.tools] or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _turn(turn: TurnView, view: BattleView) -> Json:
    parent = next((each.no for each in view.turns if each.id == turn.parent_turn_id), None)
    return {
        "no": turn.no,
        "after": parent,
        "prompt": None if turn.prompt is None else msgspec.to_builtins(turn.prompt),
        "language": turn.language,
        "created_at": instant(turn.created_ms),
    }


def _run(turn: TurnView, lane: LaneView, record: RunRecord | None) -> Json:
    answered_by = lane.answered_by
    return {
        "turn": turn.no,
        "lane": lane.no,
        "run": lane.run_id,
        "state": lane.state,
        "tries": lane.tries,
        "model": answered_by[0] if answered_by else None,
        "provider": answered_by[1] if answered_by else None,
        "request": request_of(record.asked) if record is not None and record.asked is not None else None,
        "output": lane.text if lane.text_kept else None,
        "reasoning": lane.reasoning or None,
        "tool_calls": msgspec.to_builtins(lane.tool_calls) or None,
        "finish_reason": lane.finish_reason,
        "failure": None if lane.failure is None else lane.failure.message,
        "notes": list(lane.notes),
        "shares_cpu": lane.shares_cpu,
        "cost_usd": None if lane.cost_nano_usd is None else decimal_usd(lane.cost_nano_usd),
        **_figures(lane.figures),
    }


def run_part(turn: int, lane: int, record: RunRecord) -> Json:
    """A run that belongs to no battle, as one of a pack."""
    gone = not record.text and not record.keeps_text and bool(record.figures.output_tokens)
    cost = record.figures.cost_nano_usd
    return {
        "turn": turn,
        "lane": lane,
        "run": record.id,
        "state": record.state,
        "tries": 1,
        "model": record.model_id,
        "provider": record.provider,
        "request": None,
        "output": None if gone else record.text,
        "reasoning": record.reasoning or None,
        "tool_calls": msgspec.to_builtins(record.tool_calls) or None,
        "finish_reason": record.finish_reason,
        "failure": None if record.failure is None else record.failure.message,
        "notes": list(record.notes),
        "shares_cpu": False,
        "cost_usd": None if cost is None else decimal_usd(cost),
        **_figures(record.figures),
    }


def _figures(figures: Figures | None) -> Json:
    """Milliseconds to three places."""
    figures = figures or Figures()
    return {
        "first_token_ms": _ms(figures.first_token_ms),
        "first_answer_ms": _ms(figures.first_answer_ms),
        "total_ms": _ms(figures.total_ms),
        "input_tokens": figures.input_tokens,
        "output_tokens": figures.output_tokens,
        "reasoning_tokens": figures.reasoning_tokens,
        "estimated": figures.estimated,
    }


def _votes(view: BattleView) -> list[Json]:
    voters: dict[str, str] = {}
    turns = {turn.id: turn.no for turn in view.turns}
    return [_vote(vote, turns, voters) for vote in view.votes]


def _vote(vote: Vote, turns: Mapping[str, int], voters: dict[str, str]) -> Json:
    name = voters.setdefault(vote.voter, f"{vote.voter_kind} {len(voters) + 1}")
    return {
        "turn": turns.get(vote.turn_id),
        "voter": name,
        "stage": vote.stage,
        "pairs": msgspec.to_builtins(vote.pairs),
        "reasons": list(vote.reasons),
        "created_at": instant(vote.created_ms),
    }


def _prices(view: BattleView, price_of: PriceOf) -> list[Json]:
    used = dict.fromkeys(
        lane.answered_by for turn in view.turns for lane in turn.lanes if lane.answered_by is not None
    )
    found = []
    for model_id, provider in used:
        if (price := price_of(model_id, provider)) is None:
            continue
        found.append(
            {
                "model": model_id,
                "provider": provider,
                "version": price.version,
                "input_usd_per_million": _per_million(price.base.input),
                "output_usd_per_million": _per_million(price.base.output),
            }
        )
    return found


# --- requests --------------------------------------------------------------------------------


def request_of(asked: CompletionRequest) -> Json:
    """What was sent, as a chat completions request that can be sent again."""
    request: Json = {"model": asked.model, "messages": [_message(each) for each in asked.messages]}
    request |= _parameters(asked.sampling)
    if asked.response_format is not None:
        request["response_format"] = asked.response_format
    if tools := [_tool(tool) for tool in asked.tools if isinstance(tool, Tool)]:
        request["tools"] = tools
        if asked.tool_choice is not None:
            request["tool_choice"] = asked.tool_choice
    if asked.routing.only:
        request["provider"] = {"only": list(asked.routing.only), "allow_fallbacks": False}
    return request


def _parameters(sampling: object) -> Json:
    told = {theirs: getattr(sampling, ours) for ours, theirs in _FIELDS.items()}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in told.items()
        if value not in (None, ())
    }


def _message(message: Message) -> Json:
    told: Json = {"role": message.role}
    if message.tool_call_id is not None:
        told["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        told["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if all(isinstance(part, TextPart) for part in message.parts):
        told["content"] = message.text
    else:
        told["content"] = [_part(part) for part in message.parts]
    return told


def _part(part: Part) -> Json:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url, detail):
            return {"type": "image_url", "image_url": {"url": url, "detail": detail}}
        case FilePart(url, _, name):
            return {"type": "file", "file": {"file_data": url, **({"filename": name} if name else {})}}


def _tool(tool: Tool) -> Json:
    function: Json = {
        "name": tool.name,
        "description": tool.description,
        "parameters": msgspec.to_builtins(tool.parameters),
    }
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def instant(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def _ms(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 3)


def _per_million(pico_usd: int) -> str:
    whole, rest = divmod(pico_usd, _PICO_PER_MILLION)
    return f"{whole}.{rest:06d}".rstrip("0").ljust(len(str(whole)) + 3, "0")
