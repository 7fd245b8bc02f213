"""GET /openapi.json: the API described in OpenAPI 3.1, from the table of paths and the wires' own structs."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import msgspec

from api.described import DESCRIBED
from api.described_values import About, Parameter
from api.exchange import Answer, Exchange
from api.wire import routing
from api.wire.anthropic import CountBody, MessagesBody
from api.wire.anthropic_blocks import ASSISTANT, USER
from api.wire.openai_chat import ChatBody
from api.wire.openai_embeddings import EmbeddingsBody
from api.wire.openai_responses import TOOLS, ResponsesBody
from api.wire.openai_responses_items import ITEMS
from api.wire.reading import OneOf
from api.wire.shapes import WireName

Schema = dict[str, Any]

_REF = "#/components/schemas/{name}"
_ERRORS: Mapping[WireName, str] = {
    "openai": "Error",
    "anthropic": "AnthropicError",
    "ai_sdk": "AiSdkError",
}
RUN_HEADERS = {
    "X-Run-Id": "The run's id, for `/v1/generation`",
    "X-Model": "The model that answered",
    "X-Provider": "The provider that answered",
    "X-Attempts": "How many providers were asked",
    "X-Stand-In-For": "The retired model that it answered for",
    "X-Run-Notes": "What was left out or bounded on the way",
}
_WITH_ROUTING = (ChatBody, ResponsesBody, MessagesBody, CountBody, EmbeddingsBody)


async def show(exchange: Exchange) -> Answer:
    return Answer(200, description())


@functools.cache
def description() -> Schema:
    """The whole document. The same for every caller: it says nothing of this installation."""
    schemas, refs = _schemas()
    paths: dict[str, Schema] = {}
    for (method, path), about in DESCRIBED.items():
        operation = _operation(method, about.path or path, about, refs)
        paths.setdefault(about.path or path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tiltyard",
            "version": _version(),
            "description": "One key for many models: OpenAI's and Anthropic's wires, the AI SDK's gateway "
            "protocol, and what they cost. Money is in dollars, as exact decimal strings.",
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
        "security": [{"bearer": []}, {"x-api-key": []}],
    }


_SECURITY: Schema = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of yours, `ty_...`"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}


def _version() -> str:
    try:
        return metadata.version("tiltyard")
    except metadata.PackageNotFoundError:
        return "0"


# --- one operation -----------------------------------------------------------------------------


def _operation(method: str, path: str, about: About, refs: Mapping[type, Schema]) -> Schema:
    operation: Schema = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_"),
        "summary": about.summary,
        "tags": [about.tag],
        "parameters": [_parameter(one) for one in about.parameters],
        "responses": {str(about.status): _answer(about), "default": _error(about.wire)},
    }
    if about.says:
        operation["description"] = about.says
    if about.body is not None:
        content: Schema = {"schema": refs[about.body]}
        if about.example is not None:
            content["example"] = about.example
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if not about.with_key:
        operation["security"] = []
    if path.endswith("/grants"):  # the same reference again
        operation["responses"]["200"] = _answer(about)
    if path == "/readyz":
        operation["responses"]["503"] = _answer(about)
    return operation


def _parameter(one: Parameter) -> Schema:
    return {
        "name": one.name,
        "in": one.place,
        "description": one.says,
        "required": one.required,
        "schema": dict(one.schema),
    }


def _answer(about: About) -> Schema:
    content: Schema = {}
    if about.status == 204:
        return {"description": "Done"}
    if about.keys or not about.also:
        required = {"required": list(about.keys)} if about.keys else {}
        content["application/json"] = {"schema": {"type": "object", **required}}
    if about.streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    for media_type in about.also or ():
        content[media_type] = {"schema": {"type": "string"}}
    answer: Schema = {"description": "Done", "content": content}
    if about.runs:
        answer["headers"] = {
            name: {"description": says, "schema": {"type": "string"}} for name, says in RUN_HEADERS.items()
        }
    return answer


def _error(wire: WireName) -> Schema:
    reference = {"$ref": _REF.format(name=_ERRORS[wire])}
    return {
        "description": "Refused or failed; the status says whose fault it is",
        "content": {"application/json": {"schema": reference}},
    }


# --- schemas -----------------------------------------------------------------------------------


def _schemas() -> tuple[dict[str, Schema], dict[type, Schema]]:
    """The components by name, and how each body refers to its own."""
    bodies = [about.body for about in DESCRIBED.values() if about.body is not None]
    listed = [kind for one_of in (ITEMS, TOOLS, USER, ASSISTANT) for kind in one_of.kinds.values()]
    types = list(dict.fromkeys([*bodies, *listed, *routing.DESCRIBED.values()]))
    references, components = msgspec.json.schema_components(types, ref_template=_REF)
    refs = dict(zip(types, references, strict=True))
    _describe_unread(components, refs)
    schemas = {_plain(name): _renamed(schema) for name, schema in components.items()}
    return {**schemas, **_error_schemas()}, {kind: _renamed(ref) for kind, ref in refs.items()}


def _describe_unread(components: dict[str, Schema], refs: Mapping[Any, Schema]) -> None:
    """What a struct leaves undecoded, for a reader who decodes it by its type or not at all."""
    for body in _WITH_ROUTING:
        fields = components[body.__name__]["properties"]
        for name, kind in routing.DESCRIBED.items():
            fields[name] = refs[kind]
    for body in (MessagesBody, CountBody):
        components[body.__name__]["properties"]["tools"] = {
            "anyOf": [{"type": "array", "items": {"type": "object"}, "maxItems": 128}, {"type": "null"}]
        }
    responses = components["ResponsesBody"]["properties"]
    _set_items(responses["input"], _union(ITEMS, refs))
    _set_items(responses["tools"], _union(TOOLS, refs))
    blocks = {"anyOf": [*_union(USER, refs)["anyOf"], *_union(ASSISTANT, refs)["anyOf"]]}
    _set_items(components["BlockMessage"]["properties"]["content"], blocks)


def _set_items(field: Schema, items: Schema) -> None:
    for choice in field["anyOf"]:
        if choice.get("type") == "array":
            choice["items"] = items


def _union(one_of: OneOf[Any], refs: Mapping[Any, Schema]) -> Schema:
    return {
        "anyOf": [
            {**refs[kind], "properties": {"type": {"const": name}}, "required": ["type"]}
            for name, kind in one_of.kinds.items()
        ]
    }


def _plain(name: str) -> str:
    """`api.wire.openai_chat._Message` -> `openai_chat.Message`."""
    return ".".join(part.lstrip("_") for part in name.removeprefix("api.wire.").split("."))


def _renamed(schema: Any) -> Any:
    """With every reference to a component by the name that it has in the document."""
    if isinstance(schema, dict):
        return {key: _renamed(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_renamed(one) for one in schema]
    prefix = _REF.format(name="")
    if isinstance(schema, str) and schema.startswith(prefix):
        return prefix + _plain(schema.removeprefix(prefix))
    return schema


def _error_schemas() -> dict[str, Schema]:
    text, maybe = {"type": "string"}, {"type": ["string", "null"]}
    said = {"message": text, "type": text, "code": text}
    openai = _object({"error": _object({**said, "param": maybe, "request_id": text})})
    anthropic = _object(
        {"type": {"const": "error"}, "error": _object({**said, "param": maybe}), "request_id": text}
    )
    ai_sdk = _object({"error": _object({**said, "request_id": text})})
    return {"Error": openai, "AnthropicError": anthropic, "AiSdkError": ai_sdk}


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}
