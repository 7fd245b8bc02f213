"""The parts of the leaderboard below its ratings, each with its picture, its sentence and its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from battles.leaderboard import Row, View
from battles.ratings_choice import Candidate, Recommendation
from battles.ratings_votes import Setup
from components import (
    figure,
    leaderboard_charts as charts,
    leaderboard_tables as tables,
    leaderboard_words as say,
    session,
    words,
)
from components.leaderboard_findings import findings
from components.leaderboard_names import Names
from components.still_chart import still_chart

_PARETO_HEIGHT: Final = 360


def show_ratings(view: View, names: Names) -> None:
    assert view.rated is not None
    st.header(say.RATINGS, help=say.RATING_HELP)
    sentence = _leader(view, names)
    st.caption(words.escaped(f"{sentence} {say.basis(view.votes, *view.rated.spread.clusters[1:])}"))
    still_chart(
        charts.ratings(view.rows, names.of, dark=_dark()),
        sentence,
        key="leaderboard-ratings",
        height=charts.ratings_height(view.rows),
    )


def show_figures(view: View, names: Names) -> None:
    st.header(say.FIGURES)
    with st.container(key="leaderboard-table"):
        tables.ratings(view, names)


def show_findings(view: View, names: Names) -> None:
    st.header(say.KNOW)
    for found in findings(view, names):
        if found.kind == "warning":
            st.warning(words.escaped(found.text), icon=":material/priority_high:")
        else:
            st.caption(words.escaped(found.text))


def show_choice(told: Recommendation | None, names: Names) -> None:
    if told is None:
        st.caption(say.NO_PRICES)
        return
    if not told.candidates:
        st.caption(say.NOBODY_CHEAPER)
        return
    st.markdown(_advice(told, names))
    tables.candidates(told, names)
    st.caption(words.escaped(say.CHOICE_HELP))


def show_pareto(view: View, names: Names) -> None:
    st.header(say.PARETO, help=say.PARETO_HELP)
    by = st.segmented_control(
        say.PARETO_BY,
        list(say.PARETOS),
        default="price",
        required=True,
        format_func=say.PARETOS.__getitem__,
        key=session.RATED_PARETO,
        label_visibility="collapsed",
        persist_state="session",
    )
    money = by != "speed"
    rows = [row for row in view.rows if not row.rating.provisional and _figure(row, money) > 0]
    if len(rows) < 2:
        st.caption(say.NO_PARETO)
        return
    front = [row for row in rows if (row.cheapest_as_good if money else row.fastest_as_good)]
    sentence = say.pareto_sentence(
        ", ".join(names.of(row.rating.setup) for row in front), "cheap" if money else "fast"
    )
    st.caption(words.escaped(sentence))
    still_chart(
        charts.pareto(rows, lambda row: _figure(row, money), names.of, money=money, dark=_dark()),
        sentence,
        key="leaderboard-front",
        height=_PARETO_HEIGHT,
    )
    with st.expander(words.AS_A_TABLE, key="leaderboard-front-table"):
        tables.front(rows, names, money=money)


def show_next(view: View, names: Names, *, may_run: bool) -> None:
    st.header(say.NEXT, help=say.NEXT_HELP)
    if not view.next_pairs:
        return
    tables.next_pairs(view.next_pairs, names)
    first = view.next_pairs[0]
    if may_run and view.wish.board == "model":
        st.page_link(
            "battle.py",
            label=say.START_NEXT,
            icon=":material/swords:",
            query_params={"models": f"{first.one.model},{first.other.model}"},
        )


def show_matrix(view: View, names: Names) -> None:
    st.header(say.MATRIX, help=say.MATRIX_HELP)
    setups = [row.rating.setup for row in view.rows[: charts.MOST_IN_THE_MATRIX]]
    sentence = _clearest(setups, view, names)
    st.caption(words.escaped(sentence))
    picture = charts.matrix(setups, view.tally.matrix, names.of, dark=_dark())
    still_chart(picture, sentence, key="leaderboard-matrix", height=int(picture["layout"]["height"]))
    st.caption(words.escaped(", ".join(f"{no} {names.of(each)}" for no, each in enumerate(setups, 1))))
    with st.expander(words.AS_A_TABLE, key="leaderboard-matrix-table"):
        tables.matrix(setups, view, names)


def show_effects(view: View) -> None:
    st.header(say.REVEAL, help=say.REVEAL_HELP)
    if not view.effects.votes:
        st.caption(say.NO_SECOND)
        return
    st.caption(say.votes_twice(view.effects.votes, view.effects.changed))
    tables.effects(view.effects)


def show_controlled(view: View, names: Names) -> None:
    st.header(say.CONTROLLED, help=say.CONTROLLED_HELP)
    if view.noise is None and not view.providers:
        st.caption(say.NO_CONTROLLED)
        return
    if view.noise is not None:
        share, low, high = (figure.share(each) for each in view.noise.decided)
        st.caption(words.escaped(say.noise(share, low, high, view.noise.votes)))
    for test in view.providers:
        caption = say.provider_pair(names.model(test.model), test.one, test.other, test.battles)
        tables.provider_test(test, caption, str)


def _advice(told: Recommendation, names: Names) -> str:
    other, other_cost = words.escaped(names.of(told.reference)), told.reference_cost_nano_usd
    said = []
    if told.likely is not None and told.likely.verdict == "likely":
        needed = f"{told.likely.votes_needed:,}" if told.likely.votes_needed else say.TOO_MANY
        said.append(say.perhaps(*_priced(told.likely, names, other_cost, other), needed))
    if told.firm is not None:
        said.append(say.chosen(*_priced(told.firm, names, other_cost, other)))
    return "  \n".join(said) if said else say.not_yet(other)


def _priced(each: Candidate, names: Names, other_cost: float, other: str) -> tuple[str, str, str, str, str]:
    ratio = say.times(other_cost / each.cost_nano_usd) if each.cost_nano_usd else say.FREE
    return (
        words.escaped(names.of(each.setup)),
        words.escaped(figure.money(round(each.cost_nano_usd))),
        ratio,
        other,
        words.escaped(figure.money(round(other_cost))),
    )


def _leader(view: View, names: Names) -> str:
    first = next((row.rating for row in view.rows if not row.rating.provisional), None)
    if first is None:
        return say.nobody_leads()
    told = first.interval
    return say.leads(
        names.of(first.setup),
        charts.points(told.value),
        say.interval(charts.points(told.low), charts.points(told.high)),
        say.ranks(first.best_rank, first.worst_rank),
    )


def _clearest(setups: Sequence[Setup], view: View, names: Names) -> str:
    met = {pair: each for pair, each in view.tally.matrix.items() if {*pair} <= {*setups}}
    (one, other), most = max(met.items(), key=lambda item: (item[1].share - 0.5) * item[1].votes ** 0.5)
    return say.matrix_sentence(names.of(one), names.of(other), figure.share(most.share), most.votes)


def _figure(row: Row, money: bool) -> float:
    value = row.measured.cost_nano_usd if money else row.measured.total_ms
    return value or 0.0


def _dark() -> bool:
    return st.context.theme.type == "dark"
