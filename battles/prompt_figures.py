"""What a version of a prompt cost, how fast it answered and how often it won, as far as it was used here.

From the runs that say which version they were (`prompt_version_id`), the newest thousand of each, and from
people's final votes. Simulated models are left out. Times come from answered runs alone, those of lanes
that shared a processor not; a tie is half a win, and "both bad" is none. None is unknown, never 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from battles.comparisons import Comparison
from battles.tables import BattleRunRow
from gateway.runs import Figures
from gateway.tables import RunRow
from identity.permissions import require
from identity.principal import Principal
from store.databases import Database

NEWEST: Final = 1_000  # runs of a version
_POINTS: Final = {"left": (1.0, 0.0), "right": (0.0, 1.0), "tie": (0.5, 0.5), "both_bad": (0.0, 0.0)}


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """Beside each figure stands how many samples it has: `ended` of `success`, `costed` of the mean cost,
    `timed` of the first answer, `timed_whole` of the total, `votes` of the win rate."""

    runs: int = 0
    success: float | None = None
    ended: int = 0
    cost_nano_usd: int | None = None
    costed: int = 0
    first_answer_p50_ms: float | None = None
    first_answer_p95_ms: float | None = None
    timed: int = 0
    total_p50_ms: float | None = None
    timed_whole: int = 0
    win_rate: float | None = None
    votes: int = 0


NOTHING: Final = VersionFigures()


@dataclass(frozen=True, slots=True)
class UsedRun:
    """What is read of one run."""

    state: str
    figures: Figures
    shares_cpu: bool = False


class PromptFigures:
    """For script threads; the API calls it on a thread too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(
        self,
        by: Principal,
        version_ids: Sequence[str],
        comparisons: Iterable[Comparison] = (),
        hidden: Collection[str] = (),
    ) -> dict[str, VersionFigures]:
        """Of each of these versions that was used. `hidden` are runs that must tell nothing yet. Raises
        `NotPermitted`."""
        require(by, "read_prompts")
        with self._database.session() as session:
            used = {each: _runs(session, by.team_id, each, hidden) for each in version_ids}
        won = points_of(comparisons)
        return {
            each: figures_of(runs, won.get(each, ())) for each, runs in used.items() if runs or each in won
        }


def figures_of(runs: Sequence[UsedRun], points: Sequence[float] = ()) -> VersionFigures:
    """Pure. `points` are 1 for a win, 0.5 for a tie, 0 for a loss."""
    ended = [run for run in runs if run.state in ("done", "failed")]
    costs = [cost for run in runs if (cost := run.figures.cost_nano_usd) is not None]
    timed = [run.figures for run in runs if run.state == "done" and not run.shares_cpu]
    first = sorted(ms for figures in timed if (ms := figures.first_answer_ms) is not None)
    total = sorted(ms for figures in timed if (ms := figures.total_ms) is not None)
    return VersionFigures(
        runs=len(runs),
        success=sum(run.state == "done" for run in ended) / len(ended) if ended else None,
        ended=len(ended),
        cost_nano_usd=round(sum(costs) / len(costs)) if costs else None,
        costed=len(costs),
        first_answer_p50_ms=_at(first, 50),
        first_answer_p95_ms=_at(first, 95),
        timed=len(first),
        total_p50_ms=_at(total, 50),
        timed_whole=len(total),
        win_rate=sum(points) / len(points) if points else None,
        votes=len(points),
    )


def points_of(comparisons: Iterable[Comparison]) -> dict[str, list[float]]:
    """By version, what people's final votes gave it. A version against itself says nothing of it."""
    points: dict[str, list[float]] = {}
    for each in comparisons:
        left, right = each.left.prompt_version_id, each.right.prompt_version_id
        if each.stage != "final" or each.voter_kind != "person" or each.board == "none" or left == right:
            continue
        for version_id, point in zip((left, right), _POINTS[each.outcome], strict=True):
            if version_id is not None:
                points.setdefault(version_id, []).append(point)
    return points


def _runs(session: Session, team_id: int, version_id: str, hidden: Collection[str]) -> list[UsedRun]:
    if "\0" in version_id:  # which PostgreSQL refuses to look for
        return []
    query = (
        select(col(RunRow.id), col(RunRow.state), col(RunRow.figures_json), col(BattleRunRow.shares_cpu))
        .outerjoin(BattleRunRow, col(BattleRunRow.run_id) == col(RunRow.id))
        .where(
            col(RunRow.prompt_version_id) == version_id,
            col(RunRow.team_id) == team_id,
            col(RunRow.series) != "simulated",
        )
        .order_by(col(RunRow.created_ms).desc())
        .limit(NEWEST)
    )
    return [
        UsedRun(state, msgspec.json.decode(figures, type=Figures), bool(shares_cpu))
        for run_id, state, figures, shares_cpu in session.execute(query)
        if run_id not in hidden
    ]


def _at(values: Sequence[float], percent: int) -> float | None:
    """The nearest rank: the smallest value that so many percent do not exceed."""
    return values[max(0, -(-len(values) * percent // 100) - 1)] if values else None
