"""A lane as a vote keeps it for ever: who answered, with what settings, at what cost, how fast. Pure."""

from __future__ import annotations

import json
import re
from typing import Final

from battles.comparisons import Contender
from battles.models import Lane, LaneRun, Settings
from battles.opening import settings_fingerprint
from gateway.messages import Sampling
from gateway.records import RunRecord

_REFUSAL: Final = re.compile(
    r"\b(?:i['\u2019]?m sorry,? but|i (?:can(?:no|['\u2019])t|am unable to|am not able to|won['\u2019]t) "
    r"(?:help|assist|provide|do|answer|comply|fulfil)|as an ai(?: language)? model,? i (?:can|do))",
    re.IGNORECASE,
)
_LOOKED_AT: Final = 300  # characters: a refusal comes first


def contender_of(lane: Lane, run: LaneRun, record: RunRecord | None) -> Contender:
    """Times are None where lanes shared a processor."""
    settings = settings_fingerprint(lane.settings)
    words = settings_words(lane.settings)
    if record is None:
        return Contender(
            model=lane.model, snapshot=lane.snapshot, provider=lane.provider,
            prompt_version_id=lane.prompt_version_id, settings=settings, settings_words=words,
        )  # fmt: skip
    figures, timed = record.figures, not run.shares_cpu
    answered = record.attempts[-1].provider_model if record.attempts else None
    return Contender(
        model=record.model_id,
        snapshot=lane.snapshot or answered,
        provider=record.provider,
        prompt_version_id=lane.prompt_version_id,
        settings=settings,
        settings_words=words,
        cost_nano_usd=figures.cost_nano_usd,
        first_answer_ms=figures.first_answer_ms if timed else None,
        total_ms=figures.total_ms if timed else None,
        output_chars=len(record.text),
        refused=looks_refused(record.text) if record.text else None,
        valid_json=is_json(record.text) if lane.settings.response_format else None,
    )


def looks_refused(text: str) -> bool:
    """Whether an answer begins like a refusal; English alone is known."""
    return _REFUSAL.search(text[:_LOOKED_AT]) is not None


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def settings_words(settings: Settings) -> str:
    """As a person reads them; "" for the defaults. No text of the author's own."""
    said = ["system prompt"] if settings.system else []
    if settings.examples:
        said.append(f"{len(settings.examples)} example{'s' if len(settings.examples) > 1 else ''}")
    if settings.template:
        said.append("template")
    for name in Sampling.__dataclass_fields__:
        value = getattr(settings.sampling, name)
        if value not in (None, ()):
            said.append(f"{name.replace('_', ' ')} {'set' if isinstance(value, tuple) else value}")
    if settings.response_format:
        said.append(str(settings.response_format.get("type", "response format")).replace("_", " "))
    if settings.tools:
        said.append(f"{len(settings.tools)} tool{'s' if len(settings.tools) > 1 else ''}")
    return " · ".join(said)
