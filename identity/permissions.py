"""Who may do what: the one table from a role in a team to its permissions."""

from __future__ import annotations

from typing import Literal

from identity.errors import NotPermitted
from identity.principal import Principal, TeamRole

Permission = Literal[
    "run_models", "read_runs", "read_credits", "add_credit", "read_keys", "manage_keys", "connect_models"
]

_TABLE: dict[TeamRole, frozenset[Permission]] = {
    "owner": frozenset(
        {
            "run_models",
            "read_runs",
            "read_credits",
            "add_credit",
            "read_keys",
            "manage_keys",
            "connect_models",
        }
    ),
    "member": frozenset({"run_models", "read_runs", "read_credits"}),
    "viewer": frozenset({"read_runs", "read_credits"}),
    "auditor": frozenset({"read_credits", "read_keys"}),
}


def may(principal: Principal, permission: Permission) -> bool:
    return permission in _TABLE[principal.role]


def require(principal: Principal, permission: Permission) -> None:
    """Raises `NotPermitted`."""
    if not may(principal, permission):
        raise NotPermitted(permission, principal.role)
