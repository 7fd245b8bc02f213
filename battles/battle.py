"""THE use case of battles: open one, put a prompt to its lanes, go on or fork, stop, try again, look.

Everything is written down before it happens, so that a reload, a second tab and a process that was killed
find it again. Money, routes, streams and limits are the gateway's. Votes are `votes.py`'s, lists
`history.py`'s, what streams to a page `live.py`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from battles import access, opening, storage
from battles.asking import last_runs, path_to, request_of
from battles.conducting import Ask, Conductor
from battles.errors import (
    BadBattle,
    BattleNotFound,
    LanesRunning,
    NothingToRetry,
    NotYours,
    RequestKeyReused,
)
from battles.held_log import HeldLog
from battles.hidden import HiddenRuns
from battles.language import language_of
from battles.masking import Mask
from battles.models import Battle, BattleWish, Lane, LaneRun, Prompt, Turn
from battles.unkept import Unkept
from battles.views import Known, state_of
from billing.commands import CapSet, SetCap
from gateway.catalog import Catalog
from gateway.completion import Gateway
from gateway.errors import RunNotFound
from gateway.messages import CompletionRequest
from gateway.records import RunRecord
from identity.permissions import require
from identity.principal import Principal
from store.databases import Database
from store.ids import new_id

Surface = Literal["page", "api"]
Charged = Callable[[int, str], int | None]
"""What the ledger charged a team for a run; None where it has not, or not yet. Any thread may ask."""

MOST_TURNS: Final = 200
MOST_TRIES: Final = 50
_NOT_ENDED: Final = ("waiting", "running")
_LOOKS_AGAIN_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Means:
    """What battles are made with. `process_id` is None where this process has the databases to itself."""

    gateway: Gateway
    catalog: Catalog
    database: Database
    set_cap: Callable[[SetCap], Awaitable[CapSet]]
    charged: Charged
    held_log: HeldLog
    hidden_runs: HiddenRuns
    process_id: str | None = None
    draw_lots: Callable[[list[Lane]], None] = opening.by_lot


class Battles:
    """On the loop only."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self.database = means.database
        self._conductor = Conductor(means.gateway, means.database)
        self._unkept_battles: Unkept[Battle] = Unkept()
        self._unkept_prompts: Unkept[Prompt] = Unkept()
        self._mask: tuple[str, Mask] | None = None
        self.hidden_runs = means.hidden_runs
        self._closing: list[Callable[[], Awaitable[None]]] = []

    async def open(self) -> None:
        await self.end_interrupted()

    async def close(self) -> None:
        for close in self._closing:
            await close()
        await self._conductor.close()
        self._means.held_log.close()

    def before_closing(self, close: Callable[[], Awaitable[None]]) -> None:
        """Whoever starts battles in the background ends that first."""
        self._closing.append(close)

    async def end_interrupted(self) -> None:
        """Lanes that waited in a process which is dead. One process of an installation asks now and then."""
        process_id = self._means.process_id
        await self.database.write(lambda session: storage.end_interrupted(session, process_id))

    # --- open, go on, fork --------------------------------------------------------------------

    async def create(
        self,
        principal: Principal,
        wish: BattleWish,
        *,
        surface: Surface = "page",
        idempotency_key: str | None = None,
    ) -> Battle:
        """A battle with no turn yet, capped where it was asked for. Under a key that was used before it is
        the battle that was opened then. Raises `BadBattle`, `RequestKeyReused`, `NotPermitted`, and what
        the catalog raises."""
        require(principal, "run_models")
        opening.check(wish)
        lanes = opening.lanes_of(wish, self._means.catalog, self._means.draw_lots)
        request_key = _digest(idempotency_key) if idempotency_key else None
        if request_key is not None and (found := await self._by_key(principal, request_key, lanes)):
            return found
        battle = _new_battle(principal, wish, lanes, surface)
        if battle.cost_cap_nano_usd is not None:
            await self._means.set_cap(
                SetCap(
                    battle.team_id, "battle", battle.id, battle.cost_cap_nano_usd, alert_at=(),
                    actor_user_id=principal.user_id,
                )
            )  # fmt: skip
        if not battle.keeps_text:
            self._unkept_battles.put(battle.id, battle)
        try:
            await self.database.write(
                lambda session: storage.insert_battle(session, battle, principal.key_id, request_key)
            )
        except IntegrityError:  # the same key came at the same moment
            found = await self._by_key(principal, request_key, lanes) if request_key is not None else None
            if found is None:
                raise
            return found
        return battle

    async def _by_key(self, principal: Principal, request_key: str, lanes: Sequence[Lane]) -> Battle | None:
        team_id = principal.team_id
        found = await self.database.read(
            lambda session: storage.find_by_request_key(session, team_id, request_key)
        )
        if found is None:
            return None
        if sorted(lane.model for lane in found.lanes) != sorted(lane.model for lane in lanes):
            raise RequestKeyReused("This idempotency key has opened another battle.")
        return self._recalled(found)

    async def start_turn(
        self,
        principal: Principal,
        battle_id: str,
        prompt: Prompt,
        parent_turn_id: str | None = None,
        *,
        unless_begun: bool = False,
    ) -> Turn:
        """Put a prompt to every lane: at the beginning, or after an earlier turn. Another turn after the same
        one is a fork. `unless_begun`: where the battle has a turn, that one is returned instead. Returns when
        the first lanes were admitted or refused. Raises `BattleError` and
        `NotPermitted`; what a lane is refused for is kept with the lane."""
        require(principal, "run_models")
        opening.check_prompt(prompt)
        battle = await self.find(principal, battle_id)
        known = await self.known(battle)
        if len(known.turns) >= MOST_TURNS:
            raise BadBattle(f"A battle has at most {MOST_TURNS} turns. Open a new one.")
        turns = {turn.id: turn for turn in known.turns}
        if parent_turn_id is not None and parent_turn_id not in turns:
            raise BadBattle("There is no such turn in this battle.", "parent_turn_id")
        turn = Turn(
            id=new_id("trn"),
            battle_id=battle.id,
            parent_turn_id=parent_turn_id,
            no=len(known.turns) + 1,
            user_id=principal.user_id,
            prompt=prompt,
            prompt_sha256=opening.prompt_digest(prompt),
            language=language_of(prompt.text or " ".join(prompt.variables.values())),
            created_ms=_now_ms(),
        )
        runs = [self._try(turn.id, lane, 1) for lane in battle.lanes]
        after = replace(known, turns=(*known.turns, turn))
        chains = self._chains(battle, self._asks(battle, after, turn, runs))

        def begin(session: Session) -> Turn:
            storage.lock_battle(session, battle.id)  # or two tabs would take the same number
            if unless_begun and (there := storage.turns_of(session, [battle.id])):
                return there[0]
            numbered = replace(turn, no=storage.next_turn_no(session, battle.id))
            storage.insert_turn(session, numbered, keeps_text=battle.keeps_text)
            storage.insert_runs(session, _runs_in(chains), self._means.process_id)
            return numbered

        if not battle.keeps_text:
            self._unkept_prompts.put(turn.id, prompt)
        begun = await self.database.write(begin)
        if begun.id == turn.id:
            await self._run(principal, battle, chains)
        return begun

    async def would_ask(
        self, principal: Principal, battle_id: str, prompt: Prompt, parent_turn_id: str | None
    ) -> tuple[CompletionRequest, ...]:
        """What each lane would be asked if that prompt were put after that turn; nothing is. Raises as
        `start_turn` does."""
        require(principal, "run_models")
        opening.check_prompt(prompt)
        battle = await self.find(principal, battle_id)
        known = await self.known(battle)
        turn = Turn("", battle.id, parent_turn_id, 0, principal.user_id, prompt, "", None, _now_ms())
        if parent_turn_id not in {None, *(each.id for each in known.turns)}:
            raise BadBattle("There is no such turn in this battle.", "parent_turn_id")
        tries = [self._try(turn.id, lane, 1) for lane in battle.lanes]
        asks = self._asks(battle, replace(known, turns=(*known.turns, turn)), turn, tries)
        return tuple(ask.request for ask in asks.values())

    async def retry(
        self, principal: Principal, battle_id: str, turn_id: str, lane: int | None = None
    ) -> tuple[int, ...]:
        """Ask a lane again, or every lane of the turn that gave no whole answer. Each try is charged. Returns
        the lanes that were asked. Raises `LanesRunning`, `NothingToRetry`, and what `start_turn` does."""
        require(principal, "run_models")
        battle = await self._steered(principal, battle_id)
        known = await self.known(battle)
        turn = next((turn for turn in known.turns if turn.id == turn_id), None)
        if turn is None:
            raise BadBattle("There is no such turn in this battle.", "turn_id")
        if await self._voted_on(battle.id, turn.id):
            raise BadBattle("This turn was voted on, and stays as it is. Fork it instead.", "turn_id")
        last = last_runs(run for run in known.runs if run.turn_id == turn.id)
        again = [run for run in last.values() if _asks_again(run, known, lane)]
        if not again:
            raise NothingToRetry("Every lane of this turn has answered. Name the one to ask again.")
        if any(run.no >= MOST_TRIES for run in again):
            raise BadBattle(f"A lane is tried at most {MOST_TRIES} times.", "lane")
        runs = [self._try(turn.id, battle.lanes[run.lane], run.no + 1) for run in again]
        chains = self._chains(battle, self._asks(battle, known, turn, runs))
        await self.database.write(
            lambda session: storage.insert_runs(session, _runs_in(chains), self._means.process_id)
        )
        await self._run(principal, battle, chains)
        return tuple(run.lane for run in runs)

    async def stop(
        self, principal: Principal, battle_id: str, lane: int | None = None, turn_id: str | None = None
    ) -> int:
        """Stop one lane or all that have not ended; what had arrived is billed. Returns how many there were.
        Raises `BattleNotFound` and `NotYours`."""
        battle = await self._steered(principal, battle_id)
        known = await self.known(battle)
        stopped = 0
        for run in last_runs(known.runs).values():
            wanted = lane in (None, run.lane) and turn_id in (None, run.turn_id)
            if not wanted or known_state(run, known) not in _NOT_ENDED:
                continue
            stopped += 1
            if await self._forestalled(run):
                continue
            with contextlib.suppress(RunNotFound):  # it was refused at this moment
                await self._means.gateway.stop(principal, run.run_id, steered=True)
        return stopped

    async def _forestalled(self, run: LaneRun) -> bool:
        """Whether it still waited, and now never runs."""
        return await self.database.write(lambda session: storage.move_run(session, run.run_id, "stopped"))

    # --- look ---------------------------------------------------------------------------------

    async def find(self, principal: Principal, battle_id: str) -> Battle:
        """Raises `BattleNotFound`, for one that this reader may not see too."""
        team_id = principal.team_id
        found = await self.database.read(lambda session: storage.find_battle(session, team_id, battle_id))
        if found is None or not access.may_see(principal, found):
            raise BattleNotFound(battle_id)
        return self._recalled(found)

    async def known(self, battle: Battle) -> Known:
        """All that is known of a battle, for whoever then says what its reader may see of it."""
        turns, runs = await self.database.read(lambda session: _turns_and_runs(session, [battle.id]))
        return await self.with_records(battle.team_id, turns, runs)

    async def until_ended(self, battle: Battle) -> None:
        """Wait for every lane that has not ended."""
        while True:
            known = await self.known(battle)
            running = [run for run in last_runs(known.runs).values() if known_state(run, known) in _NOT_ENDED]
            if not running:
                return
            here = [self._means.gateway.runs.get(run.run_id, battle.team_id) for run in running]
            first = next((run for run in here if run is not None), None)
            if first is not None:
                await first.ended.wait()
            else:
                await asyncio.sleep(_LOOKS_AGAIN_S)  # it waits for its turn, or another process has it

    async def around(self, principal: Principal, turn_id: str) -> tuple[Battle, Known]:
        """The battle of a turn, and what is known of that turn alone. Raises `BattleNotFound`."""

        def look(session: Session) -> tuple[Turn, tuple[LaneRun, ...]] | None:
            turn = storage.find_turn(session, turn_id)
            return None if turn is None else (turn, storage.runs_of(session, [turn.id]))

        found = await self.database.read(look)
        if found is None:
            raise BattleNotFound(turn_id)
        turn, runs = found
        battle = await self.find(principal, turn.battle_id)
        return battle, await self.with_records(battle.team_id, [turn], runs)

    async def again(self, team_id: int, run: LaneRun) -> Known:
        """What is known now of the lanes beside this one, itself included."""
        runs = await self.database.read(lambda session: storage.runs_of(session, [run.turn_id]))
        return await self.with_records(team_id, (), runs)

    async def with_records(self, team_id: int, turns: Sequence[Turn], runs: Sequence[LaneRun]) -> Known:
        asked = [run.run_id for run in runs if run.state == "admitted"]
        records = await self._means.gateway.records(team_id, asked)
        return Known(
            turns=tuple(self._with_prompt(turn) for turn in turns),
            runs=tuple(runs),
            records=records,
            charged=await self._charged(team_id, asked, records),
            now_ms=_now_ms(),
        )

    async def _charged(
        self, team_id: int, asked: Iterable[str], records: dict[str, RunRecord]
    ) -> dict[str, int | None]:
        """Where a record does not say what its run cost: a process ended before it was settled."""
        unsaid = [
            run_id
            for run_id in asked
            if (record := records.get(run_id)) is None
            or (record.state != "running" and record.figures.cost_nano_usd is None)
        ]
        if not unsaid:
            return {}
        return await asyncio.to_thread(
            lambda: {run_id: self._means.charged(team_id, run_id) for run_id in unsaid}
        )

    def mask(self) -> Mask:
        """Of the names that the catalog knows now."""
        catalog = self._means.catalog
        if self._mask is None or self._mask[0] != catalog.hash:
            self._mask = catalog.hash, Mask(catalog.models())
        return self._mask[1]

    def why_not(self, model_id: str) -> str | None:
        """Why nobody answers for this model here, in words; None where somebody does."""
        return self._means.gateway.routable(self._means.catalog.get(model_id))

    def show_rows(self, run_ids: Collection[str]) -> None:
        """The names are known to whoever started these runs: their rows may go to the log."""
        self._means.held_log.release(run_ids)

    def somebody_knows(self) -> None:
        """Somebody voted, or had names shown."""
        self.hidden_runs.changed()

    async def forget_text(self, battle_id: str, turn_ids: Iterable[str]) -> None:
        """What memory has of it."""
        self._unkept_battles.forget(battle_id)
        for turn_id in turn_ids:
            self._unkept_prompts.forget(turn_id)

    # --- pieces -------------------------------------------------------------------------------

    def _recalled(self, battle: Battle) -> Battle:
        return battle if battle.keeps_text else self._unkept_battles.get(battle.id) or battle

    def _with_prompt(self, turn: Turn) -> Turn:
        if turn.prompt is not None:
            return turn
        return replace(turn, prompt=self._unkept_prompts.get(turn.id))

    async def _steered(self, principal: Principal, battle_id: str) -> Battle:
        battle = await self.find(principal, battle_id)
        if not access.may_steer(principal, battle):
            raise NotYours("Only its author, or an owner of the team, may do this to a battle.")
        return battle

    async def _voted_on(self, battle_id: str, turn_id: str) -> bool:
        return await self.database.read(lambda session: storage.has_votes(session, battle_id, turn_id))

    def _try(self, turn_id: str, lane: Lane, no: int) -> LaneRun:
        return LaneRun(turn_id, lane.no, no, new_id("run"), "waiting", _now_ms())

    def _asks(self, battle: Battle, known: Known, turn: Turn, runs: Iterable[LaneRun]) -> dict[int, Ask]:
        """What each of these lanes asks. Raises `LanesRunning` where an answer that it goes on from is not
        there yet."""
        path = path_to(turn.id, {turn.id: turn for turn in known.turns})
        before = {turn.id for turn in path[:-1]}
        last = last_runs(run for run in known.runs if run.turn_id in before)
        if any(known_state(run, known) in _NOT_ENDED for run in last.values()):
            raise LanesRunning("Some lane has not ended yet. Wait for it, or stop it.")
        answers = {place: record for place, run in last.items() if (record := known.records.get(run.run_id))}
        return {run.lane: Ask(run, request_of(battle, battle.lanes[run.lane], path, answers)) for run in runs}

    def _chains(self, battle: Battle, asks: dict[int, Ask]) -> list[list[Ask]]:
        """In the order in which they start; the first of each chain starts at once."""
        catalog, gateway = self._means.catalog, self._means.gateway
        private = {provider.id: provider.allow_private_address for provider in catalog.providers()}
        connected = gateway.connected()
        servers = [
            opening.local_server(lane, catalog, connected, private) if lane.no in asks else None
            for lane in battle.lanes
        ]
        chains, share = opening.chains(battle, servers)
        crowded = [server for server in servers if server is not None and servers.count(server) > 1]
        started = []
        for chain in chains:
            here = [asks[no] for no in chain if no in asks]
            for at, ask in enumerate(here):
                shares = share and servers[ask.run.lane] in crowded
                state: Any = "admitted" if at == 0 else "waiting"
                here[at] = Ask(replace(ask.run, state=state, shares_cpu=shares), ask.request)
            if here:
                started.append(here)
        return started

    async def _run(self, principal: Principal, battle: Battle, chains: Sequence[Sequence[Ask]]) -> None:
        if battle.blind:
            self._means.held_log.hold(run.run_id for run in _runs_in(chains))
            self.hidden_runs.changed()
        await self._conductor.start(principal, battle, chains)


def known_state(run: LaneRun, known: Known) -> str:
    return state_of(run, known.records.get(run.run_id), known.now_ms)


def _asks_again(run: LaneRun, known: Known, lane: int | None) -> bool:
    """Whether this lane is to be asked again. Raises `LanesRunning` and `NothingToRetry` for one that was
    named and cannot be."""
    state = known_state(run, known)
    if lane is None:
        return state in ("failed", "stopped")
    if run.lane != lane:
        return False
    if state in _NOT_ENDED:
        raise LanesRunning("This lane has not ended yet. Wait for it, or stop it.")
    return True


def _new_battle(principal: Principal, wish: BattleWish, lanes: tuple[Lane, ...], surface: Surface) -> Battle:
    policy = principal.policy
    keeps = not policy.zero_retention and policy.text_days != 0
    return Battle(
        id=new_id("btl"),
        team_id=principal.team_id,
        user_id=principal.user_id,
        kind=wish.kind,
        surface=surface,
        personal=wish.personal and principal.user_id is not None,
        blind=wish.blind,
        category=wish.category,
        tags=tuple(dict.fromkeys(wish.tags)),
        order=wish.order,
        cost_cap_nano_usd=wish.cost_cap_nano_usd,
        shared=wish.shared,
        lanes=lanes,
        keeps_text=keeps and (policy.keeps_text(surface) or wish.keep),
        created_ms=_now_ms(),
        batch_id=wish.batch_id,
    )


def _turns_and_runs(
    session: Session, battle_ids: Sequence[str]
) -> tuple[tuple[Turn, ...], tuple[LaneRun, ...]]:
    turns = storage.turns_of(session, battle_ids)
    return turns, storage.runs_of(session, [turn.id for turn in turns])


def _runs_in(chains: Iterable[Iterable[Ask]]) -> list[LaneRun]:
    return [ask.run for chain in chains for ask in chain]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
