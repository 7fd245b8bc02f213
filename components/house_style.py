"""What the theme cannot say: aligned digits, the block of a prompt, text for screen readers alone; and when
a page is shown: not while its first elements still push each other about.

Aims only at our own classes (`ty-`), at the keys that we give (`st-key-`) and at what ARIA says inside them,
never at Streamlit's own classes. What is chosen is bold in the text's colour, because the accent as text
would be too dark on the dark page.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

CSS: Final = """
.st-key-standing, .st-key-model-facts, .st-key-quote, .st-key-battle-quote, .st-key-figures, .st-key-bill,
[class*="st-key-figure-"] { font-variant-numeric: tabular-nums; }
.st-key-quote, .st-key-battle-quote { min-height: 3.3rem;
  max-height: clamp(3.3rem, (40rem - 100vw) * 999, 20rem);
  margin-top: clamp(-3.3rem, (40rem - 100vw) * 999, 0rem);
  max-width: clamp(100% - 8rem, (40rem - 100vw) * 999, 100%); }
[class*="st-key-room-"] { --ty-below: clamp(5.25rem, (40rem - 100vw) * 999, 6.75rem); }
[class*="st-key-room-260-"] { min-height: calc(260px + var(--ty-below)); }
[class*="st-key-room-320-"] { min-height: calc(320px + var(--ty-below)); }
[class*="st-key-figure-"] { min-height: 6.25rem; min-width: 7.5rem; }
@media (max-width: 40rem) { .st-key-playground-model { min-width: 100%; } }
@media (max-width: 40rem) { .st-key-battle-head > :has(> .st-key-battle-cost) { order: 1; min-width: 100%; } }
@media (max-width: 40rem) { [class*="st-key-figure-"] { width: calc(50vw - 2.1rem); } }
[class*="st-key-figure-"] > :first-child { min-height: 3.5rem; }
.st-key-still-spending { min-height: 300px; }
.st-key-credits-spending-by { height: 2rem; min-width: 13.25rem; }
.ty-hidden { position: absolute; width: 1px; height: 1px; margin: -1px; padding: 0; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; border: 0; }
.ty-dim { color: color-mix(in srgb, currentColor 70%, transparent); font-size: 0.875rem; font-weight: 400; }
.ty-asked { max-width: 42rem; width: fit-content; margin-left: auto; padding: 0.625rem 0.875rem;
  border-radius: 0.75rem 0.75rem 0.125rem 0.75rem; white-space: pre-wrap; overflow-wrap: anywhere;
  background: color-mix(in srgb, currentColor 7%, transparent); }
.ty-wide { overflow-x: auto; }
.ty-wide table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums;
  margin: 0.25rem 0 0.5rem; }
.ty-wide caption { text-align: start; font-weight: 600; padding-bottom: 0.25rem; }
.ty-wide tr { border-bottom: 1px solid color-mix(in srgb, currentColor 16%, transparent); }
.ty-wide :is(th, td) { padding: 0.375rem 1.5rem 0.375rem 0; text-align: end; white-space: nowrap;
  font-weight: 400; }
.ty-wide thead th { color: color-mix(in srgb, currentColor 70%, transparent); }
.st-key-entry .ty-wide :is(th, td) { padding-right: 0.75rem; }
.ty-wide :is(th:first-child, .ty-text) { text-align: start; }
.ty-wide tr[aria-current] {
  background: color-mix(in srgb, var(--st-primary-color, currentColor) 12%, transparent); }
[class*="st-key-"][class*="-picks"] { position: absolute; }
.st-key-requests-open { flex-direction: row-reverse; }
.st-key-requests-table table, .st-key-models-table table, .st-key-entries-table table { width: 100%; }
.st-key-requests-table :is(th, td), .st-key-models-table :is(th, td), .st-key-entries-table :is(th, td) {
  padding-right: 0.75rem; }
.ty-wide :is(th, td):last-child { padding-right: 0.25rem; }
.ty-wide small { font-size: 0.8125rem; display: block; white-space: pre-line; }
.st-key-latency-table .ty-wide thead th, .st-key-leaderboard-table .ty-wide thead th {
  white-space: normal; vertical-align: bottom; }
.st-key-latency-table .ty-wide :is(th, td), .st-key-leaderboard-table .ty-wide :is(th, td) {
  padding-right: 0.75rem; vertical-align: top; }
[class*="st-key-compared-"] .ty-wide :is(th, td) { white-space: normal; vertical-align: top;
  max-width: 20rem; }
.ty-wide tbody :not(.ty-faint) > small { color: color-mix(in srgb, currentColor 70%, transparent); }
.ty-wide .ty-faint { color: color-mix(in srgb, currentColor 62%, transparent); }
.ty-pick { font: inherit; color: inherit; text-align: inherit; background: none; border: 0; padding: 0;
  cursor: pointer; border-bottom: 1px dotted color-mix(in srgb, currentColor 45%, transparent); }
.ty-pick:hover { border-bottom-style: solid; }
.ty-pick:focus-visible { outline: 2px solid var(--st-primary-color, currentColor); outline-offset: 2px; }
.ty-wide caption:has(> .ty-hidden:only-child) { padding: 0; height: 0; }
.st-key-sources :is(th, td) { white-space: normal; overflow-wrap: anywhere; vertical-align: top; }
.ty-facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr));
  gap: 0.75rem 1rem; margin: 0; padding: 0; font-variant-numeric: tabular-nums; }
.ty-facts > div { display: grid; gap: 0.125rem; align-content: start; }
.ty-facts dt, .ty-facts dd + dd { color: color-mix(in srgb, currentColor 70%, transparent);
  font-size: 0.875rem; }
.ty-facts dd { margin: 0; }
.ty-facts dt + dd { font-weight: 600; font-size: 1.0625rem; }
.ty-wide .ty-total { border-bottom: 0; }
.ty-wide .ty-total :is(th, td) { font-weight: 600; }
@media (max-width: 40rem) {
  .ty-stack thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .ty-stack table, .ty-stack caption, .ty-stack tbody { display: block; }
  .ty-stack tbody tr { display: grid; grid-template-columns: 1fr 1fr; gap: 0.375rem 1rem;
    padding: 0.625rem 0; }
  .ty-stack tbody th { grid-column: 1 / -1; font-weight: 600; padding: 0; white-space: normal; }
  .ty-stack tbody td { text-align: start; padding: 0; white-space: normal; overflow-wrap: anywhere; }
  .ty-stack td::before { content: attr(data-head); display: block; font-size: 0.8125rem;
    color: color-mix(in srgb, currentColor 70%, transparent); }
  .ty-stack .ty-faint::before { color: inherit; }
  .ty-stack .ty-aside { display: none; }
  .ty-wide:not(.ty-stack) :is(th, td) { padding-right: 0.75rem; }
  .ty-wide:not(.ty-stack) :is(th, td):last-child { padding-right: 0; }
}
[class*="st-key-"] [role="radio"][aria-checked="true"], [class*="st-key-"] [role="tab"][aria-selected="true"],
[class*="st-key-"] [aria-checked="true"] > [role="radio"] { color: inherit; font-weight: 600; }
.ty-waterfall { font-size: 0.875rem; }
.ty-track { position: relative; height: 0.75rem; margin: 0.125rem 0 0.5rem; border-radius: 0.25rem;
  background: color-mix(in srgb, currentColor 8%, transparent); overflow: hidden; }
.ty-track > span { position: absolute; top: 0; bottom: 0; }
.ty-waiting { background: color-mix(in srgb, currentColor 30%, transparent); }
.ty-thinking { background: repeating-linear-gradient(45deg, #7a5cc7 0 4px, #a48fdb 4px 8px); }
.ty-answering { background: #2557d6; }
.ty-failed { background: repeating-linear-gradient(-45deg, #b3261e 0 4px, #d8665f 4px 8px); }
.ty-diff { white-space: pre-wrap; overflow-wrap: anywhere; padding: 0.5rem 0.75rem; border-radius: 0.5rem;
  border: 1px solid color-mix(in srgb, currentColor 16%, transparent); }
.ty-diff ins, .ty-lines ins { text-decoration: underline; text-decoration-thickness: 2px;
  text-underline-offset: 0.2em; background: color-mix(in srgb, #1a7f4b 22%, transparent); }
.ty-diff del, .ty-lines del { background: color-mix(in srgb, #b3261e 18%, transparent); }
.ty-diff del + ins { margin-inline-start: 0.15em; }
.ty-lines ins, .ty-lines del { background: none; }
.ty-wide .ty-lines :is(td) { text-align: start; border: 0; padding: 0 0.75rem 0 0; }
.ty-wide .ty-lines td:not(:last-child) { text-align: end;
  color: color-mix(in srgb, currentColor 65%, transparent); }
.ty-wide .ty-lines tr { border: 0; }
.ty-lines code { white-space: pre; font-size: 0.8125rem; background: none; color: inherit; padding: 0; }
.ty-line-left { background: color-mix(in srgb, #b3261e 14%, transparent); }
.ty-line-right { background: color-mix(in srgb, #1a7f4b 16%, transparent); }
.ty-wide .ty-lines .ty-skipped td { text-align: start; padding: 0.25rem 0;
  color: color-mix(in srgb, currentColor 65%, transparent); }
.ty-passage { white-space: pre-wrap; overflow-wrap: anywhere; }
.ty-example { margin-bottom: 0.5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
"""


# What a code's words are, in colours that can be read on its background (4.5:1 and more), by the names that
# Prism gives them; thrice, to stand above Streamlit's own.
_TOKENS: Final = (
    (("comment", "punctuation"), "#565f6b", "#a0a9b5"),
    (("function", "class-name", "keyword", "tag", "selector"), "#1d4ed8", "#8cabf8"),
    (("variable", "parameter", "property", "attr-name"), "#0b6188", "#7cc4e8"),
    (("string", "char", "attr-value"), "#1b6e3c", "#7ccf95"),
    (("number", "regex"), "#0f5f63", "#74c7c2"),
    (("operator", "entity", "decorator"), "#8a3d12", "#f0a878"),
    (("boolean", "constant", "builtin", "symbol"), "#6b3fa0", "#c3a6f2"),
)


def _coloured(dark: bool) -> str:
    thrice = ".token" * 3
    return "".join(
        ", ".join(f"{thrice}.{name}" for name in names) + f" {{ color: {on_dark if dark else on_light}; }}\n"
        for names, on_light, on_dark in _TOKENS
    )


CODE: Final = f"{_coloured(False)}@media (prefers-color-scheme: dark) {{\n{_coloured(True)}}}\n"

# What `api/shell.py` keeps unseen: the place in its page where Streamlit draws.
_SHELL: Final = "#root { visibility: visible; opacity: 1; animation: none; }"

# A first drawing is seen whole: as long as it takes and a moment more, in which the browser fetches what
# draws the widgets, but no later than after two seconds. Hidden keeps it from the keyboard and from screen
# readers; but Streamlit's own texts say `visible` of themselves: a parent without opacity hides those too.
_NOT_YET: Final = """
#root main { visibility: hidden; opacity: 0; animation: ty-come 0s linear 2s forwards; }"""
_NOW: Final = """@keyframes ty-now { to { visibility: visible; opacity: 1; } }
#root main { visibility: hidden; opacity: 0; animation: ty-now 0s linear 0.3s forwards; }"""
_STAYS: Final = "#root main { visibility: visible; opacity: 1; animation: none; }"


def apply(*, first: bool = False) -> None:
    """Before the page is drawn. The `first` time in a tab its content stays unseen until `shown`."""
    st.html(f"<style>{CSS}{CODE}{_SHELL}{_NOT_YET if first else ''}</style>")


def shown(*, first: bool) -> None:
    """After a page was drawn, whatever came of it."""
    st.html(f"<style>{_NOW if first else _STAYS}</style>")
