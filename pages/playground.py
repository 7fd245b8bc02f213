"""The start page: pick a model, ask, watch the answer, go on."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

import runtime
from battles.errors import PromptNotFound
from battles.prompt_values import version_of
from billing.errors import BillingError, InsufficientCredits
from components import (
    asking,
    at_a_glance,
    battle_session,
    code_snippets,
    conversation,
    guard,
    image_input,
    lane_setup,
    model_picker,
    notices,
    opened as opened_here,
    plain,
    prompt_form,
    prompt_list,
    session,
    settings_panel,
    share_link,
    standing,
    starters,
    words,
)
from components.notices import Notice
from components.starters import Starter
from gateway import team_policy
from gateway.errors import GatewayError
from gateway.fitting import fit
from gateway.messages import CompletionRequest
from gateway.quote import Quote
from gateway.records import RunRecord
from identity.permissions import may

st.set_page_config(layout="centered")
principal = guard.enter("run_models")
services = runtime.current()
now_ms = time.time_ns() // 1_000_000


def send() -> None:
    """Ask what is in the box. What is typed leaves the box only once it was taken."""
    before = _turns()
    dead = asking.dead(before)
    parent = before[-1].id if before else None
    if not session.draft():
        session.set_notice(notices.TYPE_FIRST)
    elif dead is not None:
        session.set_notice(notices.DEAD[dead])
    elif _submitted(_request(before, session.draft()), parent):
        session.clear_draft()
        session.clear_images("playground")
        session.drop_opened()


def send_starter(starter: Starter) -> None:
    _submitted(asking.ask_after(_settings(), starter.before, starter.prompt), None)


def retry() -> None:
    """Ask the last prompt again, beside the answer that it had."""
    before = _turns()
    if before:
        _submitted(asking.ask_again(_settings(), before[-1]), before[-1].parent_run_id)


def to_battle(turn: RunRecord) -> None:
    """The last prompt beside the model that would stand second on a fresh page."""
    known = lane_setup.first_models(lane_setup.to_pick(offered, drill=False))
    others = [model for model in known if model != turn.model_id]
    battle_session.prepare((turn.model_id, (others or [turn.model_id])[0]), turn.prompt)
    st.switch_page("battle.py")


def ready_battle() -> None:
    """The first starter, before two models that answer here."""
    models = lane_setup.first_models(lane_setup.to_pick(offered, drill=False))
    battle_session.prepare(models, starters.STARTERS[0].prompt)
    st.switch_page("battle.py")


def _turns() -> tuple[RunRecord, ...]:
    run_id = session.open_run()
    return services.conversation(principal, run_id) if run_id else ()


def _explained(error: Exception, request: CompletionRequest) -> Notice:
    notice = notices.notice_of(error, session.reader())
    if isinstance(error, InsufficientCredits):
        cheaper = model_picker.cheaper(offered, error.available_nano_usd, now_ms, asking.most_tokens(request))
        return notices.with_cheaper(notice, cheaper)
    return notice


def _settings() -> asking.Settings:
    return asking.Settings(session.model_asked() or "", session.system_prompt(), settings_panel.sampling())


def _request(before: Sequence[RunRecord], draft: str) -> CompletionRequest:
    """The draft after what was said, or after what was opened here."""
    opened = session.opened()
    if before or opened is None:
        request = asking.ask(_settings(), before, draft)
    else:
        request = opened.with_page(_settings(), draft)
    return asking.with_images(request, session.images("playground"))


def save_prompt(name: str) -> None:
    """Keep what stands here in the prompt library. Raises what `asks.ask` explains."""
    wish = version_of(asking.ask_again(_settings(), turns[-1]) if turns else _request((), session.draft()))
    try:
        services.prompts.save(principal, name, wish)
    except PromptNotFound:
        services.prompts.create(principal, name, wish)


def _submitted(request: CompletionRequest, parent_run_id: str | None) -> bool:
    """Whether the request was taken; where it was not, the notice says why."""
    try:
        new_run_id = services.submit(principal, request, parent_run_id=parent_run_id)
    except (GatewayError, BillingError, TimeoutError) as error:
        session.set_notice(_explained(error, request))
        return False
    session.clear_notice()
    session.show_run(new_run_id)
    return True


def quote(draft: str) -> Quote | Notice | None:
    """What the draft would cost after what was said; why it cannot be sent; None where the page says."""
    before = _turns()
    if not choice.answers or asking.dead(before) is not None:
        return None
    request = _request(before, draft)
    try:
        return services.quote(principal, request)
    except (GatewayError, BillingError, TimeoutError) as error:
        return _explained(error, request)


offered = model_picker.choices(
    services.catalog,
    lambda model: team_policy.why_not(principal, model.id) or services.gateway.routable(model),
    lambda model_id: services.latency.typical(model_id, principal.team_id)[0],
    now_ms,
)
turns = _turns()

plain.hidden_title(words.PLAYGROUND)
with st.container(horizontal=True, vertical_alignment="center", gap="small", key="playground-head"):
    choice = model_picker.show(offered, narrow=bool(turns))
    settings_panel.show(choice.model)
    image_input.show((choice.model,), "playground", now_ms)
    request = asking.ask_again(_settings(), turns[-1]) if turns else starters.request(_settings())
    code_snippets.show(request, services.base_url)
    if may(principal, "write_prompts"):
        prompt_list.show_save(save_prompt)
    if turns:
        conversation.show_new(turns, session.start_over)
model_picker.show_facts(choice)
names = model_picker.names(offered)
model_picker.show_state(choice, names)

if turns:
    conversation.show(turns, session.ticket_for(principal), on_end=session.clear_notice)
    with st.container(horizontal=True, gap="small"):
        conversation.show_after(turns, retry, to_battle)
        if turns[-1].state != "running" and turns[-1].user_id == principal.user_id:
            share_link.show(
                "run",
                turns[-1].id,
                principal,
                site_url=services.page_url,
                make=lambda wish: services.share(principal, wish),
                links=lambda: services.sharing.shares.of(principal, turns[-1].id),
                revoke=lambda share_id: services.sharing.shares.revoke(principal, share_id),
                zone=session.zone(),
            )
else:
    if session.open_run():
        notices.show(notices.RUN_NOT_FOUND)
    if services.demonstration_note is not None:
        st.info(words.escaped(words.demonstration_missing(services.demonstration_note)))
    if (opened := session.opened()) is not None:
        opened_here.show(opened, session.drop_opened)
    else:
        answering = [each.model.name for each in offered if each.answers]
        balance = standing.read(services.statements, principal.team_id, now_ms)
        at_a_glance.show(
            balance,
            session.troubles(),
            answering,
            len(offered),
            session.zone(),
            may_connect=may(principal, "connect_models"),
        )
        several = len(set(lane_setup.first_models(lane_setup.to_pick(offered, drill=False)))) > 1
        starters.show(send_starter, ready_battle, disabled=not choice.answers, several=several)

prompt_form.show(
    send,
    first=not turns,
    notice=session.notice(),
    names=names,
    chips=fit(request, choice.model)[1],
    quote=quote,
    route=services.route(principal, request) if choice.answers else None,
    disabled=not choice.answers,
)
