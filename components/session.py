"""What a browser session remembers: the only file that names session-state keys.

A run's id lives in the page's address, and a copy of it here, because a link in the navigation drops
the address's query. Everything typed survives a change of page. Nothing here outlives the session;
what must, belongs to the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any, Final
from urllib.parse import urlencode

import streamlit as st

import runtime
from components.notices import Notice, Reader
from components.opened import Opened
from gateway.connection_tables import Server
from gateway.providers.listing import FoundServer, OfferedModel
from identity.claims import Claims
from identity.errors import NotAuthenticated
from identity.principal import Principal
from telemetry.requests import Place

_DRAWN: Final = "drawn"
# Widgets, by their keys: `st-key-<key>` is also what the style sheet may aim at.
MODEL: Final = "playground-model"
DRAFT: Final = "playground-draft"
SYSTEM: Final = "playground-system"
# Of the latency page: these are names in its address too.
LATENCY_WINDOW: Final = "window"
LATENCY_FROM: Final = "from"
LATENCY_TO: Final = "to"
LATENCY_BY: Final = "by"
LATENCY_MODEL: Final = "of-model"
LATENCY_PROVIDER: Final = "of-provider"
LATENCY_KEY: Final = "of-key"
LATENCY_TAG: Final = "of-tag"
LATENCY_SIMULATED: Final = "simulated"
LATENCY_EVERYONE: Final = "everyone"
LATENCY_COMPARE: Final = "compare"
LATENCY_FIGURE: Final = "figure"
LATENCY_GROUP: Final = "group"
LATENCY_SHOWN: Final = "shown"
LATENCY_FILTERS: Final = (
    LATENCY_MODEL, LATENCY_PROVIDER, LATENCY_KEY, LATENCY_TAG, LATENCY_SIMULATED, LATENCY_EVERYONE,
)  # fmt: skip
ENTRIES: Final = "credits-entries"
ENTRIES_PAGE: Final = "credits-page"
ENTRIES_KIND: Final = "credits-kind"
ENTRIES_MODEL: Final = "credits-model"
ENTRIES_MEMBER: Final = "credits-member"
ENTRIES_KEY: Final = "credits-key"
ENTRIES_DAYS: Final = "credits-days"
SPENDING_BY: Final = "credits-spending-by"
CAP_SCOPE: Final = "cap-scope"
CAP_SUBJECT: Final = "cap-subject"
CAP_LIMIT: Final = "cap-limit"
CAP_WINDOW: Final = "cap-window"
CAP_ALERTS: Final = "cap-alerts"
CAP_REMOVED: Final = "cap-removed"
REQUESTS_WINDOW: Final = "requests-window"
MODELS_SEARCH: Final = "models-search"
MODELS_SORT: Final = "models-sort"
MODELS_HERE: Final = "models-here"
MODELS_MIX: Final = "models-mix"
MODELS_PROMPT: Final = "models-prompt"
MODELS_COMPARE: Final = "models-compare"
COMPARED: Final = "compared"
BOARD: Final = "benchmarks-board"
BOARD_WINDOW: Final = "benchmarks-window"
RATED_BOARD: Final = "leaderboard-board"
RATED_TEAMS: Final = "leaderboard-teams"
RATED_STAGE: Final = "leaderboard-stage"
RATED_VOTERS: Final = "leaderboard-voters"
RATED_CATEGORY: Final = "leaderboard-category"
RATED_TAG: Final = "leaderboard-tag"
RATED_LANGUAGE: Final = "leaderboard-language"
RATED_WITHOUT: Final = "leaderboard-without"
RATED_PARETO: Final = "leaderboard-pareto"
RATED_REFERENCE: Final = "leaderboard-reference"
RATED_MARGIN: Final = "leaderboard-margin"
CONNECT_WAY: Final = "connect-way"
CONNECT_PROVIDER: Final = "connect-provider"
CONNECT_KEY: Final = "connect-key"
CONNECT_NAME: Final = "connect-name"
CONNECT_ADDRESS: Final = "connect-address"
CONNECT_PRIVATE: Final = "connect-private"
CONNECT_SERVER_KEY: Final = "connect-server-key"

_OFFERED: Final = "connect-offered"
_FOUND: Final = "connect-found"
_CONNECTED: Final = "connect-done"
TEAM: Final = "person-team"

_TYPED: Final = "playground-typed"
_TOLD: Final = "playground-told"
_RUN: Final = "playground-run"
_NOTICE: Final = "playground-notice"
_TROUBLES: Final = "standing-troubles"
_REQUESTS: Final = "requests-pages"
_REQUESTS_LINK: Final = "requests-link"
_REQUEST_OPEN: Final = "request-open"
_MODEL_RUN: Final = "model-run"
_ADDRESS: Final = "address-written"
_RUN_IN_ADDRESS: Final = "run"
_MODEL_IN_ADDRESS: Final = "model"
_PROMPT_IN_ADDRESS: Final = "prompt"
_OPENED: Final = "playground-opened"
_MODELS_IN_ADDRESS: Final = "models"
_BOARD_IN_ADDRESS: Final = "board"
_LONGEST_RUN_ID: Final = 64


def sampling_key(field: str) -> str:
    return f"playground-sampling-{field}"


def claims() -> Claims:
    """What this browser's sign-in says of its person, without its tokens; empty without sign-in."""
    return {name: value for name, value in st.user.to_dict().items() if name != "tokens"}


def principal() -> Principal:
    """Who has this page open. Raises `NotAuthenticated` and `NotAdmitted` where sign-in is configured and
    is missing, over or of nobody here."""
    services = runtime.current()
    if services.people.sign_in is None:
        return services.identity.principal()
    found = services.people.sign_in.who(claims()).principal
    if found is None:
        raise NotAuthenticated
    return found


def reader() -> Reader:
    """For whom sentences are made. Without sign-in the reader is also the operator."""
    return Reader(zone=zone(), local=runtime.current().people.sign_in is None)


def zone() -> str | None:
    """The reader's time zone as the browser names it."""
    return st.context.timezone


def ticket_for(who: Principal) -> Callable[[str], str]:
    """Makes what lets this tab's live channel show one thing: a run, a battle's turn, the charts."""
    tickets = runtime.current().tickets
    return lambda about: tickets.issue(who, about)


def forget_team() -> None:
    """Another team is open from now on: what was on the page was the last one's."""
    for key in (_RUN, _NOTICE, _OPENED):
        st.session_state.pop(key, None)
    st.query_params.clear()


def set_troubles(troubles: tuple[str, ...]) -> None:
    """What the foot of the navigation says is wrong, for a page that says it as well."""
    st.session_state[_TROUBLES] = troubles


def troubles() -> tuple[str, ...]:
    found: tuple[str, ...] = st.session_state.get(_TROUBLES, ())
    return found


# --- the conversation that is open -----------------------------------------------------------


def open_run() -> str | None:
    """The newest run of the conversation on the page: the address's, else the one this session had."""
    asked = st.query_params.get(_RUN_IN_ADDRESS)
    if asked:
        st.session_state[_RUN] = asked[:_LONGEST_RUN_ID]
    run_id: str | None = st.session_state.get(_RUN)
    if run_id is not None and asked != run_id:
        st.query_params[_RUN_IN_ADDRESS] = run_id
    return run_id


def show_run(run_id: str) -> None:
    """Make this run the newest of the conversation, in the address too."""
    st.session_state[_RUN] = run_id
    st.query_params[_RUN_IN_ADDRESS] = run_id


def start_over() -> None:
    """An empty page; what was asked before stays where it is, under its own address."""
    st.session_state.pop(_RUN, None)
    st.query_params.pop(_RUN_IN_ADDRESS, None)
    clear_notice()


# --- what is typed ---------------------------------------------------------------------------


def draft() -> str:
    text: str = st.session_state.get(DRAFT, "")
    return text.strip()


def clear_draft() -> None:
    st.session_state[DRAFT] = ""
    st.session_state[_TYPED] = ""


def draft_typed(told: str | None) -> str:
    """What stands in the box while somebody types: `told` is what its watcher said last, if anything."""
    if told is not None and told != st.session_state.get(_TOLD):
        st.session_state[_TOLD] = st.session_state[_TYPED] = told
    typed: str | None = st.session_state.get(_TYPED)
    return draft() if typed is None else typed


def system_prompt() -> str:
    text: str = st.session_state.get(SYSTEM, "")
    return text.strip()


def model_asked() -> str | None:
    """The model picked, or the one that the address names for a first look, or the team's own default."""
    picked: str | None = st.session_state.get(MODEL)
    return picked or st.query_params.get(_MODEL_IN_ADDRESS) or principal().policy.default_model


def pick_model(model_id: str) -> None:
    st.session_state[MODEL] = model_id


def sampling(field: str) -> Any:
    """What was set for a sampling field; None where it is left to the model."""
    return st.session_state.get(sampling_key(field))


def most_output() -> int | None:
    """The longest answer that was asked for, in tokens."""
    most: int | None = sampling("max_output_tokens")
    return most


# --- images beside a prompt ------------------------------------------------------------------


def images(page: str) -> tuple[str, ...]:
    """As `data:` URLs."""
    kept: tuple[str, ...] = st.session_state.get(f"{page}-image-urls", ())
    return kept


def set_images(page: str, urls: tuple[str, ...]) -> None:
    st.session_state[f"{page}-image-urls"] = urls


def images_key(page: str) -> str:
    """Of the field that takes them: another one, and so an empty one, after each prompt."""
    return f"{page}-files-{st.session_state.get(f'{page}-images-sent', 0)}"


def clear_images(page: str) -> None:
    st.session_state[f"{page}-images-sent"] = st.session_state.get(f"{page}-images-sent", 0) + 1
    set_images(page, ())


# --- what was opened here --------------------------------------------------------------------


def open_request(opened: Opened) -> None:
    """An empty conversation that begins with this: its fields on the page, the rest beside them."""
    start_over()
    request = opened.request
    st.session_state[_OPENED] = opened
    st.session_state[MODEL] = request.model or None
    st.session_state[SYSTEM] = opened.system
    st.session_state[DRAFT] = st.session_state[_TYPED] = opened.draft
    for field in fields(request.sampling):
        value = getattr(request.sampling, field.name)
        st.session_state[sampling_key(field.name)] = list(value) if isinstance(value, tuple) else value


def opened() -> Opened | None:
    """What was opened here, until it was sent or left out."""
    kept: Opened | None = st.session_state.get(_OPENED)
    return kept


def drop_opened() -> None:
    st.session_state.pop(_OPENED, None)


# --- the prompt library ----------------------------------------------------------------------


def prompt_open() -> str | None:
    """The prompt whose page the address asks for."""
    return st.query_params.get(_PROMPT_IN_ADDRESS)


def share_open() -> str | None:
    """The secret of the share link that the address holds."""
    return st.query_params.get("share")


def open_prompt(name: str) -> None:
    st.query_params[_PROMPT_IN_ADDRESS] = name


def close_prompt() -> None:
    st.query_params.pop(_PROMPT_IN_ADDRESS, None)


# --- what went wrong last --------------------------------------------------------------------


def notice() -> Notice | None:
    kept: Notice | None = st.session_state.get(_NOTICE)
    return kept


def set_notice(notice: Notice) -> None:
    st.session_state[_NOTICE] = notice


def clear_notice() -> None:
    st.session_state.pop(_NOTICE, None)


# --- the request log -------------------------------------------------------------------------


def requests_before() -> Place | None:
    """Below which row the page on show begins; None on the newest page."""
    kept: tuple[Place, ...] = st.session_state.get(_REQUESTS, ())
    return kept[-1] if kept else None


def requests_link() -> dict[str, str]:
    """What the address said when the filters were last set from it."""
    kept: dict[str, str] = st.session_state.get(_REQUESTS_LINK, {})
    return kept


def set_requests_link(said: dict[str, str]) -> None:
    st.session_state[_REQUESTS_LINK] = said


def older_requests(below: Place) -> None:
    st.session_state[_REQUESTS] = (*st.session_state.get(_REQUESTS, ()), below)


def newer_requests() -> None:
    st.session_state[_REQUESTS] = st.session_state.get(_REQUESTS, ())[:-1]


def first_requests() -> None:
    st.session_state.pop(_REQUESTS, None)
    close_request()


def request_open() -> str | None:
    """The request that stands open beside the list, by its own id or its run's."""
    kept: str | None = st.session_state.get(_REQUEST_OPEN)
    return kept


def open_request_row(request_id: str) -> None:
    st.session_state[_REQUEST_OPEN] = request_id


def close_request() -> None:
    st.session_state.pop(_REQUEST_OPEN, None)


def entry_asked() -> str | None:
    """The run whose ledger entry the address asks for."""
    asked: str | None = st.query_params.get(_RUN_IN_ADDRESS)
    return asked[:_LONGEST_RUN_ID] if asked else None


def close_entry() -> None:
    st.query_params.pop(_RUN_IN_ADDRESS, None)


# --- a model's page --------------------------------------------------------------------------


def model_open() -> str | None:
    """The model whose page the address asks for."""
    return st.query_params.get(_MODEL_IN_ADDRESS)


def open_model(model_id: str) -> None:
    st.query_params[_MODEL_IN_ADDRESS] = model_id


def close_model() -> None:
    st.query_params.pop(_MODEL_IN_ADDRESS, None)


def model_run(model_id: str) -> str | None:
    """The newest run that was asked for on that model's page."""
    kept: tuple[str, str] | None = st.session_state.get(_MODEL_RUN)
    return kept[1] if kept is not None and kept[0] == model_id else None


def set_model_run(model_id: str, run_id: str) -> None:
    st.session_state[_MODEL_RUN] = (model_id, run_id)


# --- models beside each other, and benchmarks ------------------------------------------------


def compared_in_address() -> list[str]:
    return st.query_params.get(_MODELS_IN_ADDRESS, "").split(",")


def compare(model_ids: Sequence[str]) -> None:
    """Keep in the address which models are compared."""
    if model_ids:
        st.query_params[_MODELS_IN_ADDRESS] = ",".join(model_ids)
    else:
        st.query_params.pop(_MODELS_IN_ADDRESS, None)


def board_in_address() -> str | None:
    asked: str | None = st.query_params.get(_BOARD_IN_ADDRESS)
    return asked


def open_board(board: str) -> None:
    st.query_params[_BOARD_IN_ADDRESS] = board


# --- connecting ------------------------------------------------------------------------------


def offered(server: Server) -> tuple[OfferedModel, ...]:
    """What that server listed when it was last asked; nothing where another one was asked since."""
    kept: tuple[Server, tuple[OfferedModel, ...]] | None = st.session_state.get(_OFFERED)
    return kept[1] if kept is not None and kept[0] == server else ()


def set_offered(server: Server, models: tuple[OfferedModel, ...]) -> None:
    st.session_state[_OFFERED] = (server, models)


def found() -> tuple[FoundServer, ...] | None:
    """The servers that were found here; None before anybody looked."""
    kept: tuple[FoundServer, ...] | None = st.session_state.get(_FOUND)
    return kept


def set_found(servers: tuple[FoundServer, ...]) -> None:
    st.session_state[_FOUND] = servers


def connected() -> str | None:
    """What was connected just now, in words; said once."""
    done: str | None = st.session_state.pop(_CONNECTED, None)
    return done


def set_connected(done: str) -> None:
    st.session_state[_CONNECTED] = done


# --- a view that its address names ------------------------------------------------------------


def first_drawing() -> bool:
    """Whether this is the first time that this tab draws anything; true once."""
    first = _DRAWN not in st.session_state
    st.session_state[_DRAWN] = True
    return first


def from_address(readers: Mapping[str, Callable[[str], object]]) -> None:
    """Before its widgets are drawn: what the address says and this session did not write there goes into
    the widgets of those keys, read by `readers`; what one refuses with `ValueError` is left out."""
    written: dict[str, str] = st.session_state.get(_ADDRESS, {})
    for key, read in readers.items():
        said = st.query_params.get(key)
        if said is not None and said != written.get(key):
            with suppress(ValueError):
                st.session_state[key] = read(said)


def to_address(values: Mapping[str, str | None]) -> None:
    """After they are drawn: say in the address what they are set to; None is what need not be said."""
    for key, value in values.items():
        if value is None:
            st.query_params.pop(key, None)
        elif st.query_params.get(key) != value:
            st.query_params[key] = value
    st.session_state[_ADDRESS] = st.session_state.get(_ADDRESS, {}) | {
        key: value for key, value in values.items() if value is not None
    }


def address() -> str:
    """Where this view can be seen, for somebody else."""
    bare = (st.context.url or "").partition("?")[0]
    query = urlencode(st.query_params.to_dict())
    return f"{bare}?{query}" if query else bare


# --- pages of a list -------------------------------------------------------------------------


def pages(key: str) -> tuple[int, ...]:
    """Below which entries the pages gone through began."""
    kept: tuple[int, ...] = st.session_state.get(key, ())
    return kept


def page_on(key: str, before_seq: int) -> None:
    st.session_state[key] = (*pages(key), before_seq)


def page_back(key: str) -> None:
    st.session_state[key] = pages(key)[:-1]


def first_page(key: str) -> None:
    st.session_state.pop(key, None)
