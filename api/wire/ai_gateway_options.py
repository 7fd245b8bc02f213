"""`providerOptions` of the AI SDK's gateway protocol: what is asked of a maker's models, in the words of the
SDK's provider for that maker. What stands under `gateway` is read by `routing.py`.

Only the maker of the model asked for is listened to: callers set options for several makers at once, and
the SDK's providers pass over those of others. An option that nobody here knows is let go with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from api.wire.ai_gateway_warnings import Warnings
from api.wire.reading import CacheKey, Strict, decode_at, refuse
from gateway.messages import Effort, ReasoningSummary, Verbosity

_OPTIONS = msgspec.json.Decoder(dict[str, dict[str, Any]] | None)

# Whose options count for a model, beside those under its creator's own name.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "openai": ("azure",),
    "anthropic": ("vertexAnthropic", "bedrock", "vertex"),
    "google": ("vertex", "googleVertex"),
}
_ANYBODY = "openaiCompatible"


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What a maker's own options ask for; None where they do not say."""

    effort: Effort | None = None
    reasoning_tokens: int | None = None
    reasoning_summary: ReasoningSummary | None = None
    verbosity: Verbosity | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    cache_key: str | None = None
    store: bool | None = None
    strict_schema: bool | None = None


class _Thinking(Strict):
    """Anthropic's."""

    type: Literal["enabled", "disabled", "adaptive"]
    budgetTokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    display: Any = None


class _ThinkingConfig(Strict):
    """Google's."""

    thinkingBudget: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None
    thinkingLevel: Effort | None = None
    includeThoughts: Any = None


_TAKEN: Mapping[str, tuple[str, Any]] = {
    "reasoningEffort": ("effort", Effort),
    "effort": ("effort", Effort),
    "reasoningSummary": ("reasoning_summary", ReasoningSummary),
    "textVerbosity": ("verbosity", Verbosity),
    "parallelToolCalls": ("parallel_tool_calls", bool),
    "maxToolCalls": ("max_tool_calls", Annotated[int, Meta(ge=1, le=1_000)]),
    "promptCacheKey": ("cache_key", CacheKey),
    "store": ("store", bool),
    "strictJsonSchema": ("strict_schema", bool),
}
# These change no answer.
_PASSED_OVER = frozenset(
    {"user", "metadata", "safetyIdentifier", "promptCacheRetention", "serviceTier", "include", "cacheControl"}
)


def model_options(raw: Raw, creator: str, warnings: Warnings) -> ModelOptions:
    """Raises `BadRequest` for an option that is known and has an impossible value."""
    found: dict[str, Any] = {}
    options = decode_at(_OPTIONS, raw, "providerOptions") if len(raw) else None
    if not options:
        return ModelOptions()
    for maker in (_ANYBODY, *_ALSO.get(creator, ()), creator):
        for name, value in options.get(maker, {}).items():
            where = f"providerOptions.{maker}.{name}"
            if value is None or name in _PASSED_OVER:
                continue
            if name in _TAKEN:
                field, kind = _TAKEN[name]
                found[field] = _converted(value, kind, where)
            elif name == "thinking":
                found |= _thinking(_converted(value, _Thinking, where))
            elif name == "thinkingConfig":
                found |= _thinking_config(_converted(value, _ThinkingConfig, where))
            else:
                warnings.unsupported(where, "It is not carried here.")
    return ModelOptions(**found)


def _thinking(asked: _Thinking) -> dict[str, Any]:
    if asked.type == "disabled":
        return {"effort": "none"}
    return {} if asked.budgetTokens is None else {"reasoning_tokens": asked.budgetTokens}


def _thinking_config(asked: _ThinkingConfig) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if asked.thinkingBudget == 0:
        found["effort"] = "none"
    elif asked.thinkingBudget is not None:
        found["reasoning_tokens"] = asked.thinkingBudget
    if asked.thinkingLevel is not None:
        found["effort"] = asked.thinkingLevel
    return found


def _converted(value: object, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        refuse(error, where=where)
