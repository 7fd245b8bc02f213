"""What the catalog says of models, prices and providers: frozen values, and nothing that decides.

Prices are integer pico-dollars a token (0.10 USD per million tokens is 100,000) or, for a tool's fee,
pico-dollars a call. Days are ISO dates in UTC. `None` is "not known", never zero and never "no".
Every `Fact` says where a group of fields was read and on which day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

State = Literal["living", "deprecated", "retired"]
Series = Literal["paid", "demonstration", "simulated"]
Wire = Literal["chat_completions", "responses", "anthropic_messages"]
# Which of a model's endpoints is asked on which wire.
ENDPOINT_OF_WIRE: Mapping[Wire, str] = {
    "chat_completions": "chat_completions", "responses": "responses", "anthropic_messages": "messages",
}  # fmt: skip
KEY_HEADERS = ("Authorization", "api-key", "x-api-key")
CHAT_FIELDS = ("custom_tools", "prompt_cache_key", "reasoning_content", "allowed_tools", "store")
Tokenizer = Literal["o200k", "approximate", "smollm2", "bytes"]
Supported = Literal["yes", "no", "unknown"]

MODALITIES = ("text", "image", "audio", "video")
ENDPOINTS = (
    "chat_completions", "responses", "realtime", "assistants", "batch", "fine_tuning", "embeddings",
    "images_generations", "images_edits", "audio_speech", "audio_transcriptions", "audio_translations",
    "moderations", "completions", "messages",
)  # fmt: skip
FEATURES = (
    "streaming", "tools", "structured_output", "json_mode", "reasoning", "image_input", "fine_tuning",
    "distillation", "predicted_outputs", "prompt_caching", "local_shell",
    "fewer_dimensions", "file_input", "web_search", "adaptive_thinking", "always_thinks",
    "thinks_between_tools", "free_tool_choice",
)  # fmt: skip
SAMPLING_FIELDS = (
    "max_output_tokens", "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop",
    "effort", "top_k", "verbosity", "reasoning_summary", "reasoning_tokens",
)  # fmt: skip
FACT_GROUPS = ("about", "lifecycle", "limits", "capabilities", "routes")


@dataclass(frozen=True, slots=True)
class Fact:
    """Where a group of fields comes from. `as_of` is the day on which it was read there, `via` whoever
    read it for us where we did not; an operator's own file has neither."""

    source: str
    as_of: str | None = None
    via: str | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another public source that says otherwise; `value` is what it says, in words."""

    field: str
    value: str
    source: str
    as_of: str


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """`state` follows the dates, unless an operator fixed it. A day of retirement is the first without
    the model. `successor` may name a model that is not in the catalog (`successor_is_external`)."""

    released_on: str | None = None
    deprecated_on: str | None = None
    retired_on: str | None = None
    successor: str | None = None
    successor_is_external: bool = False
    fixed_state: State | None = None

    def state_on(self, day: date) -> State:
        if self.fixed_state is not None:
            return self.fixed_state
        today = day.isoformat()
        if self.retired_on is not None and self.retired_on <= today:
            return "retired"
        if self.deprecated_on is not None and self.deprecated_on <= today:
            return "deprecated"
        return "living"

    @property
    def state(self) -> State:
        return self.state_on(datetime.now(UTC).date())


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-dollars a token. A cached read or a cache write with no rate of its own costs as fresh input."""

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None

    @property
    def dearest_input(self) -> int:
        return max(self.input, self.cached_input or 0, self.cache_write or 0)


@dataclass(frozen=True, slots=True)
class ContextTier:
    """The rates of a request whose prompt has more than `above_input_tokens`: of all its tokens."""

    above_input_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Price:
    """One dated version of a price list. `version` names it for ever: it is kept with every hold.

    `tool_fees` are pico-dollars a call of a tool that the provider runs.
    """

    version: str
    valid_from_ms: int
    base: Rates
    tiers: tuple[ContextTier, ...] = ()
    tool_fees: Mapping[str, int] | None = None
    fact: Fact | None = None

    def rates_at(self, prompt_tokens: int) -> Rates:
        """What a prompt of this many tokens, cached ones included, is billed at."""
        rates = self.base
        for tier in self.tiers:
            if prompt_tokens > tier.above_input_tokens:
                rates = tier.rates
        return rates

    @property
    def dearest_tool_fee(self) -> int:
        return max((self.tool_fees or {}).values(), default=0)


@dataclass(frozen=True, slots=True)
class Route:
    """A provider that serves a model, and its own name for it.

    `wire` is settled here: the model's endpoints decide where the provider speaks both.
    `prices` is empty where the model's own list applies. `snapshots` are pinned versions by name.
    `without` names sampling fields and features that this provider does not take for the model.
    `tools_wire` is the wire of requests with tools that the provider runs, where `wire` knows none.
    """

    provider: str
    model: str
    wire: Wire = "chat_completions"
    prices: tuple[Price, ...] = ()
    snapshots: tuple[str, ...] = ()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    without: tuple[str, ...] = ()
    tools_wire: Wire | None = None


@dataclass(frozen=True, slots=True)
class SamplingField:
    """One field of `gateway.messages.Sampling` that a model takes, with its limits where it has any."""

    name: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """One model as `creator/model`. `facts` is keyed by FACT_GROUPS; prices carry their own."""

    id: str
    name: str
    creator: str
    summary: str
    aliases: tuple[str, ...]
    series: Series
    lifecycle: Lifecycle
    context_tokens: int
    max_output_tokens: int
    knowledge_cutoff: str | None
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    endpoints: tuple[str, ...]
    features: frozenset[str]
    sampling: tuple[SamplingField, ...]
    tokenizer: Tokenizer
    image_tokens: int | None  # the most that one image can cost; None where images are refused
    page_tokens: int | None  # the most that one page of a document can cost; None where files are refused
    frame_tokens: int  # what its provider may put around every prompt, beside what a message costs
    tools_frame_tokens: int  # and around the tools, where there are any
    vector_dimensions: int | None  # the length of its embeddings, for a model that makes them
    prices: tuple[Price, ...]
    providers: tuple[Route, ...]
    badges: Mapping[str, str]
    notes: tuple[str, ...]
    licence: str | None
    best_for: tuple[str, ...]
    consider_others_for: tuple[str, ...]
    facts: Mapping[str, Fact]
    conflicts: tuple[Conflict, ...]

    @property
    def reasons(self) -> bool:
        """It thinks in tokens that are billed as output and may not be shown."""
        return "reasoning" in self.features

    @property
    def answers(self) -> bool:
        """It can be sent a prompt; else it makes embeddings alone."""
        return any(endpoint in ("chat_completions", "responses", "messages") for endpoint in self.endpoints)

    @property
    def embeds(self) -> bool:
        return "embeddings" in self.endpoints

    @property
    def snapshots(self) -> tuple[str, ...]:
        return tuple(name for route in self.providers for name in route.snapshots)

    def takes(self, field: str) -> SamplingField | None:
        """The sampling field of that name, if this model takes it."""
        return next((taken for taken in self.sampling if taken.name == field), None)


@dataclass(frozen=True, slots=True)
class DataPolicy:
    """What a provider says it does with what it is sent."""

    zero_data_retention: Supported = "unknown"
    trains_on_data: Supported = "unknown"
    retention_days: int | None = None
    regions: tuple[str, ...] = ()
    note: str = ""
    fact: Fact | None = None


@dataclass(frozen=True, slots=True)
class ListedProvider:
    """A provider that the catalog or the operator lists. `api_key_env` names the variable, never the key.

    `base_url` is None for those that live in this installation (embedded, simulated).
    `output_limit_field` is what its chat completions call the limit on output tokens; `asks_for_usage`
    is False where it reports usage unasked and refuses `stream_options`; `chat_completions_take` names
    what that wire has there beyond the rest (CHAT_FIELDS). `key_header` is None where the key goes as
    the wire has it. `deployments` and `api_version` are Azure's.
    """

    id: str
    name: str
    base_url: str | None
    api_key_env: str | None
    wire: Wire = "chat_completions"
    allow_private_address: bool = False
    output_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    asks_for_usage: bool = True
    chat_completions_take: tuple[str, ...] = ()
    key_header: str | None = None
    deployments: bool = False
    api_version: str | None = None
    terms_url: str | None = None
    privacy_url: str | None = None
    pricing_url: str | None = None
    policy: DataPolicy = DataPolicy()
    fact: Fact | None = None
