"""What asking the ledger looks like, whichever engine keeps it: one method a command."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, TypeVar

from billing.commands import (
    CapSet,
    Checkpoint,
    Command,
    Done,
    Grant,
    Granted,
    Hold,
    Receipt,
    Reserve,
    Result,
    SetCap,
    Settle,
    Sweep,
    Swept,
    Void,
)

MOST_IN_FLIGHT: Final = 4_096
ANSWER_WITHIN_S: Final = 15.0
SWEEP_EVERY_S: Final = 10.0

R = TypeVar("R", bound=Result)


class LedgerClient(ABC):
    """One a process, on its event loop. Every method may raise `LedgerBusy` (4,096 are waiting),
    `LedgerUnavailable` (no answer in 15 s, or the disk is full) and `LedgerBug`; `commands.py` says
    what each command means, `ledger.py` what else it may raise.

    Whoever is cancelled while waiting has asked all the same: what was sent stands.
    """

    @abstractmethod
    async def _ask(self, command: Command, kind: type[R]) -> R: ...

    @abstractmethod
    async def close(self) -> None:
        """Wait for what is in flight, then end."""

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether a command would be decided now."""

    async def reserve(self, command: Reserve) -> Hold:
        return await self._ask(command, Hold)

    async def settle(self, command: Settle) -> Receipt:
        return await self._ask(command, Receipt)

    async def void(self, command: Void) -> None:
        await self._ask(command, Done)

    async def checkpoint(self, command: Checkpoint) -> None:
        await self._ask(command, Done)

    async def grant(self, command: Grant) -> Granted:
        return await self._ask(command, Granted)

    async def set_cap(self, command: SetCap) -> CapSet:
        return await self._ask(command, CapSet)

    async def sweep(self) -> int:
        """End the holds whose lease has passed, at their progress; how many were. The writer does
        this by itself at its start and every 10 seconds."""
        return (await self._ask(Sweep(), Swept)).ended
