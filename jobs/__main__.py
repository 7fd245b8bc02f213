"""The jobs process: `python -m jobs`, started by the app (`jobs_child.py`).

One line of JSON on standard input, `ready` on standard output; it ends when standard input closes, or at
SIGTERM, wherever it is: what it was at is begun again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections import Counter
from typing import Final

import msgspec
from dbos import DBOS, DBOSConfig, SetWorkflowID

from battles.batch_wire import Handed
from jobs import workflows
from jobs.door import Door

_LOOK_EVERY_S: Final = 0.5
_AFTER_FAILURE_S: Final = 5.0
_MOST_AT_ONCE: Final = 4  # batches; the others wait their turn
_log = logging.getLogger("jobs")


def main() -> None:
    os.umask(0o077)
    logging.basicConfig(format="%(asctime)s jobs %(levelname)s %(message)s", level=logging.WARNING)
    handed = msgspec.json.decode(sys.stdin.buffer.readline(), type=Handed)
    door = Door(handed)
    workflows.use(door)
    config: DBOSConfig = {
        "name": "tiltyard-jobs",
        "system_database_url": handed.database,
        # Constant, so that whoever has the lease goes on with what another left, in any version of us.
        "application_version": "1",
        "executor_id": "jobs",
        "log_level": "WARNING",
        "enable_otlp": False,
    }
    DBOS(config=config)
    asyncio.run(_serve(door))


async def _serve(door: Door) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(0, _end_with_parent)
    loop.add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
    DBOS.launch()  # takes up what a dead process left
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    working: dict[tuple[str, int], asyncio.Task[None]] = {}
    while True:
        for wanted in (await door.wanted()).batches:
            if wanted not in working and len(working) < _MOST_AT_ONCE:
                working[wanted] = asyncio.create_task(_work(*wanted), name=wanted[0])
        for each in [each for each, task in working.items() if task.done()]:
            del working[each]
        await asyncio.sleep(_LOOK_EVERY_S)


_began: Counter[tuple[str, int]] = Counter()


async def _work(batch: str, epoch: int) -> None:
    """Begin the workflow, or wait for the one of that name that is under way. One that has ended, while
    the batch is still to run, has failed: the next has another name."""
    no = _began[batch, epoch]
    _began[batch, epoch] += 1
    try:
        with SetWorkflowID(f"{batch}.{epoch}.{no}"):
            handle = await DBOS.start_workflow_async(workflows.batch_work, batch, epoch)
        await handle.get_result()
    except Exception:
        _log.exception("the work on %s failed; it is begun again", batch)
        await asyncio.sleep(_AFTER_FAILURE_S)


def _end_with_parent() -> None:
    if not os.read(0, 4096):
        os._exit(0)


if __name__ == "__main__":
    main()
