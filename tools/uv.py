"""Runs uv with the arguments given, whether this machine has one or not.

`python -m tools.uv sync` is `uv sync`, by the first of: `UV` (as uv itself sets it), a uv on PATH that is
new enough, the one that an earlier run put into `.venv-tools`, or a fresh one put there with pip. It lives
apart from `.venv`, because `uv sync` removes from there what the project does not ask for.

Where the machine tells pip which registry and which certificates to use, and does not tell uv, uv is told
the same. uv never downloads a Python unless `UV_PYTHON_DOWNLOADS` asks for it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

UV_VERSION = "0.13.8"
OLDEST_UV = (0, 8, 0)  # older ones do not know every setting of pyproject.toml
ROOT = Path(__file__).resolve().parent.parent
TOOLS_ENVIRONMENT = ROOT / ".venv-tools"
_INSTALL_WITHIN_S = 600


class NoUv(Exception):
    """There is no uv and none could be put here; the message says what to do."""


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """What uv should see: `base`, and pip's registry and certificates where uv has none of its own."""
    chosen = dict(base)
    chosen.setdefault("UV_PYTHON_DOWNLOADS", "never")
    pip = _settings_of_pips_files() | _settings_of_pips_variables(base)
    if not any(
        name in chosen for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE", "UV_NO_INDEX")
    ):
        if "index-url" in pip:
            chosen["UV_DEFAULT_INDEX"] = pip["index-url"]
        if pip.get("no-index", "").lower() in ("1", "true", "yes", "on"):
            chosen["UV_NO_INDEX"] = "1"
            chosen.setdefault("UV_FIND_LINKS", ",".join(pip.get("find-links", "").split()))
    if "cert" in pip:
        chosen.setdefault("SSL_CERT_FILE", pip["cert"])
    return chosen


def find() -> Path | None:
    """A uv that is there already and new enough."""
    candidates = [os.environ.get("UV"), shutil.which("uv"), str(TOOLS_ENVIRONMENT / "bin" / "uv")]
    for candidate in candidates:
        if candidate and is_new_enough(_version_line(candidate)):
            return Path(candidate)
    return None


def put() -> Path:
    """Install uv into `.venv-tools` with pip. Raises `NoUv`."""
    say(f"no uv on this machine: putting uv {UV_VERSION} into {TOOLS_ENVIRONMENT.name}")
    wanted = f"uv=={UV_VERSION}"
    if _runs([sys.executable, "-m", "venv", "--clear", str(TOOLS_ENVIRONMENT)]):
        pip = [str(TOOLS_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", wanted]
    else:
        # Debian keeps venv's pip in python3-venv; a pip that is there can fill a plain folder as well.
        shutil.rmtree(TOOLS_ENVIRONMENT, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(TOOLS_ENVIRONMENT), wanted]
    if not _runs(pip, show=True):
        raise NoUv(
            f"uv could not be installed with {sys.executable}. Either this Python has neither venv nor pip "
            "(Debian: apt install python3-venv), or pip reaches no registry (see its words above; "
            "PIP_INDEX_URL names one). Or install uv yourself and put it on PATH."
        )
    found = find()
    if found is None:
        raise NoUv(f"pip installed uv, but {TOOLS_ENVIRONMENT / 'bin' / 'uv'} does not run on this machine.")
    return found


def find_or_put() -> Path:
    """Raises `NoUv`."""
    return find() or put()


def is_new_enough(version_line: str) -> bool:
    """Whether `uv 0.13.8 (...)` names a version that knows our settings."""
    match = re.match(r"uv (\d+)\.(\d+)\.(\d+)", version_line)
    return match is not None and tuple(int(part) for part in match.groups()) >= OLDEST_UV


def read_pip_settings(lines: Iterable[str]) -> dict[str, str]:
    """`pip config list` as a mapping; what it lists of variables is left out."""
    settings: dict[str, str] = {}
    for line in lines:
        match = re.match(r"(\w[\w-]*)\.([a-z-]+)=(['\"])(.*)\3$", line.strip())
        if match:
            settings[match[2]] = match[4]
    return settings


def say(message: str) -> None:
    print(f"tiltyard: {message}", file=sys.stderr, flush=True)


def _settings_of_pips_files() -> dict[str, str]:
    try:
        listed = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return read_pip_settings(listed.stdout.splitlines()) if listed.returncode == 0 else {}


def _settings_of_pips_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """pip takes each of its options from a variable too: `PIP_INDEX_URL` is `index-url`."""
    return {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in variables.items()
        if name.startswith("PIP_") and value
    }


def _version_line(candidate: str) -> str:
    try:
        return subprocess.run([candidate, "--version"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _runs(command: list[str], *, show: bool = False) -> bool:
    try:
        done = subprocess.run(command, capture_output=not show, timeout=_INSTALL_WITHIN_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    try:
        uv = find_or_put()
    except NoUv as problem:
        say(str(problem))
        return 1
    os.chdir(ROOT)
    os.execve(uv, [str(uv), *arguments], environment(os.environ))  # noqa: S606  # it becomes the command, which is a list


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
