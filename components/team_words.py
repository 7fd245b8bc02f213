"""The English sentences of sign-in, the team page and the operator's page: `words.py`'s, for these."""

from __future__ import annotations

from collections.abc import Sequence
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
MEMBERS: Final = "Members"
KEYS: Final = "API keys"
RULES: Final = "Rules"
ISSUERS: Final = "Trusted issuers"
DATA: Final = "Data"
LOG: Final = "Audit log"
ROLES_ABOUT: Final = "What each role may do"
YES: Final = "yes"
NO: Final = "-"

MEMBER: Final = "Member"
ROLE: Final = "Role"
JOINED: Final = "Joined"
BY_CLAIM: Final = "by a claim of their sign-in"
CHANGE_ROLE: Final = "Change role"
REMOVE: Final = "Remove"
LEAVE: Final = "Leave this team"
LEAVE_SURE: Final = "I want to leave. My personal keys of this team end."
INVITE: Final = "Make an invitation link"
INVITE_ROLE: Final = "Role of whoever opens it"
INVITE_ONCE: Final = "Shown this once. It lets one person in, and ends in seven days."
WITHDRAW: Final = "Withdraw"
OPEN_INVITATIONS: Final = "Open invitations"
MEMBERS_NEED_OWNER: Final = "Owners invite, change roles and remove."

KEY_NAME: Final = "Name"
KEY_KIND: Final = "Whose key"
PERSONAL: Final = "Mine: ends when I leave"
SERVICE: Final = "The team's: for scripts and servers"
KEY_SCOPES: Final = "May"
KEY_MODELS: Final = "Models"
KEY_MODELS_HELP: Final = "One or more ids, with commas; creator/* for all of a creator. Empty: every model."
KEY_TAGS: Final = "Tags on all that it spends"
KEY_DAYS: Final = "Ends in days (0: never)"
KEY_CAP: Final = "Spend at most, USD (empty: no cap of its own)"
MAKE_KEY: Final = "Make a key"
KEY_ONCE: Final = "Copy it now: it is shown this once, and kept as a hash."
ROTATE: Final = "Rotate"
ROTATE_HELP: Final = "Makes a new key; this one works for another 24 hours."
REVOKE: Final = "Revoke"
NO_KEYS: Final = "No keys yet."
KEYS_NOT_YOURS: Final = "Your role makes no keys; owners see all of them."
ENDED_KEYS: Final = "Ended keys"
CAPS_ARE_THERE: Final = "Budgets and caps of team, members, keys and tags are on the credits page."

RULES_ABOUT: Final = "They hold on pages and on the API; a refusal names the rule."
RULES_NEED_OWNER: Final = "Owners change these."
SAVE_RULES: Final = "Save the rules"
SAVED: Final = "Saved. It holds at once here, and within 5 seconds everywhere."
RULE_MODELS: Final = "Allowed models (empty: all)"
RULE_PROVIDERS: Final = "Allowed providers (empty: all)"
RULE_REGIONS: Final = "Allowed regions (empty: all)"
RULE_DEFAULT: Final = "Default for new prompts (empty: the installation's)"
RULE_ZERO: Final = "Zero retention: keep no text here, and use only providers that keep none"
RULE_TRAINING: Final = "Only providers that do not train on what they are sent"
RULE_OWN_KEYS: Final = "The team's own provider keys may be used"
RULE_SECRETS: Final = "Secrets in prompts"
RULE_TEXT: Final = "Keep prompts and answers"
RULE_API_TEXT: Final = "Keep what crosses the API, too"
RULE_READERS: Final = "Roles that may read other members' text (each reading is in the audit log)"
SECRETS_WORDS: Final = {"off": "are let through", "redact": "are taken out", "block": "stop the prompt"}
TEXT_FOR_GOOD: Final = "for good"
TEXT_OFF: Final = "not at all"
TEXT_DAYS: Final = "for days"
DAYS: Final = "Days"

ISSUERS_ABOUT: Final = (
    "A CI job or a platform that proves who it is with a token of its own needs no key. "
    "Ask its issuer for a token with this audience:"
)
ISSUER: Final = "Issuer"
CLAIMS: Final = "Claims that must be in the token, one a line: name = value"
TAG: Final = "Tag on what it spends"
TRUST: Final = "Trust"

EXPORT: Final = "Export members, keys, rules and the audit log"
EXPORT_PREPARE: Final = "Prepare the export"
DELETE_TEAM: Final = "Delete this team"
DELETE_ABOUT: Final = (
    "Nobody gets in any more, every key ends, prompts and answers are deleted. What was spent stays in the "
    "ledger, which is never changed."
)
DELETE_SURE: Final = "Type the team's name to delete it"

LOG_BROKEN: Final = "The chain is broken: an entry was changed or taken out."
LOG_WHOLE: Final = "The chain is whole."
LOG_EMPTY: Final = "Nothing yet."
AT: Final = "When"
WHO: Final = "Who"
WHAT: Final = "What"
ABOUT: Final = "About"
INSTALLATION: Final = "the installation"

# --- the operator's page ---------------------------------------------------------------------

TEAMS: Final = "Teams"
APPROVE: Final = "Approve"
WAITING: Final = "waits for approval"
NEW_TEAM: Final = "Make a team"
GRANT: Final = "Give credit"
GRANT_TEAM: Final = "To"
GRANT_USD: Final = "USD"
GRANT_KIND: Final = "As"
GRANT_REASON: Final = "Reason (stands in the ledger)"
GRANTED: Final = "Given."
FREE_MONEY: Final = "Free credit given"
FREE_MONEY_HELP: Final = "What all teams may take of free credit in two windows of 30 days; past TILTYARD_FREE_MONEY_LIMIT_USD new teams get none."
PROVIDERS: Final = "Providers"
CONNECTED: Final = "connected"


def team_line(name: str, members: int) -> str:
    return f"{name} ({members} {'member' if members == 1 else 'members'})"


FOR_OPERATORS: Final = "It is for those who run this installation. `TILTYARD_OPERATORS` names them."
SEE_ROLES: Final = "What each role may do"


def not_yours(role: str, team: str, right: str, roles: Sequence[str]) -> str:
    """Why a page or a part of one is closed, and who could open it."""
    *most, last = (f"{each}s" for each in roles)
    those = f"{', '.join(most)} and {last}" if most else last
    return (
        f"You are {_a(role)} of {team}. This takes the right to {right[0].lower()}{right[1:]}, which "
        f"{those} have. An owner can change your role."
    )


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"
