"""The AI SDK's gateway protocol: `{base}/language-model`, `{base}/embedding-model` and `{base}/config`.

The base path names the specification that the SDK of that age asks for (`/v1/ai` 2, `/v3/ai` 3, `/v4/ai`
4); a request says its own in a header, and any of them is answered at each base. What the SDK asks at
the origin (`/v1/credits`, `/v1/generation`, `/v1/report`) is answered there, for all callers alike.
"""

from __future__ import annotations

from api.answering import answer
from api.authentication import principal_of
from api.embeddings import embedded
from api.exchange import Answer, Exchange
from api.models import pricing
from api.wire.ai_gateway import MODEL_HEADER, STREAMING_HEADER, VERSION_HEADER, read
from api.wire.ai_gateway_embeddings import EMBEDDING_MODEL_HEADER, read_embeddings, vectors_written
from gateway.catalog import Model
from gateway.errors import GatewayError

_SPECIFICATIONS = {"/v1/ai": "v2", "/v3/ai": "v3", "/v4/ai": "v4"}


async def create(exchange: Exchange) -> Answer | None:
    """POST {base}/language-model: the model's id and the way of answering are headers."""
    principal = await principal_of(exchange)
    raw = await exchange.body()
    model = exchange.header(MODEL_HEADER.encode())
    asked = read(
        raw,
        model=model,
        creator=_creator(exchange, model or ""),
        streaming=exchange.header(STREAMING_HEADER.encode()),
        version=exchange.header(VERSION_HEADER.encode()),
    )
    return await answer(exchange, principal, asked, raw)


async def embed(exchange: Exchange) -> Answer:
    """POST {base}/embedding-model."""
    principal = await principal_of(exchange)
    raw = await exchange.body()
    request = read_embeddings(raw, exchange.header(EMBEDDING_MODEL_HEADER.encode()))
    return await embedded(exchange, principal, raw, request, vectors_written)


def _creator(exchange: Exchange, name: str) -> str:
    """Whose options count. A retired model's maker is in its name."""
    try:
        return exchange.services.catalog.resolve(name).model.creator
    except GatewayError:
        return name.partition("/")[0]


async def config(exchange: Exchange) -> Answer:
    """GET {base}/config: the models that answer here, with what they cost."""
    await principal_of(exchange)
    services = exchange.services
    base = str(exchange.scope["path"]).removesuffix("/config")
    models = [
        _entry(model, _SPECIFICATIONS[base])
        for model in services.catalog.models()
        if model.lifecycle.state != "retired" and services.gateway.routable(model) is None
    ]
    return Answer(200, {"models": models})


def _entry(model: Model, specification: str) -> dict[str, object]:
    return {
        "id": model.id,
        "name": model.name,
        "description": model.summary,
        "pricing": pricing(model),
        "specification": {
            "specificationVersion": specification,
            "provider": "gateway",
            "modelId": model.id,
        },
        "modelType": "language" if model.answers else "embedding",
    }
