"""One process that writes requests into a log that others write too; says how many it stored and lost.

python -m tests.telemetry.writer_process FILE-OR-URL SEED COUNT
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from store.databases import open_engine, open_postgresql
from telemetry.request_log import RequestLog
from tests.telemetry.test_rollups import traffic


async def write(where: str, seed: int, count: int) -> None:
    engine = open_postgresql(where, "log") if "://" in where else open_engine(Path(where))
    log = RequestLog(engine, flush_s=0.01)
    await log.open()
    for row in traffic(count, seed):
        log.record(row)
        await asyncio.sleep(0.0005)
    await log.close(within_s=60)
    sys.stdout.write(f"{log.health.stored} {log.health.lost}\n")


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
