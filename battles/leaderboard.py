"""The leaderboard of a team: what its votes say, read, sliced, rated and put together; nothing is drawn.

Votes are append-only, so what was read of a team is kept and only what is new is read again; a view is
kept until a vote changes it. For script threads; the API calls it on a thread too.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from battles.comparisons import Comparison, VoterKind
from battles.controlled import NoiseFloor, ProviderTest, noise_floor, provider_tests
from battles.ratings import ENOUGH_VOTES, Rated, Rating, rate
from battles.ratings_choice import MARGIN, PassPairs, Recommendation, recommend
from battles.ratings_effects import Effects, effects
from battles.ratings_slices import Facets, Slice, facets
from battles.ratings_stability import Stability, first_without, stability
from battles.ratings_tally import Measured, Tally, front, tally
from battles.ratings_voters import Odd, odd_voters
from battles.ratings_votes import RatedBoard, Setup, ballots_of, setup_of
from battles.sampling import Suggestion, suggestions
from identity.permissions import require
from identity.principal import Principal

_ALL_KINDS: Final[tuple[VoterKind, ...]] = ("person", "judge")
_OVERLAP_MS: Final = 120_000  # another process's vote may be stored later than its instant says
_READ_AGAIN_S: Final = 600.0
_KEPT_TEAMS: Final = 64
_KEPT_VIEWS: Final = 32
_SUGGESTED: Final = 5
MOST_RATED: Final = 100  # set-ups; those with the fewest votes are left out beyond
USAGE_WINDOW_MS: Final = 30 * 24 * 60 * 60 * 1000


class Cast(Protocol):
    """Where votes come from."""

    def comparisons(
        self, team_id: int, since_ms: int = 0, kinds: Collection[VoterKind] = ...
    ) -> Sequence[Comparison]: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """`teams` empty: the reader's own; others', one or all, are an operator's to see, without usage and
    checks. `reference` None: whoever is first. `margin` is the share of decided votes against it that the
    team would give up for a cheaper model."""

    board: RatedBoard = "model"
    slice: Slice = field(default_factory=Slice)
    reference: Setup | None = None
    margin: float = MARGIN
    teams: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """`usage` is the share of the team's requests of the last 30 days, of `usage_n`; None where the team
    asked for nothing, and on the prompt board. `cheapest_as_good` and `fastest_as_good` are the Pareto
    fronts: nobody better costs as little, nobody better is as fast. Who is provisional is on neither."""

    rating: Rating
    measured: Measured
    usage: float | None
    usage_n: int
    cheapest_as_good: bool
    fastest_as_good: bool


@dataclass(frozen=True, slots=True)
class OddVoter:
    """`first_without`: who would be first without this voter's votes."""

    odd: Odd
    first_without: Setup


@dataclass(frozen=True, slots=True)
class View:
    """`votes` are those of the slice on this board, `all_votes` all that people cast on any. Without a vote
    in the slice `rated` is None and the rest is empty."""

    wish: Wish
    votes: int
    all_votes: int
    facets: Facets
    rated: Rated | None
    rows: tuple[Row, ...]
    tally: Tally
    stability: Stability | None
    odd: tuple[OddVoter, ...]
    effects: Effects
    noise: NoiseFloor | None
    providers: tuple[ProviderTest, ...]
    recommendation: Recommendation | None
    next_pairs: tuple[Suggestion, ...]
    left_out: int  # set-ups beyond `MOST_RATED`

    def row(self, setup: Setup) -> Row | None:
        return next((row for row in self.rows if row.rating.setup == setup), None)


@dataclass(frozen=True, slots=True)
class WinCost:
    """What a model costs for each vote that it wins here; `wins` of `votes`."""

    nano_usd: float
    wins: int
    votes: int

    @property
    def enough(self) -> bool:
        return self.votes >= ENOUGH_VOTES


@dataclass(slots=True)
class _Read:
    comparisons: list[Comparison]
    known: set[str]
    newest_ms: int
    whole_at_s: float


class Together:
    """Votes from several places, oldest first."""

    def __init__(self, *casts: Cast) -> None:
        self._casts = casts

    def comparisons(
        self, team_id: int, since_ms: int = 0, kinds: Collection[VoterKind] = _ALL_KINDS
    ) -> Sequence[Comparison]:
        found = [each for cast in self._casts for each in cast.comparisons(team_id, since_ms, kinds)]
        return sorted(found, key=lambda each: each.created_ms)


class Leaderboard:
    """`usage` gives a team's requests by model; `passes` what it checked of each two set-ups."""

    def __init__(
        self,
        cast: Cast,
        usage: Callable[[int], Mapping[str, int]] = lambda team_id: {},
        passes: Callable[[int], PassPairs] = lambda team_id: {},
    ) -> None:
        self._cast = cast
        self._usage = usage
        self._passes = passes
        self._read: OrderedDict[int, _Read] = OrderedDict()
        self._views: OrderedDict[tuple[object, ...], View] = OrderedDict()
        self._lock = threading.Lock()

    def view(self, principal: Principal, wish: Wish) -> View:
        """Raises `NotPermitted`."""
        require(principal, "operate" if wish.teams else "read_runs")
        comparisons = self._of_all(wish.teams or (principal.team_id,))
        passes = {} if wish.teams else self._passes(principal.team_id)
        key = (wish.teams or principal.team_id, wish, len(comparisons), tuple(sorted(passes.items())))
        with self._lock:
            made = self._views.get(key)
        if made is None:
            made = view_of(comparisons, wish, passes)
        with self._lock:
            self._views[key] = made
            self._views.move_to_end(key)
            while len(self._views) > _KEPT_VIEWS:
                self._views.popitem(last=False)
        return made if wish.teams else with_usage(made, self._usage(principal.team_id))

    def advice(
        self, principal: Principal, view: View, reference: Setup, margin: float
    ) -> Recommendation | None:
        """For another reference or margin than the view was made with. Raises `NotPermitted`."""
        require(principal, "read_runs")
        if view.rated is None:
            return None
        passes = {} if view.wish.teams else self._passes(principal.team_id)
        return recommend(view.rated, reference, _costs(view.tally), passes, margin)

    def cost_of_wins(self, principal: Principal) -> dict[str, WinCost]:
        """By model, from people's votes on the text alone. Raises `NotPermitted`."""
        require(principal, "read_runs")
        told = tally(Slice().of(self._comparisons(principal.team_id)), "model")
        return {
            setup.model: WinCost(measured.cost_of_a_win_nano_usd, measured.total.wins, measured.total.votes)
            for setup, measured in told.measured.items()
            if measured.cost_of_a_win_nano_usd is not None
        }

    def _of_all(self, team_ids: Sequence[int]) -> list[Comparison]:
        found = [each for team_id in team_ids for each in self._comparisons(team_id)]
        return sorted(found, key=lambda each: each.created_ms)

    def _comparisons(self, team_id: int) -> list[Comparison]:
        """All of the team's, oldest first."""
        with self._lock:
            read = self._read.get(team_id)
            if read is None or time.monotonic() - read.whole_at_s > _READ_AGAIN_S:
                read = self._read[team_id] = _Read([], set(), 0, time.monotonic())
            since_ms = max(0, read.newest_ms - _OVERLAP_MS)
            new = [
                each
                for each in self._cast.comparisons(team_id, since_ms, _ALL_KINDS)
                if each.vote_id not in read.known
            ]
            read.comparisons += new
            read.known.update(each.vote_id for each in new)
            read.newest_ms = max((each.created_ms for each in new), default=read.newest_ms)
            self._read.move_to_end(team_id)
            while len(self._read) > _KEPT_TEAMS:
                self._read.popitem(last=False)
            return list(read.comparisons)


def view_of(comparisons: Sequence[Comparison], wish: Wish, passes: PassPairs) -> View:
    """Pure: the same votes and wish give the same view. Usage is not in it yet."""
    sliced = wish.slice.of(comparisons)
    both_stages = _either_stage(comparisons, wish.slice)
    told = tally(sliced, wish.board)
    kept = _most_voted(told)
    on_board = [
        each
        for each in sliced
        if each.board == wish.board
        and {setup_of(each.left, wish.board), setup_of(each.right, wish.board)} <= kept
    ]
    ballots = ballots_of(on_board, wish.board)
    rated = rate(ballots)
    costs = _costs(told)
    return View(
        wish=wish,
        votes=len({each.vote_id for each in on_board}),
        all_votes=len({each.vote_id for each in comparisons if each.voter_kind == "person"}),
        facets=facets(comparisons),
        rated=rated,
        rows=_rows(rated, told, costs) if rated else (),
        tally=told,
        stability=stability(rated) if rated else None,
        odd=_odd(rated) if rated else (),
        effects=effects(both_stages),
        noise=noise_floor(both_stages),
        providers=tuple(provider_tests(both_stages)),
        recommendation=_recommended(rated, wish, costs, passes) if rated else None,
        next_pairs=tuple(suggestions(rated, rated.ballots.names, costs)[:_SUGGESTED]) if rated else (),
        left_out=len(told.measured) - len(kept),
    )


def _costs(told: Tally) -> dict[Setup, float]:
    return {
        setup: measured.cost_nano_usd
        for setup, measured in told.measured.items()
        if measured.cost_nano_usd is not None
    }


def _either_stage(comparisons: Sequence[Comparison], wanted: Slice) -> list[Comparison]:
    first, final = replace(wanted, stage="first"), replace(wanted, stage="final")
    return [each for each in comparisons if first.holds(each) or final.holds(each)]


def _most_voted(told: Tally) -> set[Setup]:
    by_votes = sorted(told.measured.items(), key=lambda item: -item[1].total.votes)
    return {setup for setup, _ in by_votes[:MOST_RATED]}


def with_usage(view: View, requests: Mapping[str, int]) -> View:
    """`requests` by model; a set-up of the prompt board has none of its own."""
    asked = sum(requests.values())
    if not asked or view.wish.board != "model":
        return view
    rows = (
        replace(row, usage=requests.get(row.rating.setup.model, 0) / asked, usage_n=asked)
        for row in view.rows
    )
    return replace(view, rows=tuple(rows))


def _rows(rated: Rated, told: Tally, costs: Mapping[Setup, float]) -> tuple[Row, ...]:
    times = {
        setup: measured.total_ms for setup, measured in told.measured.items() if measured.total_ms is not None
    }
    cheapest, fastest = _front(rated, costs), _front(rated, times)
    return tuple(
        Row(
            rating,
            told.measured[rating.setup],
            None,
            0,
            rating.setup in cheapest,
            rating.setup in fastest,
        )
        for rating in rated.ratings
    )


def _front(rated: Rated, figures: Mapping[Setup, float]) -> frozenset[Setup]:
    return front(
        {
            rating.setup: (rating.interval.value, figures[rating.setup])
            for rating in rated.ratings
            if not rating.provisional and rating.setup in figures
        }
    )


def _odd(rated: Rated) -> tuple[OddVoter, ...]:
    ballots = rated.ballots
    settled = [ballots.names.index(each.setup) for each in rated.ratings if not each.provisional]
    among = settled or list(range(len(ballots.names)))
    found = []
    for odd in odd_voters(ballots):
        without = ballots.voter != ballots.voters.index(odd.voter)
        found.append(OddVoter(odd, ballots.names[first_without(ballots, without, among)]))
    return tuple(found)


def _recommended(
    rated: Rated, wish: Wish, costs: Mapping[Setup, float], passes: PassPairs
) -> Recommendation | None:
    settled = [rating.setup for rating in rated.ratings if not rating.provisional]
    reference = wish.reference or (settled or [rated.ratings[0].setup])[0]
    return recommend(rated, reference, costs, passes, wish.margin)
