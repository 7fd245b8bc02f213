"""What is said of one path of the API: the values that its description is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from api.wire.shapes import WireName

Tag = Literal[
    "Completions",
    "Embeddings",
    "Models",
    "Money",
    "Requests",
    "AI SDK",
    "Keys",
    "Prompts",
    "Batches",
    "Battles",
    "Administration",
    "Server",
]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    says: str
    schema: Mapping[str, Any]
    place: Literal["query", "header", "path"] = "query"
    required: bool = False
    example: str | None = None  # what an example says here; a required one without it gets its name


@dataclass(frozen=True, slots=True)
class About:
    """`path` is the route's as a reader writes it. `keys` are what an answer always has, `status` its own
    where all goes well."""

    summary: str
    tag: Tag
    keys: tuple[str, ...]
    says: str = ""
    path: str | None = None
    body: type | None = None
    parameters: tuple[Parameter, ...] = ()
    streams: bool = False
    runs: bool = False
    also: Mapping[str, str] | None = None  # other media types of the answer, and what they hold
    wire: WireName = "openai"
    example: Mapping[str, Any] | None = None
    with_key: bool = True
    status: int = 200
