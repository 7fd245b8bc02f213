"""Runs checks apart from this process: in a child that forks for each, and gives up files, network,
processes and most of its memory before it looks at an answer (`sandbox_child.py` says how).

Regular expressions and JSON schemas run wherever there is a `fork`. Python tests run where the kernel
holds them; where it does not, only if the operator said so (`unheld_python`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from battles.batch_rows import Values
from battles.checks import Check, Exact, Python, Verdict, exactly, for_row
from battles.errors import NoSandbox

_log = logging.getLogger(__name__)

PythonTests = Literal["sandboxed", "unsandboxed", "off"]
CHECK_S: Final = 5.0
MEMORY_BYTES: Final = 256 * 1024 * 1024
_READY_WITHIN_S: Final = 20.0
_AFTER_DEADLINE_S: Final = 5.0


class Sandbox:
    """Up to `children` at a time, each started when it is first needed. `close` ends them."""

    def __init__(
        self,
        python_tests: PythonTests = "sandboxed",
        *,
        children: int = 1,
        check_s: float = CHECK_S,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._python_tests = python_tests
        self._check_s = check_s
        self._memory_bytes = memory_bytes
        self._free: asyncio.LifoQueue[_Child] = asyncio.LifoQueue()
        for _ in range(children):
            self._free.put_nowait(_Child())
        self._count = children

    async def refuse_python(self) -> None:
        """Raises `NoSandbox` where Python tests would not run here."""
        if self._python_tests == "off":
            raise NoSandbox("The operator of this installation does not allow Python tests.")
        async with self._a_child() as child:
            why_not = await child.why_not_held()
        if why_not and self._python_tests != "unsandboxed":
            raise NoSandbox(
                f"Python tests cannot be kept apart here: {why_not}. An operator who trusts every member "
                "may set TILTYARD_PYTHON_TESTS=unsandboxed."
            )

    async def check(self, checks: Sequence[Check], answer: str, row: Values) -> tuple[Verdict, ...]:
        """Never raises for what a check does: a verdict says so."""
        return tuple([await self._one(check, answer, row) for check in checks])

    async def _one(self, check: Check, answer: str, row: Values) -> Verdict:
        if isinstance(check, Exact):
            return exactly(check, answer, row)
        told = for_row(check, row)
        kind: Literal["regex", "json_schema", "python"] = told["kind"]  # type: ignore[assignment]  # as for_row wrote it
        try:
            if isinstance(check, Python):
                await self.refuse_python()
            async with self._a_child() as child:
                said = await child.ask(
                    {
                        "check": told,
                        "answer": answer,
                        "seconds": self._check_s,
                        "memory_bytes": self._memory_bytes,
                    },
                    self._check_s + _AFTER_DEADLINE_S,
                )
        except NoSandbox as error:
            return Verdict(kind, None, str(error))
        return Verdict(kind, said["passed"], said["why"])

    @contextlib.asynccontextmanager
    async def _a_child(self) -> Any:
        child = await self._free.get()
        try:
            yield child
        finally:
            self._free.put_nowait(child)

    async def close(self) -> None:
        for _ in range(self._count):
            await (await self._free.get()).end()


class _Child:
    """One process; started again by the next question when it died or had to be killed."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._why_not_held: str | None = None

    async def why_not_held(self) -> str:
        if self._why_not_held is None:
            await self._start()
        return self._why_not_held or ""

    async def ask(self, asked: dict[str, Any], within_s: float) -> dict[str, Any]:
        """Raises `NoSandbox` where no child can be had."""
        if self._process is None or self._process.returncode is not None:
            await self._start()
        try:
            async with asyncio.timeout(within_s):
                return await self._told(json.dumps(asked).encode() + b"\n")
        except (TimeoutError, OSError, ValueError) as error:
            _log.warning("the sandbox of checks had to be ended: %r", error)
            await self.end()
            return {"passed": None, "why": "its sandbox ended with it"}
        except asyncio.CancelledError:
            await self.end()  # half a question was asked
            raise

    async def _told(self, line: bytes) -> dict[str, Any]:
        assert self._process is not None and self._process.stdin and self._process.stdout
        self._process.stdin.write(line)
        await self._process.stdin.drain()
        told: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return told

    async def _start(self) -> None:
        if not hasattr(os, "fork"):
            raise NoSandbox("This system cannot run such checks: it has no fork.")
        await self.end()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(Path(__file__).with_name("sandbox_child.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={},
            cwd="/",
            start_new_session=True,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                told = json.loads(await self._process.stdout.readline())
        except (TimeoutError, OSError, ValueError) as error:
            await self.end()
            raise NoSandbox("The sandbox of checks could not be started; the log says why.") from error
        self._why_not_held = str(told["why"])

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
