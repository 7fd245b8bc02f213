"""What competes on the leaderboard, and who voted, as a person reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from battles.leaderboard import View
from battles.ratings_votes import Setup
from components import figure, leaderboard_words as say, words
from components.colours import Colour, colour_of


@dataclass(frozen=True, slots=True)
class Names:
    """`version` names a prompt version. `reader_id` is who reads; `tells_voters` whether they may know who
    voted how: an owner may, and everybody of their own votes."""

    model: Callable[[str], str]
    version: Callable[[str], str]
    reader_id: int | None
    tells_voters: bool
    view: View

    def of(self, setup: Setup) -> str:
        parts = [self.model(setup.model)]
        if setup.prompt_version_id:
            parts.append(self.version(setup.prompt_version_id))
        measured = self.view.tally.measured.get(setup)
        if setup.settings and measured and measured.settings_words:
            parts.append(measured.settings_words)
        return f" {figure.DOT} ".join(parts)

    def voter(self, voter: str) -> str:
        kind, _, name = voter.partition(":")
        if kind == "judge":
            return self.model(name)
        if int(name) == self.reader_id:
            return words.YOU
        return words.member(int(name)) if self.tells_voters else say.A_VOTER


def look_of(setup: Setup) -> Colour:
    """A model has its colour everywhere; a set-up one of its own."""
    alone = setup == Setup(setup.model)
    return colour_of(setup.model if alone else "|".join(str(part) for part in setup))
