"""What every usage block says beside its wire's own counts: what it cost and what is left.

In dollars, as the ledger has it, to the nano-dollar. `cost` is null only where the bill is still being
written; `ledger_head` stands there once a receipt has come.
"""

from __future__ import annotations

from api.wire.shapes import Answered
from billing.money import decimal_usd


def costs(answered: Answered) -> dict[str, object]:
    figures = answered.record.figures
    cost, left = figures.cost_nano_usd, figures.available_after_nano_usd
    said: dict[str, object] = {
        "cost": None if cost is None else decimal_usd(cost),
        "available_after": None if left is None else decimal_usd(left),
        "estimated": figures.estimated and figures.input_tokens is not None,
    }
    if figures.shadow_cost_nano_usd is not None:  # over the team's own key, which is billed elsewhere
        said |= {"is_byok": True, "shadow_cost": decimal_usd(figures.shadow_cost_nano_usd)}
    if answered.ledger_head is not None:
        said["ledger_head"] = answered.ledger_head
    return said
