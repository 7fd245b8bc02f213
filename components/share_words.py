"""The English sentences of share links: `words.py`'s, for one thing."""

from __future__ import annotations

from typing import Final

SHARE: Final = "Share"
SHARED: Final = "Shared"
ABOUT: Final = "A link to read this. It shows what is kept when it is opened, and ends by itself."
DAYS: Final = "Days it lasts"
HIDE_NAMES: Final = "Leave out models and providers"
HIDE_PROMPTS: Final = "Leave out prompts, settings and reasoning"
WITHOUT_SIGN_IN: Final = "Whoever has the link may read it, without sign-in"
WITHOUT_SIGN_IN_HELP: Final = (
    "Otherwise it asks for sign-in here. Only owners of the team may let strangers read."
)
MAKE: Final = "Make link"
ONCE: Final = "Copy it now: it is shown this once."
TAKE_BACK: Final = "Take back"
LINKS: Final = "Links that work"
NOT_HERE: Final = "This link shows nothing."
NOT_HERE_ADVICE: Final = "It is unknown, has ended or was taken back. Ask for a new one."
READ_ONLY: Final = "Shared with you to read."


def link(until: str, who: str) -> str:
    return f"Until {until}, {who}"


def who(without_sign_in: bool) -> str:
    return "for whoever has it" if without_sign_in else "for people who sign in here"
