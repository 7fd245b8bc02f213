"""Draws two to four models point by point: a row a fact, a column a model. Where a number can be the best of
the row, the cell that has it says so in a word. What is not known stays unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from battles.leaderboard import Row
from components import (
    compare_words as say,
    figure,
    model_facts as facts,
    model_words,
    session,
    table,
    words,
)
from components.table import Cell
from gateway.catalog import Catalog, Model
from gateway.catalog_values import FEATURES
from telemetry.latency import ModelSummary
from telemetry.spreads import Share, Spread

MOST: Final = 4

Value = float | None
Column = Sequence[tuple[str | Cell, Value]]  # what is shown, and what it is compared by


@dataclass(frozen=True, slots=True)
class Compared:
    """A model with what this installation knows of it. `why_not` says why it does not answer here."""

    model: Model
    summary: ModelSummary | None
    why_not: str | None
    own_mix_nano_usd: int | None = None
    votes: Row | None = None  # of the team's people, on the model board


def pick(catalog: Catalog) -> list[Model]:
    """The models that the reader, or the address, wants to see."""
    every = {model.id: model for model in catalog.models()}
    if session.COMPARED not in st.session_state:
        asked = session.compared_in_address()
        st.session_state[session.COMPARED] = [each for each in asked if each in every][:MOST]
    picked: list[str] = st.multiselect(
        say.MODELS, list(every), format_func=lambda each: every[each].name, max_selections=MOST,
        placeholder=say.PICK, key=session.COMPARED,
    )  # fmt: skip
    session.compare(picked)
    return [every[each] for each in picked]


def show_price(compared: Sequence[Compared], now_ms: int) -> None:
    rows: list[list[str | Cell]] = []
    for name, bucket in (
        (model_words.INPUT, "input"),
        (model_words.CACHED, "cached_input"),
        (model_words.CACHE_WRITE, "cache_write"),
        (model_words.OUTPUT, "output"),
    ):
        rows.append(_row(name, [_rate(each, bucket, now_ms) for each in compared], min, say.LOWEST))
    requests = [facts.one_request_nano_usd(each.model, now_ms) for each in compared]
    rows.append(
        _row(model_words.ONE_REQUEST, [(figure.money(cost), cost) for cost in requests], min, say.LOWEST)
    )
    if any(each.own_mix_nano_usd is not None for each in compared):
        mixes = [each.own_mix_nano_usd for each in compared]
        rows.append(_row(say.OWN_MIX, [(figure.money(cost), cost) for cost in mixes], min, say.LOWEST))
    _table(say.PRICE, compared, rows, about=model_words.PER_MILLION)


def show_speed(compared: Sequence[Compared]) -> None:
    def spreads(of: Callable[[ModelSummary], Spread]) -> list[Spread | None]:
        return [of(each.summary) if each.summary else None for each in compared]

    ttft, rate, total = (
        spreads(lambda one: one.ttft_ms),
        spreads(lambda one: one.tokens_per_s),
        spreads(lambda one: one.total_ms),
    )
    success = [each.summary.success if each.summary else None for each in compared]
    rows = [
        _row(say.FIRST_TOKEN, [_at(each, 50, figure.duration) for each in ttft], min, say.FASTEST),
        _row(say.FIRST_TOKEN_SLOW, [_at(each, 95, figure.duration) for each in ttft], min, say.FASTEST),
        _row(say.RATE, [_at(each, 50, figure.rate) for each in rate], max, say.FASTEST),
        _row(say.RATE_SLOW, [_at(each, 95, figure.rate) for each in rate], max, say.FASTEST),
        _row(say.TOTAL, [_at(each, 50, figure.duration) for each in total], min, say.FASTEST),
        _row(say.SUCCESS, [_shared(each) for each in success], max, say.HIGHEST),
    ]
    _table(say.SPEED, compared, rows, about=say.SPEED_ABOUT)


def show_votes(compared: Sequence[Compared]) -> None:
    rows = [each.votes for each in compared]
    if not any(rows):
        st.subheader(say.VOTES)
        st.caption(words.escaped(say.NO_VOTES))
        return
    _table(
        say.VOTES,
        compared,
        [
            _row(say.RATING, [_rating(each) for each in rows], max, say.HIGHEST),
            _row(say.WON, [_won(each) for each in rows], max, say.HIGHEST),
            _row(say.WIN_COST, [_win_cost(each) for each in rows], min, say.LOWEST),
        ],
    )


def show_abilities(compared: Sequence[Compared]) -> None:
    models = [each.model for each in compared]
    rows: list[list[str | Cell]] = [
        _row(
            model_words.CONTEXT,
            [(f"{model.context_tokens:,}", float(model.context_tokens)) for model in models],
            max,
            say.HIGHEST,
        ),
        _row(
            model_words.LONGEST,
            [(f"{model.max_output_tokens:,}", float(model.max_output_tokens)) for model in models],
            max,
            say.HIGHEST,
        ),
        [model_words.KNOWS_UNTIL, *(model.knowledge_cutoff or model_words.UNKNOWN for model in models)],
        [say.READS, *(_listed(model.input_modalities) for model in models)],
        [say.WRITES, *(_listed(model.output_modalities) for model in models)],
        [say.ENDPOINTS, *(_listed(model.endpoints) for model in models)],
    ]
    for feature in FEATURES:
        if any(feature in model.features for model in models):
            has = [model_words.YES if feature in model.features else model_words.NO for model in models]
            rows.append([facts.named(feature), *has])
    _table(say.CAN, compared, rows)


def show_data(compared: Sequence[Compared], catalog: Catalog, now_ms: int) -> None:
    rows: list[list[str | Cell]] = [
        [say.ANSWERS_HERE, *(each.why_not or model_words.YES for each in compared)],
        [say.PROVIDERS, *(_providers(each.model, catalog) for each in compared)],
        [model_words.RETENTION, *(facts.said_of_data(each.model, catalog, "retention") for each in compared)],
        [model_words.TRAINS, *(facts.said_of_data(each.model, catalog, "training") for each in compared)],
        [model_words.REGIONS, *(facts.said_of_data(each.model, catalog, "regions") for each in compared)],
        [model_words.LICENCE, *(each.model.licence or model_words.UNKNOWN for each in compared)],
        [
            model_words.RELEASED,
            *(each.model.lifecycle.released_on or model_words.UNKNOWN for each in compared),
        ],
        [
            model_words.STATE,
            *(
                facts.standing(each.model, facts.today_of(now_ms)) or model_words.NOTHING_ANNOUNCED
                for each in compared
            ),
        ],
    ]
    _table(say.DATA, compared, rows)


def _table(
    caption: str, compared: Sequence[Compared], rows: Sequence[Sequence[str | Cell]], about: str = ""
) -> None:
    with st.container(key=f"compared-{caption.split()[0].lower()}"):
        table.show(caption, ["", *(each.model.name for each in compared)], rows, about=about)


def _row(name: str, cells: Column, best_of: Callable[[list[float]], float], best: str) -> list[str | Cell]:
    known = [value for _, value in cells if value is not None]
    first = best_of(known) if len(known) > 1 and len(set(known)) > 1 else None
    return [name, *(_marked(shown, best) if first is not None and value == first else shown
                    for shown, value in cells)]  # fmt: skip


def _marked(shown: str | Cell, best: str) -> Cell:
    if isinstance(shown, str):
        return Cell(shown, best)
    return Cell(shown.text, f"{best}, {shown.aside}" if shown.aside else best, shown.faint, shown.about)


def _rate(compared: Compared, bucket: str, now_ms: int) -> tuple[str | Cell, Value]:
    price = facts.price_now(compared.model, now_ms)
    pico_usd: int | None = getattr(price.base, bucket) if price is not None else None
    return (figure.UNKNOWN if pico_usd is None else figure.price_per_million(pico_usd)), pico_usd


def _at(spread: Spread | None, percent: int, shown: Callable[[Value], str]) -> tuple[str | Cell, Value]:
    """With too few samples it is grey, and is no rival for the best of its row."""
    if spread is None or spread.n == 0:
        return Cell(figure.UNKNOWN, say.NOT_MEASURED, faint=True), None
    value = spread.at(percent)
    cell = Cell(shown(value), figure.samples(spread.n), faint=not spread.enough)
    return cell, value if spread.enough else None


def _rating(row: Row | None) -> tuple[str | Cell, Value]:
    """With few votes it is grey, and is no rival for the best."""
    if row is None:
        return Cell(figure.UNKNOWN, say.NO_VOTE, faint=True), None
    rating = row.rating
    aside = say.between(round(rating.interval.low), round(rating.interval.high))
    cell = Cell(f"{rating.interval.value:,.0f}", aside, faint=rating.provisional)
    return cell, None if rating.provisional else rating.interval.value


def _won(row: Row | None) -> tuple[str | Cell, Value]:
    if row is None:
        return Cell(figure.UNKNOWN, say.NO_VOTE, faint=True), None
    total, few = row.measured.total, row.rating.provisional
    return Cell(
        figure.share(total.share), figure.samples(total.votes), faint=few
    ), None if few else total.share


def _win_cost(row: Row | None) -> tuple[str | Cell, Value]:
    cost = row.measured.cost_of_a_win_nano_usd if row is not None else None
    if row is None or cost is None:
        return Cell(figure.UNKNOWN, say.NO_VOTE, faint=True), None
    few = row.rating.provisional
    cell = Cell(figure.money(round(cost)), figure.samples(row.measured.cost_n), faint=few)
    return cell, None if few else cost


def _shared(share: Share | None) -> tuple[str | Cell, Value]:
    if share is None or share.n == 0:
        return Cell(figure.UNKNOWN, say.NOT_MEASURED, faint=True), None
    cell = Cell(figure.share(share.value), figure.samples(share.n), faint=not share.enough)
    return cell, share.value if share.enough else None


def _listed(names: Sequence[str] | frozenset[str]) -> str:
    ordered = sorted(names) if isinstance(names, frozenset) else names
    return ", ".join(facts.named(each) for each in ordered) or model_words.UNKNOWN


def _providers(model: Model, catalog: Catalog) -> str:
    named = (catalog.provider(route.provider) for route in model.providers)
    return ", ".join(listed.name for listed in named if listed is not None) or model_words.UNKNOWN
