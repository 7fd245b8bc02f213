"""The leaderboard on the wire: points and shares as numbers, money as exact strings, null where unknown."""

from __future__ import annotations

import math
from typing import Any

from battles.controlled import NoiseFloor, ProviderTest
from battles.leaderboard import OddVoter, Row, View
from battles.ratings import side_share
from battles.ratings_choice import Candidate, Passes, Recommendation
from battles.ratings_effects import Effect, Effects, Estimate
from battles.ratings_intervals import Interval
from battles.ratings_votes import Setup
from battles.sampling import Suggestion
from billing.money import decimal_usd

Shape = dict[str, Any]


def shape_of(view: View, *, reader_id: int | None, tells_voters: bool) -> Shape:
    """Who votes oddly is named to those who manage members, and to themselves."""
    rated = view.rated
    return {
        "object": "leaderboard",
        "board": view.wish.board,
        "slice": {
            "voters": "judges" if view.wish.slice.voter_kind == "judge" else "people",
            "stage": view.wish.slice.stage,
            "category": view.wish.slice.category,
            "tag": view.wish.slice.tag,
            "language": view.wish.slice.language,
            "voters_left_out": len(view.wish.slice.without),
        },
        "votes": view.votes,
        "voters": rated.spread.clusters[1] if rated else 0,
        "prompts": rated.spread.clusters[2] if rated else 0,
        "data": [_row(row) for row in view.rows],
        "left_side": dict(zip(("share", "low", "high"), map(_number, side_share(rated)), strict=True))
        if rated
        else None,
        "tie_share": _number(rated.tie_share) if rated else None,
        "stability": _stability(view),
        "odd_voters": [_odd(each, reader_id, tells_voters) for each in view.odd],
        "effects": _effects(view.effects),
        "recommendation": _recommendation(view.recommendation),
        "next": [_suggestion(each) for each in view.next_pairs],
        "wins": [
            {
                "one": _setup(one),
                "other": _setup(other),
                "wins": met.wins,
                "losses": met.losses,
                "ties": met.ties,
                "both_bad": met.both_bad,
            }
            for (one, other), met in view.tally.matrix.items()
            if one < other
        ],
        "noise_floor": _noise(view.noise),
        "provider_tests": [_provider_test(test) for test in view.providers],
    }


def _row(row: Row) -> Shape:
    rating, measured = row.rating, row.measured
    return {
        **_setup(rating.setup),
        "settings_words": measured.settings_words,
        "rating": _interval(rating.interval),
        "provisional": rating.provisional,
        "provisional_because": list(rating.early),
        "rank": None if rating.best_rank is None else {"best": rating.best_rank, "worst": rating.worst_rank},
        "votes": rating.votes,
        "voters": rating.voters,
        "prompts": rating.prompts,
        "opponents": rating.opponents,
        "win_share": _number(measured.total.share),
        "usage_share": {"share": _number(row.usage), "requests": row.usage_n},
        "cost": {"mean_usd": _usd(measured.cost_nano_usd), "answers": measured.cost_n},
        "cost_of_a_win_usd": _usd(measured.cost_of_a_win_nano_usd),
        "first_answer_ms": {"p50": _number(measured.first_answer_ms, 1), "answers": measured.first_answer_n},
        "total_ms": {"p50": _number(measured.total_ms, 1), "answers": measured.total_n},
        "nobody_better_is_as_cheap": row.cheapest_as_good,
        "nobody_better_is_as_fast": row.fastest_as_good,
    }


def _setup(setup: Setup) -> Shape:
    return {
        "model": setup.model,
        "prompt_version_id": setup.prompt_version_id,
        "settings": setup.settings or None,
    }


def _interval(told: Interval) -> Shape:
    """`one_look` and `any_look` are 95 % intervals; null where votes do not bound it yet."""
    known = math.isfinite(told.any_low)
    return {
        "points": _number(told.value, 1),
        "one_look": [_number(told.low, 1), _number(told.high, 1)],
        "any_look": [_number(told.any_low, 1), _number(told.any_high, 1)] if known else None,
    }


def _stability(view: View) -> Shape | None:
    told = view.stability
    if told is None:
        return None
    return {
        "first": _setup(told.first),
        "votes": told.votes,
        "votes_it_hangs_on": told.dropped,
        "then": _setup(told.then) if told.then else None,
    }


def _odd(each: OddVoter, reader_id: int | None, tells_voters: bool) -> Shape:
    odd = each.odd
    named = tells_voters or odd.voter == f"user:{reader_id}" or odd.voter.startswith("judge:")
    return {
        "voter": odd.voter if named else None,
        "finding": odd.finding,
        "of": _setup(odd.setup) if odd.setup else None,
        "votes": odd.votes,
        "share": _number(odd.share),
        "expected": _number(odd.expected),
        "first_without": _setup(each.first_without),
    }


def _effects(told: Effects) -> Shape:
    return {
        "votes": told.votes,
        "changed": told.changed,
        "speed": _effect(told.speed),
        "price": _effect(told.price),
    }


def _effect(effect: Effect) -> Shape:
    return {
        "moved": _estimate(effect.moved),
        "to_better": effect.to_better,
        "to_worse": effect.to_worse,
        "a_doubling": _estimate(effect.doubling),
    }


def _estimate(told: Estimate) -> Shape:
    return {
        "value": _number(told.value),
        "low": _number(told.low),
        "high": _number(told.high),
        "votes": told.n,
    }


def _recommendation(told: Recommendation | None) -> Shape | None:
    if told is None:
        return None
    return {
        "reference": _setup(told.reference),
        "reference_cost_usd": _usd(told.reference_cost_nano_usd),
        "margin": told.margin,
        "not_worse": _setup(told.firm.setup) if told.firm else None,
        "candidates": [_candidate(each) for each in told.candidates],
    }


def _candidate(each: Candidate) -> Shape:
    share, low, high = each.win_share
    return {
        **_setup(each.setup),
        "verdict": each.verdict.replace(" ", "_"),
        "confidence": _number(each.confidence),
        "win_share": {"share": _number(share), "low": _number(low), "high": _number(high)},
        "cost_usd": _usd(each.cost_nano_usd),
        "votes": each.votes,
        "votes_needed": each.votes_needed,
        "passes": {"own": _passes(each.passes[0]), "reference": _passes(each.passes[1])}
        if each.passes
        else None,
    }


def _passes(passes: Passes) -> Shape:
    return {"passed": passes.passed, "checked": passes.checked}


def _suggestion(each: Suggestion) -> Shape:
    return {
        "one": _setup(each.one),
        "other": _setup(each.other),
        "chance": _number(each.chance),
        "gain_bits": _number(each.gain_bits, 6),
        "cost_usd": _usd(each.cost_nano_usd),
        "votes": each.votes,
    }


def _noise(told: NoiseFloor | None) -> Shape | None:
    if told is None:
        return None
    share, low, high = told.decided
    return {"votes": told.votes, "decided": _number(share), "low": _number(low), "high": _number(high)}


def _provider_test(test: ProviderTest) -> Shape:
    return {
        "model": test.model,
        "one": test.one,
        "other": test.other,
        "battles": test.battles,
        "differs": test.differs,
        "questions": [
            {
                "question": each.question,
                "battles": each.battles,
                "one": _number(each.one),
                "other": _number(each.other),
                "p": _number(each.p, 6),
                "p_corrected": _number(each.p_corrected, 6),
            }
            for each in test.answers
        ],
    }


def _number(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def _usd(nano_usd: float | None) -> str | None:
    return None if nano_usd is None else decimal_usd(round(nano_usd))
