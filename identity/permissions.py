"""Who may do what: the one table that pages and API share, from a role in a team to its permissions.

An API key has at most what its maker's role has, narrowed to the key's scopes. `operate` belongs to the
installation's operators, whatever their role in a team; `read_others_text` is given by the team's own
rules alone.
"""

from __future__ import annotations

from typing import Final, Literal

from identity.errors import NotPermitted
from identity.principal import Principal, Scope, TeamRole

Permission = Literal[
    "run_models",
    "read_runs",
    "read_others_text",
    "read_prompts",
    "write_prompts",
    "share_text",
    "read_credits",
    "add_credit",
    "set_caps",
    "read_keys",
    "make_keys",
    "manage_keys",
    "read_team",
    "manage_members",
    "manage_policy",
    "manage_issuers",
    "connect_models",
    "export_team",
    "delete_team",
    "read_audit",
    "operate",
]

_READ: Final = frozenset[Permission]({"read_runs", "read_prompts", "read_credits", "read_team"})
_TABLE: Final[dict[TeamRole, frozenset[Permission]]] = {
    "owner": _READ
    | {
        "run_models", "write_prompts", "share_text", "add_credit", "set_caps", "read_keys", "make_keys",
        "manage_keys", "manage_members",
        "manage_policy", "manage_issuers", "connect_models", "export_team", "delete_team", "read_audit",
    },
    "member": _READ | {"run_models", "write_prompts", "share_text", "make_keys"},
    "viewer": _READ,
    "auditor": frozenset({"read_credits", "read_keys", "read_team", "read_audit", "export_team"}),
}  # fmt: skip

# What serves people needs its prompts too, and may not change them.
_RUN: Final = frozenset[Permission]({"run_models", "read_prompts"})
_LOOK: Final = _READ | frozenset[Permission]({"read_keys", "read_audit"})
_SCOPES: Final[dict[Scope, frozenset[Permission]]] = {
    "run": _RUN,
    "read": _LOOK,
    "manage": _TABLE["owner"] - {"run_models"},
    "admin": frozenset({"operate"}),
}

# What a role may do, in words: the team page shows them beside each other.
WORDS: Final[dict[Permission, str]] = {
    "run_models": "Send prompts, start battles",
    "read_runs": "See the team's requests and figures",
    "read_others_text": "Read other members' prompts and answers",
    "read_prompts": "See the prompt library",
    "write_prompts": "Save prompts, move their labels",
    "share_text": "Share battles and answers by link",
    "read_credits": "See balance, entries and spend",
    "add_credit": "Redeem top-up codes",
    "set_caps": "Set spending caps",
    "read_keys": "See all API keys",
    "make_keys": "Make and end own API keys",
    "manage_keys": "Make service keys, end any key",
    "read_team": "See members and rules",
    "manage_members": "Invite, change roles, remove",
    "manage_policy": "Set the team's rules and retention",
    "manage_issuers": "Trust issuers of tokens",
    "connect_models": "Connect providers with the team's own keys",
    "export_team": "Export the team's data",
    "delete_team": "Delete the team's data",
    "read_audit": "Read the audit log",
    "operate": "Run this installation",
}


def may(principal: Principal, permission: Permission) -> bool:
    if principal.scopes is not None and not any(permission in _SCOPES[scope] for scope in principal.scopes):
        return False
    if permission == "operate":
        return principal.operator
    if permission == "read_others_text":  # nobody's, until the team's owners say whose
        return principal.role in principal.policy.text_readers
    return permission in _TABLE[principal.role]


def role_may(role: TeamRole, permission: Permission) -> bool:
    return permission in _TABLE[role]


def roles_with(permission: Permission) -> tuple[TeamRole, ...]:
    return tuple(role for role in _TABLE if permission in _TABLE[role])


def require(principal: Principal, permission: Permission) -> None:
    """Raises `NotPermitted`."""
    if not may(principal, permission):
        raise NotPermitted(permission, principal.role)
