"""Why a battle cannot be, go on or be voted on, named by what the caller does next.

    BattleError
    |- BattleNotFound       no battle that you may see has that id
    |- BadBattle            mend what was asked (`param` says where)
    |- NotYours             ask whoever opened it, or an owner
    |- LanesRunning         wait until the lanes have ended, or stop them
    |- NothingToRetry       look again: every lane has answered
    |- TextGone             open a new one: what was said here is no longer kept
    |- StillBlind           vote first; until then nobody tells
    |- RequestKeyReused     send another idempotency key, or the same battle
    |- BadRows              mend the upload: `problems` has what is wrong, by line
    |- BatchNotFound        no batch of this team has that id
    |- BatchNotNow          look at what the batch does now (`state`), then decide again
    |- NoSandbox            leave out the Python tests, or ask the operator to allow them here
    |- PromptNotFound       no prompt, version or label of this team has that name
    |- BadPrompt            mend what was said of a prompt (`param` says where)
    |- PromptTaken          give it another name, or save a version of the one that is there
    |- PromptChanged        look at the version that came meanwhile, then save again
    |- ShareNotFound        ask for a new link: this one is unknown, ended or taken back
    |- BadShare             mend what was said of a link
    |- PackRefused          ask for the pack again: this is not what was signed, or no pack
    `- VoteRefused          this vote cannot be cast
       |- AlreadyVoted      your vote of this stage stands
       |- AlreadyRevealed   you know the names: the first vote is over for you
       |- NotVotable        this battle has nothing to vote on (`why`)
       `- NotAVoter         a member of the team may vote, with a name of their own

What the gateway and the ledger refuse is theirs (`gateway/errors.py`, `billing/errors.py`).
"""

from __future__ import annotations

from collections.abc import Sequence


class BattleError(Exception):
    """Anything that this package raises for its caller; `str()` is safe to show."""


class BattleNotFound(BattleError):
    def __init__(self, battle_id: str) -> None:
        super().__init__(f"There is no battle {battle_id[:80]!r} that you may see.")
        self.battle_id = battle_id


class BadBattle(BattleError):
    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class NotYours(BattleError):
    pass


class LanesRunning(BattleError):
    pass


class NothingToRetry(BattleError):
    pass


class TextGone(BattleError):
    pass


class StillBlind(BattleError):
    pass


class RequestKeyReused(BattleError):
    pass


class PromptNotFound(BattleError):
    pass


class BadPrompt(BattleError):
    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class PromptTaken(BattleError):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is a prompt {name!r} in this team already; archived ones keep their name.")


class PromptChanged(BattleError):
    def __init__(self, name: str, newest_no: int) -> None:
        super().__init__(f"Version {newest_no} of {name!r} was saved meanwhile. Look at it, then save again.")
        self.newest_no = newest_no


class ShareNotFound(BattleError):
    """One sentence for every reason, so that an answer never says whether a link ever was."""

    def __init__(self) -> None:
        super().__init__("This link is unknown, has ended or was taken back. Ask for a new one.")


class BadShare(BattleError):
    pass


class PackRefused(BattleError):
    pass


class VoteRefused(BattleError):
    pass


class AlreadyVoted(VoteRefused):
    pass


class AlreadyRevealed(VoteRefused):
    pass


class NotVotable(VoteRefused):
    pass


class NotAVoter(VoteRefused):
    pass


class BadRows(BattleError):
    """`problems` are (line, what is wrong), the first of `count`. Line 0 is the upload as a whole."""

    def __init__(self, problems: Sequence[tuple[int, str]], count: int | None = None) -> None:
        self.problems = tuple(problems)
        self.count = count or len(problems)
        told = "; ".join(f"line {line}: {what}" if line else what for line, what in problems)
        more = f"; and {self.count - len(problems)} more" if self.count > len(problems) else ""
        super().__init__(f"The rows cannot be read: {told}{more}.")


class BatchNotFound(BattleError):
    def __init__(self, batch_id: str) -> None:
        super().__init__(f"There is no batch {batch_id[:80]!r} in this team.")
        self.batch_id = batch_id


class BatchNotNow(BattleError):
    def __init__(self, message: str, state: str) -> None:
        super().__init__(message)
        self.state = state


class NoSandbox(BattleError):
    pass
