"""What a refusal says to a person: one table from error to sentence, and what to do next.

The error classes name what the caller does next (`gateway/errors.py`, `billing/errors.py`); the
sentences are in `components/words.py`. A notice never costs the reader anything: the prompt stays in
its box.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import streamlit as st

from battles import errors as battles
from billing import errors as billing
from components import figure, words
from gateway import errors as gateway
from gateway.catalog import Model

Tone = Literal["info", "warning", "error"]
Pick = Callable[[str], None]
_NO_NAMES: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Notice:
    """`command` is something for the operator's terminal; `model` one to take instead."""

    tone: Tone
    title: str
    advice: str
    command: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """What a sentence needs to know of whom it is for."""

    zone: str | None
    local: bool


TYPE_FIRST: Final = Notice("info", words.TYPE_FIRST, "")
RUN_NOT_FOUND: Final = Notice("info", words.RUN_NOT_FOUND, words.RUN_NOT_FOUND_ADVICE)
DEAD: Final = {
    "running": Notice("info", words.STILL_ANSWERING, words.STILL_ANSWERING_ADVICE),
    "text_gone": Notice("info", words.TEXT_GONE, words.TEXT_GONE_ADVICE),
}


def notice_of(error: BaseException, reader: Reader) -> Notice:
    """The notice for an error; for one that is in no table, a plain one that admits it."""
    for kind in type(error).__mro__:
        make = KNOWN.get(kind)
        if make is not None:
            return make(error, reader)
    return Notice("error", words.BROKEN, words.BROKEN_ADVICE)


def show(notice: Notice, names: Mapping[str, str] = _NO_NAMES, pick: Pick | None = None) -> None:
    """`names` are those of the models that can be picked; the notice's own gets a button if it is one."""
    draw = {"info": st.info, "warning": st.warning, "error": st.error}[notice.tone]
    advice = f"  \n{words.escaped(notice.advice)}" if notice.advice else ""
    draw(f"**{words.escaped(notice.title)}**{advice}")
    if notice.command is not None:
        st.code(notice.command, language="bash", wrap_lines=True)
    if pick is not None and notice.model is not None and notice.model in names:
        st.button(
            words.escaped(words.take(names[notice.model])),
            key=f"take-{notice.model}",
            on_click=pick,
            args=(notice.model,),
        )


def show_command(command: str) -> None:
    """What adds credit, for who runs this installation."""
    st.caption(words.ADD_CREDIT_HELP)
    st.code(command, language=None, wrap_lines=True)


def with_cheaper(notice: Notice, cheaper: tuple[Model, int] | None) -> Notice:
    """The same, naming a model that the credit is enough for."""
    if cheaper is None:
        return notice
    model, least_nano_usd = cheaper
    fits = words.fits(model.name, figure.money(least_nano_usd))
    return replace(notice, advice=f"{notice.advice} {fits}", model=model.id)


def _insufficient(error: billing.InsufficientCredits, reader: Reader) -> Notice:
    when = error.next_allowance_at_ms
    return Notice(
        "warning",
        words.no_credit(figure.money(error.needed_nano_usd), figure.money(error.available_nano_usd)),
        words.no_credit_advice(figure.day_and_time(when, reader.zone) if when is not None else None),
        command=words.GRANT_COMMAND if reader.local else None,
    )


def _capped(error: billing.CapReached, reader: Reader) -> Notice:
    when = error.resets_at_ms
    return Notice(
        "warning",
        words.capped(
            error.scope, figure.money(error.needed_nano_usd), figure.money(error.available_nano_usd)
        ),
        words.capped_advice(figure.day_and_time(when, reader.zone) if when is not None else None),
    )


def _free_exhausted(error: billing.FreeCreditExhausted, reader: Reader) -> Notice:
    return Notice(
        "warning",
        words.FREE_EXHAUSTED,
        words.FREE_EXHAUSTED_ADVICE,
        command=words.GRANT_COMMAND if reader.local else None,
    )


def _retired(error: gateway.RetiredModel, reader: Reader) -> Notice:
    return Notice(
        "warning",
        words.retired(error.model, error.retired_on),
        words.take_instead(error.successor) if error.successor else words.PICK_ANOTHER,
        model=error.successor,
    )


def _unknown(error: gateway.UnknownModel, reader: Reader) -> Notice:
    return Notice("warning", words.unknown_model(error.model), words.nearest(error.nearest))


def _unavailable(error: gateway.ModelUnavailable, reader: Reader) -> Notice:
    return Notice("warning", words.unavailable(error.model), words.sentence(error.reason))


def _bad_request(error: gateway.BadRequest, reader: Reader) -> Notice:
    return Notice("warning", words.NOT_SENT, words.sentence(str(error)))


def _too_large(error: gateway.TooLarge, reader: Reader) -> Notice:
    return Notice("warning", words.sentence(str(error)), words.SHORTEN)


def _forbidden(error: gateway.Forbidden, reader: Reader) -> Notice:
    return Notice("warning", words.sentence(str(error)), words.ASK_AN_OWNER)


def _too_many(error: gateway.TooManyRequests, reader: Reader) -> Notice:
    return Notice("warning", words.sentence(str(error)), words.wait(error.retry_after_s))


def _overloaded(error: gateway.Overloaded, reader: Reader) -> Notice:
    return Notice("info", words.sentence(str(error)), words.wait(error.retry_after_s))


def _too_many_open(error: billing.TooManyOpen, reader: Reader) -> Notice:
    return Notice("warning", words.sentence(str(error)), words.wait(1.0))


def _draining(error: gateway.Draining, reader: Reader) -> Notice:
    return Notice("info", words.DRAINING, words.wait(error.retry_after_s))


def _not_found(error: gateway.RunNotFound, reader: Reader) -> Notice:
    return RUN_NOT_FOUND


def _provider(error: gateway.ProviderError, reader: Reader) -> Notice:
    return Notice("error", words.sentence(str(error)), words.PROVIDER_ADVICE)


def _battle(error: battles.BattleError, reader: Reader) -> Notice:
    return Notice("warning", words.sentence(str(error)), "")


def _ledger_busy(error: billing.LedgerBusy, reader: Reader) -> Notice:
    return Notice("info", words.LEDGER_BUSY, words.wait(error.retry_after_s))


def _ledger_down(error: billing.LedgerUnavailable, reader: Reader) -> Notice:
    return Notice("error", words.LEDGER_DOWN, words.LEDGER_DOWN_ADVICE)


def _replayed(error: billing.Replayed, reader: Reader) -> Notice:
    return Notice("info", words.REPLAYED, words.REPLAYED_ADVICE)


def _late(error: TimeoutError, reader: Reader) -> Notice:
    return Notice("error", words.NO_ANSWER_IN_TIME, words.NO_ANSWER_IN_TIME_ADVICE)


KNOWN: Final[Mapping[type[BaseException], Callable[[Any, Reader], Notice]]] = {
    gateway.BadRequest: _bad_request,
    gateway.TooLarge: _too_large,
    gateway.UnknownModel: _unknown,
    gateway.RetiredModel: _retired,
    gateway.ModelUnavailable: _unavailable,
    gateway.Forbidden: _forbidden,
    gateway.TooManyRequests: _too_many,
    gateway.Overloaded: _overloaded,
    gateway.Draining: _draining,
    gateway.RunNotFound: _not_found,
    gateway.ProviderError: _provider,
    battles.BattleError: _battle,
    billing.InsufficientCredits: _insufficient,
    billing.CapReached: _capped,
    billing.FreeCreditExhausted: _free_exhausted,
    billing.TooManyOpen: _too_many_open,
    billing.LedgerBusy: _ledger_busy,
    billing.LedgerUnavailable: _ledger_down,
    billing.Replayed: _replayed,
    billing.IdempotencyConflict: _replayed,
    TimeoutError: _late,
}
