import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from billing.commands import Facts, Reserve, SetCap, Void
from billing.errors import CapReached, TooManyOpen
from gateway.admission import MOST_IMAGES, Admission, LoopLag, refuse_too_much
from gateway.completion import Limits
from gateway.errors import BadRequest, Overloaded, RateLimited
from gateway.messages import CompletionRequest, ImagePart, Message
from gateway.providers.simulated import Pace
from gateway.rate_limits import RateLimits, Window
from gateway.rate_windows import Standing, Windows
from gateway.tiers import Allowances, Rate, Tier, set_rate
from identity.principal import Principal
from tests.gateway.desk import LOCAL, Desk, asking, desk, ended

SMALL = (Tier(1, 0, Rate(3, 4_000)),)
STRANGER = Principal(team_id=2, team_name="Other", user_id=2, role="owner")
SCRIPT = Principal(team_id=1, team_name="Local", user_id=1, role="owner", key_id=7)


class Clock:
    now_s = 600.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_team_may_ask_so_often_a_minute_and_another_is_not_touched(tmp_path: Path) -> None:
    async with desk(tmp_path, tiers=SMALL) as here:
        for _ in range(3):
            await ended(await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api"))
        with pytest.raises(RateLimited) as refused:
            await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api")
        assert (refused.value.scope, refused.value.what, refused.value.limit) == ("team", "requests", 3)
        assert refused.value.retry_after_s > 0
        assert here.balance().held_nano_usd == 0
        assert (here.rows[-1].error, here.rows[-1].outcome) == ("RateLimited", "blocked")
        await here.gateway.admit(STRANGER, asking("simulated/steady"), surface="api")


async def test_tokens_that_a_request_did_not_use_are_given_back_when_it_ends(tmp_path: Path) -> None:
    async with desk(tmp_path, tiers=(Tier(1, 0, Rate(100, 4_000)),)) as here:
        for _ in range(5):
            run = await ended(
                await here.gateway.admit(
                    LOCAL, asking("simulated/steady", max_output_tokens=3_000), surface="api"
                )
            )
            assert run.usage is not None and run.usage.output < 700
        with pytest.raises(RateLimited) as refused:
            await here.gateway.admit(
                LOCAL, asking("simulated/steady", max_output_tokens=4_000), surface="api"
            )
        assert refused.value.what == "tokens"
        assert refused.value.needed > 4_000
        assert "may come to" in str(refused.value)


async def test_while_they_run_requests_count_with_all_that_they_may_take(tmp_path: Path) -> None:
    async with desk(tmp_path, tiers=SMALL, pace=Pace(first_token_s=5)) as here:
        await here.gateway.admit(LOCAL, asking("simulated/steady", max_output_tokens=3_000), surface="api")
        with pytest.raises(RateLimited) as refused:
            await here.gateway.admit(
                LOCAL, asking("simulated/steady", max_output_tokens=1_500), surface="api"
            )
        assert refused.value.what == "tokens"


async def test_a_request_that_the_ledger_refuses_gives_its_tokens_back(tmp_path: Path) -> None:
    async with desk(tmp_path, tiers=(Tier(1, 0, Rate(100, 4_000)),)) as here:
        await here.ledger.set_cap(SetCap(1, "team", "1", 1))
        for _ in range(3):
            with pytest.raises(CapReached):
                await here.gateway.admit(
                    LOCAL, asking("simulated/steady", max_output_tokens=3_000), surface="api"
                )


async def test_a_key_has_limits_of_its_own_beside_its_teams(tmp_path: Path) -> None:
    async with desk(tmp_path, tiers=SMALL) as here:
        with here.databases.app.session() as session:
            set_rate(session, "key", 7, Rate(1, None))
        await ended(await here.gateway.admit(SCRIPT, asking("simulated/steady"), surface="api"))
        with pytest.raises(RateLimited) as refused:
            await here.gateway.admit(SCRIPT, asking("simulated/steady"), surface="api")
        assert refused.value.scope == "key"
        for _ in range(2):
            await ended(await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api"))
        with pytest.raises(RateLimited) as refused:
            await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api")
        assert refused.value.scope == "team", "what the key was refused was not counted, what it asked was"


async def test_open_holds_of_all_processes_count_for_how_much_a_team_runs_at_once(tmp_path: Path) -> None:
    """As if another process had it: the gateway knows nothing of this hold."""
    async with desk(tmp_path, limits=Limits(running_team=2)) as here:
        facts = Facts("simulated/steady", "simulated", "v", 1, None)
        for run_id in ("run_1", "run_2"):
            await here.ledger.reserve(Reserve(1, run_id, 1_000, 1, 30_000, facts))
        with pytest.raises(TooManyOpen) as refused:
            await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api")
        assert (refused.value.open_holds, refused.value.most) == (2, 2)
        await here.ledger.void(Void(1, "run_2"))
        await ended(await here.gateway.admit(LOCAL, asking("simulated/steady"), surface="api"))


class Shared:
    """What Redis would count, for any number of processes; away while `away`."""

    def __init__(self) -> None:
        self.windows = Windows()
        self.away = False

    async def take(self, window: Window, cost: int) -> bool:
        if self.away:
            raise ConnectionError("gone")
        return self.windows.take(window.name, window.limit, cost, 600.0)

    async def add(self, window: Window, cost: int) -> None:
        await self.take(window, cost)

    async def standing(self, window: Window) -> Standing:
        return self.windows.standing(window.name, window.limit, 600.0)

    async def close(self) -> None: ...


def limits(
    here: Desk, *, among: int = 1, shared: Shared | None = None, clock: Clock | None = None
) -> RateLimits:
    async def processes() -> int:
        return among

    return RateLimits(
        Allowances(here.databases.app, lambda _: 0, (Tier(1, 0, Rate(8, 8_000)),), 1),
        processes,
        shared,
        now_s=clock or Clock(),
    )


async def taken(rates: RateLimits, at_most: int = 20) -> int:
    for times in range(at_most):
        try:
            await rates.take(1, None, 1)
        except RateLimited:
            return times
    return at_most


async def test_without_redis_each_process_has_its_share(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        both = [limits(here, among=4) for _ in range(2)]
        for rates in both:
            sharing = asyncio.create_task(rates.keep_share())
            await asyncio.sleep(0)
            assert await taken(rates) == 2, "8 a minute among 4"
            requests, tokens = rates.standing(1, None)
            assert requests is not None and (requests.limit, requests.remaining) == (2, 0)
            assert tokens is not None and (tokens.limit, tokens.remaining) == (2_000, 1_998)
            sharing.cancel()
            await rates.close()


async def test_with_redis_one_process_may_use_it_all_and_then_no_other_any(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        shared = Shared()
        first, second = (limits(here, among=4, shared=shared) for _ in range(2))
        assert await taken(first) == 8
        assert await taken(second) == 0
        requests, _ = second.standing(1, None)
        assert requests is not None and (requests.limit, requests.remaining) == (8, 0)
        await first.close()
        await second.close()


async def test_where_redis_is_away_each_counts_its_share_and_comes_back_to_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        clock, shared = Clock(), Shared()
        rates = limits(here, shared=shared, clock=clock)
        shared.away = True
        assert await taken(rates) == 8
        shared.away = False
        clock.now_s += 4
        assert await taken(rates) == 0, "not asked again at once"
        clock.now_s += 2
        assert await taken(rates) == 8
        await rates.close()


async def test_a_late_loop_takes_no_more_where_streams_would_suffer() -> None:
    lag = LoopLag()
    admission = Admission(most_running=50, most_lag_ms=100, lag=lag)
    for _ in range(3):
        lag.saw(2_000.0)
    admission.refuse_where_full(40)  # a stall is over when it is over
    for _ in range(20):
        lag.saw(150.0)
    admission.refuse_where_full(3)
    with pytest.raises(Overloaded) as refused:
        admission.refuse_where_full(40)
    assert refused.value.retry_after_s >= 1
    for _ in range(20):
        lag.saw(1.0)
    admission.refuse_where_full(40)
    with pytest.raises(Overloaded):
        admission.refuse_where_full(50)


async def test_the_lag_of_a_loop_is_seen(tmp_path: Path) -> None:
    lag = LoopLag()
    asking_on = asyncio.create_task(lag.keep_asking())
    for _ in range(14):
        await asyncio.sleep(0.05)
        until_s = time.monotonic() + 0.08
        while time.monotonic() < until_s:
            pass
    asking_on.cancel()
    assert lag.now_ms > 20


def test_more_images_than_can_be_meant_are_refused_on_every_wire() -> None:
    image = ImagePart("https://pictures.example/1.png", "auto")
    refuse_too_much(CompletionRequest("m", (Message("user", (image,) * MOST_IMAGES),)))
    with pytest.raises(BadRequest, match="images"):
        refuse_too_much(CompletionRequest("m", (Message("user", (image,) * (MOST_IMAGES + 1)),)))
    with pytest.raises(BadRequest, match="messages"):
        refuse_too_much(CompletionRequest("m", (Message.of("user", "hi"),) * 2_001))


async def test_requests_that_come_at_once_are_taken_a_few_a_turn_of_the_loop_in_their_order() -> None:
    admission = Admission(most_running=50, most_lag_ms=100)
    loop = asyncio.get_running_loop()
    turns = 0
    taken: list[tuple[int, int]] = []  # which, and in which turn

    def count() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(count)

    async def ask(no: int) -> None:
        await admission.turn()
        taken.append((no, turns))

    loop.call_soon(count)
    asking = [asyncio.create_task(ask(no)) for no in range(40)]
    await asyncio.sleep(0)
    asking[30].cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert [no for no, _ in taken] == [no for no in range(40) if no != 30]
    a_turn = Counter(turn for _, turn in taken)
    assert max(a_turn.values()) <= 4
    assert len(a_turn) >= 10


async def test_one_request_alone_waits_for_no_turn() -> None:
    admission = Admission(most_running=50, most_lag_ms=100)
    with pytest.raises(StopIteration):
        admission.turn().send(None)
