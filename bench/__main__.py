"""`make bench`: every measurement, one table. Names narrow it: `python -m bench process`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from bench import battles, gateway, ledger, ledger_postgresql, log, pages, process
from bench.table import Row, print_table

MEASUREMENTS: dict[str, Callable[[], list[Row]]] = {
    "log": log.measure,
    "process": process.measure,
    "pages": pages.measure,
    "gateway": gateway.measure,
    "battles": battles.measure,
    "ledger": ledger.measure,
    "ledger_postgresql": ledger_postgresql.measure,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        print(
            f"no measurement is called {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}",
            file=sys.stderr,
        )
        return 2
    load = os.getloadavg()[0]
    rows = [row for name, measure in MEASUREMENTS.items() if not names or name in names for row in measure()]
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {load:.1f} before\n")
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
