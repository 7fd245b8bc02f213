"""How the tests are shared between processes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict

import pytest

from tests.server import ROOT
from tests.sharing import FIRST, TOGETHER, piece_of


def test_a_piece_is_a_file_or_a_folder_whose_tests_share_servers() -> None:
    assert piece_of("tests/chain/test_chain.py::test_x[a/b::c]") == "tests/chain/test_chain.py"
    assert piece_of("tests/live/test_tab.py::test_x") == "tests/live"


def test_what_goes_first_is_there() -> None:
    assert [name for name in (*FIRST, *TOGETHER) if not (ROOT / name).exists()] == []


@pytest.mark.slow
def test_two_processes_share_the_tests_and_no_piece_is_in_both() -> None:
    asked = ["tests/chain", "tests/children", "tests/net", "tests/components", "-v", "-n", "2"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *asked], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stdout
    workers = defaultdict(set)
    for worker, nodeid in re.findall(r"\[(gw\d)\].*? PASSED (\S+)", ran.stdout):
        workers[piece_of(nodeid)].add(worker)
    assert len(workers) > 4 and {len(each) for each in workers.values()} == {1}
    assert set.union(*workers.values()) == {"gw0", "gw1"}
