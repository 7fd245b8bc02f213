"""`providerOptions` of the AI SDK's gateway protocol.

Under `gateway` stands what is asked of routing; under a maker's name what is asked of its models, in
the words of the SDK's provider for that maker. Only the maker of the model asked for is listened to:
callers set options for several makers at once, and the SDK's providers pass over those of others.
An option that nobody here knows is let go with a warning; one under `gateway` that would restrict who
answers, or carry a credential, is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api.wire.ai_gateway_warnings import Warnings
from api.wire.reading import CacheKey, Strict, refuse
from gateway.errors import Unsupported
from gateway.messages import Effort, ReasoningSummary, Verbosity
from gateway.preferences import NO_PREFERENCES, RoutingPreferences

Options = Mapping[str, Mapping[str, Any]]

# Whose options count for a model, beside those under its creator's own name.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "openai": ("azure",),
    "anthropic": ("vertexAnthropic", "bedrock", "vertex"),
    "google": ("vertex", "googleVertex"),
}
_ANYBODY = "openaiCompatible"
_SORTS: Mapping[str, Literal["price", "first_token", "throughput"]] = {
    "cost": "price",
    "ttft": "first_token",
    "tps": "throughput",
}
_NAMES = Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=50)]
_TAGS = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=20)]


# --- of routing ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """`caching`: mark what stays the same from request to request, for providers that must be told."""

    preferences: RoutingPreferences = NO_PREFERENCES
    tags: tuple[str, ...] = ()
    caching: bool = False


class _Gateway(Strict):
    order: _NAMES | None = None
    only: _NAMES | None = None
    sort: Literal["cost", "ttft", "tps"] | None = None
    models: _NAMES | None = None
    tags: _TAGS | None = None
    zeroDataRetention: bool | None = None
    disallowPromptTraining: bool | None = None
    caching: Literal["auto"] | None = None
    # Ours, beyond what the SDK types: it passes them through.
    ignore: _NAMES | None = None
    allowFallbacks: bool | None = None
    requireParameters: bool | None = None
    standIn: Literal["operator", "successor", "never"] | None = None
    # These change no answer here.
    user: Any = None
    quotaEntityId: Any = None
    providerTimeouts: Any = None
    serviceTier: Any = None


def gateway_options(options: Options, warnings: Warnings) -> GatewayOptions:
    """Raises `BadRequest` and `Unsupported`."""
    given = options.get("gateway")
    if not given:
        return GatewayOptions()
    if "byok" in given:
        raise Unsupported(
            "Providers' keys are kept with the team, not sent with a request.", "providerOptions.gateway.byok"
        )
    asked = _converted(given, _Gateway, "providerOptions.gateway")
    for name in ("quotaEntityId", "providerTimeouts", "serviceTier"):
        if name in given:
            warnings.unsupported(f"providerOptions.gateway.{name}", "It is not carried here.")
    preferences = replace(
        NO_PREFERENCES,
        order=tuple(asked.order or ()),
        only=tuple(asked.only or ()),
        ignore=tuple(asked.ignore or ()),
        sort=None if asked.sort is None else _SORTS[asked.sort],
        models=tuple(asked.models or ()),
        zero_data_retention=bool(asked.zeroDataRetention),
        no_training=bool(asked.disallowPromptTraining),
        require_parameters=bool(asked.requireParameters),
        allow_fallbacks=asked.allowFallbacks is not False,
        stand_in=asked.standIn or "operator",
    )
    return GatewayOptions(preferences, tuple(asked.tags or ()), asked.caching == "auto")


# --- of the model ----------------------------------------------------------------------------


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


def model_options(options: Options, creator: str, warnings: Warnings) -> ModelOptions:
    """Raises `BadRequest` for an option that is known and has an impossible value."""
    found: dict[str, Any] = {}
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
