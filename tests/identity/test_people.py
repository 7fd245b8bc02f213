"""What holds for people on SQLite holds on PostgreSQL: one story through every service."""

from __future__ import annotations

import pytest

from identity.api_keys import KeyWish
from identity.claims import ClaimRule, Rules
from identity.errors import InvitationNotFound, NotAuthenticated
from identity.sign_in import SignIn
from identity.trusted_issuers import IssuerWish, TrustedIssuers
from store.databases import Database
from tests.identity.conftest import Clock
from tests.identity.house import PROVIDER, claims, house
from tests.identity.issuer import URL


async def test_a_person_comes_in_joins_makes_a_key_leaves_and_signs_out(
    database: Database, clock: Clock
) -> None:
    here = house(database, clock)
    rules = Rules(
        providers=(PROVIDER,), operators=("op@example.org",), new_teams="anyone",
        team_claims=(ClaimRule("groups", "ml", team="ML"),),
    )  # fmt: skip
    sign_in = SignIn(database, rules, here.changes, now_ms=clock)
    operator = sign_in.who(claims("op", clock.ms))
    assert operator.operator and operator.principal is not None and operator.principal.team_id == 1

    ann = sign_in.who(claims("ann", clock.ms, groups=["ml"]))
    assert ann.principal is not None and ann.principal.team_name == "ML"
    invitation = here.teams.invite(operator.principal, 1, "member")
    here.teams.accept(ann.user_id, invitation.secret)
    with pytest.raises(InvitationNotFound):
        here.teams.accept(21, invitation.secret)
    joined = sign_in.who(claims("ann", clock.ms, groups=["ml"]))
    assert joined.principal is not None and joined.principal.team_id == 1

    made = here.keys.make(joined.principal, 1, KeyWish("mine", scopes=("run",), tags=("laptop",)))
    assert (await here.api_keys.principal_of(made.secret)).tags == ("laptop",)
    issuers = TrustedIssuers(database, "https://here.example", here.changes, now_ms=clock)
    issuers.trust(operator.principal, 1, IssuerWish(URL, {"repository": "a/b"}, "ci"))
    assert issuers.list(joined.principal, 1)[0].audience == "https://here.example/teams/1"

    here.teams.remove(joined.principal, 1, ann.user_id)
    here.api_keys.forget()
    with pytest.raises(NotAuthenticated):
        await here.api_keys.principal_of(made.secret)
    sign_in.sign_out(sign_in.who(claims("ann", clock.ms, groups=["ml"])))
    with pytest.raises(NotAuthenticated):
        sign_in.who(claims("ann", clock.ms, groups=["ml"]))
    assert here.audit.broken_at() is None
    assert here.kinds()[-2:] == ["member_left", "signed_out"]
