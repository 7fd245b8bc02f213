"""A team's own data about itself as JSON values: members, keys, rules, trusted issuers, audit log. No secret
is in it, no prompt and no answer; money is in the ledger's own exports."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from identity.people import People
from identity.permissions import require
from identity.principal import Principal


def team_export(people: People, by: Principal) -> dict[str, Any]:
    """Of the team that is open. Raises `NotPermitted`; that it was made is in the audit log."""
    require(by, "export_team")
    team_id = by.team_id
    team = people.teams.show(by, team_id)
    told = {
        "team": {"id": team.id, "name": team.name, "created_ms": team.created_ms},
        "rules": msgspec.to_builtins(team.policy),
        "members": [asdict(member) for member in people.teams.members(by, team_id)],
        "keys": [asdict(key) for key in people.keys.list(by, team_id)],
        "trusted_issuers": [
            {**asdict(issuer), "claims": dict(issuer.claims)} for issuer in people.issuers.list(by, team_id)
        ],
        "audit": [
            {**asdict(entry), "detail": dict(entry.detail)}
            for entry in people.audit.entries(team_id=team_id, limit=1000)
        ],
    }
    people.audit.note("team_exported", by=by, subject=team.name, team_id=team_id)
    return told
