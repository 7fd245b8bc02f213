"""What /v1/admin answers with: our views as JSON. No secret is in any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from api.wire.values import instant, maybe_instant
from billing.commands import Granted
from billing.money import decimal_usd
from identity.api_keys import KeyView
from identity.audit_log import AuditView
from identity.policy import Policy
from identity.teams import InvitationView, MemberView, TeamView
from identity.trusted_issuers import IssuerView

T = TypeVar("T")
Shape = dict[str, Any]


def listed(items: Sequence[T], shape: Callable[[T], Shape]) -> Shape:
    return {"object": "list", "data": [shape(item) for item in items]}


def team_shape(team: TeamView) -> Shape:
    return {
        "object": "team", "id": team.id, "name": team.name, "created_at": instant(team.created_ms),
        "approved_at": maybe_instant(team.approved_ms), "members": team.members,
        "policy": policy_shape(team.policy),
    }  # fmt: skip


def policy_shape(policy: Policy) -> Shape:
    """Every rule, those that forbid nothing too."""
    return {field: msgspec.to_builtins(getattr(policy, field)) for field in policy.__struct_fields__}


def member_shape(member: MemberView) -> Shape:
    return {
        "object": "member", "user_id": member.user_id, "name": member.name, "email": member.email,
        "role": member.role, "joined_at": instant(member.joined_ms), "by_claim": member.by_claim,
    }  # fmt: skip


def invitation_shape(invitation: InvitationView) -> Shape:
    return {
        "object": "invitation", "id": invitation.id, "role": invitation.role,
        "expires_at": instant(invitation.expires_ms),
    }  # fmt: skip


def key_shape(key: KeyView) -> Shape:
    return {
        "object": "api_key", "id": key.id, "name": key.name, "prefix": key.prefix,
        "kind": "service" if key.service else "personal", "user_id": None if key.service else key.user_id,
        "role": key.role, "scopes": key.scopes, "models": key.models, "tags": key.tags,
        "created_at": instant(key.created_ms), "expires_at": maybe_instant(key.expires_ms),
        "last_used_at": maybe_instant(key.last_used_ms), "revoked_at": maybe_instant(key.revoked_ms),
        "rotates": key.rotates_id,
    }  # fmt: skip


def issuer_shape(issuer: IssuerView) -> Shape:
    return {
        "object": "trusted_issuer", "id": issuer.id, "issuer": issuer.issuer, "audience": issuer.audience,
        "claims": issuer.claims, "role": issuer.role, "tag": issuer.tag,
        "created_at": instant(issuer.created_ms),
    }  # fmt: skip


def audit_entry(entry: AuditView) -> Shape:
    return {
        "seq": entry.seq, "at": instant(entry.at_ms), "kind": entry.kind, "team_id": entry.team_id,
        "user_id": entry.user_id, "key_id": entry.key_id, "subject": entry.subject, "detail": entry.detail,
        "hash": entry.hash,
    }  # fmt: skip


def granted_shape(granted: Granted) -> Shape:
    return {
        "object": "grant", "team_id": granted.team_id, "entry": granted.entry_seq,
        "amount": decimal_usd(granted.amount_nano_usd),
        "available": decimal_usd(granted.available_after_nano_usd), "replayed": granted.replayed,
    }  # fmt: skip
