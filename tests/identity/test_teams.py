from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from identity.api_keys import KeyWish
from identity.errors import (
    BadPolicy,
    Invalid,
    InvitationNotFound,
    KeyNotFound,
    LastOwner,
    MemberNotFound,
    NotAuthenticated,
    NotPermitted,
    TeamNotFound,
)
from identity.policy import Policy
from identity.principal import TeamRole
from identity.team_keys import OVERLAP_MS
from identity.teams import INVITATION_MS
from tests.databases import Home
from tests.identity.conftest import Clock
from tests.identity.house import House, house


@pytest.fixture
def here(sqlite_home: Home, clock: Clock) -> House:
    return house(sqlite_home.open().app, clock)


async def speaks(here: House, secret: str) -> bool:
    here.api_keys.forget()
    try:
        await here.api_keys.principal_of(secret)
    except NotAuthenticated:
        return False
    return True


# --- members and invitations -----------------------------------------------------------------


def test_an_invitation_lets_one_person_in_once(here: House) -> None:
    made = here.teams.invite(here.people["owner"], 1, "viewer")
    assert here.teams.accept(21, made.secret).id == 1
    assert {member.user_id: member.role for member in here.teams.members(here.people["owner"], 1)}[
        21
    ] == "viewer"
    with pytest.raises(InvitationNotFound):
        here.teams.accept(12, made.secret)
    assert here.teams.invitations(here.people["owner"], 1) == ()
    assert here.kinds()[-2:] == ["invitation_made", "member_joined"]
    assert made.secret not in repr(made)


def test_a_member_who_opens_an_invitation_does_not_use_it_up(here: House) -> None:
    made = here.teams.invite(here.people["owner"], 1, "viewer")
    here.teams.accept(12, made.secret)
    assert here.teams.accept(21, made.secret).id == 1


def test_a_late_withdrawn_or_guessed_invitation_lets_nobody_in(here: House, clock: Clock) -> None:
    late = here.teams.invite(here.people["owner"], 1, "member")
    withdrawn = here.teams.invite(here.people["owner"], 1, "member")
    here.teams.withdraw(here.people["owner"], 1, withdrawn.invitation.id)
    clock.ms += INVITATION_MS
    for secret in (late.secret, withdrawn.secret, "guessed", ""):
        with pytest.raises(InvitationNotFound):
            here.teams.accept(21, secret)


@pytest.mark.parametrize("role", ["member", "viewer", "auditor"])
def test_only_an_owner_handles_members_and_rules(here: House, role: TeamRole) -> None:
    by = here.people[role]
    for refused in (
        lambda: here.teams.invite(by, 1, "member"),
        lambda: here.teams.invitations(by, 1),
        lambda: here.teams.change_role(by, 1, 11, "viewer"),
        lambda: here.teams.remove(by, 1, 11),
        lambda: here.teams.rename(by, 1, "Ours"),
        lambda: here.teams.set_policy(by, 1, {}),
        lambda: here.teams.delete(by, 1),
    ):
        with pytest.raises(NotPermitted):
            refused()
    assert here.kinds() == []


def test_another_teams_id_is_as_unknown_as_none(here: House) -> None:
    def asked(team_id: int) -> Iterator[Callable[[], object]]:
        yield lambda: here.teams.show(here.stranger, team_id)
        yield lambda: here.teams.members(here.stranger, team_id)
        yield lambda: here.teams.invite(here.stranger, team_id, "owner")
        yield lambda: here.teams.remove(here.stranger, team_id, 11)
        yield lambda: here.keys.list(here.stranger, team_id)
        yield lambda: here.keys.make(here.stranger, team_id, KeyWish("mine"))

    for team_id in (1, 99):
        for ask in asked(team_id):
            with pytest.raises(TeamNotFound, match=f"no team {team_id} here"):
                ask()


def test_the_last_owner_stays(here: House) -> None:
    owner = here.people["owner"]
    here.teams.remove(owner, 1, 1)  # the local one, who is an owner too
    with pytest.raises(LastOwner):
        here.teams.remove(owner, 1, 11)
    with pytest.raises(LastOwner):
        here.teams.change_role(owner, 1, 11, "member")
    here.teams.change_role(owner, 1, 12, "owner")
    here.teams.remove(owner, 1, 11)
    with pytest.raises(MemberNotFound):
        here.teams.remove(here.operator, 1, 11)


async def test_leaving_ends_personal_keys_at_once_and_service_keys_go_on(here: House) -> None:
    own = here.keys.make(here.people["member"], 1, KeyWish("own"))
    service = here.keys.make(here.people["owner"], 1, KeyWish("ci", role="member"))
    assert await speaks(here, own.secret) and await speaks(here, service.secret)
    here.teams.remove(here.people["member"], 1, 12)
    assert not await speaks(here, own.secret)
    assert await speaks(here, service.secret)
    assert (await here.api_keys.principal_of(service.secret)).user_id is None


async def test_a_deleted_team_lets_nobody_in(here: House) -> None:
    service = here.keys.make(here.people["owner"], 1, KeyWish("ci", role="member"))
    here.teams.delete(here.people["owner"], 1)
    assert not await speaks(here, service.secret)
    with pytest.raises(TeamNotFound):
        here.teams.show(here.people["owner"], 1)


def test_only_operators_make_and_approve_teams(here: House) -> None:
    with pytest.raises(NotPermitted):
        here.teams.create(here.people["owner"], "Mine")
    made = here.teams.create(here.operator, "  New   team ", owner_id=12)
    assert (made.name, made.members) == ("New team", 1)
    assert made.id in {team.id for team in here.teams.of_user(12)}
    with pytest.raises(Invalid):
        here.teams.create(here.operator, "")


def test_a_teams_rules_are_checked_kept_and_told(here: House) -> None:
    policy = here.teams.set_policy(
        here.people["owner"], 1, {"models": ["openai/*"], "default_model": "openai/gpt-5", "text_days": 30}
    )
    assert here.teams.show(here.people["viewer"], 1).policy == policy
    assert policy == Policy(models=("openai/*",), default_model="openai/gpt-5", text_days=30)
    assert here.kinds() == ["policy_changed"]
    wrong: tuple[object, ...] = (
        {"modles": []}, {"models": ["a"], "default_model": "b"}, {"text_days": -1}, {"secrets": "maybe"}, [],
    )  # fmt: skip
    for said in wrong:
        with pytest.raises(BadPolicy):
            here.teams.set_policy(here.people["owner"], 1, said)


# --- keys ------------------------------------------------------------------------------------


async def test_a_key_carries_its_scopes_models_and_tags(here: House, clock: Clock) -> None:
    made = here.keys.make(
        here.people["member"],
        1,
        KeyWish("ci", scopes=("run",), models=("openai/*",), tags=("ci",), expires_ms=clock.ms + 1000),
    )
    principal = await here.api_keys.principal_of(made.secret)
    assert (principal.scopes, principal.models, principal.tags) == (("run",), ("openai/*",), ("ci",))
    assert (principal.user_id, principal.role) == (12, "member")
    clock.ms += 1000
    assert not await speaks(here, made.secret)


def test_members_see_their_own_keys_and_owners_all(here: House) -> None:
    here.keys.make(here.people["member"], 1, KeyWish("mine"))
    here.keys.make(here.people["owner"], 1, KeyWish("ci", role="member"))
    assert [key.name for key in here.keys.list(here.people["member"], 1)] == ["mine"]
    assert here.keys.list(here.people["viewer"], 1) == ()
    assert {"mine", "ci"} <= {key.name for key in here.keys.list(here.people["owner"], 1)}
    assert {"mine", "ci"} <= {key.name for key in here.keys.list(here.people["auditor"], 1)}


def test_another_members_key_is_not_found_and_a_viewer_makes_none(here: House) -> None:
    made = here.keys.make(here.people["owner"], 1, KeyWish("theirs"))
    for refused in (
        lambda: here.keys.revoke(here.people["member"], 1, made.key.id),
        lambda: here.keys.rotate(here.people["member"], 1, made.key.id),
    ):
        with pytest.raises(KeyNotFound):
            refused()
    for role in ("viewer", "auditor"):
        with pytest.raises(NotPermitted):
            here.keys.make(here.people[role], 1, KeyWish("no"))
    with pytest.raises(NotPermitted):
        here.keys.make(here.people["member"], 1, KeyWish("no", role="owner"))
    with pytest.raises(NotPermitted):
        here.keys.make(here.people["owner"], 1, KeyWish("no", scopes=("admin",)))


async def test_rotating_lets_both_keys_work_for_a_while(here: House, clock: Clock) -> None:
    old = here.keys.make(here.people["member"], 1, KeyWish("ci", tags=("ci",)))
    new = here.keys.rotate(here.people["member"], 1, old.key.id)
    assert new.key.rotates_id == old.key.id and new.key.tags == ("ci",)
    assert await speaks(here, old.secret) and await speaks(here, new.secret)
    clock.ms += OVERLAP_MS
    assert not await speaks(here, old.secret)
    assert await speaks(here, new.secret)
    with pytest.raises(Invalid):
        here.keys.rotate(here.people["member"], 1, old.key.id)


async def test_a_key_makes_no_key_that_may_do_more(here: House) -> None:
    made = here.keys.make(here.people["owner"], 1, KeyWish("boss", scopes=("manage",)))
    by = await here.api_keys.principal_of(made.secret)
    for scopes in (None, ("run",), ("manage", "run"), ("admin",)):
        with pytest.raises(NotPermitted):
            here.keys.make(by, 1, KeyWish("more", scopes=scopes))
    assert here.keys.make(by, 1, KeyWish("same", scopes=("manage",))).key.scopes == ("manage",)


@pytest.mark.parametrize(
    "wish",
    [
        KeyWish(""), KeyWish("x", scopes=()), KeyWish("x", expires_ms=1), KeyWish("x", tags=("t" * 65,)),
        KeyWish("x", models=("m",) * 201), KeyWish("\n"), KeyWish("x" * 81),
    ],
)  # fmt: skip
def test_a_key_that_makes_no_sense_is_not_made(here: House, wish: KeyWish) -> None:
    with pytest.raises(Invalid):
        here.keys.make(here.people["owner"], 1, wish)
