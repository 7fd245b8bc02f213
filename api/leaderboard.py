"""GET /v1/leaderboard: the team's ratings, with what to know before relying on them."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.leaderboard import shape_of
from battles.leaderboard import View, Wish
from battles.models import CATEGORIES
from battles.ratings_choice import MARGIN
from battles.ratings_slices import Slice
from battles.ratings_votes import RatedBoard, Setup
from gateway.errors import BadRequest
from identity.permissions import may

_LEAST_MARGIN, _MOST_MARGIN = 0.01, 0.25
_LONGEST = 200


async def show(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    board = exchange.services.leaderboard
    wish = _wish(exchange)
    view = await asyncio.to_thread(board.view, principal, wish)
    if _one_of(exchange, "leave_out_odd", ("false", "true")) == "true":
        wish = _without(wish, view)
        view = await asyncio.to_thread(board.view, principal, wish)
    tells = may(principal, "manage_members")
    return Answer(200, shape_of(view, reader_id=principal.user_id, tells_voters=tells))


def _wish(exchange: Exchange) -> Wish:
    board: Any = _one_of(exchange, "board", get_args(RatedBoard))
    category = exchange.query("category")
    if category is not None and category not in CATEGORIES:
        raise BadRequest(f"`category` is one of {', '.join(CATEGORIES)}.", "category")
    reference = _text(exchange, "reference")
    if reference is not None and board != "model":
        raise BadRequest("`reference` is a model, for the board of models.", "reference")
    voters: Any = {"people": "person", "judges": "judge"}[_one_of(exchange, "voters", ("people", "judges"))]
    stage: Any = _one_of(exchange, "stage", ("first", "final"))
    return Wish(
        board,
        Slice(
            voters, stage, tag=_text(exchange, "tag"), category=category, language=_text(exchange, "language")
        ),
        None if reference is None else Setup(reference),
        _margin(exchange),
    )


def _without(wish: Wish, view: View) -> Wish:
    part = wish.slice
    odd = frozenset(each.odd.voter for each in view.odd)
    left = Slice(part.voter_kind, part.stage, part.tag, part.category, part.language, without=odd)
    return Wish(wish.board, left, wish.reference, wish.margin)


def _margin(exchange: Exchange) -> float:
    text = exchange.query("margin")
    if text is None:
        return MARGIN
    try:
        margin = float(text)
    except ValueError:
        margin = 0.0
    if not _LEAST_MARGIN <= margin <= _MOST_MARGIN:
        raise BadRequest(
            f"`margin` is a share of decided votes, from {_LEAST_MARGIN} to {_MOST_MARGIN}.", "margin"
        )
    return margin


def _one_of(exchange: Exchange, name: str, offered: tuple[str, ...]) -> str:
    """The first where nothing is said."""
    asked = exchange.query(name) or offered[0]
    if asked not in offered:
        raise BadRequest(f"`{name}` is one of {', '.join(offered)}.", name)
    return asked


def _text(exchange: Exchange, name: str) -> str | None:
    text = exchange.query(name)
    if text is not None and len(text) > _LONGEST:
        raise BadRequest(f"`{name}` is longer than {_LONGEST} characters.", name)
    return text
