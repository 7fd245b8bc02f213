"""One ring for all tests of battles: opening a ledger and its databases takes longer than most of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.battles.ring import Ring, ring


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_ring(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ring]:
    async with ring(tmp_path_factory.mktemp("ring")) as at:
        yield at


@pytest_asyncio.fixture(loop_scope="session")
async def at(one_ring: Ring) -> Ring:
    """The ring, with models that do nothing special yet; of money and rows what this test made."""
    await one_ring.begin()
    return one_ring
