import pytest

from api.wire.rates import duration
from gateway.tiers import Rate, set_rate
from store.databases import Database
from tests.api.conftest import World, chat

KINDS = ("requests", "tokens")


async def test_every_answer_to_a_known_caller_tells_how_its_limits_stand(world: World) -> None:
    whole = await world.post(chat(max_tokens=10))
    streamed = await world.post(chat(max_tokens=10, stream=True))
    listed = await world.get("/v1/models")
    wrong = await world.post({"model": "lab/fast"})
    unknown = await world.post(chat() | {"model": "lab/none"})
    for answered in (whole, streamed, listed, wrong, unknown):
        assert answered.headers["x-ratelimit-limit-requests"] == "1000", answered.status
        assert answered.headers["x-ratelimit-limit-tokens"] == "1000000"
    assert whole.headers["x-ratelimit-remaining-requests"] == "999"
    assert unknown.headers["x-ratelimit-remaining-requests"] == "998"
    assert unknown.headers["x-ratelimit-remaining-tokens"] == str(1_000_000 - 24), "12 tokens each, as billed"
    assert whole.headers["x-ratelimit-reset-requests"].endswith("s")


async def test_strangers_are_told_nothing(world: World) -> None:
    answered = await world.post(chat(), key="ty_" + "x" * 40)
    assert answered.status == 401
    assert [name for name in answered.headers if name.startswith("x-ratelimit")] == []


async def test_beyond_a_limit_a_caller_is_told_when_to_come_back(world: World, database: Database) -> None:
    with database.session() as session:
        set_rate(session, "key", 1, Rate(2, None))
    assert [(await world.post(chat(max_tokens=5))).status for _ in range(3)] == [200, 200, 429]
    refused = await world.post(chat(max_tokens=5))
    assert refused.error["code"] == "rate_limit_exceeded"
    assert (refused.error["limit_scope"], refused.error["limit"]) == ("key", 2)
    assert refused.error["limit_of"] == "requests a minute"
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-limit-tokens"] == "1000000", "the team's, where the key has none"
    assert (world.rows[-1].status, world.rows[-1].error) == (429, "RateLimited")
    await world.settled()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0ms"),
        (0.0124, "12ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9994, "59.999s"),
        (60, "1m0s"),
        (119.25, "1m59.25s"),
    ],
)
def test_times_are_written_as_openai_writes_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


async def test_a_process_that_is_full_sends_callers_elsewhere(world: World) -> None:
    world.gateway.admission._most_running = 0
    refused = await world.post(chat())
    assert (refused.status, refused.error["code"]) == (503, "server_busy")
    assert int(refused.headers["retry-after"]) >= 1
