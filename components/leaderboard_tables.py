"""The tables of the leaderboard: each figure with how many votes or answers are behind it, grey under 30."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from battles.controlled import ProviderTest
from battles.leaderboard import Row, View
from battles.ratings import ENOUGH_VOTES, Rating
from battles.ratings_choice import Candidate, Recommendation
from battles.ratings_effects import Effect, Effects, Estimate
from battles.ratings_intervals import Interval
from battles.ratings_votes import Setup
from battles.sampling import Suggestion
from components import figure, leaderboard_words as say, table
from components.leaderboard_charts import points
from components.leaderboard_names import Names
from components.table import Cell

_NO_BREAK: Final = "\N{NO-BREAK SPACE}"


def ratings(view: View, names: Names) -> None:
    heads: list[str | Cell] = [
        say.MODEL if view.wish.board == "model" else say.SETUP,
        Cell(say.RATING, about=say.RATING_HELP),
        Cell(say.ANY_LOOK, about=say.RATING_HELP),
        Cell(say.RANK, about=say.RATING_HELP),
        Cell(say.WIN_SHARE, about=say.WIN_SHARE_HELP),
        Cell(say.USAGE_SHARE, about=say.USAGE_SHARE_HELP),
        Cell(say.COST, about=say.COST_HELP),
        Cell(say.COST_OF_A_WIN, about=say.COST_OF_A_WIN_HELP),
        Cell(say.TOOK, say.FIRST_WORDS, about=say.TIME_HELP),
    ]
    table.show(say.RATINGS, heads, [_rating(row, names) for row in view.rows])


def front(rows: Sequence[Row], names: Names, *, money: bool) -> None:
    """The rows of the picture of quality against price or speed."""
    heads: list[str | Cell] = [say.MODEL, say.RATING, say.COST if money else say.TOOK, say.ON_THE_LINE]
    table.show(
        say.PARETO,
        heads,
        [
            [
                names.of(row.rating.setup),
                _interval(row.rating.interval, row.rating.votes),
                _cost(row) if money else _time(row.measured.total_ms, row.measured.total_n),
                "yes" if (row.cheapest_as_good if money else row.fastest_as_good) else "no",
            ]
            for row in rows
        ],
    )


def matrix(setups: Sequence[Setup], view: View, names: Names) -> None:
    heads: list[str | Cell] = [
        say.MODEL,
        *(Cell(str(no), names.of(each)) for no, each in enumerate(setups, 1)),
    ]
    rows: list[list[str | Cell]] = []
    for number, one in enumerate(setups, 1):
        cells: list[str | Cell] = [Cell(f"{number} {names.of(one)}")]
        for other in setups:
            met = view.tally.matrix.get((one, other))
            cells.append(_share(met.share, met.votes) if met else Cell(figure.UNKNOWN, faint=True))
        rows.append(cells)
    table.show(say.MATRIX, heads, rows, about=say.MATRIX_HELP)


def candidates(told: Recommendation, names: Names) -> None:
    heads: list[str | Cell] = [
        say.MODEL,
        say.COST,
        say.VERDICT,
        Cell(say.CONFIDENCE, about=say.CHOICE_HELP),
        say.AGAINST_IT,
        say.STILL,
    ]
    checked = any(each.passes for each in told.candidates)
    rows = [[*_candidate(each, names), *([_passes(each)] if checked else [])] for each in told.candidates]
    table.show(say.CHOICE, [*heads, *([say.PASSES] if checked else [])], rows)


def next_pairs(pairs: Sequence[Suggestion], names: Names) -> None:
    heads: list[str | Cell] = [say.PAIR, say.SO_FAR, say.TELLS, say.BATTLE_COSTS, say.CHANCE]
    table.show(
        say.NEXT,
        heads,
        [
            [
                f"{names.of(each.one)} {say.AGAINST} {names.of(each.other)}",
                f"{each.votes:,}",
                say.bits(each.gain_bits),
                figure.money(None if each.cost_nano_usd is None else round(each.cost_nano_usd)),
                figure.share(each.chance),
            ]
            for each in pairs
        ],
    )


def effects(told: Effects) -> None:
    heads: list[str | Cell] = [say.EFFECT, say.MOVED, say.TO_BETTER, say.TO_WORSE, say.DOUBLING]
    table.show(
        say.REVEAL,
        heads,
        [_effect(say.SPEED, told.speed), _effect(say.PRICE, told.price)],
        about=say.REVEAL_HELP,
    )


def provider_test(test: ProviderTest, caption: str, name_of: Callable[[str], str]) -> None:
    heads: list[str | Cell] = [say.SAME_MODEL, name_of(test.one), name_of(test.other), say.BY_CHANCE]
    rows: list[list[str | Cell]] = []
    for each in test.answers:
        length = each.question == "length"
        shown = (lambda value: f"{value:,.0f} {say.CHARACTERS}") if length else figure.share
        few = each.battles < ENOUGH_VOTES
        rows.append(
            [
                say.QUESTIONS[each.question],
                Cell(shown(each.one), figure.samples(each.battles), faint=few),
                Cell(shown(each.other), figure.samples(each.battles), faint=few),
                Cell(f"p = {each.p_corrected:.4f}".rstrip("0").rstrip("."), faint=few),
            ]
        )
    table.show(caption, heads, rows, about=say.DIFFERS if test.differs else say.NOT_TOLD_APART)


def _rating(row: Row, names: Names) -> list[str | Cell]:
    rating, measured = row.rating, row.measured
    told, early = rating.interval, rating.provisional
    any_look = (
        _span(points(told.any_low), points(told.any_high))
        if math.isfinite(told.any_low) and not early
        else figure.UNKNOWN
    )
    won = measured.cost_of_a_win_nano_usd
    return [
        Cell(names.of(rating.setup), say.PROVISIONAL if early else ""),
        _interval(told, rating.votes, faint=early),
        Cell(any_look, faint=early),
        _rank(rating),
        _share(measured.total.share, measured.total.votes),
        _usage(row),
        _cost(row),
        Cell(
            figure.money(None if won is None else round(won)),
            say.counted(measured.total.wins, "win"),
            faint=measured.total.votes < ENOUGH_VOTES,
        ),
        _times(row),
    ]


def _interval(told: Interval, votes: int, *, faint: bool = False) -> Cell:
    aside = f"{_span(points(told.low), points(told.high))},{_NO_BREAK}{figure.samples(votes)}"
    return Cell(points(told.value), aside, faint=faint)


def _share(share: float, votes: int) -> Cell:
    return Cell(figure.share(share), figure.samples(votes), faint=votes < ENOUGH_VOTES)


def _span(low: str, high: str) -> str:
    """Never broken in two lines."""
    return f"{low}\N{EN DASH}\N{WORD JOINER}{high}"


def _rank(rating: Rating) -> Cell:
    if rating.best_rank is None:
        return Cell(figure.UNKNOWN, faint=True)
    if rating.best_rank == rating.worst_rank:
        return Cell(str(rating.best_rank))
    return Cell(_span(str(rating.best_rank), str(rating.worst_rank)))


def _times(row: Row) -> Cell:
    """The whole answer, the first words small beside it."""
    measured = row.measured
    if measured.total_ms is None:
        return Cell(figure.UNKNOWN, say.NO_FIGURE, faint=True)
    first = figure.duration(measured.first_answer_ms).replace(" ", _NO_BREAK)
    return Cell(
        figure.duration(measured.total_ms),
        f"{first},{_NO_BREAK}{figure.samples(measured.total_n)}",
        faint=measured.total_n < ENOUGH_VOTES,
    )


def _usage(row: Row) -> Cell:
    if row.usage is None:
        return Cell(figure.UNKNOWN, say.NO_FIGURE, faint=True)
    return Cell(figure.share(row.usage), figure.samples(row.usage_n), faint=row.usage_n < ENOUGH_VOTES)


def _cost(row: Row) -> Cell:
    cost, n = row.measured.cost_nano_usd, row.measured.cost_n
    if cost is None:
        return Cell(figure.UNKNOWN, say.NO_FIGURE, faint=True)
    return Cell(figure.money(round(cost)), figure.samples(n), faint=n < ENOUGH_VOTES)


def _time(ms: float | None, n: int) -> Cell:
    if ms is None:
        return Cell(figure.UNKNOWN, say.NO_FIGURE, faint=True)
    return Cell(figure.duration(ms), figure.samples(n), faint=n < ENOUGH_VOTES)


def _candidate(each: Candidate, names: Names) -> list[str | Cell]:
    share, low, high = each.win_share
    if each.votes_needed is not None:
        needed = f"{each.votes_needed:,}"
    else:
        needed = say.ENOUGH if each.verdict in ("not worse", "worse") else say.TOO_MANY
    return [
        names.of(each.setup),
        figure.money(round(each.cost_nano_usd)),
        say.VERDICTS[each.verdict],
        figure.share(each.confidence),
        Cell(
            figure.share(share),
            f"{say.interval(figure.share(low), figure.share(high))}, {figure.samples(each.votes)}",
            faint=each.votes < ENOUGH_VOTES,
        ),
        needed,
    ]


def _passes(each: Candidate) -> Cell:
    if each.passes is None:
        return Cell(figure.UNKNOWN, say.NO_FIGURE, faint=True)
    own, others = each.passes
    return Cell(
        f"{figure.share(own.passed / own.checked)} / {figure.share(others.passed / others.checked)}",
        f"{figure.samples(own.checked)} / {figure.samples(others.checked)}",
    )


def _effect(name: str, effect: Effect) -> list[str | Cell]:
    return [
        name,
        _estimate(effect.moved),
        f"{effect.to_better:,}",
        f"{effect.to_worse:,}",
        _estimate(effect.doubling),
    ]


def _estimate(told: Estimate) -> Cell:
    if told.value is None or told.low is None or told.high is None:
        return Cell(figure.UNKNOWN, figure.samples(told.n), faint=True)
    aside = f"{say.interval(_signed(told.low), _signed(told.high))}, {figure.samples(told.n)}"
    return Cell(_signed(told.value), aside, faint=told.n < ENOUGH_VOTES)


def _signed(share: float) -> str:
    """In points of a hundred votes: `+11.2 of 100`."""
    sign = "+" if share >= 0 else figure.MINUS
    return f"{sign}{abs(share) * 100:.1f} of 100"
