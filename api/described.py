"""What each path of the API is for, in words: what `/openapi.json` and `/docs` are made from.

Bodies are the very structs that the wires decode with. A test holds that every route has its place here
and that nothing else has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.credits import RedeemBody
from api.described_admin import ADMIN
from api.described_batches import BATCHES
from api.described_battles import BATTLES
from api.described_prompts import PACKS, PROMPTS
from api.described_values import About, Parameter
from api.provider_keys import PutBody
from api.wire.ai_gateway import LanguageModelBody
from api.wire.ai_gateway_embeddings import EmbeddingModelBody
from api.wire.anthropic import CountBody, MessagesBody
from api.wire.openai_chat import ChatBody
from api.wire.openai_embeddings import EmbeddingsBody
from api.wire.openai_responses import ResponsesBody
from battles.models import CATEGORIES
from telemetry.slices import BYS

_TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": 300}
_WORD: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": 200}
_INSTANT: Mapping[str, Any] = {"type": "integer", "minimum": 0, "maximum": 4_102_444_800_000}
_DAY: Mapping[str, Any] = {"type": "string", "format": "date"}
_RUN = Parameter("id", "A run's id, `run_...`", _TEXT, "path", required=True, example="RUN_ID")
_INCLUDE = Parameter("include[]", "The seals of thoughts too", {"enum": ["reasoning.encrypted_content"]})
_IDEMPOTENCY = Parameter(
    "Idempotency-Key",
    "The same request under the same key runs and is paid once",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "header",
)
_TAGS = Parameter(
    "X-Tags",
    "At most 8 tags of at most 64 characters, comma between: reported and capped under them",
    {"type": "string", "maxLength": 500, "pattern": "^[ -~]*$"},
    "header",
)
_PROMPT_VERSION = Parameter(
    "X-Prompt-Version",
    "The version of your team's prompt library that this request is: its figures count it",
    {"type": "string", "pattern": "^prv_[0-9a-f]{32}$"},
    "header",
)
_RUNS = (_IDEMPOTENCY, _TAGS)
_COMPLETES = (*_RUNS, _PROMPT_VERSION)
_HELLO = [{"role": "user", "content": "Why is the sky blue?"}]
_MODEL = "embedded/smollm2-135m"
_VECTORS = "simulated/embedding"

COMPLETIONS: dict[tuple[str, str], About] = {
    ("POST", "/v1/chat/completions"): About(
        "Answer a conversation: OpenAI's chat completions",
        "Completions",
        ("id", "object", "created", "model", "choices", "usage"),
        "Any model answers, whatever wire its provider speaks. What cannot be carried is refused by name.",
        body=ChatBody,
        parameters=_COMPLETES,
        streams=True,
        runs=True,
        example={"model": _MODEL, "messages": _HELLO},
    ),
    ("POST", "/v1/responses"): About(
        "Answer a conversation: OpenAI's responses",
        "Completions",
        ("id", "object", "status", "model", "output", "usage"),
        "`input` is a text or a list of items. A response's id is its run's; `previous_response_id` goes on "
        "from one whose text is kept, or that ended within 15 minutes.",
        body=ResponsesBody,
        parameters=_COMPLETES,
        streams=True,
        runs=True,
        example={"model": _MODEL, "input": "Why is the sky blue?"},
    ),
    ("GET", "/v1/responses/*"): About(
        "A response, while its text is kept",
        "Completions",
        ("id", "object", "status", "model", "output"),
        "With `include[]=reasoning.encrypted_content` its thoughts come with their seals.",
        path="/v1/responses/{id}",
        parameters=(_RUN, _INCLUDE),
    ),
    ("GET", "/v1/responses/{response}/input_items"): About(
        "What a response was given, while its text is kept: earlier responses that it went on from included",
        "Completions",
        ("object", "data", "first_id", "last_id", "has_more"),
        path="/v1/responses/{id}/input_items",
        parameters=(
            _RUN,
            _INCLUDE,
            Parameter("after", "The items that follow the one with this id", _TEXT),
            Parameter("limit", "How many; 20 else", {"type": "integer", "minimum": 1, "maximum": 100}),
            Parameter("order", "Newest first where nothing is said", {"enum": ["asc", "desc"]}),
        ),
    ),
    ("DELETE", "/v1/responses/*"): About(
        "Delete a response's text; its cost stays in the ledger",
        "Completions",
        ("id", "object", "deleted"),
        path="/v1/responses/{id}",
        parameters=(_RUN,),
    ),
    ("POST", "/v1/responses/*"): About(
        "Stop a response that still runs; what had arrived is billed",
        "Completions",
        ("id", "object", "status", "model", "output"),
        path="/v1/responses/{id}/cancel",
        parameters=(_RUN,),
    ),
    ("POST", "/v1/messages"): About(
        "Answer a conversation: Anthropic's messages",
        "Completions",
        ("id", "type", "role", "model", "content", "stop_reason", "usage"),
        "The key may be sent as `x-api-key`. Errors have Anthropic's shape.",
        body=MessagesBody,
        parameters=_COMPLETES,
        streams=True,
        runs=True,
        wire="anthropic",
        example={"model": _MODEL, "max_tokens": 300, "messages": _HELLO},
    ),
    ("POST", "/v1/messages/count_tokens"): About(
        "How many tokens a message's prompt has, by our own count",
        "Completions",
        ("input_tokens",),
        body=CountBody,
        wire="anthropic",
        example={"model": _MODEL, "messages": _HELLO},
    ),
    ("POST", "/v1/embeddings"): About(
        "Vectors of texts",
        "Embeddings",
        ("object", "data", "model", "usage"),
        "At most 2,048 inputs, each within the model's window.",
        body=EmbeddingsBody,
        parameters=_RUNS,
        runs=True,
        example={"model": _VECTORS, "input": ["the sky", "the sea"]},
    ),
}

_CREATOR, _NAME = _MODEL.split("/")
_MODEL_NAME = Parameter("model", "The rest of its id", _TEXT, "path", required=True, example=_NAME)
CATALOG: dict[tuple[str, str], About] = {
    ("GET", "/v1/models"): About(
        "Every model: prices, limits, features, lifecycle, providers and how they did here lately",
        "Models",
        ("object", "data"),
    ),
    ("GET", "/v1/models/*"): About(
        "One model, by id or alias; retired ones too",
        "Models",
        ("id", "object", "created", "owned_by", "pricing", "lifecycle", "providers", "available"),
        path="/v1/models/{creator}/{model}",
        parameters=(
            Parameter("creator", "Who made it", _TEXT, "path", required=True, example=_CREATOR),
            _MODEL_NAME,
        ),
    ),
    ("POST", "/v1/quote"): About(
        "What a completion with this body would cost and hold, and who would be asked; nothing is held",
        "Money",
        ("object", "model", "cost", "hold", "available", "routing"),
        body=ChatBody,
        example={"model": _MODEL, "messages": _HELLO},
    ),
    ("GET", "/v1/credits"): About(
        "Your team's balance and caps", "Money", ("currency", "balance", "held", "available", "total_used")
    ),
    ("POST", "/v1/credits/redeem"): About(
        "Add what a top-up code is worth",
        "Money",
        ("currency", "amount", "entry", "available", "replayed"),
        body=RedeemBody,
        example={"code": "TOP_UP_CODE"},
    ),
    ("GET", "/v1/what-if"): About(
        "The team's last days re-rated on another model, provider or both",
        "Money",
        ("object", "runs", "was", "would_be", "difference", "models"),
        parameters=(
            Parameter("model", "On this model", _TEXT, example=_MODEL),
            Parameter("provider", "At this provider", _TEXT),
            Parameter("version", "By this version of its price list", _TEXT),
            Parameter("days", "How many days back", {"type": "integer", "minimum": 1, "maximum": 366}),
        ),
    ),
    ("GET", "/v1/report"): About(
        "What the team spent, by day, model, provider, member, key, tag or kind of key",
        "Money",
        ("object", "currency", "results"),
        "Days are UTC's, both included. The rows of one grouping add up to the ledger's own total, but for "
        "those by tag.",
        parameters=(
            Parameter("start_date", "The first day", _DAY, required=True, example="2026-11-01"),
            Parameter("end_date", "The last day", _DAY, required=True, example="2026-11-30"),
            Parameter(
                "group_by",
                "What a row is; by day where nothing is said",
                {"enum": ["day", "model", "provider", "user", "member", "key", "tag", "credential_type"]},
            ),
            Parameter("date_part", "Of rows by day", {"enum": ["day", "hour"]}),
            Parameter("format", "json or csv", {"enum": ["json", "csv"]}),
            Parameter("model", "Only of this model", _TEXT),
            Parameter("provider", "Only at this provider", _TEXT),
            Parameter("user_id", "Only of this member", _TEXT),
            Parameter("key_id", "Only of this key", _TEXT),
            Parameter("tags", "Only with all of these, comma between", _TEXT),
            Parameter("credential_type", "byok or system", {"enum": ["byok", "system"]}),
        ),
        also={"text/csv": "The same rows, with exact costs"},
    ),
    ("GET", "/v1/latency"): About(
        "How fast and how reliable it was: the figures of the latency page",
        "Requests",
        ("object", "by", "from", "to", "cut", "beyond", "groups"),
        "Percentiles of whole slots of time, each with its n; what a figure is: docs/figures.md. `cut` says "
        "that the window begins before what there is; `beyond` are requests of groups after the 500 busiest.",
        parameters=(
            Parameter(
                "window_s",
                "The last so many seconds; an hour where nothing is said",
                {"type": "integer", "minimum": 300, "maximum": 7_776_000},
            ),
            Parameter("from_ms", "Or from this instant", _INSTANT),
            Parameter("to_ms", "to this one", _INSTANT),
            Parameter("by", "What a group is; by model where nothing is said", {"enum": list(BYS)}),
            Parameter("model", "Only of this model", _TEXT),
            Parameter("provider", "Only at this provider", _TEXT),
            Parameter("key_id", "Only of this key", {"type": "integer", "minimum": 0}),
            Parameter("tag", "Only with this tag", _TEXT),
            Parameter("simulated", "true: simulated models too", {"enum": ["true", "false"]}),
        ),
    ),
    ("GET", "/v1/generation"): About(
        "One request of your team: its attempts, its tokens, its receipt",
        "Requests",
        ("data",),
        parameters=(Parameter("id", "A run's id, `run_...`", _TEXT, required=True, example="RUN_ID"),),
    ),
    ("GET", "/v1/leaderboard"): About(
        "What your team's votes say: ratings with intervals, biases, the cheapest model that will do",
        "Battles",
        ("object", "board", "votes", "data", "left_side", "recommendation", "next"),
        "A rating is provisional until it rests on 30 votes; `one_look` and `any_look` are 95 % intervals.",
        parameters=(
            Parameter("board", "`model` or `prompt`: what competes", {"enum": ["model", "prompt"]}),
            Parameter("stage", "`first`: on the text alone; `final`", {"enum": ["first", "final"]}),
            Parameter("voters", "`people` or `judges`, never both", {"enum": ["people", "judges"]}),
            Parameter("category", "Only votes of this category", {"enum": list(CATEGORIES)}),
            Parameter("tag", "Only votes with this tag", _WORD),
            Parameter("language", "Only prompts in this language, as `en`", _WORD),
            Parameter("leave_out_odd", "Without voters unlike all others", {"enum": ["false", "true"]}),
            Parameter("reference", "The model that a cheaper one is held against", _WORD),
            Parameter(
                "margin",
                "The share of decided votes against it that you would give up",
                {"type": "number", "minimum": 0.01, "maximum": 0.25},
            ),
        ),
    ),
    ("GET", "/v1/me"): About(
        "Who your credential speaks for, what it may do, what it can still spend",
        "Keys",
        ("object", "team", "user", "key", "role", "permissions", "credits", "limits"),
    ),
}

_PROVIDER = Parameter("provider", "A provider's id", _TEXT, "path", required=True, example="openai")
KEYS: dict[tuple[str, str], About] = {
    ("GET", "/v1/provider-keys"): About(
        "Your team's own keys for providers, but for the keys themselves", "Keys", ("object", "data")
    ),
    ("PUT", "/v1/provider-keys/*"): About(
        "Set your team's own key for a provider",
        "Keys",
        (),
        path="/v1/provider-keys/{provider}",
        body=PutBody,
        parameters=(_PROVIDER,),
        example={"api_key": "sk-...", "falls_back": False},
    ),
    ("DELETE", "/v1/provider-keys/*"): About(
        "Forget your team's own key for a provider",
        "Keys",
        (),
        path="/v1/provider-keys/{provider}",
        parameters=(_PROVIDER,),
        status=204,
    ),
}


def _ai_sdk(base: str, version: str) -> dict[tuple[str, str], About]:
    """The AI SDK's gateway provider: set its `baseURL` to this base."""
    said: Mapping[str, Any] = {"type": "string", "maxLength": 200, "pattern": "^[ -~]*$"}
    return {
        ("POST", f"{base}/language-model"): About(
            "Answer a prompt in the AI SDK's own parts",
            "AI SDK",
            ("content", "finishReason", "usage", "warnings"),
            "Spoken by the gateway provider of the AI SDK (`streamText({ model: 'creator/model' })`).",
            body=LanguageModelBody,
            parameters=(
                Parameter(
                    "ai-language-model-id", "The model", _TEXT, "header", required=True, example=_MODEL
                ),
                Parameter(
                    "ai-language-model-specification-version", "2, 3 or 4", said, "header", example=version
                ),
                Parameter("ai-language-model-streaming", "true or false", said, "header", example="false"),
                *_COMPLETES,
            ),
            example={"prompt": [{"role": "user", "content": [{"type": "text", "text": "Why is it blue?"}]}]},
            streams=True,
            runs=True,
            wire="ai_sdk",
        ),
        ("POST", f"{base}/embedding-model"): About(
            "Vectors of texts, as the AI SDK asks for them",
            "AI SDK",
            ("embeddings", "usage", "warnings"),
            body=EmbeddingModelBody,
            parameters=(
                Parameter("ai-model-id", "The model", _TEXT, "header", required=True, example=_VECTORS),
                *_RUNS,
            ),
            example={"values": ["the sky", "the sea"]},
            runs=True,
            wire="ai_sdk",
        ),
        ("GET", f"{base}/config"): About(
            "The models that answer here, for the AI SDK", "AI SDK", ("models",), wire="ai_sdk"
        ),
    }


SERVER: dict[tuple[str, str], About] = {
    ("GET", "/healthz"): About("This process answers", "Server", ("status",), with_key=False),
    ("GET", "/readyz"): About(
        "It can do its work; 503 and what is missing where not", "Server", ("status",), with_key=False
    ),
    ("GET", "/metrics"): About(
        "What Prometheus reads: from this machine, or with the token that the operator set",
        "Server",
        (),
        also={"text/plain": "Prometheus's text format"},
        with_key=False,
    ),
    ("GET", "/openapi.json"): About("This description", "Server", ("openapi", "paths"), with_key=False),
    ("GET", "/docs"): About(
        "This description to read", "Server", (), also={"text/html": "A page"}, with_key=False
    ),
}
DESCRIBED: dict[tuple[str, str], About] = {
    **COMPLETIONS,
    **_ai_sdk("/v4/ai", "4"),
    **_ai_sdk("/v3/ai", "3"),
    **_ai_sdk("/v1/ai", "2"),
    **CATALOG,
    **KEYS,
    **PROMPTS,
    **BATCHES,
    **PACKS,
    **BATTLES,
    **ADMIN,
    **SERVER,
}
