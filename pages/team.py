"""The team: who is in it, its keys, rules, trusted issuers and data."""

from __future__ import annotations

import streamlit as st

import runtime
from components import guard, team_words as say, words

principal = guard.enter("read_team")
services = runtime.current()
st.title(words.escaped(principal.team_name))
st.caption(say.TEAM)
