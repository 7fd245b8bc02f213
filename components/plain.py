"""Text that people typed, as they typed it: never read as Markdown or HTML, in its own direction."""

from __future__ import annotations

import html

import streamlit as st

from components import words


def asked(text: str) -> None:
    """A prompt, as its own block."""
    st.html(
        f'<div class="ty-asked"><span class="ty-hidden">{words.YOU}: </span>'
        f'<div dir="auto">{html.escape(text)}</div></div>'
    )


def example(role: str, text: str) -> None:
    """A turn that was given as an example."""
    who = {"user": words.YOU, "assistant": words.MODEL}.get(role, role)
    st.html(
        f'<div class="ty-example"><span class="ty-dim">{html.escape(who)}</span>'
        f'<div dir="auto">{html.escape(text)}</div></div>'
    )


def hidden_title(text: str) -> None:
    """A page's title for those who do not see its layout."""
    st.html(f'<h1 class="ty-hidden">{html.escape(text)}</h1>')


def passage(text: str) -> None:
    """A text with its line breaks, and nothing around it."""
    st.html(f'<div dir="auto" class="ty-passage">{html.escape(text)}</div>')
