"""Who is asking. Made at an edge from a credential, and handed down; never from a request's body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TeamRole = Literal["owner", "member", "viewer", "auditor"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a script acting for one team. `key_id` is set where an API key spoke."""

    team_id: int
    team_name: str
    user_id: int | None
    role: TeamRole
    key_id: int | None = None
    key_name: str | None = None
