"""A team's own data about itself as JSON values: members, keys, rules, trusted issuers, audit log. No secret
is in it, no prompt and no answer; money is in the ledger's own exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import msgspec

from identity.audit_log import AuditView
from identity.people import People
from identity.principal import Principal

_PAGE = 1_000  # entries


def team_export(people: People, by: Principal, team_id: int) -> dict[str, Any]:
    """Raises `TeamNotFound` and `NotPermitted`; that it was made is in the audit log."""
    people.teams.may_export(by, team_id)
    team = people.teams.show(by, team_id)
    told = {
        "team": {"id": team.id, "name": team.name, "created_ms": team.created_ms},
        "rules": msgspec.to_builtins(team.policy),
        "members": [asdict(member) for member in people.teams.members(by, team_id)],
        "keys": [asdict(key) for key in people.keys.list(by, team_id)],
        "trusted_issuers": [
            {**asdict(issuer), "claims": dict(issuer.claims)} for issuer in people.issuers.list(by, team_id)
        ],
        "audit": [{**asdict(entry), "detail": dict(entry.detail)} for entry in _all_entries(people, team_id)],
    }
    people.audit.note("team_exported", by=by, subject=team.name, team_id=team_id)
    return told


def _all_entries(people: People, team_id: int) -> Iterator[AuditView]:
    """Newest first."""
    before_seq = None
    while page := people.audit.entries(team_id=team_id, before_seq=before_seq, limit=_PAGE):
        yield from page
        before_seq = page[-1].seq
