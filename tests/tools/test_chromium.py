"""Which browser the browser tests get."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import chromium


def test_the_browser_that_is_named_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = _program(tmp_path / "my-chrome", "echo Chromium 156.0.1")
    monkeypatch.setenv("TILTYARD_CHROMIUM", str(named))
    assert chromium.find() == named


def test_a_named_browser_that_does_not_run_is_a_mistake_and_not_a_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TILTYARD_CHROMIUM", str(tmp_path / "nothing-here"))
    assert chromium.main() == 2
    assert "TILTYARD_CHROMIUM" in capsys.readouterr().err


def test_a_package_that_is_only_a_message_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "a" / "chromium", "echo install the snap instead; exit 1")
    real = _program(tmp_path / "b" / "google-chrome", "echo Google Chrome 156.0.1")
    monkeypatch.delenv("TILTYARD_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert chromium.find() == real


def test_playwrights_own_download_is_found_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "chromium-1200" / "chrome-linux" / "chrome", "echo Chromium 150.0.1")
    newest = _program(tmp_path / "chromium-1300" / "chrome-linux64" / "chrome", "echo Chromium 156.0.1")
    monkeypatch.delenv("TILTYARD_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert chromium.find() == newest


def _program(path: Path, body: str) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path
