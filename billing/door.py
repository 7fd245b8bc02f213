"""One command to the ledger's writer from outside its server: for an operator, while the server runs.

The writer's lock file, beside the database, names the socket at which it takes commands; both are for
this machine's user alone. What no writer answers is not written.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from billing.commands import Command, Result
from billing.errors import LedgerUnavailable
from billing.wire import Answered, Asked, Frames, Refusal, error_of, frame

_WITHIN_S: Final = 15.0
_READ_BYTES: Final = 65_536


def knock(database_path: Path) -> socket.socket | None:
    """A connection to the writer of this database; None where none runs."""
    try:
        door = database_path.with_name(database_path.name + ".writer").read_text()
        connection = socket.socket(socket.AF_UNIX)
    except OSError:
        return None
    connection.settimeout(_WITHIN_S)
    try:
        connection.connect(door)
    except OSError:  # nobody is there: the path is left over from a writer that ended
        connection.close()
        return None
    return connection


def ask(connection: socket.socket, command: Command) -> Result:
    """Raises what the ledger refuses with, and `LedgerUnavailable` where no answer comes: then the
    command may have been written or not, and is safe to send again."""
    frames: Frames[Answered] = Frames(Answered)
    try:
        connection.sendall(frame([Asked(1, command)]))
        answers: list[Answered] = []
        while not answers:
            data = connection.recv(_READ_BYTES)
            if not data:
                raise LedgerUnavailable("The ledger's writer went away before it answered.")
            answers = frames.feed(data)
    except OSError as error:
        raise LedgerUnavailable("The ledger's writer does not answer.") from error
    outcome = answers[0].outcome
    if isinstance(outcome, Refusal):
        raise error_of(outcome)
    return outcome
