"""The ledger's entries as a table, and one of them opened: how it came about, to the last pico-dollar.

Amounts have all their digits, so that they line up and the table's own export is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import streamlit as st

from billing.accounts import EntryKind
from billing.commands import Line
from billing.money import cost_nano_usd
from billing.statements import EntryView
from components import figure, session, table, words
from components.entry_names import Names

_OF_TOKENS: Final = ("input", "cached_input", "cache_write", "output")
_ROW_HEIGHT: Final = 36  # pixels
_MOST_HEIGHT: Final = 560  # pixels


def show(entries: Sequence[EntryView], names: Names, zone: str | None, *, who: bool) -> EntryView | None:
    """Draw the table, newest first; `who` where there are several to tell apart. Returns the entry that
    the reader picked."""
    event = st.dataframe(
        [_row(entry, names, who=who) for entry in entries],
        key=f"{session.ENTRIES}-{entries[0].seq}-{len(entries)}",
        hide_index=True,
        placeholder=figure.UNKNOWN,
        on_select="rerun",
        selection_mode="single-row",
        row_height=_ROW_HEIGHT,
        height=min(_MOST_HEIGHT, _ROW_HEIGHT * (len(entries) + 1) + 2),
        column_config=_columns(zone),
        alt=words.ENTRIES,
    )
    picked: list[int] = event["selection"]["rows"]
    return entries[picked[0]] if picked and picked[0] < len(entries) else None


def show_one(entry: EntryView, name_of: Callable[[str], str], zone: str | None, key: str = "entry") -> None:
    """One entry opened: what was used at which price, both sides of the booking, its fingerprint."""
    with st.container(border=True, key=key):
        st.markdown(
            f"**{words.escaped(title(entry, name_of))}** {figure.DOT} "
            f"{words.escaped(figure.day_and_time(entry.at_ms, zone))}"
        )
        if entry.reason:
            st.markdown(words.escaped(entry.reason))
        if entry.lines:
            _bill(entry)
        _postings(entry)
        st.caption(words.escaped(_origin(entry)))
        st.caption(words.HASH, help=words.HASH_HELP)
        st.code(entry.hash, language=None, wrap_lines=True)


def title(entry: EntryView, name_of: Callable[[str], str]) -> str:
    """What an entry is for: the model that answered, or where credit came from."""
    if entry.model is None:
        return words.ENTRY_KINDS[entry.kind.name]
    return words.cut_short(name_of(entry.model)) if entry.kind is EntryKind.EXPIRE else name_of(entry.model)


def _row(entry: EntryView, names: Names, *, who: bool) -> dict[str, Any]:
    return {
        "at": figure.instant(entry.at_ms),
        "what": title(entry, names.model),
        "amount": figure.signed_exact_money(entry.amount_nano_usd),
        "balance": figure.exact_money(entry.balance_after_nano_usd),
        **({"who": names.who(entry)} if who else {}),
    }


def _columns(zone: str | None) -> dict[str, Any]:
    found, short = figure.zone(zone)
    column = st.column_config
    return {
        "at": column.DatetimeColumn(
            words.when(short), format="D MMM, HH:mm:ss", timezone=found.key, width=116
        ),
        "what": column.TextColumn(words.WHAT, width=120),
        "who": column.TextColumn(words.MEMBER, width=120),
        "amount": column.TextColumn(words.AMOUNT, alignment="right", width=112),
        "balance": column.TextColumn(words.BALANCE_AFTER, alignment="right", width=112),
    }


def _bill(entry: EntryView) -> None:
    rows = [
        (
            words.BUCKETS[line.bucket],
            words.times(figure.tokens(line.quantity), _price(line)),
            figure.pico_money(line.quantity * line.price_pico_usd),
        )
        for line in entry.lines
    ]
    rows.append((words.COST, words.ROUNDED_UP, figure.exact_money(cost_nano_usd(entry.lines))))
    table.show(words.BILL, (words.BUCKET, words.QUANTITY_AND_PRICE, words.AMOUNT), rows, total=True)
    if entry.estimated:
        st.caption(words.ESTIMATED)
    if entry.writeoff_nano_usd:
        st.caption(words.escaped(words.written_off(figure.exact_money(entry.writeoff_nano_usd))))


def _price(line: Line) -> str:
    if line.bucket in _OF_TOKENS:
        return words.per_million(figure.price_per_million(line.price_pico_usd))
    return figure.pico_money(line.price_pico_usd)


def _postings(entry: EntryView) -> None:
    rows = [
        (words.ACCOUNTS[posting.account], figure.signed_exact_money(posting.amount_nano_usd))
        for posting in entry.postings
    ]
    rows.append((words.SUM, figure.exact_money(sum(each.amount_nano_usd for each in entry.postings))))
    table.show(words.POSTINGS, (words.ACCOUNT, words.AMOUNT), rows, total=True, about=words.POSTINGS_HELP)


def _origin(entry: EntryView) -> str:
    parts = [words.entry_no(entry.seq)]
    if entry.kind in (EntryKind.SETTLE, EntryKind.EXPIRE):
        parts += [entry.ref, words.priced_by(entry.price_version or figure.UNKNOWN)]
        if entry.series is not None:
            parts.append(words.SERIES[entry.series])
    return f" {figure.DOT} ".join(parts)
