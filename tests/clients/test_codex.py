"""OpenAI's Codex CLI, as npm has it: a coding agent on the responses wire does a task through Tiltyard.

The model behind is scripted, on either wire: it asks for a command that writes a file, reads what came of
it, and says that it is done.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import node
from tests.clients.scripted import INPUT_TOKENS, OUTPUT_TOKENS, Scripted, by_working
from tests.clients.snippets import snippet
from tests.server import API_KEY, Server

pytestmark = pytest.mark.slow  # its binary alone is 300 MB

COST_NANO_USD = INPUT_TOKENS * 1_000 + OUTPUT_TOKENS * 4_000


@pytest.mark.parametrize("model", ["lab/native", "lab/fast"])
def test_codex_writes_a_file_and_says_so(
    server: Server, scripted: Scripted, codex: Path, tmp_path: Path, model: str, spent: Callable[[], int]
) -> None:
    home, work = tmp_path / "codex", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    config = snippet("config.toml", server.url).replace("lab/native", model)
    (home / "config.toml").write_text(config)
    before = len(scripted.asked)
    with scripted.following(by_working):
        done = subprocess.run(
            [
                str(node.NODE), str(codex / "@openai" / "codex" / "bin" / "codex.js"), "exec",
                "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox",
                "Write the word hello into hello.txt",
            ],
            cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
            env={
                "PATH": f"{node.NODE.parent}:{os.environ['PATH']}", "HOME": str(tmp_path),
                "CODEX_HOME": str(home), "TILTYARD_API_KEY": API_KEY,
            },
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (work / "hello.txt").read_text() == "hello\n"
    assert done.stdout.strip() == "Done: hello"
    turns = scripted.asked[before:]
    assert len(turns) == 2
    assert "hello" in turns[1].results[-1]
    assert spent() == 2 * COST_NANO_USD
