"""Batches on the wire: what opens one, and how it is shown. A figure has its sample size beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from msgspec import Meta, field

from api.wire.prompts import wish_of
from api.wire.reading import ModelName, Strict
from api.wire.values import instant, maybe_instant
from battles.batch_models import LONGEST_NAME, MOST_AT_ONCE, Batch, Progress
from battles.batch_report import Report
from battles.checks import Check
from battles.decision import Share
from battles.models import Category, LaneWish, Settings
from billing.money import decimal_usd
from gateway.errors import BadRequest

Shape = dict[str, Any]
_PLACE: Final = "{{prompt}}"


class BatchLane(Strict):
    """A model with what is its own: `request` has fields of a chat completions request that take the shared
    one's place; `prompt` names a prompt of the library, with `label` or `version`."""

    model: ModelName | None = None
    provider: Annotated[str, Meta(max_length=100)] | None = None
    request: dict[str, Any] = field(default_factory=dict)
    prompt: Annotated[str, Meta(max_length=80)] | None = None
    label: Annotated[str, Meta(max_length=32)] | None = None
    version: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class JudgeBody(Strict):
    model: ModelName
    criteria: Annotated[str, Meta(max_length=4_000)] = ""


class BatchBody(Strict):
    """`rows` are objects with the same names; or `data` is a whole file's text, CSV or JSONL. `request` is
    a chat completions request with `{{name}}` in its texts, shared by all lanes."""

    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    lanes: Annotated[list[BatchLane], Meta(min_length=1, max_length=6)]
    request: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] | None = None
    data: str | None = None
    checks: Annotated[list[Check], Meta(max_length=10)] = field(default_factory=list)
    judge: JudgeBody | None = None
    at_once: Annotated[int, Meta(ge=1, le=MOST_AT_ONCE)] = 8
    cost_cap_usd: Annotated[str, Meta(max_length=30)] | None = None
    category: Category | None = None
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=8)] = field(
        default_factory=list
    )
    open_votes: bool = False


class BatchChange(Strict):
    cost_cap_usd: Annotated[str, Meta(max_length=30)] | None = None
    open_votes: bool | None = None


def lane_of(shared: dict[str, Any], lane: BatchLane) -> LaneWish:
    """One without a prompt of the library. Raises `BadRequest` and `BadPrompt`."""
    merged = {**shared, **lane.request}
    if lane.model is not None:
        merged["model"] = lane.model
    if not isinstance(merged.get("model"), str):
        raise BadRequest("Each lane, or the shared request, names a model.", "lanes")
    wish = wish_of(merged, "")
    return LaneWish(
        model=wish.model or merged["model"],
        provider=lane.provider or wish.provider,
        settings=wish.settings,
        own=tuple(sorted(lane.request)),
    )


def around(settings: Settings, shared: dict[str, Any]) -> Settings:
    """A library's version that goes around whatever is typed, around the shared request's prompt."""
    template = settings.template
    inner = wish_of(shared, "").settings.template if shared.get("messages") else None
    if template is None:
        return replace(settings, template=inner)
    return settings if inner is None else replace(settings, template=template.replace(_PLACE, inner))


def batch_shape(batch: Batch, progress: Progress) -> Shape:
    cap = batch.spec.cost_cap_nano_usd
    return {
        "object": "batch",
        "id": batch.id,
        "name": batch.name,
        "state": batch.state,
        "why": batch.why or None,
        "rows": batch.rows,
        "columns": batch.columns,
        "lanes": [_lane(no, lane) for no, lane in enumerate(batch.spec.lanes, 1)],
        "progress": {
            "items": progress.items,
            "done": progress.done,
            "failed": progress.failed,
            "cut": progress.cut,
            "left": progress.left,
            "judged": progress.judged,
            "to_judge": progress.to_judge,
        },
        "paid_usd": decimal_usd(progress.paid_nano_usd),
        "cost_cap_usd": None if cap is None else decimal_usd(cap),
        "votes_open": batch.votes_open,
        "created_at": instant(batch.created_ms),
        "ended_at": maybe_instant(batch.ended_ms),
    }


def _lane(no: int, lane: LaneWish) -> Shape:
    return {
        "lane": no,
        "model": lane.model,
        "provider": lane.provider,
        "prompt_version_id": lane.prompt_version_id,
    }


def report_shape(report: Report) -> Shape:
    agreed = report.agreement
    return {
        "lanes": [
            {
                "lane": lane.no + 1,
                "answered": lane.answered,
                "failed": lane.failed,
                "pass_rate": _share(lane.passed),
                "win_rate": _share(lane.wins),
                "paid_usd": decimal_usd(lane.cost_nano_usd),
                "usd_per_1000_requests": None
                if lane.cost_per_1000_nano_usd is None
                else decimal_usd(lane.cost_per_1000_nano_usd),
                "p95_ms": lane.p95_ms,
            }
            for lane in report.lanes
        ],
        "decision": {
            "winner": None if report.card.winner is None else report.card.winner + 1,
            "by": report.card.by,
            "not_yet": report.card.why or None,
        },
        "votes": report.votes,
        "agreement": {
            "method": agreed.method,
            "kappa": agreed.kappa,
            "share": agreed.share,
            "n": agreed.items,
            "voters": agreed.voters,
        },
        "judge": [
            {
                "lanes": [each.low + 1, each.high + 1],
                "preferred": [each.for_low, each.for_high],
                "ties": each.ties,
                "disagreed_with_itself": each.disagreed,
            }
            for each in report.judged
        ],
    }


def _share(share: Share) -> Shape:
    return {"value": share.value, "n": share.n, "interval": share.interval if share.n else None}
