"""What the administration's paths are for, in words (see `described.py`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from api.admin import (
    GrantBody,
    InvitationBody,
    IssuerBody,
    KeyBody,
    RoleBody,
    RotationBody,
    TeamBody,
    TeamChangeBody,
)
from api.described_values import About, Parameter
from identity.policy import Policy

_NUMBER: Mapping[str, Any] = {"type": "integer", "minimum": 1, "maximum": 1_000_000_000}
_TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": 100}
_TEAM = "/v1/admin/teams/{team}"
_PAGE = (
    Parameter("before", "Only what came before this entry", _NUMBER),
    Parameter("limit", "How many at most", {"type": "integer", "minimum": 1, "maximum": 1_000}),
)


def _about(
    path: str, summary: str, *keys: str, status: int = 200, body: type | None = None, paged: bool = False,
    example: Mapping[str, Any] | None = None,
) -> About:  # fmt: skip
    """Every part of the path in braces is a parameter."""
    named = (
        Parameter(name, f"The {name}'s id", _TEXT, "path", required=True, example=f"{name.upper()}_ID")
        for name in _named(path)
    )
    return About(
        summary,
        "Administration",
        keys,
        body=body,
        parameters=(*named, *(_PAGE if paged else ())),
        status=status,
        example=example,
    )


def _named(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


_ROWS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("GET", "/v1/admin/teams", "Every team that you may see", {}),
    (
        "POST",
        "/v1/admin/teams",
        "Make a team",
        {"status": 201, "body": TeamBody, "example": {"name": "Research"}},
    ),
    ("GET", _TEAM, "A team", {}),
    ("PATCH", _TEAM, "Rename or approve a team", {"body": TeamChangeBody, "example": {"name": "Lab"}}),
    ("DELETE", _TEAM, "Delete a team; its ledger stays", {"status": 204}),
    ("GET", f"{_TEAM}/policy", "What a team lets itself do", {}),
    ("PUT", f"{_TEAM}/policy", "Set it, whole", {"body": Policy, "example": {"text_days": 30}}),
    ("GET", f"{_TEAM}/members", "Who is in a team, and as what", {}),
    (
        "PATCH",
        f"{_TEAM}/members/{{user}}",
        "Give a member another role",
        {"status": 204, "body": RoleBody, "example": {"role": "viewer"}},
    ),
    ("DELETE", f"{_TEAM}/members/{{user}}", "Take a member out", {"status": 204}),
    ("GET", f"{_TEAM}/invitations", "Invitations that are open", {}),
    (
        "POST",
        f"{_TEAM}/invitations",
        "Invite somebody",
        {"status": 201, "body": InvitationBody, "example": {"role": "member", "life_hours": 48}},
    ),
    ("DELETE", f"{_TEAM}/invitations/{{invitation}}", "Withdraw an invitation", {"status": 204}),
    ("GET", f"{_TEAM}/keys", "A team's keys, but for the keys themselves", {}),
    (
        "POST",
        f"{_TEAM}/keys",
        "Make a key, shown once",
        {"status": 201, "body": KeyBody, "example": {"name": "ci", "role": "member", "limit_usd": "5.00"}},
    ),
    (
        "POST",
        f"{_TEAM}/keys/{{key}}/rotate",
        "A new key for an old",
        {"status": 201, "body": RotationBody, "example": {}},
    ),
    ("DELETE", f"{_TEAM}/keys/{{key}}", "End a key, everywhere within 5 seconds", {}),
    ("GET", f"{_TEAM}/issuers", "Whose tokens a team trusts", {}),
    (
        "POST",
        f"{_TEAM}/issuers",
        "Trust an issuer's tokens",
        {
            "status": 201,
            "body": IssuerBody,
            "example": {
                "issuer": "https://token.actions.githubusercontent.com",
                "claims": {"repository": "our/repository"},
                "tag": "ci",
                "role": "member",
            },
        },
    ),
    ("DELETE", f"{_TEAM}/issuers/{{issuer}}", "Trust them no more", {"status": 204}),
    (
        "POST",
        f"{_TEAM}/grants",
        "Give credit, or book a payment",
        {"status": 201, "body": GrantBody, "example": {"amount_usd": "5.00", "reason": "A good month"}},
    ),
    ("GET", f"{_TEAM}/audit", "What was changed in a team, newest first", {"paged": True}),
    ("GET", f"{_TEAM}/export", "A team's data about itself: no secret, no prompt, no answer", {}),
    ("GET", "/v1/admin/models", "Every model, and why one does not answer here", {}),
    ("GET", "/v1/admin/audit", "What was changed in the installation, newest first", {"paged": True}),
)
ADMIN: dict[tuple[str, str], About] = {
    (method, path): _about(path, summary, **how) for method, path, summary, how in _ROWS
}
