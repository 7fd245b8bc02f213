"""Connect a model: a provider's key, a server of one's own, or one on this machine. Live at once."""

from __future__ import annotations

import time

import streamlit as st

import runtime
from components import connect_words as say, connecting, guard, own_keys, session, words
from identity.permissions import may

st.set_page_config(layout="centered")
principal = guard.enter("connect_models")
services = runtime.current()

st.title(say.TITLE)
if (done := session.connected()) is not None:
    st.success(words.escaped(done))
    st.page_link("playground.py", label=say.TRY, icon=":material/edit_square:")

if may(principal, "operate"):
    ways = (say.A_KEY, say.A_SERVER, say.THIS_MACHINE)
    way = st.segmented_control(say.HOW, ways, default=say.A_KEY, key=session.CONNECT_WAY)
    if way == say.A_KEY:
        connecting.by_key(services, principal, time.time_ns() // 1_000_000)
    elif way == say.A_SERVER:
        connecting.by_address(services, principal)
    elif way == say.THIS_MACHINE:
        connecting.on_this_machine(services, principal)
    connections = services.connections.all()
    if connections:
        st.header(say.CONNECTED)
        connecting.show_connected(services, principal, connections)

else:
    st.caption(say.OPERATORS_CONNECT)
with st.expander(say.OWN_KEYS):
    own_keys.show(services, principal)
