"""Who wrote what: names, prices, speeds and costs of a turn's lanes, once their reader may know."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from battles.views import BattleView, LaneView, TurnView
from components import battle_words as say, figure, table
from components.table import Cell
from gateway.catalog import Catalog
from gateway.errors import GatewayError
from gateway.pricing import price_at

NameOf = Callable[[str], str]


def show(view: BattleView, turn: TurnView, catalog: Catalog, name_of: NameOf) -> None:
    models = {head.no: head.model for head in view.lanes}
    rows = [
        _row(lane, model, catalog, name_of, turn.created_ms)
        for lane in turn.lanes
        if (model := models[lane.no]) is not None
    ]
    heads = (say.LANE, say.MODEL, say.PRICE, say.FIRST_TOKEN, say.WHOLE, say.SPEED, say.COST)
    table.show(say.WHO, heads, rows)


def link_to_requests(view: BattleView, turn: TurnView) -> None:
    """To each lane's row in the request log, once its reader may know which it is."""
    if view.hidden:
        return
    with st.container(horizontal=True, gap="small", key=f"lane-requests-{turn.id}"):
        for lane in turn.lanes:
            if lane.run_id is not None:
                st.page_link(
                    "requests.py",
                    label=say.request_of(lane.label),
                    icon=":material/receipt_long:",
                    query_params={"request": lane.run_id},
                )


def _row(lane: LaneView, model: str, catalog: Catalog, name_of: NameOf, at_ms: int) -> tuple[str | Cell, ...]:
    figures = lane.figures
    timed = figures is not None and not lane.shares_cpu
    return (
        lane.label,
        Cell(name_of(model), lane.answered_by[1] if lane.answered_by else ""),
        _price(catalog, model, at_ms),
        _time(figures.first_answer_ms if figures and timed else None, lane),
        _time(figures.total_ms if figures and timed else None, lane),
        Cell(figure.rate(figures.tokens_per_s if figures and timed else None), about=_why(lane)),
        Cell(figure.money(lane.cost_nano_usd), about=_exact(lane.cost_nano_usd)),
    )


def _time(ms: float | None, lane: LaneView) -> Cell:
    return Cell(figure.duration(ms), about="" if ms is not None else _why(lane))


def _why(lane: LaneView) -> str:
    return say.SHARED_CPU if lane.shares_cpu else say.NO_FIGURE if lane.state == "failed" else ""


def _exact(nano_usd: int | None) -> str:
    return "" if nano_usd is None else figure.exact_money(nano_usd)


def _price(catalog: Catalog, model_id: str, at_ms: int) -> str:
    try:
        rates = price_at(catalog.get(model_id), at_ms).base
    except GatewayError:
        return figure.UNKNOWN
    return f"{figure.price_per_million(rates.input)} / {figure.price_per_million(rates.output)}"
