"""Comparisons as arrays, which is what fits read. Pure.

What competes on the model board is a model; on the prompt board a set-up (model, prompt version,
settings). A vote that both answers are bad says as little of which is better as a tie does, and rates as
one; the win matrix counts it apart.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from battles.comparisons import Comparison, Contender
from battles.ratings_fit import LEFT, RIGHT, TIE, Floats, Ints
from telemetry.numpy_later import np

RatedBoard = Literal["model", "prompt"]

_OUTCOMES = {"left": LEFT, "tie": TIE, "both_bad": TIE, "right": RIGHT}


class Setup(NamedTuple):
    """What competes: on the model board the model alone, the rest empty."""

    model: str
    prompt_version_id: str | None = None
    settings: str = ""


def setup_of(contender: Contender, board: RatedBoard) -> Setup:
    if board == "model":
        return Setup(contender.model)
    return Setup(contender.model, contender.prompt_version_id, contender.settings)


@dataclass(frozen=True, slots=True)
class Ballots:
    """N votes on pairs of m set-ups. `left`, `right` are indices of `names`; `outcome` is LEFT, TIE or
    RIGHT; `voter`, `prompt`, `vote` and `cell` (voter and prompt) number from 0 whom and what it is of."""

    names: tuple[Setup, ...]
    left: Ints
    right: Ints
    outcome: Ints
    voter: Ints
    prompt: Ints
    vote: Ints
    cell: Ints
    voters: tuple[str, ...]  # by number

    def __len__(self) -> int:
        return len(self.left)

    def only(self, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Ballots:
        """The votes that `kept` says; names and numbers stay."""
        return Ballots(
            self.names,
            self.left[kept],
            self.right[kept],
            self.outcome[kept],
            self.voter[kept],
            self.prompt[kept],
            self.vote[kept],
            self.cell[kept],
            self.voters,
        )

    def votes_each(self) -> Ints:
        """How often each set-up was voted on."""
        both = np.concatenate([self.left, self.right])
        return np.bincount(both, minlength=len(self.names)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Tallied:
    """Votes gathered by ordered pair: `pairs` (P, 2), and for each vote its cell of (P, 3) counts."""

    pairs: Ints
    place: Ints

    def counts(self, weights: Floats | None = None) -> Floats:
        """(1, P, 3), or (B, P, 3) with `weights` (B, N)."""
        cells = 3 * len(self.pairs)
        if weights is None:
            return np.bincount(self.place, minlength=cells).astype(float).reshape(1, -1, 3)
        order = np.argsort(self.place, kind="stable")
        sorted_places = self.place[order]
        starts = np.flatnonzero(np.diff(sorted_places, prepend=-1))
        gathered = np.zeros((len(weights), cells))
        if len(starts):
            gathered[:, sorted_places[starts]] = np.add.reduceat(weights[:, order], starts, axis=1)
        return gathered.reshape(len(weights), -1, 3)


def tallied(ballots: Ballots) -> Tallied:
    models = len(ballots.names)
    codes, where = np.unique(ballots.left * models + ballots.right, return_inverse=True)
    pairs = np.stack([codes // max(models, 1), codes % max(models, 1)], axis=1)
    return Tallied(pairs, where * 3 + ballots.outcome)


def ballots_of(comparisons: Iterable[Comparison], board: RatedBoard) -> Ballots:
    """Those that feed `board`, in the order given."""
    fed = [each for each in comparisons if each.board == board]
    sides = [(setup_of(each.left, board), setup_of(each.right, board)) for each in fed]
    names = tuple(sorted({side for pair in sides for side in pair}, key=_readable))
    index = {name: number for number, name in enumerate(names)}
    voters = tuple(sorted({each.voter for each in fed}))
    return Ballots(
        names,
        _ints([index[left] for left, _ in sides]),
        _ints([index[right] for _, right in sides]),
        _ints([_OUTCOMES[each.outcome] for each in fed]),
        _numbered([each.voter for each in fed], voters),
        _numbered([each.prompt_sha256 for each in fed]),
        _numbered([each.vote_id for each in fed]),
        _numbered([(each.voter, each.prompt_sha256) for each in fed]),
        voters,
    )


def _readable(name: Setup) -> tuple[str, str, str]:
    return name.model, name.prompt_version_id or "", name.settings


def _numbered(values: Sequence[Hashable], known: Sequence[Hashable] | None = None) -> Ints:
    numbers = {value: number for number, value in enumerate(dict.fromkeys(known or values))}
    return _ints([numbers[value] for value in values])


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)
