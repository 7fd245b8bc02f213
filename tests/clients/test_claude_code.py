"""Anthropic's Claude Code, as npm has it: a coding agent on Anthropic's wire does a task through Tiltyard,
with a model behind that speaks OpenAI's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import node
from tests.clients.scripted import INPUT_TOKENS, OUTPUT_TOKENS, TEXT, Asked, Says, Scripted, by_working
from tests.clients.snippets import snippet
from tests.server import API_KEY, Server

pytestmark = pytest.mark.slow  # its binary alone is 250 MB

COST_NANO_USD = INPUT_TOKENS * 1_000 + OUTPUT_TOKENS * 4_000


@pytest.fixture
def run(server: Server, claude_code: Path, tmp_path: Path) -> Callable[[str], str]:
    """`run(command)` is what it prints, run where its file is to be written."""
    wrapper = claude_code / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
    (tmp_path / "bin").mkdir()
    (tmp_path / "work").mkdir()
    command = tmp_path / "bin" / "claude"
    command.write_text(f'#!/bin/sh\nexec "{node.NODE}" "{wrapper}" "$@"\n')
    command.chmod(0o755)

    def run(command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path / "work", stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=120,
            env={
                "PATH": f"{tmp_path / 'bin'}:{node.NODE.parent}:{os.environ['PATH']}", "HOME": str(tmp_path),
                "ANTHROPIC_API_KEY": API_KEY, "IS_SANDBOX": "1",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            },
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    return run


def answers(asked: Asked) -> Says:
    return Says((TEXT,))


def test_the_pages_snippet_runs(server: Server, scripted: Scripted, run: Callable[[str], str]) -> None:
    with scripted.following(answers):
        assert run(snippet("claude.sh", server.url)) == TEXT


@pytest.mark.parametrize("model", ["lab/fast", "lab/native"])
def test_claude_code_writes_a_file_and_says_so(
    server: Server,
    scripted: Scripted,
    run: Callable[[str], str],
    tmp_path: Path,
    model: str,
    spent: Callable[[], int],
) -> None:
    task = f"claude --model {model} --dangerously-skip-permissions -p 'Write hello into hello.txt'"
    before = len(scripted.asked)
    with scripted.following(by_working):
        said = run(f"export ANTHROPIC_BASE_URL={server.url}; {task}")
    assert (tmp_path / "work" / "hello.txt").read_text() == "hello\n"
    assert said == "Done: hello"
    assert len(scripted.asked) - before == 2
    assert spent() == 2 * COST_NANO_USD
