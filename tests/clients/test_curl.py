"""curl, as the page of a model has it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.scripted import TEXT
from tests.clients.snippets import snippet
from tests.conftest import IN_CI
from tests.server import API_KEY, Server


def curl(server: Server, folder: Path) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of the page's command."""
    if shutil.which("curl") is None and not IN_CI:
        pytest.skip("no curl on this machine")
    command = snippet("chat.sh", server.url).replace(
        "curl ", f"curl --silent --dump-header {folder}/head ", 1
    )
    done = subprocess.run(
        ["sh", "-c", command], env={"PATH": "/usr/bin:/bin", "TILTYARD_API_KEY": API_KEY},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    first, *lines = (folder / "head").read_text().splitlines()
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    return int(first.split()[1]), headers, done.stdout


def test_the_alias_of_a_retired_model_is_410_with_its_successor(server: Server, tmp_path: Path) -> None:
    status, _, body = curl(server, tmp_path)
    error = json.loads(body)["error"]
    assert (status, error["code"], error["successor"]) == (410, "model_retired", "openai/gpt-5-codex-mini")


def test_the_alias_answers_while_its_model_lives_and_says_what_it_resolved_to(
    serving_codex_mini: Server, tmp_path: Path
) -> None:
    status, headers, body = curl(serving_codex_mini, tmp_path)
    assert (status, headers["x-model"]) == (200, "openai/codex-mini")
    assert "x-stand-in-for" not in headers
    assert json.loads(body)["choices"][0]["message"]["content"] == TEXT


def test_the_stand_in_is_named_in_a_header(standing_in: Server, tmp_path: Path) -> None:
    status, headers, body = curl(standing_in, tmp_path)
    assert (status, headers["x-model"], headers["x-stand-in-for"]) == (200, "lab/fast", "openai/codex-mini")
    assert json.loads(body)["model"] == "lab/fast"
