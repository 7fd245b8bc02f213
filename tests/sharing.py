"""How two processes share the tests: a file, or a folder whose tests share servers, is one piece that one of
them runs in order. What takes longest goes first, so that neither waits for the other at the end.

Not `--dist loadgroup`: pytest-xdist 3.8.0 writes its groups into an attribute that pytest 9.2 does not
read, and nobody says so: every test is a group of its own, and each server starts twice.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/live", "tests/browser", "tests/clients")
# The order in which they begin; the rest follow by how many tests they have.
FIRST = (
    *TOGETHER,
    "tests/test_process.py",
    "tests/api/test_openapi.py",
    "tests/pages/test_every_page.py",
    "tests/test_api_apart.py",
    "tests/test_replicas.py",
)


class Sharing(LoadScopeScheduling):  # type: ignore[misc]  # it is published without types
    def _split_scope(self, nodeid: str) -> str:
        """The piece that a test is of."""
        return piece_of(nodeid)

    def _assign_work_unit(self, node: object) -> None:
        if self.workqueue:
            piece = min(self.workqueue, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
            self.workqueue.move_to_end(piece, last=False)
        super()._assign_work_unit(node)


def piece_of(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if path.startswith(f"{folder}/")), path)
