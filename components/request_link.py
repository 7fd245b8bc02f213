"""What a link narrows the list of requests to: its filters are set once, and are the reader's from then on.

since, until      instants in milliseconds
model, provider, outcome, tag, key
request           the request that is open beside the list
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from components import request_words as say, session

_LONGEST: Final = 200
_LATEST_MS: Final = 4_102_444_800_000  # 2100
_WIDGETS: Final = {
    "model": f"requests-{say.MODEL}",
    "provider": f"requests-{say.PROVIDER}",
    "outcome": f"requests-{say.OUTCOME}",
    "tag": f"requests-{say.TAG}",
}


def take() -> None:
    """Before the filters are drawn."""
    said = {name: value[:_LONGEST] for name, value in st.query_params.to_dict().items()}
    if said == session.requests_link():
        return
    session.set_requests_link(said)
    if not said:
        return
    session.first_requests()
    for name, widget in _WIDGETS.items():
        st.session_state[widget] = said.get(name) or ("" if name == "tag" else None)
    if said.get("outcome") not in say.OUTCOMES:
        st.session_state[_WIDGETS["outcome"]] = None
    key = _number(said.get("key"))
    st.session_state[f"requests-{say.KEY}"] = key
    if stretch() is not None:
        st.session_state[session.REQUESTS_WINDOW] = say.LINKED
    if said.get("request"):
        session.open_request_row(said["request"])


def stretch() -> tuple[int, int] | None:
    """From when to when the link is about."""
    said = session.requests_link()
    since, until = _number(said.get("since")), _number(said.get("until"))
    return (since, until) if since is not None and until is not None and since < until else None


def _number(text: str | None) -> int | None:
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number if 0 <= number <= _LATEST_MS else None
