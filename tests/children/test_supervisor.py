import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from children.supervisor import Child, ChildFailed, runtime_folder


def child_that(mode: str, *, on_exit: Callable[[int], None] | None = None, **settings: object) -> Child:
    return Child(
        mode, "tests.children.sample_child", settings, arguments=[mode], ready_within_s=5, on_exit=on_exit
    )


async def test_a_child_gets_its_settings_on_standard_input_and_none_of_our_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    seen = tmp_path / "seen"
    child = child_that("shows", path=str(seen))
    await child.start()
    await child.stop()
    assert str(seen) in seen.read_text()
    assert "sk-secret" not in seen.read_text()


async def test_a_child_that_dies_is_started_again() -> None:
    exits: list[int] = []
    child = child_that("waits", on_exit=exits.append)
    await child.start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(5):
        while child.restarts == 0:
            await asyncio.sleep(0.01)
    assert exits == [-signal.SIGKILL]
    assert child.pid not in (None, first)
    await child.stop()
    assert child.pid is None


async def test_a_child_ends_by_itself_when_we_are_gone() -> None:
    """Its standard input closes with us, however we end."""
    process = await asyncio.create_subprocess_exec(
        *child_that("waits").command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(b"{}\n")
    await process.stdin.drain()
    process.stdin.close()
    async with asyncio.timeout(5):
        assert await process.wait() == 0


async def test_a_child_that_never_gets_ready_is_said_so() -> None:
    with pytest.raises(ChildFailed, match="code 3"):
        await child_that("fails").start()


async def test_a_child_that_ignores_the_end_is_killed() -> None:
    child = child_that("stays")
    await child.start()
    await child.stop(grace_s=0.2)
    assert child.pid is None


def test_folders_of_killed_processes_are_cleared_and_those_of_living_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f"ty-{ended.pid}-left").mkdir()
    ours = runtime_folder()
    assert os.stat(ours).st_mode & 0o777 == 0o700
    assert runtime_folder() != ours
    assert ours.exists()
    assert not (tmp_path / f"ty-{ended.pid}-left").exists()
