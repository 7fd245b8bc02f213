"""One prompt to two or more lanes: set them up, watch them side by side, vote, see who it was, go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import streamlit as st

import runtime
from battles.ballots import Ballot
from battles.errors import BattleError, BattleNotFound
from battles.history import Sought
from battles.models import Prompt, Reason
from battles.quoting import BattleQuote
from battles.views import BattleView, TurnView
from billing.errors import BillingError
from components import (
    answer_diff,
    battle_export,
    battle_form,
    battle_head,
    battle_history,
    battle_options,
    battle_reveal,
    battle_session as session,
    battle_turns,
    battle_wish,
    battle_words as say,
    first_battle,
    guard,
    image_input,
    lane_prompt,
    lane_settings,
    lane_setup,
    model_names,
    model_picker,
    notices,
    plain,
    session as page_session,
    share_link,
    vote_panel,
    words,
)
from components.notices import Notice
from gateway import team_policy
from gateway.errors import GatewayError
from identity.permissions import may

st.set_page_config(layout="wide")
principal = guard.enter("read_runs")
services = runtime.current()
now_ms = time.time_ns() // 1_000_000
name_of = model_names.of(services.catalog)
may_run = may(principal, "run_models")
IMAGES = "battle"  # whose images they are, in what the session remembers
REFUSALS = (BattleError, GatewayError, BillingError, TimeoutError)


def refused(error: Exception) -> None:
    session.set_notice(notices.notice_of(error, page_session.reader()))


def start(offer: battle_wish.Offer) -> None:
    """Open a battle with what stands on the page. What is typed leaves the box only once it was taken."""
    variables = battle_wish.variables(offer)
    if not session.draft() and not variables:
        return session.set_notice(Notice("info", say.TYPE_FIRST, ""))
    try:
        prompt = Prompt(session.draft(), page_session.images(IMAGES), variables)
        battle_id = services.battles.start(principal, battle_wish.read(offer), prompt)
    except REFUSALS as error:
        return refused(error)
    session.set_draft("")
    page_session.clear_images(IMAGES)
    session.show_battle(battle_id)


def go_on(battle_id: str, last_turn_id: str) -> None:
    """Put the next prompt to all lanes, after the turn to fork at or else the last one shown."""
    parent_turn_id = session.fork() or last_turn_id
    if not session.draft():
        return session.set_notice(Notice("info", say.TYPE_FIRST, ""))
    try:
        turn_id = services.battles.go_on(principal, battle_id, Prompt(session.draft()), parent_turn_id)
    except REFUSALS as error:
        return refused(error)
    session.set_draft("")
    session.set_notice(None)
    session.set_fork(None)
    session.show_turn(turn_id)


def retry(battle_id: str, turn_id: str, lanes: Sequence[int] | None) -> None:
    try:
        for lane in (None,) if lanes is None else lanes:
            services.battles.retry(principal, battle_id, turn_id, lane)
    except REFUSALS as error:
        return refused(error)
    session.set_notice(None)


def vote(view: BattleView, turn_id: str, ballot: Ballot, reasons: tuple[Reason, ...]) -> None:
    try:
        services.battles.vote(
            principal, view.id, ballot, stage=view.may_vote or "first", reasons=reasons, turn_id=turn_id
        )
    except REFUSALS as error:
        return refused(error)
    session.set_notice(None)


def reveal(battle_id: str) -> None:
    try:
        services.battles.reveal(principal, battle_id)
    except REFUSALS as error:
        return refused(error)
    session.set_notice(None)


def quoted(work: Callable[[], BattleQuote]) -> BattleQuote | Notice:
    """What the prompt would cost in all lanes; why it cannot be put."""
    try:
        return work()
    except REFUSALS as error:
        return notices.notice_of(error, page_session.reader())


def start_first() -> None:
    """The first battle, at its first row."""
    try:
        first = services.battles.first(principal, services.battles.start_first(principal))
    except REFUSALS as error:
        return refused(error)
    open_id = first.vote_next or first.rows[0].battle_id
    if open_id is not None:
        session.show_battle(open_id)


def set_up() -> None:
    """No battle is open: what was fought before; lanes, options and prompt for whoever may start one."""
    if not may_run:
        return earlier()
    if (linked := session.linked()) is not None:
        models, prompt = linked
        session.set_lanes(lane_setup.linked(offered, models))
        session.set_draft(prompt)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="battle-head"):
        to_pick = lane_setup.to_pick(offered, drill=battle_options.show_switches())
        lane_setup.show_add(to_pick)
        chosen = [choice.model for choice in lane_setup.picked(to_pick)]
        lane_settings.show_shared(chosen)
        image_input.show(chosen, IMAGES, now_ms)
        battle_options.show()
        battle_head.show_keys()
    offer = battle_wish.Offer(
        to_pick,
        services.connected(),
        services.prompts.all(principal) if may(principal, "read_prompts") else (),
        lambda name, no: services.prompts.served(principal, name, no=no),
    )
    lane_setup.show(offer)
    lane_prompt.show_variables(battle_wish.variables(offer))
    earlier()
    battle_form.show(
        lambda: start(offer),
        first=True,
        going_on_from=None,
        notice=session.notice(),
        quote=lambda draft: quoted(
            lambda: services.quote_battle(
                principal,
                battle_wish.read(offer),
                Prompt(draft, page_session.images(IMAGES), battle_wish.variables(offer)),
            )
        ),
        disabled=False,
    )


def earlier() -> None:
    """What was fought before, and the first battle where there was none."""
    sought = Sought(text=session.search() or None)
    lines = services.battles.lines(principal, sought, battle_history.PAGE)
    if may_run and sought.text is None and not any(line.kind == "first" for line in lines):
        first_battle.show_start(start_first, disabled=services.demonstration_note is not None)
    battle_history.show_search()
    battle_history.show(lines, name_of, page_session.zone(), searched=sought.text is not None)


def show(view: BattleView) -> None:
    """A battle: its turns, the vote, and the next prompt."""
    turns = battle_turns.path(view, session.turn())
    battle_head.show(view, session.close_battle, may_run=may_run)
    asks = battle_turns.Asks(ended=lambda: None, retry=lambda turn_id, lanes: retry(view.id, turn_id, lanes))
    battle_turns.show(view, turns, page_session.ticket_for(principal), name_of, asks)
    if view.kind == "first" and view.batch_id is not None:
        first_id = view.batch_id
        first_battle.show(lambda: services.battles.first(principal, first_id), view.id)
    if turns:
        judged(view, turns[-1])
    take_away(view)
    if turns and vote_panel.is_due(view, turns[-1]):
        judge(view, turns[-1])
    elif may_run:
        next_prompt(view, turns)


def take_away(view: BattleView) -> None:
    """The battle as a file, or as a link."""
    with st.container(horizontal=True, gap="small", key="battle-away"):
        battle_export.show(
            view.id, lambda: services.pack(principal, view.id), disabled=view.hidden or view.running
        )
        if not view.hidden and (view.user_id == principal.user_id or principal.role == "owner"):
            share_link.show(
                "battle",
                view.id,
                principal,
                site_url=services.page_url,
                make=lambda wish: services.share(principal, wish),
                links=lambda: services.sharing.shares.of(principal, view.id),
                revoke=lambda share_id: services.sharing.shares.revoke(principal, share_id),
                zone=page_session.zone(),
            )


def judged(view: BattleView, turn: TurnView) -> None:
    """What was voted; who it was."""
    if not turn.running:
        vote_panel.show_said(view, principal.user_id)
        if view.blind and not view.hidden:
            battle_reveal.show(view, turn, services.catalog, name_of)
        battle_reveal.link_to_requests(view, turn)
        answer_diff.show(
            [
                answer_diff.Side(lane.label, lane.text, lane.reasoning, lane.tool_calls)
                for lane in turn.lanes
                if lane.text or lane.tool_calls
            ],
            key=f"diff-{turn.id}",
        )


def judge(view: BattleView, turn: TurnView) -> None:
    """The vote that is due."""
    if (notice := session.notice()) is not None:
        notices.show(notice)
    vote_panel.show(
        view,
        turn,
        principal.user_id,
        cast=lambda ballot, reasons: vote(view, turn.id, ballot, reasons),
        reveal=lambda: reveal(view.id),
    )


def next_prompt(view: BattleView, turns: Sequence[TurnView]) -> None:
    forked = next((turn for turn in turns if turn.id == session.fork()), None)
    battle_form.show(
        lambda: go_on(view.id, turns[-1].id),
        first=False,
        going_on_from=forked.no if forked is not None else None,
        notice=session.notice(),
        quote=lambda draft: quoted(
            lambda: services.quote_turn(principal, view.id, Prompt(draft), (forked or turns[-1]).id)
        ),
        disabled=not turns or turns[-1].running,
    )


def looked_at(battle_id: str | None) -> BattleView | None:
    try:
        return services.battles.view(principal, battle_id) if battle_id else None
    except BattleNotFound:
        return None


offered = model_picker.choices(
    services.catalog,
    lambda model: team_policy.why_not(principal, model.id) or services.gateway.routable(model),
    lambda model_id: services.latency.typical(model_id, principal.team_id)[0],
    now_ms,
)
plain.hidden_title(say.BATTLE)
battle_id = session.open_battle()
view = looked_at(battle_id)
if battle_id and view is None:
    notices.show(Notice("info", say.NOT_HERE, say.NOT_HERE_ADVICE))
if not may_run:
    st.caption(words.escaped(say.READ_ONLY))
if view is not None:
    show(view)
else:
    set_up()
if view is not None or may_run:
    battle_head.listen(vote_panel.keys(view) if view is not None else {"/": lane_setup.first_picker(offered)})
