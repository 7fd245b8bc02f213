"""Does what was asked and says how it went: one place for what a service may refuse on these pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from battles.errors import BattleError
from billing.errors import BillingError
from components import words
from gateway.errors import GatewayError
from identity.errors import IdentityError

T = TypeVar("T")


def ask(work: Callable[[], T]) -> T | None:
    """What the work gave; None where it was refused, which is then said where the reader looks."""
    try:
        return work()
    except (IdentityError, GatewayError, BillingError, BattleError, TimeoutError) as error:
        st.error(words.escaped(str(error) or "That took too long. Look again."))
        return None


def listed(typed: str) -> tuple[str, ...]:
    """What was typed with commas between."""
    return tuple(part.strip() for part in typed.split(",") if part.strip())
