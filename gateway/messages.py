"""What is asked of a model and what comes back, in our own words.

Edges (`api/wire`, `gateway/providers`) turn foreign shapes into these and back;
between them nobody sees a vendor's field name. Everything here is a value; what each request and
each token makes anew is a Struct, which takes a tenth of the time that a frozen dataclass does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from gateway.preferences import NO_PREFERENCES, RoutingPreferences

Role = Literal["system", "user", "assistant", "tool"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Verbosity = Literal["low", "medium", "high"]
ReasoningSummary = Literal["auto", "concise", "detailed"]
CallKind = Literal["function", "custom", "local_shell"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error"]


class TextPart(msgspec.Struct, frozen=True):
    """`cached` marks the end of a prefix that the caller wants cached, where a provider has to be told."""

    text: str
    cached: bool = False


class ImagePart(msgspec.Struct, frozen=True):
    """An image by `data:` URL or https address; `detail` as the caller gave it."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"
    cached: bool = False


class FilePart(msgspec.Struct, frozen=True):
    """A document by `data:` URL or https address, such as a PDF."""

    url: str
    media_type: str
    name: str | None = None
    cached: bool = False


Part = TextPart | ImagePart | FilePart


class Reasoning(msgspec.Struct, frozen=True):
    """A thought of an earlier answer, on its way back to the model that had it.

    `proof` is the maker's own seal (a signature, or the encrypted thought): opaque, and of use only on
    the `wire` that gave it. `redacted`: there is a proof and no text.
    """

    text: str
    proof: str | None = None
    wire: str | None = None
    id: str | None = None
    redacted: bool = False


class ToolCall(msgspec.Struct, frozen=True):
    """`arguments` is JSON; of a custom tool it is the plain input, of a local shell its action as JSON."""

    id: str
    name: str
    arguments: str
    kind: CallKind = "function"


class Message(msgspec.Struct, frozen=True):
    """`reasoning` came before `parts`, and these before `tool_calls`. A tool's result has `tool_call_id`.

    `instructions` are of one request alone: a request that goes on from it does not inherit them.
    """

    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: tuple[Reasoning, ...] = ()
    tool_failed: bool = False
    instructions: bool = False

    @classmethod
    def of(cls, role: Role, text: str) -> Message:
        return cls(role=role, parts=(TextPart(text),))

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `parameters` is its JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    strict: bool | None = None
    cached: bool = False


@dataclass(frozen=True, slots=True)
class CustomTool:
    """A tool that takes plain text; `format` is its grammar as the responses wire writes it."""

    name: str
    description: str = ""
    format: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class HostedTool:
    """A tool that the provider knows by its kind: one that it runs itself (`web_search`), or the caller's
    own shell (`local_shell`). `options` are the rest of what the caller wrote."""

    kind: str
    options: Mapping[str, object] = field(default_factory=dict)


AnyTool = Tool | CustomTool | HostedTool


@dataclass(frozen=True, slots=True)
class Sampling:
    """What shapes an answer. `None` means that the caller left it to the model."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    effort: Effort | None = None
    top_k: int | None = None
    verbosity: Verbosity | None = None
    reasoning_summary: ReasoningSummary | None = None
    reasoning_tokens: int | None = None


class CompletionRequest(msgspec.Struct, frozen=True):
    """One question to one model. `model` is what the caller wrote: an id or an alias.

    `tool_choice` and `response_format` are shaped as on the chat completions wire. `keep`: the caller
    asks that text be kept (the team has the last word). `cache_key` groups requests with one prefix.
    `prompt_version_id` says which version of the prompt library this is, where it is one.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    tools: tuple[AnyTool, ...] = ()
    tool_choice: str | Mapping[str, object] | None = None
    response_format: Mapping[str, object] | None = None
    tags: tuple[str, ...] = ()
    routing: RoutingPreferences = NO_PREFERENCES
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    keep: bool = False
    cache_key: str | None = None
    prompt_version_id: str | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens in disjoint buckets: no token is counted in two of them.

    `output` includes the `reasoning` tokens, which are given for display only. `tool_calls` are those
    that the provider ran and charges for; `tool_kinds` says of them how many were of which tool.
    """

    input: int
    output: int
    cached_input: int = 0
    cache_write: int = 0
    reasoning: int = 0
    tool_calls: int = 0
    estimated: bool = False
    tool_kinds: tuple[tuple[str, int], ...] = ()


# --- what a provider yields while it answers -------------------------------------------------


class TextDelta(msgspec.Struct, frozen=True):
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True):
    text: str


class ReasoningProof(msgspec.Struct, frozen=True):
    """The end of a thought, with its seal (see `Reasoning`)."""

    proof: str
    wire: str
    id: str | None = None
    redacted: bool = False


class ToolCallDelta(msgspec.Struct, frozen=True):
    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    kind: CallKind = "function"


class HostedCall(msgspec.Struct, frozen=True):
    """A call that the provider made and answered itself, whole; `item` is as the responses wire has it."""

    kind: str
    id: str
    item: Mapping[str, object]


class Citation(msgspec.Struct, frozen=True):
    """Where a piece of the answer's text comes from; `start` and `end` count its characters."""

    url: str
    title: str = ""
    start: int = 0
    end: int = 0


class Finished(msgspec.Struct, frozen=True):
    """The model ended its answer. A stream that ends without one was cut."""

    reason: FinishReason


Delta = TextDelta | ReasoningDelta | ReasoningProof | ToolCallDelta | HostedCall | Citation
Event = Delta | Finished | Usage
