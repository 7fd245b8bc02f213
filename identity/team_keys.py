"""A team's API keys as its members handle them: made, rotated, ended, each asked of the permission table.

Members make personal keys and see their own; whoever manages keys sees and ends all of them, and makes
service keys. Rotating makes a new key with the old one's rights and lets both work for a while. A key is
never shown again. What a key may spend is the ledger's (its caps), not this module's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, cast

from sqlalchemy.orm import Session

from identity.api_keys import (
    KeyView,
    KeyWish,
    NewKey,
    create_key,
    end_key_at,
    key_of,
    list_keys,
    revoke_key,
)
from identity.audit_log import note
from identity.changes import Changing
from identity.errors import Invalid, KeyNotFound, NotPermitted
from identity.permissions import may
from identity.policy import MOST_NAMES
from identity.principal import SCOPES, Principal
from identity.teams import checked_name, checked_role, team_for

MOST_KEYS: Final = 500
OVERLAP_MS: Final = 24 * 60 * 60 * 1000
LONGEST_OVERLAP_MS: Final = 30 * OVERLAP_MS
_LONGEST_TAG: Final = 64


class TeamKeys(Changing):
    """For script threads; the API calls it on a thread too. A key whose id is another team's, or another
    member's where that is none of the asker's business, is not found."""

    def make(self, by: Principal, team_id: int, wish: KeyWish) -> NewKey:
        """Raises `Invalid`, `NotPermitted` and `TeamNotFound`."""
        now_ms = self._now_ms()
        wanted = _checked(wish, now_ms)

        def work(session: Session) -> NewKey:
            team_for(session, by, team_id, "manage_keys" if wanted.role is not None else "make_keys")
            if wanted.role is None and (by.user_id is None or team_id != by.team_id):
                raise Invalid("A personal key is a member's own: make a service key, or sign in.")
            if wanted.scopes is not None and "admin" in wanted.scopes and not may(by, "operate"):
                raise NotPermitted("operate", by.role)
            _refuse_more(by, wanted)
            if len(list_keys(session, team_id)) >= MOST_KEYS:
                raise Invalid(f"A team has {MOST_KEYS} keys at most, ended ones included.")
            made = create_key(session, team_id, by.user_id or 1, wanted.name, now_ms=now_ms, wish=wanted)
            note(
                session, "key_made", by=by, subject=made.key.prefix, team_id=team_id,
                detail={"key_id": made.key.id, "role": wanted.role, "scopes": wanted.scopes},
            )  # fmt: skip
            return made

        return self._write(work)

    def rotate(self, by: Principal, team_id: int, key_id: int, *, overlap_ms: int = OVERLAP_MS) -> NewKey:
        """A new key like this one, which goes on for `overlap_ms`."""
        if not 0 <= overlap_ms <= LONGEST_OVERLAP_MS:
            raise Invalid("The old key may go on for 0 to 30 days.")

        def work(session: Session) -> NewKey:
            old, now_ms = self._mine(session, by, team_id, key_id), self._now_ms()
            if not old.works(now_ms):
                raise Invalid("This key has ended: make a new one.")
            if old.role is None and old.user_id != by.user_id:
                raise NotPermitted("make_keys", by.role)
            wish = KeyWish(old.name, old.role, old.scopes, old.models, old.tags, _life_again(old, now_ms))
            made = create_key(
                session, team_id, old.user_id, old.name, now_ms=now_ms, wish=wish, rotates_id=old.id
            )
            end_key_at(session, team_id, key_id, now_ms + overlap_ms)
            note(
                session, "key_rotated", by=by, subject=made.key.prefix, team_id=team_id,
                detail={"key_id": made.key.id, "rotates": key_id, "overlap_ms": overlap_ms},
            )  # fmt: skip
            return made

        return self._write(work)

    def revoke(self, by: Principal, team_id: int, key_id: int) -> KeyView:
        def work(session: Session) -> KeyView:
            self._mine(session, by, team_id, key_id)
            view = revoke_key(session, team_id, key_id, now_ms=self._now_ms())
            note(
                session, "key_revoked", by=by, subject=view.prefix, team_id=team_id, detail={"key_id": key_id}
            )
            return view

        return self._write(work)

    def list(self, by: Principal, team_id: int) -> tuple[KeyView, ...]:
        """All keys for whoever may see them, else one's own; newest first, ended ones too."""

        def work(session: Session) -> tuple[KeyView, ...]:
            team_for(session, by, team_id, "read_team")
            keys = list_keys(session, team_id)
            if may(by, "operate") or may(by, "read_keys"):
                return keys
            return tuple(key for key in keys if not key.service and key.user_id == by.user_id)

        return self._read(work)

    def _mine(self, session: Session, by: Principal, team_id: int, key_id: int) -> KeyView:
        """The key, where `by` may change it."""
        team_for(session, by, team_id, "make_keys")
        key = key_of(session, team_id, key_id)
        own = not key.service and key.user_id == by.user_id
        if not own and not may(by, "manage_keys") and not may(by, "operate"):
            raise KeyNotFound(key_id)
        return key


def _life_again(old: KeyView, now_ms: int) -> int | None:
    """As long a life as the old one was given."""
    return None if old.expires_ms is None else now_ms + (old.expires_ms - old.created_ms)


def _refuse_more(by: Principal, wish: KeyWish) -> None:
    """A key that speaks makes no key that may do more than itself."""
    if by.scopes is not None and (wish.scopes is None or not set(wish.scopes) <= set(by.scopes)):
        raise NotPermitted("make_keys", by.role)
    if by.models and not set(wish.models or ("*",)) <= set(by.models):
        raise NotPermitted("make_keys", by.role)


def _checked(wish: KeyWish, now_ms: int) -> KeyWish:
    if wish.scopes is not None and (not wish.scopes or not set(wish.scopes) <= set(SCOPES)):
        raise Invalid(f"Scopes are one or more of {', '.join(SCOPES)}.")
    if wish.expires_ms is not None and wish.expires_ms <= now_ms:
        raise Invalid("A key must end later than now.")
    if len(wish.models) > MOST_NAMES or any(not 0 < len(name) <= 120 for name in wish.models):
        raise Invalid("The list of models is too long.")
    if len(wish.tags) > 10 or any(not 0 < len(tag) <= _LONGEST_TAG for tag in wish.tags):
        raise Invalid(f"A key has 10 tags at most, each of 1 to {_LONGEST_TAG} characters.")
    role = None if wish.role is None else checked_role(cast(str, wish.role))
    return replace(wish, name=checked_name(wish.name), role=role)
