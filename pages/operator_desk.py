"""What the operator looks after."""

from __future__ import annotations

import streamlit as st

from components import guard, team_words as say

principal = guard.enter("operate")
st.title(say.OPERATOR)
