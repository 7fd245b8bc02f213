"""About what the next prompt will cost, and what is held for it. Pure, and cheap: no tokenizer is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from components import asking
from gateway.catalog import Model
from gateway.errors import GatewayError
from gateway.messages import Usage
from gateway.pricing import bound, cost_of
from gateway.records import RunRecord

_TYPICAL_ANSWER: Final = 300  # tokens
_TYPICAL_PROMPT: Final = 40  # tokens
_CHARACTERS_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """`tokens` is the length of answer that `about_nano_usd` is reckoned for."""

    about_nano_usd: int
    held_nano_usd: int
    tokens: int


def estimate(
    model: Model,
    now_ms: int,
    turns: Sequence[RunRecord],
    system: str,
    most_output: int | None,
) -> Estimate | None:
    """None where it cannot be known: no price today, or a conversation that fills the model's window."""
    so_far = asking.tokens_so_far(turns) + _TYPICAL_PROMPT + len(system) // _CHARACTERS_PER_TOKEN
    answer = min(_TYPICAL_ANSWER, most_output or _TYPICAL_ANSWER)
    try:
        most = bound(model, now_ms, so_far, most_output)
    except GatewayError:
        return None
    about = cost_of(Usage(input=so_far, output=min(answer, most.out_cap)), most.price)
    return Estimate(about, most.amount_nano_usd, min(answer, most.out_cap))
