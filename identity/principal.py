"""Who is asking. Made at an edge from a credential, and handed down; never from a request's body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from identity.policy import OPEN, Policy

TeamRole = Literal["owner", "member", "viewer", "auditor"]
TEAM_ROLES: Final[tuple[TeamRole, ...]] = ("owner", "member", "viewer", "auditor")

Scope = Literal["run", "read", "manage", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("run", "read", "manage", "admin")


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a script acting for one team.

    `key_id` is set where an API key spoke, and narrows: `scopes` (None is all that the role has),
    `models` (empty is all), and `tags` that every request of it carries. `operator` may run the
    installation. `ready` is False while the team waits for the operator's approval. `session` names
    a sign-in, so that it can be ended; `issuer` is whose token spoke, where one did.
    """

    team_id: int
    team_name: str
    user_id: int | None
    role: TeamRole
    key_id: int | None = None
    key_name: str | None = None
    operator: bool = False
    scopes: tuple[Scope, ...] | None = None
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    policy: Policy = OPEN
    ready: bool = True
    user_name: str = ""
    session: str | None = None
    issuer: str | None = None
