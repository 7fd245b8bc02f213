"""The first battle of an empty installation: ten sentences, the embedded model, one prompt put bare and once
with two examples before it.

Three rows are voted on blind; then all ten are shown, each checked exactly: the city and nothing else. Each
row is a battle like any other (kind `first`, one `batch_id` for all), charged like any other. The model is
small, knows English alone and pays no heed to system prompts; that two examples carry it is the point.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy.orm import Session

from battles import storage
from battles.battle import Battles
from battles.checks import Exact, exactly
from battles.errors import BadBattle, BattleError, BattleNotFound
from battles.looking import view
from battles.models import Battle, BattleWish, Example, LaneWish, Prompt, Settings
from battles.opening import EMBEDDED
from battles.prompt_template import PROMPT, filled
from battles.views import BattleView
from gateway.messages import Sampling
from identity.permissions import require
from identity.principal import Principal
from store.ids import new_id

_log = logging.getLogger(__name__)

MODEL: Final = "embedded/smollm2-135m"
VOTED: Final = 3  # rows that are voted on; the others are shown after that
TEMPLATE: Final = "Write only the name of the city in this sentence. {{prompt}}"
ROWS: Final = (
    ("Anna Schmidt moved to Bremen in 2019 and works as a nurse.", "Bremen"),
    ("Our team met Maria in Lisbon last week to sign the papers.", "Lisbon"),
    ("After ten years in the navy, Tom opened a bakery in Boston.", "Boston"),
    ("The order from Paul Martin should be sent to Lyon by Friday.", "Lyon"),
    ("Yuki will fly to Osaka on Monday to see her family.", "Osaka"),
    ("The invoice for Elena Rossi goes to her office in Milan.", "Milan"),
    ("David drives a taxi in Chicago and plays chess at night.", "Chicago"),
    ("Nora grew up in Oslo and studied music there.", "Oslo"),
    ("Please call Mr. Brown, who is staying in Dublin until May.", "Dublin"),
    ("The museum in Vienna hired Clara as its new director.", "Vienna"),
)
_SHOWN: Final = (
    ("Peter lives in Hamburg with his two dogs.", "Hamburg"),
    ("Last summer Lucy bought a small house in Denver.", "Denver"),
)
_SAMPLING: Final = Sampling(max_output_tokens=16, temperature=0.0, seed=1)
BARE: Final = Settings(template=TEMPLATE, sampling=_SAMPLING)
WITH_EXAMPLES: Final = Settings(
    template=TEMPLATE,
    sampling=_SAMPLING,
    examples=tuple(Example(filled(TEMPLATE, {PROMPT: said}), city) for said, city in _SHOWN),
)
_CHECK: Final = Exact("{{city}}")

Side = Literal["bare", "with examples"]
SIDES: Final[tuple[Side, Side]] = ("bare", "with examples")


@dataclass(frozen=True, slots=True)
class FirstRow:
    """`answers` and `passed` are by side; None where a lane has not answered, or the row is not shown yet."""

    sentence: str
    expected: str
    battle_id: str | None = None
    ended: bool = False
    voted: bool = False
    answers: Mapping[Side, str] | None = None
    passed: Mapping[Side, bool] | None = None


@dataclass(frozen=True, slots=True)
class FirstView:
    """`vote_next` is the battle to vote on now. `passed` counts the rows that each side got right, once the
    votes are in (`over`) and all rows were answered."""

    id: str
    rows: tuple[FirstRow, ...]
    running: bool
    over: bool
    vote_next: str | None
    passed: Mapping[Side, int] | None
    cost_nano_usd: int | None


class FirstBattle:
    """On the loop only."""

    def __init__(self, battles: Battles) -> None:
        self._battles = battles
        self._going_on: set[asyncio.Task[None]] = set()
        battles.before_closing(self.close)

    async def start(self, principal: Principal) -> str:
        """The first row is under way when this returns, the others follow one by one. Returns the id of all
        of it. Raises `BadBattle` where the embedded model is not here."""
        require(principal, "run_models")
        if principal.user_id is None:
            raise BadBattle("A first battle ends in votes, and votes are people's.")
        if (why := self._battles.why_not(MODEL)) is not None:
            raise BadBattle(f"The embedded model cannot answer here: {why}")
        first_id = new_id("fst")
        started = await self._row(principal, first_id, 0)
        task = asyncio.create_task(self._rest(principal, first_id, started), name=first_id)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        return first_id

    async def go_on(self, principal: Principal, first_id: str) -> None:
        """Start the rows that are missing: the process ended in the middle."""
        there = await self._of(principal, first_id)
        for no in range(len(there), len(ROWS)):
            await self._battles.until_ended(await self._row(principal, first_id, no))

    async def newest(self, principal: Principal) -> str | None:
        """The id of this person's last one."""
        user_id = principal.user_id
        if user_id is None:
            return None
        return await self._battles.database.read(
            lambda session: storage.newest_batch(session, principal.team_id, user_id, "first")
        )

    async def view(self, principal: Principal, first_id: str) -> FirstView:
        """Raises `BattleNotFound`, for another person's too."""
        battles = await self._of(principal, first_id)
        if not battles:
            raise BattleNotFound(first_id)
        seen = [await view(self._battles, principal, battle.id) for battle in battles]
        voted = [bool(one.votes) for one in seen[:VOTED]]
        over = len(voted) == VOTED and all(voted)
        if over and any(one.hidden for one in seen):
            await self._show_all(principal, [battle for battle in battles if battle.blind])
            seen = [await view(self._battles, principal, battle.id) for battle in battles]
        rows = [_row(no, seen[no] if no < len(seen) else None, over) for no in range(len(ROWS))]
        vote_next = next((one.id for one in seen[:VOTED] if one.may_vote == "first"), None)
        costs = [one.cost_nano_usd for one in seen]
        running = len(seen) < len(ROWS) or any(one.running for one in seen)
        return FirstView(
            id=first_id,
            rows=tuple(rows),
            running=running,
            over=over,
            vote_next=None if over else vote_next,
            passed=_passed(rows) if over and not running else None,
            cost_nano_usd=None if None in costs else sum(cost or 0 for cost in costs),
        )

    async def close(self) -> None:
        for task in tuple(self._going_on):
            task.cancel()
        await asyncio.gather(*self._going_on, return_exceptions=True)

    async def _rest(self, principal: Principal, first_id: str, started: Battle) -> None:
        try:
            await self._battles.until_ended(started)
            await self.go_on(principal, first_id)
        except BattleError as error:
            _log.warning("%s stopped half-way: %s", first_id, error)

    async def _row(self, principal: Principal, first_id: str, no: int) -> Battle:
        lanes = tuple(LaneWish(MODEL, EMBEDDED, settings=settings) for settings in (BARE, WITH_EXAMPLES))
        wish = BattleWish(
            lanes, blind=True, personal=True, category="factual", kind="first", batch_id=first_id, shared=BARE
        )
        battle = await self._battles.create(principal, wish)
        await self._battles.start_turn(principal, battle.id, Prompt(ROWS[no][0]))
        return battle

    async def _of(self, principal: Principal, first_id: str) -> tuple[Battle, ...]:
        """This person's rows of it, first first."""
        user_id = principal.user_id
        if user_id is None or not storage.storable(first_id):
            return ()
        return await self._battles.database.read(
            lambda session: storage.battles_in(session, principal.team_id, user_id, first_id)
        )

    async def _show_all(self, principal: Principal, battles: list[Battle]) -> None:
        now_ms = time.time_ns() // 1_000_000

        def show(session: Session) -> None:
            for battle in battles:
                storage.reveal(session, battle.id, principal.user_id or 0, now_ms)

        await self._battles.database.write(show)
        self._battles.somebody_knows()
        for battle in battles:
            known = await self._battles.known(battle)
            self._battles.show_rows([run.run_id for run in known.runs])


def _row(no: int, seen: BattleView | None, over: bool) -> FirstRow:
    sentence, city = ROWS[no]
    if seen is None:
        return FirstRow(sentence, city)
    shown = over and not seen.hidden and not seen.running
    answers = _answers(seen) if shown else None
    return FirstRow(
        sentence,
        city,
        seen.id,
        not seen.running,
        bool(seen.votes),
        answers,
        None if answers is None else {side: _is_right(answer, city) for side, answer in answers.items()},
    )


def _answers(seen: BattleView) -> dict[Side, str]:
    sides = {lane.no: SIDES[lane.asked_no or 0] for lane in seen.lanes}
    return {sides[lane.no]: lane.text.strip() for turn in seen.turns[:1] for lane in turn.lanes}


def _is_right(answer: str, city: str) -> bool:
    return exactly(_CHECK, answer, {"city": city}).passed is True


def _passed(rows: list[FirstRow]) -> dict[Side, int]:
    return {side: sum(row.passed is not None and row.passed[side] for row in rows) for side in SIDES}
