"""What a share link shows, to read: reached by its link alone."""

from __future__ import annotations

import streamlit as st

import runtime
from battles.errors import ShareNotFound
from battles.pack_reading import body_of
from components import guard, session, share_words as say

st.set_page_config(layout="wide")
guard.enter("read_team")
services = runtime.current()
try:
    shown = services.shared(session.share_open() or "")
except ShareNotFound:
    st.info(f"**{say.NOT_HERE}**  \n{say.NOT_HERE_ADVICE}")
    st.stop()
st.caption(say.READ_ONLY)
with st.container(key="shared"):
    st.html(body_of(shown.parts))
