"""`make mutants`: does some test notice? Each deliberate bug is put into a copy of the tree, alone, and the
tests that should catch it are run there. Prints a table; the exit code says whether all were caught.

`python -m tests.mutants settle ledger.py` tries those alone whose name or file contains one of the words.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from tests.mutants.bugs import BUGS, Bug

ROOT = Path(__file__).resolve().parent.parent.parent
# Its tests fail without any bug, hang beyond all limits, or do not run at all: that says nothing.
Verdict = Literal["caught", "NOT CAUGHT", "UNKNOWN"]
_WITHIN_S = 120
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".tiltyard", ".hypothesis")


def main(words: list[str]) -> int:
    bugs = [bug for bug in BUGS if not words or any(word in f"{bug.name} {bug.file}" for word in words)]
    with tempfile.TemporaryDirectory(prefix="tiltyard-mutants-") as name:
        copy = Path(name) / "tree"
        shutil.copytree(ROOT, copy, ignore=_LEFT_OUT)
        sound = _sound(copy, bugs)
        verdicts = [(bug, *_try(copy, bug, sound)) for bug in bugs]
    for verdict in ("NOT CAUGHT", "UNKNOWN"):
        for bug, got, _, said in verdicts:
            if got == verdict:
                _say(f"{verdict}: {bug.name} ({bug.file}); asked {' '.join(bug.tests)}\n{said}")
    caught = sum(verdict == "caught" for _, verdict, _, _ in verdicts)
    _say(f"{caught} of {len(bugs)} deliberate bugs caught")
    return 0 if caught == len(bugs) else 1


def _sound(copy: Path, bugs: Iterable[Bug]) -> set[str]:
    """The tests that pass in the copy as it is; without that, failing says nothing."""
    asked = {test for bug in bugs for test in bug.tests}
    sound = {test for test in asked if _pytest(copy, [test], _WITHIN_S)[0] == 0}
    for test in sorted(asked - sound):
        _say(f"without any bug, {test} does not pass: nothing can be said by it")
    return sound


def _try(copy: Path, bug: Bug, sound: set[str]) -> tuple[Verdict, float, str]:
    """What its tests said of it, and after how many seconds."""
    began_s = time.monotonic()
    path = copy / bug.file
    whole = path.read_text(encoding="utf-8")
    verdict: Verdict = "UNKNOWN"
    said = f"its place is found {whole.count(bug.old)} times"
    if whole.count(bug.old) == 1:
        path.write_text(whole.replace(bug.old, bug.new), encoding="utf-8")
        tests = [test for test in bug.tests if test in sound]
        code, said = _pytest(copy, tests, _WITHIN_S) if tests else (-1, "no test to ask")
        path.write_text(whole, encoding="utf-8")
        # 1: a test failed; 0: all passed; others: none ran.
        verdict = "caught" if code == 1 else "NOT CAUGHT" if code == 0 else "UNKNOWN"
    took_s = time.monotonic() - began_s
    _say(f"{verdict:<10}  {took_s:5.1f} s  {bug.file:<42}  {bug.name}")
    return verdict, took_s, said


def _pytest(copy: Path, tests: list[str], within_s: float) -> tuple[int, str]:
    """Its exit code and the end of what it printed. No byte code: a bug may come and go in one second."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    # A bug that both engines share is caught on the quicker one.
    quick = "not slow" if any("postgresql" in test for test in tests) else "not slow and not postgresql"
    command += ["-m", quick]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy)}
    try:
        ran = subprocess.run(
            [*command, *tests], cwd=copy, env=environment, capture_output=True, text=True, timeout=within_s
        )
    except subprocess.TimeoutExpired:
        return -1, f"no end in {within_s:g} s"
    return ran.returncode, "\n".join((ran.stdout + ran.stderr).splitlines()[-15:])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
