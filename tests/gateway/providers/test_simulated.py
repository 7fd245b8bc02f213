import math
import time

import pytest

from gateway.catalog import Catalog
from gateway.errors import ProviderBroke, ProviderRefused, ProviderTimeout
from gateway.messages import ReasoningDelta, TextDelta, Usage
from gateway.providers.base import Clocks, Deadlines, EmbeddingCall, EmbeddingInput, Vector
from gateway.providers.simulated import SIMULATED_MODELS, Pace, Simulated
from tests.gateway.providers.asking import QUICK, Outcome, call_of, outcome

AT_ONCE = Pace(first_token_s=0, slow_first_token_s=0, tokens_per_s=0)


async def ask(
    model: str, *, out_cap: int = 10_000, pace: Pace = AT_ONCE, first_token_s: float = 1
) -> Outcome:
    limits = Deadlines(first_token_s=first_token_s)
    return await outcome(
        Simulated(pace), call_of("Two words", model=model, out_cap=out_cap, deadlines=limits)
    )


def test_every_simulated_model_of_the_catalog_is_one_of_ours() -> None:
    routes = [route for model in Catalog.load().models() for route in model.providers]
    assert {route.model for route in routes if route.provider == "simulated"} == set(SIMULATED_MODELS)


async def test_steady_says_the_same_each_time_and_counts_each_piece() -> None:
    first, again = await ask("steady"), await ask("steady")
    assert first.events == again.events
    assert first.finish == "stop"
    pieces = sum(isinstance(event, TextDelta) for event in first.events)
    assert first.usage == Usage(input=2, output=pieces)
    assert "This answer is simulated" in first.text


async def test_the_cap_cuts_the_answer_and_the_count() -> None:
    got = await ask("steady", out_cap=5)
    assert got.text == "This answer is simulated: no"
    assert (got.finish, got.usage) == ("length", Usage(input=2, output=5))


async def test_the_pace_is_kept() -> None:
    got = await ask("steady", out_cap=20, pace=Pace(first_token_s=0.1, tokens_per_s=200))
    assert 0.19 <= got.took_s < 1


async def test_slow_first_token_is_slow_once() -> None:
    pace = Pace(first_token_s=0, slow_first_token_s=0.2, tokens_per_s=0)
    call = call_of(model="slow-first-token", out_cap=50)
    await outcome(Simulated(pace), call)
    clocks = call.clocks
    assert clocks.sent_ns
    assert clocks.first_answer_ns
    assert clocks.last_ns
    assert clocks.first_answer_ns - clocks.sent_ns >= 0.19e9
    assert clocks.last_ns - clocks.first_answer_ns < 2e9  # fifty times 0.2 s otherwise


async def test_reasoning_comes_first_and_is_part_of_the_output() -> None:
    got = await ask("reasoning")
    thoughts = sum(isinstance(event, ReasoningDelta) for event in got.events)
    words = sum(isinstance(event, TextDelta) for event in got.events)
    assert thoughts > 10
    assert got.usage == Usage(input=2, output=thoughts + words, reasoning=thoughts)
    assert isinstance(got.events[0], ReasoningDelta)


async def test_cut_mid_stream_ends_without_an_end() -> None:
    got = await ask("cut-mid-stream")
    assert isinstance(got.error, ProviderBroke)
    assert got.text
    assert got.usage is None
    assert (await ask("steady")).text.startswith(got.text)


async def test_rate_limited_says_when_to_come_back() -> None:
    got = await ask("rate-limited")
    assert isinstance(got.error, ProviderRefused)
    assert (got.error.status, got.error.retry_after_s) == (429, 2.0)


async def test_lying_usage_lies() -> None:
    got = await ask("lying-usage")
    assert got.usage == Usage(input=-5, output=10**12)
    assert got.finish == "stop"


async def test_empty_is_a_success_with_nothing_in_it() -> None:
    got = await ask("empty")
    assert isinstance(got.error, ProviderBroke)
    assert got.events == []


async def test_keep_alive_only_ends_by_our_deadline() -> None:
    got = await ask("keep-alive", first_token_s=0.1)
    assert isinstance(got.error, ProviderTimeout)
    assert got.error.deadline == "first_token"


async def test_hostile_carries_every_attack_that_a_page_must_survive() -> None:
    got = await ask("hostile")
    for attack in (
        "<script>",
        "onerror=",
        "![",
        "javascript:",
        "data:text/html",
        "&#106;",
        "<iframe",
        "<svg",
    ):
        assert attack in got.text


async def test_a_name_that_is_no_behaviour_is_refused() -> None:
    with pytest.raises(ProviderRefused) as refused:
        Simulated().stream(call_of(model="no-such"))
    assert refused.value.status == 404


async def test_stopping_is_immediate() -> None:
    started_s = time.monotonic()
    got = await outcome(Simulated(), call_of(model="steady"), stop_after=3)
    assert len(got.events) == 3
    assert time.monotonic() - started_s < 1


async def test_its_vectors_are_the_same_each_time_and_near_where_words_are_shared() -> None:
    provider = Simulated(Pace(first_token_s=0))

    def asking(*inputs: EmbeddingInput, dimensions: int | None = None) -> EmbeddingCall:
        return EmbeddingCall("run_1", "embedding", inputs, dimensions, Clocks(0), QUICK)

    texts = ("the red cat", "The red cats!", "a blue whale", (1, 2), "")
    said = await provider.embed(asking(*texts))
    cat, cats, whale, _, nothing = said.vectors
    assert said.vectors == (await provider.embed(asking(*texts))).vectors
    assert _cosine(cat, cats) > 0.5 > abs(_cosine(cat, whale))
    assert all(math.isclose(_cosine(vector, vector), 1, rel_tol=1e-5) for vector in said.vectors)
    assert list(nothing[:2]) == [1, 0]
    assert said.usage == Usage(input=11, output=0)
    assert [len(vector) for vector in (await provider.embed(asking("x", dimensions=12))).vectors] == [12]


def _cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
