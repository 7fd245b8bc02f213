"""Share links: what they show, to whom, until when; what is left out of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from battles.ballots import Ballot
from battles.errors import BadShare, BattleNotFound, NotYours, ShareNotFound, StillBlind
from battles.models import BattleWish, LaneWish
from battles.pack_desk import Packs
from battles.pack_format import Parts
from battles.pack_reading import page
from battles.shares import MOST_DAYS, Shares, ShareWish
from battles.sharing import Sharing, redacted
from gateway.catalog import Catalog
from gateway.errors import RunNotFound
from identity.audit_log import AuditLog
from identity.errors import NotPermitted
from identity.principal import Principal
from identity.tables import MemberRow, TeamRow, UserRow
from tests.battles.ring import STRANGER, Ring, catalog_tables, says
from tests.gateway.desk import LOCAL, asking, ended

pytestmark = pytest.mark.asyncio(loop_scope="session")
DAY_MS = 24 * 60 * 60 * 1000
AUTHOR = Principal(71, "Sharers", 711, "member", user_name="Ann")
OWNER = Principal(71, "Sharers", 712, "owner", user_name="Bo")


class Clock:
    now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sharing(at: Ring, clock: Clock) -> Sharing:
    with at.desk.databases.app.session() as session:
        if session.get(TeamRow, 71) is None:
            session.add(TeamRow(id=71, name="Sharers", created_ms=1, approved_ms=1))
            for who in (AUTHOR, OWNER):
                session.add(UserRow(id=who.user_id, name=who.user_name, created_ms=1))
            session.flush()
            for who in (AUTHOR, OWNER):
                session.add(MemberRow(team_id=71, user_id=who.user_id or 0, role=who.role, joined_ms=1))
    packs = Packs(at.battles, Catalog.load(catalog_tables()), b"s" * 32)
    shares = Shares(at.desk.databases.app, now_ms=clock)
    return Sharing(shares, at.battles, packs, at.desk.gateway)


async def shared_battle(at: Ring, sharing: Sharing, **wish: object) -> tuple[str, str]:
    at.lab.plays_of(alpha=says("Answer of alpha"), beta=says("Answer of beta"))
    battle, _ = await at.fought("alpha", "beta", by=AUTHOR, prompt="The secret prompt")
    made = await sharing.make(AUTHOR, ShareWish("battle", battle.id, **wish))  # type: ignore[arg-type]
    return battle.id, made.secret


async def test_a_link_shows_a_battle_and_no_more_than_that(at: Ring, sharing: Sharing) -> None:
    battle_id, secret = await shared_battle(at, sharing)
    shown = await sharing.look(secret)
    told = json.dumps(shown.parts)
    assert "Answer of alpha" in told and "The secret prompt" in told and "north/alpha" in told
    assert "Ann" not in told and all(run["request"] is None for run in shown.parts["runs"])
    assert shown.share.without_sign_in is False
    assert [share.subject_id for share in sharing.shares.of(AUTHOR, battle_id)] == [battle_id]
    kinds = [entry.kind for entry in AuditLog(at.desk.databases.app).entries(team_id=71, limit=1)]
    assert kinds == ["text_shared"]


async def test_a_link_ends_on_its_day_and_when_it_is_taken_back(
    at: Ring, sharing: Sharing, clock: Clock
) -> None:
    battle_id, secret = await shared_battle(at, sharing, days=2)
    clock.now_ms += 2 * DAY_MS - 1
    await sharing.look(secret)
    clock.now_ms += 1
    with pytest.raises(ShareNotFound):
        await sharing.look(secret)
    made = await sharing.make(AUTHOR, ShareWish("battle", battle_id))
    sharing.shares.revoke(AUTHOR, made.share.id)
    for secret in (made.secret, "", "x", "é", "x" * 10_000, made.share.id):
        with pytest.raises(ShareNotFound):
            await sharing.look(secret)
    assert sharing.shares.of(AUTHOR, battle_id) == ()
    assert AuditLog(at.desk.databases.app).entries(team_id=71, limit=1)[0].kind == "share_ended"


async def test_a_link_ends_when_its_maker_leaves(at: Ring, sharing: Sharing) -> None:
    _, secret = await shared_battle(at, sharing)
    with at.desk.databases.app.session() as session:
        member = session.get_one(MemberRow, (71, AUTHOR.user_id))
        session.delete(member)
    with pytest.raises(ShareNotFound):
        await sharing.look(secret)
    with at.desk.databases.app.session() as session:
        session.add(MemberRow(team_id=71, user_id=711, role="member", joined_ms=1))


async def test_only_whose_it_is_shares_it_and_only_an_owner_with_strangers(
    at: Ring, sharing: Sharing
) -> None:
    battle_id, _ = await shared_battle(at, sharing)
    with pytest.raises(NotPermitted):
        await sharing.make(AUTHOR, ShareWish("battle", battle_id, without_sign_in=True))
    made = await sharing.make(OWNER, ShareWish("battle", battle_id, without_sign_in=True))
    with pytest.raises(NotPermitted):
        sharing.shares.revoke(AUTHOR, made.share.id)
    for who, refusal in (
        (replace(AUTHOR, user_id=713), NotYours),
        (replace(AUTHOR, role="viewer"), NotPermitted),
        (STRANGER, BattleNotFound),
    ):
        with pytest.raises(refusal):
            await sharing.make(who, ShareWish("battle", battle_id))
    with pytest.raises(ShareNotFound):
        sharing.shares.revoke(STRANGER, made.share.id)
    for days in (0, MOST_DAYS + 1, 2**70):
        with pytest.raises(BadShare):
            await sharing.make(AUTHOR, ShareWish("battle", battle_id, days=days))


async def test_a_blind_battle_is_not_shared_before_the_vote(at: Ring, sharing: Sharing) -> None:
    lanes = (LaneWish("north/alpha"), LaneWish("south/beta"))
    battle, _ = await at.fought(by=AUTHOR, wish=BattleWish(lanes, blind=True))
    with pytest.raises(StillBlind):
        await sharing.make(AUTHOR, ShareWish("battle", battle.id))
    await at.votes.cast(AUTHOR, battle.id, Ballot("left"))
    await sharing.make(AUTHOR, ShareWish("battle", battle.id))


async def test_names_or_prompts_are_left_out(at: Ring, sharing: Sharing) -> None:
    _, secret = await shared_battle(at, sharing, hides_names=True)
    told = json.dumps((await sharing.look(secret)).parts)
    assert "alpha" not in told.replace("Answer of alpha", "") and '"lab"' not in told and "Model A" in told
    _, secret = await shared_battle(at, sharing, hides_prompts=True)
    shown = await sharing.look(secret)
    assert "secret prompt" not in json.dumps(shown.parts) and "north/alpha" in json.dumps(shown.parts)
    assert "not shown" in page(shown.parts, "") and "Answer of beta" in page(shown.parts, "")


async def test_a_conversation_is_shared_by_who_asked_and_goes_with_its_text(
    at: Ring, sharing: Sharing
) -> None:
    at.lab.plays_of(alpha=[says("First answer"), says("Second answer")])
    first = await ended(await at.desk.gateway.admit(AUTHOR, asking("north/alpha", "One?"), surface="page"))
    second = await ended(
        await at.desk.gateway.admit(
            AUTHOR, asking("north/alpha", "Two?"), surface="page", parent_run_id=first.id
        )
    )
    with pytest.raises(NotYours):
        await sharing.make(OWNER, ShareWish("run", second.id))
    with pytest.raises(RunNotFound):
        await sharing.make(STRANGER, ShareWish("run", second.id))
    made = await sharing.make(AUTHOR, ShareWish("run", second.id))
    told = json.dumps((await sharing.look(made.secret)).parts)
    assert all(said in told for said in ("One?", "First answer", "Two?", "Second answer"))
    await at.desk.gateway.forget_text(AUTHOR, first.id)
    await at.desk.gateway.forget_text(AUTHOR, second.id)
    told = json.dumps((await sharing.look(made.secret)).parts)
    assert "First answer" not in told and "Two?" not in told


async def test_what_is_left_out_is_left_out_of_every_part() -> None:
    from tests.battles.test_packs import parts

    whole: Parts = parts()
    both = json.dumps(redacted(whole, names=True, prompts=True))
    assert "lab/" not in both and '"lab"' not in both and "Hm." not in both and "look" not in both
    assert "2026-11-21T10:01" in both  # the vote stays


async def test_the_folder_holds_no_secret(at: Ring, sharing: Sharing) -> None:
    _, secret = await shared_battle(at, sharing)
    folder = Path(str(at.desk.databases.app.engine.url.database)).parent
    assert not any(secret.encode() in file.read_bytes() for file in folder.glob("app.db*"))
    assert LOCAL.team_id != 71
