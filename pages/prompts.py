"""The prompt library: what the team asks with, its versions, what each cost and won, and where it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

import runtime
from battles.errors import PromptNotFound
from battles.models import Settings
from battles.prompt_values import PromptVersion, VersionWish, request_of
from components import (
    battle_session,
    code_snippets,
    guard,
    prompt_editor,
    prompt_list,
    prompt_rows,
    prompt_versions,
    prompt_words as say,
    session,
    words,
)
from components.asks import ask
from components.opened import Opened
from identity.permissions import may

st.set_page_config(layout="wide")
principal = guard.enter("read_prompts")
services = runtime.current()
prompts, zone = services.prompts, session.zone()
fixed = not may(principal, "write_prompts")
name = session.prompt_open()


def the_list() -> None:
    st.title(say.PROMPTS)
    st.caption(say.ABOUT)
    with st.container(horizontal=True, vertical_alignment="center"):
        made = None
        if not fixed:
            made = prompt_list.show_new(
                lambda new, about: prompts.create(
                    principal, new, VersionWish(Settings(template="{{prompt}}")), description=about
                )
            )
        archived = st.checkbox(say.ARCHIVED, key="prompts-archived")
    if fixed:
        st.caption(say.NONE_YOURS)
    found = prompts.all(principal, archived=archived)
    if not found:
        st.info(f"**{say.NONE}**  \n{say.NONE_ADVICE}")
    if picked := made or (prompt_list.show(found, zone) if found else None):
        session.open_prompt(picked)
        st.rerun()


def one(name: str) -> None:
    shown, versions = prompts.show(principal, name), prompts.versions(principal, name)
    newest, rows = versions[0], prompts.rows(principal, name)
    st.button(say.BACK, icon=":material/arrow_back:", type="tertiary", on_click=session.close_prompt)
    st.title(words.escaped(name))
    if shown.description:
        st.caption(words.escaped(shown.description))
    edit, history, saved_rows, use = st.tabs((say.EDIT, say.VERSIONS, say.ROWS, say.USE))
    with edit:
        st.caption(words.escaped(f"{say.version(newest.no)}. {say.variables(newest.variables)}"))
        models = [model for model in services.catalog.models() if model.answers]
        wish = prompt_editor.show(models, newest, f"prompt-{newest.id}", fixed)
        if not fixed:
            save(name, wish, newest.no, archived=shown.archived_ms is not None)
    with history:
        used = services.prompt_figures_of(principal, [version.id for version in versions])
        names = {
            each.user_id: each.name for each in services.people.teams.members(principal, principal.team_id)
        }
        prompt_versions.show(versions, used, names, zone)
        if not fixed:
            prompt_versions.show_labels(
                versions,
                shown.labels,
                lambda label, no: prompts.set_label(principal, name, label, no),
                lambda label: prompts.remove_label(principal, name, label),
                lambda no: prompts.restore(principal, name, no),
            )
        prompt_versions.show_difference(versions)
    with saved_rows:
        prompt_rows.show(newest, rows, lambda told: prompts.put_rows(principal, name, told), fixed)
    with use:
        no = st.selectbox(
            say.VERSION, [version.no for version in versions], format_func=say.version, key="prompt-use"
        )
        version = next(version for version in versions if version.no == no)
        values = prompt_rows.pick(version, rows)
        if values is None:
            st.caption(say.STILL_OPEN)
        else:
            prompt_rows.show_filled(version, values)
        if (
            st.button(say.TO_PLAYGROUND, icon=":material/edit_square:", disabled=values is None)
            and values is not None
        ):
            asked = request_of(version, values, "", session.model_asked() or "")
            session.open_request(Opened(say.version_of(name, version.no), asked))
            st.switch_page("playground.py")
        to_battle(versions, version, values or {})
        st.markdown(f"**{say.IN_A_PROGRAM}**")
        st.caption(say.IN_A_PROGRAM_ABOUT)
        label = next(iter(version.labels), None)
        st.code(
            code_snippets.prompt(services.base_url, name, label, version.no), language="bash", wrap_lines=True
        )


def to_battle(versions: Sequence[PromptVersion], version: PromptVersion, values: Mapping[str, str]) -> None:
    """Two lanes that differ in the version: this one, and another of the same prompt."""
    others = [each.no for each in versions if each.no != version.no]
    if not others or not may(principal, "run_models"):
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        other = st.selectbox(
            say.AGAINST, others, format_func=say.version, key=f"prompt-against-{version.id}", width=200
        )
        pressed = st.button(say.TO_BATTLE, icon=":material/swords:")
    if pressed:
        by_no = {each.no: each for each in versions}
        first = session.model_asked() or next(
            model.id for model in services.catalog.models() if model.answers
        )
        battle_session.prepare([by_no[no].model or first for no in (version.no, other)], "")
        for place, no in enumerate((version.no, other)):
            battle_session.set_version(place, version.name, no)
        for variable, value in values.items():
            battle_session.set_variable(variable, value)
        st.switch_page("battle.py")


def save(name: str, wish: VersionWish, after_no: int, *, archived: bool) -> None:
    with st.container(horizontal=True):
        pressed = st.button(say.SAVE, type="primary")
        turned = st.button(
            say.UNARCHIVE if archived else say.ARCHIVE, help=None if archived else say.ARCHIVE_HELP
        )
    if turned and ask(lambda: prompts.archive(principal, name, archived=not archived)) is not None:
        st.rerun()
    if pressed:
        made = ask(lambda: prompts.save(principal, name, wish, after_no=after_no))
        if made is not None and made.no == after_no:
            st.info(say.UNCHANGED)
        elif made is not None:
            st.rerun()


if name is None:
    the_list()
else:
    try:
        one(name)
    except PromptNotFound:
        st.info(say.UNKNOWN)
        st.button(say.BACK, on_click=session.close_prompt)
