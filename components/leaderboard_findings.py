"""What somebody should know before they rely on the ratings, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from battles.leaderboard import View
from battles.ratings import Rated, side_share
from battles.ratings_intervals import FEW_CLUSTERS
from components import figure, leaderboard_words as say
from components.leaderboard_names import Names

_SHAKY = 0.02  # of all votes: a first place that hangs on fewer is a warning


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Literal["warning", "note"]
    text: str


def findings(view: View, names: Names) -> list[Finding]:
    """Warnings first."""
    if view.rated is None:
        return []
    found = [
        *_odd(view, names),
        *_side(view.rated),
        *_breadth(view.rated),
        *_stands(view, names),
        *_provisional(view, names),
        *_bad(view, names),
    ]
    if view.left_out:
        found.append(Finding("note", say.left_out(view.left_out)))
    return sorted(found, key=lambda each: each.kind != "warning")


def _odd(view: View, names: Names) -> Iterator[Finding]:
    first = _first(view)
    for each in view.odd:
        odd = each.odd
        setup = names.of(odd.setup) if odd.setup else ""
        told = say.odd(
            names.voter(odd.voter), odd.finding, setup, _percent(odd.share), _percent(odd.expected), odd.votes
        )
        without = say.without_them(names.of(each.first_without), each.first_without == first)
        yield Finding("warning", f"{told} {without}")


def _side(rated: Rated) -> Iterator[Finding]:
    share, low, high = side_share(rated)
    if low > 0.5 or high < 0.5:
        left = share > 0.5
        bounds = (low, high) if left else (1 - high, 1 - low)
        taken, low, high = share if left else 1 - share, *bounds
        told = say.leans(
            "left" if left else "right", _percent(taken), _percent(low), _percent(high), len(rated.ballots)
        )
        yield Finding("warning", told)
    else:
        yield Finding("note", say.no_lean(_percent(share), _percent(low), _percent(high)))


def _breadth(rated: Rated) -> Iterator[Finding]:
    _, voters, prompts = rated.spread.clusters
    if voters < FEW_CLUSTERS:
        yield Finding("warning", say.few_voters(voters))
    if prompts < FEW_CLUSTERS:
        yield Finding("warning", say.few_prompts(prompts))


def _stands(view: View, names: Names) -> Iterator[Finding]:
    told = view.stability
    if told is None:
        return
    if told.dropped is None or told.then is None:
        yield Finding("note", say.stands_firm(names.of(told.first), told.votes))
    else:
        shaky = told.dropped <= max(1, _SHAKY * told.votes)
        text = say.stands_on(names.of(told.first), told.dropped, told.votes, names.of(told.then))
        yield Finding("warning" if shaky else "note", text)


def _provisional(view: View, names: Names) -> Iterator[Finding]:
    for row in view.rows:
        if row.rating.provisional:
            reasons = ", ".join(say.EARLY[reason] for reason in row.rating.early)
            yield Finding("note", say.provisional(names.of(row.rating.setup), row.rating.votes, reasons))


def _bad(view: View, names: Names) -> Iterator[Finding]:
    """Who is called bad in a quarter of the votes or more, its rival with it: a rating does not show that."""
    for row in view.rows:
        total = row.measured.total
        if not row.rating.provisional and total.both_bad >= total.votes / 4:
            name = names.of(row.rating.setup)
            yield Finding("note", say.both_bad(name, _percent(total.both_bad / total.votes), total.votes))


def _first(view: View) -> object:
    settled = [row.rating.setup for row in view.rows if not row.rating.provisional]
    return settled[0] if settled else view.rows[0].rating.setup


def _percent(share: float) -> str:
    return figure.share(share)
