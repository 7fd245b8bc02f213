"""The English sentences of sign-in, the team page and the operator's page: `words.py`'s, for these."""

from __future__ import annotations

from typing import Final

# --- sign-in ---------------------------------------------------------------------------------

SIGN_IN_TITLE: Final = "Sign in to Tiltyard"
OVER: Final = "This sign-in is over: it ended, or was ended in another tab. Sign in again to go on."
INVITED_FIRST: Final = "You were invited to a team. Sign in, then open the link again."
NO_PROVIDER: Final = "No sign-in provider is configured."
NO_TEAM: Final = "You are in no team yet"
NO_TEAM_ADVICE: Final = "Ask an owner of a team for an invitation link, or the operator for a team."
PASTE_LINK: Final = "Invitation link"
INVITED: Final = "**You were invited to a team.** Its owners will see your name and what you spend."
JOIN: Final = "Join the team"
NOT_NOW: Final = "Not now"
TEAM_NAME: Final = "Name of a new team"
MAKE_TEAM: Final = "Make a team"
SIGN_OUT: Final = "Sign out"
SWITCH_TEAM: Final = "Team"


def with_provider(title: str) -> str:
    return f"Sign in with {title}"


def signed_in_as(name: str) -> str:
    return f"Signed in as {name}"


# --- the team page ---------------------------------------------------------------------------

TEAM: Final = "Team"
OPERATOR: Final = "Operator"
