"""`kill -9` of the whole app in mid-answer, a few times on each engine (`--kills N` for more)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.databases import ENGINES
from tests.faults.kill_9 import Siege
from tests.upstream import SlowUpstream


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_under_load_the_app_loses_no_entry_and_leaves_no_hold_open(
    engine: str,
    tmp_path: Path,
    slow_upstream: SlowUpstream,
    request: pytest.FixtureRequest,
    record_figure: Callable[[str], None],
) -> None:
    url = request.getfixturevalue("postgresql_url") if engine == "postgresql" else None
    siege = Siege(tmp_path, slow_upstream, url)
    try:
        siege.kill(request.config.getoption("kills"))
    finally:
        siege.server.end()
    siege.skip_a_minute()
    counts = siege.count()
    record_figure(f"{engine}: {counts}")
    assert counts.lost == []
    assert counts.left_open == 0
    assert counts.findings == []
    assert counts.acknowledged and counts.cut
    assert counts.given_away == [], "what the ledger had of them by the kill was paid for"
