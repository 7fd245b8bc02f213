"""Draws the three ways to connect a model: a provider's key, a server's address, a server found here.

Nothing is kept before the server has listed its models and one of them has answered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

import streamlit as st

from components import connect_words as say, notices, session, words
from gateway.catalog import Catalog, ListedProvider, Model
from gateway.connection_tables import ConnectedModel, Server
from gateway.connections import Connection, Connections
from gateway.errors import GatewayError
from gateway.pricing import price_at
from gateway.providers.listing import FoundServer, OfferedModel
from identity.principal import Principal

_CONTEXT: Final = 8_192
_MOST_OUTPUT: Final = 4_096
_MOST_AT_ONCE: Final = 50


class Connecting(Protocol):
    """What `runtime.Services` offers here. All but `find_local_servers` and `disconnect` raise
    `GatewayError`."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def connections(self) -> Connections: ...
    def find_local_servers(self) -> tuple[FoundServer, ...]: ...
    def offered(self, listed: ListedProvider, api_key: str | None) -> tuple[OfferedModel, ...]: ...
    def try_out(self, listed: ListedProvider, api_key: str | None, model: str) -> str: ...
    def connect_known(self, principal: Principal, provider_id: str, api_key: str) -> None: ...
    def connect_server(self, principal: Principal, server: Server, api_key: str | None) -> None: ...
    def disconnect(self, principal: Principal, provider_id: str) -> None: ...


def by_key(services: Connecting, principal: Principal, now_ms: int) -> None:
    """A key for a provider that the catalog knows."""
    offered = services.connections.connectable()
    if not offered:
        st.info(say.ALL_CONNECTED)
        return
    listed = st.selectbox(
        say.PROVIDER, offered, format_func=lambda each: each.name, key=session.CONNECT_PROVIDER
    )
    key = st.text_input(say.KEY, type="password", help=say.KEY_HELP, key=session.CONNECT_KEY)
    if not st.button(say.CHECK_AND_CONNECT, type="primary", disabled=not key.strip()):
        return
    models = _models_of(services.catalog, listed.id, now_ms)
    try:
        with st.spinner(say.CHECKING):
            services.offered(listed, key)
            said = services.try_out(listed, key, models[0].providers[0].model) if models else ""
            services.connect_known(principal, listed.id, key)
    except (GatewayError, TimeoutError) as error:
        notices.show(notices.notice_of(error, session.reader()))
        return
    session.set_connected(say.answers(listed.name, said, len(models)))
    st.rerun()


def by_address(services: Connecting, principal: Principal) -> None:
    """A server with an address of its own."""
    name = st.text_input(say.NAME, key=session.CONNECT_NAME, placeholder="Lab")
    address = st.text_input(say.ADDRESS, key=session.CONNECT_ADDRESS, placeholder=say.ADDRESS_EXAMPLE)
    private = st.checkbox(say.PRIVATE, key=session.CONNECT_PRIVATE)
    key = st.text_input(say.KEY_OPTIONAL, type="password", help=say.KEY_HELP, key=session.CONNECT_SERVER_KEY)
    server = Server(_id_of(name), name.strip(), address.strip(), allow_private_address=private)
    if st.button(say.LIST_MODELS, disabled=not (server.id and server.base_url)):
        try:
            session.set_offered(server, services.offered(server.listed(), key))
        except (GatewayError, TimeoutError) as error:
            session.set_offered(server, ())
            notices.show(notices.notice_of(error, session.reader()))
    offered = session.offered(server)
    if offered:
        _pick(services, principal, server, key or None, offered)


def on_this_machine(services: Connecting, principal: Principal) -> None:
    """Looks only when asked to."""
    if st.button(say.FIND, type="primary"):
        with st.spinner(say.FINDING):
            session.set_found(services.find_local_servers())
    servers = session.found()
    if servers is None:
        st.caption(words.escaped(say.FINDING + "."))
    elif not servers:
        st.info(f"**{say.NONE_FOUND}**  \n{say.NONE_FOUND_ADVICE}")
    for found in servers or ():
        with st.container(border=True):
            st.markdown(f"**{words.escaped(say.found(found.name, len(found.models)))}**")
            st.caption(f"`{found.base_url}`")
            _pick(services, principal, _server_of(found), None, found.models, free=True)


def show_connected(services: Connecting, principal: Principal, connections: Sequence[Connection]) -> None:
    """What was connected here, each with its end."""
    for each in connections:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container(gap="xsmall"):
                st.markdown(f"**{words.escaped(each.name)}**")
                if each.base_url:
                    st.caption(f"`{each.base_url}`")
                about = f"{say.connected(each.models)}  {each.key_hint or ''}".strip()
                st.caption(words.escaped(about))
                if each.problem:
                    st.warning(words.escaped(each.problem))
            with st.popover(say.DISCONNECT):
                st.write(say.DISCONNECT_SURE)
                if st.button(say.DISCONNECT, key=f"disconnect-{each.provider_id}", type="primary"):
                    services.disconnect(principal, each.provider_id)
                    st.rerun()


def _pick(
    services: Connecting,
    principal: Principal,
    server: Server,
    key: str | None,
    offered: Sequence[OfferedModel],
    *,
    free: bool = False,
) -> None:
    """Which of its models, how long, how dear; then one of them must answer."""
    place = f"connect-{server.id}"
    contexts = {each.id: each.context_tokens for each in offered}
    picked = st.multiselect(
        say.MODELS, list(contexts), key=f"{place}-models", placeholder=say.PICK_MODELS,
        max_selections=_MOST_AT_ONCE,
    )  # fmt: skip
    left, right = st.columns(2)
    context = left.number_input(
        say.CONTEXT, 256, 10_000_000, _CONTEXT, key=f"{place}-context", help=say.CONTEXT_HELP
    )
    output = right.number_input(say.MOST_OUTPUT, 1, 1_000_000, _MOST_OUTPUT, key=f"{place}-output")
    is_free = st.toggle(say.FREE, value=free, key=f"{place}-free", help=say.FREE_HELP)
    prices = ("0", "0") if is_free else _prices(place)
    ready = bool(picked) and all(prices)
    if not st.button(say.CHECK_AND_CONNECT, key=f"{place}-connect", type="primary", disabled=not ready):
        return
    models = tuple(
        ConnectedModel(name, contexts[name] or int(context), int(output), *prices) for name in picked
    )
    chosen = Server(
        server.id, server.name, server.base_url, models, server.wire, server.allow_private_address
    )
    try:
        with st.spinner(say.CHECKING):
            said = services.try_out(chosen.listed(), key, picked[0])
            services.connect_server(principal, chosen, key)
    except (GatewayError, TimeoutError) as error:
        notices.show(notices.notice_of(error, session.reader()))
        return
    session.set_connected(say.answers(server.name, said, len(models)))
    st.rerun()


def _prices(place: str) -> tuple[str, str]:
    left, right = st.columns(2)
    return (
        left.text_input(say.INPUT_PRICE, placeholder="0.50", key=f"{place}-input").strip(),
        right.text_input(say.OUTPUT_PRICE, placeholder="2.00", key=f"{place}-answer").strip(),
    )


def _server_of(found: FoundServer) -> Server:
    return Server(_id_of(found.name), found.name, found.base_url, allow_private_address=True)


def _id_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.strip().lower()).strip("-")[:40]


def _models_of(catalog: Catalog, provider_id: str, now_ms: int) -> list[Model]:
    """What a provider would add here, the cheapest to try first; embeddings and the like cannot be tried."""
    living = [
        model
        for model in catalog.models()
        if model.lifecycle.state != "retired" and model.providers[0].provider == provider_id
    ]
    return sorted(living, key=lambda model: price_at(model, now_ms).base.output)
