"""What models, members and keys are called on the credits page, also where they are no longer there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from billing.spending import By, Subject
from billing.statements import EntryView
from components import figure, words


@dataclass(frozen=True, slots=True)
class Names:
    """`reader_id` is the member who reads the page."""

    model: Callable[[str], str]
    reader_id: int | None

    def member(self, user_id: int | None) -> str:
        if user_id is None:
            return words.NOBODY
        return words.YOU if user_id == self.reader_id else words.member(user_id)

    def key(self, key: int | Literal["pages"] | None) -> str:
        return words.IN_THE_PAGES if key in (None, "pages") else words.key(key)

    def subject(self, by: By, subject: Subject) -> str:
        """Of a band of the chart."""
        if by == "model":
            return self.model(str(subject))
        number = subject if isinstance(subject, int) else None
        return self.member(number) if by == "member" else self.key(number)

    def who(self, entry: EntryView) -> str:
        """Whose request, or whose gift; with the key that asked."""
        user_id = entry.actor_user_id if entry.model is None else entry.user_id
        if user_id is None and entry.key_id is None:
            return ""
        parts = [] if user_id is None else [self.member(user_id)]
        parts += [] if entry.key_id is None else [words.key(entry.key_id)]
        return f" {figure.DOT} ".join(parts)
