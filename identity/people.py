"""Everything about people that pages and API ask for, opened together.

`sign_in` is None where there is none: then whoever opens a page is `local`. Whoever changes somebody's
rights tells `changes`, and whoever remembers rights listens there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from identity.api_keys import ApiKeys
from identity.audit_log import AuditLog
from identity.changes import Changes
from identity.claims import Rules
from identity.local import LocalIdentity
from identity.principal import Principal
from identity.sign_in import SignIn
from identity.team_keys import TeamKeys
from identity.teams import Teams
from identity.tokens import BearerTokens, looks_like_one
from identity.trusted_issuers import TrustedIssuers
from net.fetch import fetch_json
from store.databases import Database


@dataclass(frozen=True, slots=True)
class People:
    changes: Changes
    teams: Teams
    keys: TeamKeys
    api_keys: ApiKeys
    issuers: TrustedIssuers
    tokens: BearerTokens
    audit: AuditLog
    sign_in: SignIn | None = None
    local: LocalIdentity | None = None

    async def principal_of(self, credential: str) -> Principal:
        """Who speaks with this bearer credential: a key of ours, or a token of a trusted issuer.
        Raises `NotAuthenticated`, the same for all that is wrong."""
        if looks_like_one(credential):
            return await self.tokens.principal_of(credential)
        return await self.api_keys.principal_of(credential)

    async def still(self, principal: Principal) -> bool:
        """Whether what a page's ticket said of somebody is so now."""
        if self.sign_in is None:
            return True
        return await asyncio.to_thread(self.sign_in.still, principal)


def open_people(
    database: Database,
    api_keys: ApiKeys,
    base_url: str,
    rules: Rules,
    *,
    private_issuers: bool = False,
    on_loop: Callable[[Callable[[], None]], object] | None = None,
) -> People:
    """`on_loop` hands a call to the event loop; keys and tokens are remembered there."""
    changes = Changes()
    tokens = BearerTokens(database, partial(fetch_json, allow_private_address=private_issuers))
    for remembered in (api_keys.forget, tokens.forget):
        changes.listen(partial(on_loop, remembered) if on_loop is not None else remembered)
    return People(
        changes=changes,
        teams=Teams(database, changes),
        keys=TeamKeys(database, changes),
        api_keys=api_keys,
        issuers=TrustedIssuers(database, base_url, changes, private=private_issuers),
        tokens=tokens,
        audit=AuditLog(database),
        sign_in=SignIn(database, rules, changes) if rules.providers else None,
    )
