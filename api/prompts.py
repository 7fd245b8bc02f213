"""/v1/prompts: the team's prompt library, so that what won leaves the page.

A running program asks for a name and a label (`GET /v1/prompts/{name}?label=production`) and gets a request
to fill and send; with the version's id in `X-Prompt-Version` the version's figures count it.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.admin import listed
from api.wire.prompts import figures_shape, prompt_shape, row_shape, version_shape, wish_of
from api.wire.reading import Strict
from battles.prompts import Prompts
from gateway.errors import BadRequest
from identity.permissions import require
from identity.principal import Principal

S = TypeVar("S", bound=Strict)

_Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Text = Annotated[str, Meta(max_length=500)]


class PromptBody(Strict):
    """`request` is a chat completions request with `{{x}}` in its texts; its model and messages may be left
    out, and so may all but its name."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    request: dict[str, Any]
    description: _Text = ""
    note: _Text = ""


class VersionBody(Strict):
    """`after` is the version that was edited: where a newer one came meanwhile, 409."""

    request: dict[str, Any]
    note: _Text = ""
    after: _Number | None = None


class ChangeBody(Strict):
    description: _Text | None = None
    archived: bool | None = None


class LabelBody(Strict):
    version: _Number


class RowsBody(Strict):
    rows: Annotated[list[dict[str, str]], Meta(max_length=1_000)]


async def list_all(exchange: Exchange) -> Answer:
    by, prompts = await _asker(exchange)
    archived = exchange.query("archived") == "true"
    return Answer(200, listed(await asyncio.to_thread(prompts.all, by, archived=archived), prompt_shape))


async def create(exchange: Exchange) -> Answer:
    by, prompts = await _asker(exchange)
    require(by, "write_prompts")
    asked = await _body(exchange, PromptBody)
    wish = wish_of(asked.request, asked.note)
    made = await asyncio.to_thread(prompts.create, by, asked.name, wish, description=asked.description)
    return Answer(201, version_shape(made))


async def show(exchange: Exchange) -> Answer:
    """A labelled version, a numbered one, production's, or the newest."""
    by, prompts = await _asker(exchange)
    said = exchange.query("version")
    no = None if said is None else (int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0)
    found = await asyncio.to_thread(prompts.served, by, _name(exchange), label=exchange.query("label"), no=no)
    return Answer(200, version_shape(found))


async def change(exchange: Exchange) -> Answer:
    by, prompts = await _asker(exchange)
    shown = await asyncio.to_thread(prompts.show, by, _name(exchange))
    require(by, "write_prompts")
    asked = await _body(exchange, ChangeBody)
    if asked.description is not None:
        shown = await asyncio.to_thread(prompts.describe, by, shown.name, asked.description)
    if asked.archived is not None:
        shown = await asyncio.to_thread(prompts.archive, by, shown.name, archived=asked.archived)
    return Answer(200, prompt_shape(shown))


async def versions(exchange: Exchange) -> Answer:
    """Newest first, each with what it cost, how fast it was and how often it won."""
    by, prompts = await _asker(exchange)
    found = await asyncio.to_thread(prompts.versions, by, _name(exchange))
    ids = [version.id for version in found]
    services = exchange.services
    hidden = await asyncio.to_thread(services.battles.hidden_runs.of, by)
    votes = await asyncio.to_thread(services.votes.comparisons, by.team_id)
    figures = await asyncio.to_thread(services.prompt_figures.of, by, ids, votes, hidden)
    data = [
        version_shape(version)
        | {"figures": figures_shape(figures[version.id]) if version.id in figures else None}
        for version in found
    ]
    return Answer(200, {"object": "list", "data": data})


async def save(exchange: Exchange) -> Answer:
    by, prompts = await _asker(exchange)
    await asyncio.to_thread(prompts.show, by, _name(exchange))
    require(by, "write_prompts")
    asked = await _body(exchange, VersionBody)
    wish = wish_of(asked.request, asked.note)
    made = await asyncio.to_thread(prompts.save, by, _name(exchange), wish, after_no=asked.after)
    return Answer(201, version_shape(made))


async def set_label(exchange: Exchange) -> Answer:
    by, prompts = await _asker(exchange)
    await asyncio.to_thread(prompts.show, by, _name(exchange))
    require(by, "write_prompts")
    no = (await _body(exchange, LabelBody)).version
    label = exchange.params["label"]
    return Answer(
        200, prompt_shape(await asyncio.to_thread(prompts.set_label, by, _name(exchange), label, no))
    )


async def remove_label(exchange: Exchange) -> Answer:
    by, prompts = await _asker(exchange)
    await asyncio.to_thread(prompts.remove_label, by, _name(exchange), exchange.params["label"])
    return Answer(204, None)


async def rows(exchange: Exchange) -> Answer:
    by, prompts = await _asker(exchange)
    return Answer(200, listed(await asyncio.to_thread(prompts.rows, by, _name(exchange)), row_shape))


async def put_rows(exchange: Exchange) -> Answer:
    by, prompts = await _asker(exchange)
    await asyncio.to_thread(prompts.show, by, _name(exchange))
    require(by, "write_prompts")
    asked = (await _body(exchange, RowsBody)).rows
    return Answer(
        200, listed(await asyncio.to_thread(prompts.put_rows, by, _name(exchange), asked), row_shape)
    )


async def _asker(exchange: Exchange) -> tuple[Principal, Prompts]:
    by = await principal_of(exchange)
    require(by, "read_prompts")
    return by, exchange.services.prompts


def _name(exchange: Exchange) -> str:
    return exchange.params["prompt"]


async def _body(exchange: Exchange, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(await exchange.body(), type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The body does not fit: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest("The body is not JSON.") from None
