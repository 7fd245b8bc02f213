"""Path -> handler, and nothing else: a change here is a change of what the API offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from api import (
    admin,
    ai_gateway,
    batches,
    battles,
    chat_completions,
    credits,
    docs_page,
    embeddings,
    generation,
    health,
    latency,
    leaderboard,
    me,
    messages,
    metrics,
    models,
    openapi,
    packs,
    prompts,
    provider_keys,
    quote,
    report,
    responses,
    shares,
    what_if,
)
from api.exchange import Answer, Exchange
from api.wire.shapes import WireName

Handler = Callable[[Exchange], Awaitable[Answer | None]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path that ends in `/*` takes whatever follows; the handler finds it in `exchange.tail`. What a
    path says in a place like `{team}` is in `exchange.params`.

    `wire`: in whose shape errors are told.
    """

    method: str
    path: str
    handler: Handler
    wire: WireName = "openai"


_TEAM = "/v1/admin/teams/{team}"


def _admin() -> tuple[Route, ...]:
    return (
        Route("GET", "/v1/admin/teams", admin.teams),
        Route("POST", "/v1/admin/teams", admin.make_team),
        Route("GET", _TEAM, admin.team),
        Route("PATCH", _TEAM, admin.change_team),
        Route("DELETE", _TEAM, admin.delete_team),
        Route("GET", f"{_TEAM}/policy", admin.policy),
        Route("PUT", f"{_TEAM}/policy", admin.set_policy),
        Route("GET", f"{_TEAM}/members", admin.members),
        Route("PATCH", f"{_TEAM}/members/{{user}}", admin.change_member),
        Route("DELETE", f"{_TEAM}/members/{{user}}", admin.remove_member),
        Route("GET", f"{_TEAM}/invitations", admin.invitations),
        Route("POST", f"{_TEAM}/invitations", admin.invite),
        Route("DELETE", f"{_TEAM}/invitations/{{invitation}}", admin.withdraw),
        Route("GET", f"{_TEAM}/keys", admin.keys),
        Route("POST", f"{_TEAM}/keys", admin.make_key),
        Route("POST", f"{_TEAM}/keys/{{key}}/rotate", admin.rotate_key),
        Route("DELETE", f"{_TEAM}/keys/{{key}}", admin.revoke_key),
        Route("GET", f"{_TEAM}/issuers", admin.issuers),
        Route("POST", f"{_TEAM}/issuers", admin.trust),
        Route("DELETE", f"{_TEAM}/issuers/{{issuer}}", admin.distrust),
        Route("POST", f"{_TEAM}/grants", admin.grant),
        Route("GET", f"{_TEAM}/audit", admin.team_audit),
        Route("GET", f"{_TEAM}/export", admin.export),
        Route("GET", "/v1/admin/models", admin.models),
        Route("GET", "/v1/admin/audit", admin.audit),
    )


_PROMPT = "/v1/prompts/{prompt}"


_BATCH = "/v1/batches/{batch}"


def _batches() -> tuple[Route, ...]:
    return (
        Route("GET", "/v1/batches", batches.list_all),
        Route("POST", "/v1/batches", batches.create),
        Route("GET", _BATCH, batches.show),
        Route("PATCH", _BATCH, batches.change),
        Route("POST", f"{_BATCH}/pause", batches.pause),
        Route("POST", f"{_BATCH}/resume", batches.resume),
        Route("POST", f"{_BATCH}/stop", batches.stop),
        Route("POST", f"{_BATCH}/retry", batches.retry),
        Route("GET", f"{_BATCH}/results", batches.results),
    )


_BATTLE = "/v1/battles/{battle}"


def _battles() -> tuple[Route, ...]:
    return (
        Route("POST", "/v1/battles", battles.create),
        Route("GET", "/v1/battles", battles.list_all),
        Route("GET", "/v1/battles/votes", battles.votes),
        Route("GET", _BATTLE, battles.show),
        Route("POST", f"{_BATTLE}/turns", battles.start_turn),
        Route("POST", f"{_BATTLE}/stop", battles.stop),
        Route("POST", f"{_BATTLE}/retry", battles.retry),
        Route("POST", f"{_BATTLE}/votes", battles.vote),
        Route("POST", f"{_BATTLE}/reveal", battles.reveal),
    )


def _prompts() -> tuple[Route, ...]:
    return (
        Route("GET", "/v1/prompts", prompts.list_all),
        Route("POST", "/v1/prompts", prompts.create),
        Route("GET", _PROMPT, prompts.show),
        Route("PATCH", _PROMPT, prompts.change),
        Route("GET", f"{_PROMPT}/versions", prompts.versions),
        Route("POST", f"{_PROMPT}/versions", prompts.save),
        Route("PUT", f"{_PROMPT}/labels/{{label}}", prompts.set_label),
        Route("DELETE", f"{_PROMPT}/labels/{{label}}", prompts.remove_label),
        Route("GET", f"{_PROMPT}/rows", prompts.rows),
        Route("PUT", f"{_PROMPT}/rows", prompts.put_rows),
    )


ROUTES = (
    Route("POST", "/v1/chat/completions", chat_completions.create),
    Route("POST", "/v1/responses", responses.create),
    Route("GET", "/v1/responses/*", responses.show),
    Route("GET", "/v1/responses/{response}/input_items", responses.input_items),
    Route("DELETE", "/v1/responses/*", responses.remove),
    Route("POST", "/v1/responses/*", responses.cancel),
    Route("POST", "/v1/messages", messages.create, "anthropic"),
    Route("POST", "/v1/messages/count_tokens", messages.count, "anthropic"),
    Route("POST", "/v1/embeddings", embeddings.create),
    Route("GET", "/v1/models", models.list_all),
    Route("GET", "/v1/models/*", models.show),
    Route("POST", "/v1/quote", quote.create),
    Route("GET", "/v1/credits", credits.show),
    Route("POST", "/v1/credits/redeem", credits.redeem),
    Route("GET", "/v1/provider-keys", provider_keys.list_all),
    Route("PUT", "/v1/provider-keys/*", provider_keys.put),
    Route("DELETE", "/v1/provider-keys/*", provider_keys.remove),
    Route("GET", "/v1/what-if", what_if.show),
    Route("GET", "/v1/generation", generation.show),
    *(
        Route(method, base + path, handler, wire="ai_sdk")
        for base in ("/v1/ai", "/v3/ai", "/v4/ai")
        for method, path, handler in (
            ("POST", "/language-model", ai_gateway.create),
            ("POST", "/embedding-model", ai_gateway.embed),
            ("GET", "/config", ai_gateway.config),
        )
    ),
    Route("GET", "/v1/report", report.show),
    Route("GET", "/v1/leaderboard", leaderboard.show),
    Route("GET", "/v1/latency", latency.show),
    Route("GET", "/v1/me", me.show),
    *_prompts(),
    *_batches(),
    Route("GET", "/v1/battles/{battle}/pack", packs.show),
    Route("GET", "/v1/pack-key", packs.key),
    *_battles(),
    Route("GET", "/s/*", shares.show),
    *_admin(),
    Route("GET", "/healthz", health.alive),
    Route("GET", "/readyz", health.ready),
    Route("GET", "/metrics", metrics.show),
    Route("GET", "/openapi.json", openapi.show),
    Route("GET", "/docs", docs_page.show),
)
# Whose refusals stand in the request log, also those that come before the gateway is asked.
RUN_MODELS = frozenset(
    (chat_completions.create, responses.create, messages.create, embeddings.create, ai_gateway.create)
)
LIVE = "/live"
ASSETS = "/ui/"
# Whatever else is asked below these is answered 404 in JSON, never with a page.
OURS = (
    "/v1/",
    "/v3/",
    "/v4/",
    "/healthz/",
    "/readyz/",
    "/metrics/",
    "/openapi.json/",
    "/docs/",
    "/live/",
    "/s/",
    ASSETS,
)
