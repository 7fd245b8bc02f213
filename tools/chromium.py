"""Finds a Chromium for the browser tests, or installs one, and prints its path.

In this order: `TILTYARD_CHROMIUM`, a browser on PATH, one that Playwright downloaded before; then, where
none is there, Debian's package when we are root, else Playwright's download. A candidate counts when it
says its version (some packages are only a message). Prints nothing, and loudly says why, when all fail;
ends with 2 where the browser that was named is wrong, which is a mistake to mend and not one to skip over.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools import uv as uv_tool

_ON_PATH = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "microsoft-edge",
)
_APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_DOWNLOADS = ("~/.cache/ms-playwright", "~/Library/Caches/ms-playwright")
_DOWNLOADED = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
)
_INSTALL_WITHIN_S = 900

NO_BROWSER = """\
-------------------------------------------------------------------------------
No Chromium on this machine, and none could be installed: {tried}.
The browser tests will be SKIPPED (in CI they fail instead).
Install one, for example `apt install chromium`, or name one:
    make test TILTYARD_CHROMIUM=/path/to/chrome
-------------------------------------------------------------------------------"""


class WrongChromium(Exception):
    """`TILTYARD_CHROMIUM` names something that does not run."""


def find() -> Path | None:
    """A Chromium that is there already. Raises `WrongChromium`."""
    named = os.environ.get("TILTYARD_CHROMIUM")
    if named:
        if not _says_its_version(Path(named)):
            raise WrongChromium(f"TILTYARD_CHROMIUM is {named!r}, which does not run as a Chromium.")
        return Path(named)
    return next((candidate for candidate in _candidates() if _says_its_version(candidate)), None)


def install() -> list[str]:
    """Try to install one; returns what was tried, in words, whether it worked or not."""
    tried = []
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        uv_tool.say("no Chromium on this machine: installing Debian's package")
        update = _runs(["apt-get", "-qq", "update"])
        packages = ["chromium", "fonts-liberation"]  # with no font at all a page is a page of boxes
        done = _runs(["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages])
        tried.append(
            f"apt-get install chromium {'ran' if done else 'failed' if update else 'reached no registry'}"
        )
        if done and find():
            return tried
    uv_tool.say("no Chromium on this machine: asking Playwright for its own")
    uv = str(uv_tool.find_or_put())
    done = _runs([uv, "run", "--no-sync", "playwright", "install", "chromium"])
    tried.append(f"playwright install chromium {'ran' if done else 'failed'}")
    return tried


def _candidates() -> Iterator[Path]:
    for name in _ON_PATH:
        found = shutil.which(name)
        if found:
            yield Path(found)
    yield from (Path(name) for name in _APPLICATIONS if Path(name).exists())
    named = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    for folder in (named, *_DOWNLOADS) if named else _DOWNLOADS:
        for pattern in _DOWNLOADED:
            yield from sorted(Path(folder).expanduser().glob(pattern), reverse=True)


def _says_its_version(candidate: Path) -> bool:
    try:
        said = subprocess.run([candidate, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0 and any(character.isdigit() for character in said.stdout)


def _runs(command: list[str]) -> bool:
    environment = uv_tool.environment(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        # Standard output is ours: it carries the path alone.
        done = subprocess.run(
            command, cwd=uv_tool.ROOT, env=environment, stdout=sys.stderr, timeout=_INSTALL_WITHIN_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> int:
    try:
        found = find()
        tried = [] if found else install()
        found = found or find()
    except WrongChromium as problem:
        uv_tool.say(str(problem))
        return 2
    except uv_tool.NoUv as problem:
        uv_tool.say(str(problem))
        return 1
    if found is None:
        print(NO_BROWSER.format(tried="; ".join(tried)), file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
