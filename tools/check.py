"""Everything that `make check` asks, each part run to its end, so that one run names every complaint.

Known vulnerabilities are asked of a service; where none answers, that is said and fails nothing: a machine
without a way out can still check the rest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tools import uv as uv_tool, vulnerabilities

# `python -m` rather than the command where there is one: both find the packages at the root.
PARTS = (
    ("format", ["ruff", "format", "--check", "."]),
    ("lint", ["ruff", "check", "."]),
    ("types", ["mypy"]),
    ("import contracts", ["lint-imports", "--no-cache"]),
    ("dependencies", ["deptry", "."]),
)


def main() -> int:
    uv, environment = str(uv_tool.find_or_put()), uv_tool.environment(os.environ)
    failed = []
    for name, command in PARTS:
        began_s = time.monotonic()
        print(f"== {name}: {' '.join(command)}", flush=True)
        if subprocess.run([uv, "run", "--no-sync", *command], cwd=uv_tool.ROOT, env=environment).returncode:
            failed.append(name)
        print(
            f"== {name}: {'FAILED' if name in failed else 'ok'} in {time.monotonic() - began_s:.1f} s",
            flush=True,
        )
    print("== known vulnerabilities: pip-audit, OSV", flush=True)
    verdict, lines = vulnerabilities.audit()
    print("\n".join(lines))
    if verdict == "vulnerable":
        failed.append("known vulnerabilities")
    unasked = "; known vulnerabilities NOT ASKED, see above" if verdict == "not asked" else ""
    print(f"make check: {'FAILED: ' + ', '.join(failed) if failed else 'all parts ok'}{unasked}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
