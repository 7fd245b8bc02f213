"""Battles for pages: what script threads call, each handed to the server's loop and waited for, briefly."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

from battles import history
from battles.ballots import Ballot, Stage
from battles.battle import Battles
from battles.comparisons import Comparison, VoterKind
from battles.first import FirstBattle, FirstView
from battles.history import BattleLine, Sought
from battles.looking import battle_of, view
from battles.models import BattleWish, Prompt, Reason, Vote
from battles.views import BattleView
from battles.votes import PEOPLE, Votes
from gateway.messages import CompletionRequest
from identity.principal import Principal

T = TypeVar("T")

_LOOK_S = 10.0
_START_S = 30.0


class BattleDesk:
    """What each method raises is the use case's (`battles/errors.py`), and `NotPermitted`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, battles: Battles, votes: Votes) -> None:
        self._loop = loop
        self._battles = battles
        self._votes = votes
        self._first = FirstBattle(battles)

    # --- start and steer ----------------------------------------------------------------------

    def start(self, principal: Principal, wish: BattleWish, prompt: Prompt) -> str:
        """A battle with its first turn under way; returns its id."""

        async def begin() -> str:
            battle = await self._battles.create(principal, wish)
            await self._battles.start_turn(principal, battle.id, prompt)
            return battle.id

        return self._on_loop(begin(), _START_S)

    def go_on(self, principal: Principal, battle_id: str, prompt: Prompt, parent_turn_id: str | None) -> str:
        """Another turn after an earlier one, or from the beginning; returns its id."""
        turn = self._battles.start_turn(principal, battle_id, prompt, parent_turn_id)
        return self._on_loop(turn, _START_S).id

    def retry(self, principal: Principal, battle_id: str, turn_id: str, lane: int | None = None) -> None:
        """A lane again; or, without one, those that gave no whole answer."""
        self._on_loop(self._battles.retry(principal, battle_id, turn_id, lane), _START_S)

    def stop(self, principal: Principal, battle_id: str, lane: int | None = None) -> None:
        """One lane, or all."""
        self._on_loop(self._battles.stop(principal, battle_id, lane), _LOOK_S)

    def would_ask(
        self, principal: Principal, battle_id: str, prompt: Prompt, parent_turn_id: str
    ) -> tuple[CompletionRequest, ...]:
        """What the lanes would be asked after that turn; nothing is."""
        asked = self._battles.would_ask(principal, battle_id, prompt, parent_turn_id)
        return self._on_loop(asked, _LOOK_S)

    # --- the first battle ---------------------------------------------------------------------

    def start_first(self, principal: Principal) -> str:
        """Ten rows on the embedded model, bare against two examples; returns the id of all of it."""
        return self._on_loop(self._first.start(principal), _START_S)

    def first(self, principal: Principal, first_id: str) -> FirstView:
        return self._on_loop(self._first.view(principal, first_id), _LOOK_S)

    def newest_first(self, principal: Principal) -> str | None:
        """This person's last one."""
        return self._on_loop(self._first.newest(principal), _LOOK_S)

    def go_on_first(self, principal: Principal, first_id: str) -> None:
        """Where the process ended in the middle of it: start the rows that are missing."""
        self._on_loop(self._first.go_on(principal, first_id), 60.0)

    # --- look ---------------------------------------------------------------------------------

    def view(self, principal: Principal, battle_id: str) -> BattleView:
        """What this reader may see of it now."""
        return self._on_loop(view(self._battles, principal, battle_id), _LOOK_S)

    def lines(self, principal: Principal, sought: Sought, limit: int = 50) -> tuple[BattleLine, ...]:
        """The history, newest first."""
        return history.lines(self._battles.database, principal, sought, limit)

    def hidden_runs(self, principal: Principal) -> frozenset[str]:
        """Runs that no list, figure or entry may show this reader yet: they may still vote on them."""
        return self._battles.hidden_runs.of(principal)

    def battle_of(self, principal: Principal, run_id: str) -> str | None:
        """The battle that a run is a lane of, where this reader may open it and knows the names."""
        return self._on_loop(battle_of(self._battles, principal, run_id), _LOOK_S)

    # --- vote ---------------------------------------------------------------------------------

    def vote(
        self,
        principal: Principal,
        battle_id: str,
        ballot: Ballot,
        *,
        stage: Stage,
        reasons: Collection[Reason] = (),
        turn_id: str | None = None,
    ) -> Vote:
        cast = self._votes.cast(principal, battle_id, ballot, reasons=reasons, turn_id=turn_id, stage=stage)
        return self._on_loop(cast, _LOOK_S)

    def reveal(self, principal: Principal, battle_id: str) -> None:
        """Show the names without a vote."""
        self._on_loop(self._votes.reveal(principal, battle_id), _LOOK_S)

    def comparisons(
        self, principal: Principal, since_ms: int = 0, kinds: Collection[VoterKind] = PEOPLE
    ) -> tuple[Comparison, ...]:
        """What the team's votes say, two lanes at a time."""
        return self._votes.comparisons(principal.team_id, since_ms, kinds)

    def _on_loop(self, work: Coroutine[Any, Any, T], within_s: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(within_s)
