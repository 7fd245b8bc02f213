from __future__ import annotations

import threading

import pytest

from identity.claims import ClaimRule, Rules
from identity.errors import NotAdmitted, NotAuthenticated
from identity.sign_in import SignIn
from tests.databases import Home
from tests.identity.conftest import Clock
from tests.identity.house import ISSUER, PROVIDER, House, claims, house


@pytest.fixture
def here(sqlite_home: Home, clock: Clock) -> House:
    return house(sqlite_home.open().app, clock)


def with_rules(here: House, clock: Clock, **rules: object) -> SignIn:
    made = Rules(providers=(PROVIDER,), **rules)  # type: ignore[arg-type]  # a test's shorthand
    return SignIn(here.database, made, here.changes, now_ms=clock)


def test_whoever_signs_in_first_is_made_and_is_in_no_team(here: House, clock: Clock) -> None:
    who = here.sign_in.who(claims("ann", clock.ms))
    assert (who.name, who.email, who.operator, who.principal) == ("Ann", "ann@example.org", False, None)
    assert here.kinds() == ["signed_in"]
    again = here.sign_in.who(claims("ann", clock.ms))
    assert again.user_id == who.user_id
    assert here.kinds() == ["signed_in"]  # the same sign-in is told once


def test_an_identity_is_issuer_and_subject_never_an_address(here: House, clock: Clock) -> None:
    ann = here.sign_in.who(claims("ann", clock.ms))
    same_address = here.sign_in.who(claims("eve", clock.ms, email="ann@example.org"))
    elsewhere = here.sign_in.who(claims("ann", clock.ms, iss="https://other.example"))
    assert len({ann.user_id, same_address.user_id, elsewhere.user_id}) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"exp": 0}, {"exp": None}, {"iat": 4_000_000_000, "exp": 4_000_003_600}, {"aud": "client-2"},
        {"aud": None}, {"sub": ""}, {"sub": None}, {"iss": ""}, {"provider": "unknown"},
        {"is_logged_in": False}, {"is_logged_in": "yes"}, {"sub": "x" * 256},
    ],
)  # fmt: skip
def test_incomplete_foreign_and_old_claims_are_nobodys(
    here: House, clock: Clock, wrong: dict[str, object]
) -> None:
    with pytest.raises(NotAuthenticated):
        here.sign_in.who(claims("ann", clock.ms, **wrong))
    assert here.kinds() == []


def test_a_session_ends_with_its_token(here: House, clock: Clock) -> None:
    said = claims("ann", clock.ms)
    here.sign_in.who(said)
    clock.ms += 3_600_000
    with pytest.raises(NotAuthenticated):
        here.sign_in.who(said)


def test_signing_out_in_one_tab_ends_the_sign_in_everywhere_and_no_other(here: House, clock: Clock) -> None:
    said = claims("ann", clock.ms)
    other_tab = SignIn(here.database, here.sign_in.rules, here.changes, now_ms=clock)
    elsewhere = claims("ann", clock.ms, nonce="on another machine")
    for sign_in in (here.sign_in, other_tab):
        sign_in.who(said)
    here.sign_in.sign_out(here.sign_in.who(said))
    for sign_in in (here.sign_in, other_tab):
        with pytest.raises(NotAuthenticated):
            sign_in.who(said)
    assert here.sign_in.who(elsewhere).name == "Ann"


def test_the_first_operator_claims_the_local_team_and_the_second_does_not(here: House, clock: Clock) -> None:
    sign_in = with_rules(here, clock, operators=("ann@example.org", f"{ISSUER}#bob"))
    ann = sign_in.who(claims("ann", clock.ms))
    assert ann.operator and ann.principal is not None
    assert (ann.principal.team_id, ann.principal.role, ann.principal.user_id) == (1, "owner", 1)
    bob = sign_in.who(claims("bob", clock.ms))
    assert bob.operator and bob.principal is None and bob.user_id != 1


def test_an_address_that_nobody_verified_makes_no_operator(here: House, clock: Clock) -> None:
    sign_in = with_rules(here, clock, operators=("ann@example.org",))
    assert not sign_in.who(claims("ann", clock.ms, email_verified=False)).operator
    assert not sign_in.who(claims("ann", clock.ms, email_verified=None, nonce="2")).operator


def test_only_verified_addresses_of_the_domains_come_in(here: House, clock: Clock) -> None:
    sign_in = with_rules(here, clock, domains=("example.org",))
    assert sign_in.who(claims("ann", clock.ms)).name == "Ann"
    for outsider in (
        claims("eve", clock.ms, email="eve@example.org.evil.example"),
        claims("eve", clock.ms, email="eve@sub.example.org"),
        claims("eve", clock.ms, email_verified=False),
        claims("eve", clock.ms, email=None),
    ):
        with pytest.raises(NotAdmitted):
            sign_in.who(outsider)
    assert here.kinds() == ["signed_in", "refused_sign_in"]  # one sign-in, told once


def test_claims_open_teams_and_close_them_again(here: House, clock: Clock) -> None:
    rules = (
        ClaimRule("groups", "ml", team="ML", role="member"),
        ClaimRule("groups", "audit", team=2, role="auditor"),
        ClaimRule("groups", "gone", team=99),
    )
    sign_in = with_rules(here, clock, team_claims=rules)
    who = sign_in.who(claims("ann", clock.ms, groups=["ml", "audit", "gone"]))
    assert {name for _, name in who.teams} == {"ML", "Other"}
    later = sign_in.who(claims("ann", clock.ms, groups=["audit"], nonce="later"))
    assert later.principal is not None
    assert ([name for _, name in later.teams], later.principal.role) == (["Other"], "auditor")
    assert sign_in.who(claims("bob", clock.ms, groups=["ml"])).teams[0] in who.teams  # the same team


def test_a_team_of_that_name_that_somebody_made_is_not_opened_by_a_claim(here: House, clock: Clock) -> None:
    sign_in = with_rules(here, clock, new_teams="anyone", team_claims=(ClaimRule("groups", "ml", team="ML"),))
    eve = sign_in.who(claims("eve", clock.ms))
    team_id = sign_in.ask_for_team(eve, "ML")
    ann = sign_in.who(claims("ann", clock.ms, groups="ml"))
    assert team_id not in {team for team, _ in ann.teams}


def test_a_first_team_is_made_only_where_the_rules_let_anybody(here: House, clock: Clock) -> None:
    with pytest.raises(NotAdmitted):
        here.sign_in.ask_for_team(here.sign_in.who(claims("ann", clock.ms)), "Mine")
    anyone = with_rules(here, clock, new_teams="anyone")
    own = anyone.who(claims("bob", clock.ms)).principal
    assert own is not None and (own.role, own.ready) == ("owner", True)


def test_free_credit_is_one_teams_a_verified_identity(here: House, clock: Clock) -> None:
    anyone = with_rules(here, clock, new_teams="anyone")
    bob = anyone.who(claims("bob", clock.ms))
    anyone.ask_for_team(bob, "Second")
    second = anyone.who(claims("bob", clock.ms)).principal
    assert second is not None and (second.team_name, second.ready) == ("Second", False)
    unverified = anyone.who(claims("eve", clock.ms, email_verified=False)).principal
    assert unverified is not None and not unverified.ready
    here.teams.approve(here.operator, second.team_id)
    ready = anyone.who(claims("bob", clock.ms)).principal
    assert ready is not None and ready.ready


def test_a_person_switches_between_their_teams_and_no_others(here: House, clock: Clock) -> None:
    ann = here.sign_in.who(claims("ann", clock.ms))
    for team_id, by in ((1, here.people["owner"]), (2, here.stranger)):
        here.teams.accept(ann.user_id, here.teams.invite(by, team_id, "member").secret)
    assert here.sign_in.who(claims("ann", clock.ms)).principal.team_id == 2  # type: ignore[union-attr]
    here.sign_in.open_team(here.sign_in.who(claims("ann", clock.ms)), 1)
    principal = here.sign_in.who(claims("ann", clock.ms)).principal
    assert principal is not None and principal.team_id == 1
    here.teams.remove(here.people["owner"], 1, ann.user_id)
    assert not here.sign_in.still(principal)
    here.sign_in.open_team(here.sign_in.who(claims("ann", clock.ms)), 1)
    moved = here.sign_in.who(claims("ann", clock.ms)).principal
    assert moved is not None and moved.team_id == 2 and here.sign_in.still(moved)


def test_an_open_page_reads_no_more_of_others_than_the_rules_say_now(here: House, clock: Clock) -> None:
    owner = here.people["owner"]
    ann = here.sign_in.who(claims("ann", clock.ms))
    here.teams.accept(ann.user_id, here.teams.invite(owner, 1, "auditor").secret)
    here.teams.set_policy(owner, 1, {"text_readers": ["auditor"]})
    reading = here.sign_in.who(claims("ann", clock.ms)).principal
    assert reading is not None and here.sign_in.still(reading)
    here.teams.set_policy(owner, 1, {})
    assert not here.sign_in.still(reading)


def test_two_tabs_that_open_at_once_make_one_person(here: House, clock: Clock) -> None:
    said, found = claims("ann", clock.ms), list[int]()
    tabs = [threading.Thread(target=lambda: found.append(here.sign_in.who(said).user_id)) for _ in range(6)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert len(found) == 6 and len(set(found)) == 1
    assert here.kinds() == ["signed_in"]
