"""What the API needs from the process that serves it. Filled by `app.py` when everything is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from battles.batches import Batches
from battles.battle import Battles
from battles.leaderboard import Leaderboard
from battles.pack_desk import Packs
from battles.prompt_figures import PromptFigures
from battles.prompts import Prompts
from battles.sharing import Sharing
from battles.votes import Votes
from billing.budgets import Budgets
from billing.codes import TopUps
from billing.statements import Statements
from billing.usage import Usage
from gateway.catalog import Catalog
from gateway.completion import Gateway
from gateway.provider_keys import ProviderKeys
from gateway.quote import Quotes
from gateway.rate_limits import RateLimits
from gateway.retention import Retention
from gateway.team_money import TeamMoney
from identity.api_keys import ApiKeys
from identity.people import People
from telemetry.views import Views

if TYPE_CHECKING:
    from api.refusals import Refusals  # which reads an exchange, which holds these services

MAX_BODY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this process should get requests, and what to look at where it should not."""

    ready: bool
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiServices:
    """`live` and `assets` are ASGI applications of their own; None where a process serves no pages.

    `add_credit` says how to add credit here, in words, where a caller can do it: each 402 carries it.
    """

    gateway: Gateway
    catalog: Catalog
    statements: Statements
    usage: Usage
    budgets: Budgets
    quotes: Quotes
    top_ups: TopUps
    api_keys: ApiKeys
    people: People
    team_money: TeamMoney
    retention: Retention
    provider_keys: ProviderKeys
    views: Views
    prompts: Prompts
    packs: Packs
    sharing: Sharing
    battles: Battles
    votes: Votes
    leaderboard: Leaderboard
    prompt_figures: PromptFigures
    batches: Batches
    readiness: Callable[[], Awaitable[Readiness]]
    rates: RateLimits | None = None
    refusals: Refusals | None = None
    metrics: Callable[[], Awaitable[bytes]] | None = None
    metrics_token: str | None = field(default=None, repr=False)
    metrics_without_token: bool = True  # for callers on this machine
    live: ASGIApp | None = None
    assets: ASGIApp | None = None
    add_credit: str | None = None
    max_body_bytes: int = MAX_BODY_BYTES
