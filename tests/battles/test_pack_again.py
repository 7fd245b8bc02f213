"""A pack of a real battle, taken over the API, checked and run again by the command that CI calls."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.server import API_KEY, ROOT, Server

pytestmark = [pytest.mark.slow, pytest.mark.embedded]


def packs(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "battles.packs", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_a_battle_is_taken_away_and_asked_again(tiltyard: Server, tmp_path: Path) -> None:
    tiltyard.wait_model()
    request = {"messages": [{"role": "user", "content": "{{prompt}}"}], "temperature": 0, "max_tokens": 12}
    lane = {"model": "embedded/smollm2-135m", "request": request}
    with tiltyard.client(timeout=60) as client:
        body = {"prompt": "Name a river.", "lanes": [lane, lane]}
        battle = client.post("/v1/battles", json=body).json()
        while battle["state"] == "running":
            time.sleep(0.1)
            battle = client.get(f"/v1/battles/{battle['id']}").json()
        file = tmp_path / "battle.json"
        file.write_bytes(client.get(f"/v1/battles/{battle['id']}/pack").content)
        page = client.get(f"/v1/battles/{battle['id']}/pack?format=html")
        key = client.get("/v1/pack-key", headers={"authorization": ""}).json()["public_key"]
    assert page.headers["content-disposition"].startswith("attachment")
    verified = packs("verify", str(file), "--public-key", key)
    assert (verified.returncode, verified.stderr) == (0, "")
    again = packs("run", str(file), "--base-url", tiltyard.url, "--key", API_KEY, "--cost-factor", "2",
                  "--max-usd", "0.10", "--public-key", key)  # fmt: skip
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 of 2 runs hold" in again.stdout
    dear = packs("run", str(file), "--base-url", tiltyard.url, "--key", API_KEY, "--max-usd", "0.000000001")
    assert dear.returncode == 1
    file.write_bytes(file.read_bytes().replace(b"Name a river", b"Name a River", 1))
    assert packs("run", str(file), "--base-url", tiltyard.url, "--key", API_KEY).returncode == 2
