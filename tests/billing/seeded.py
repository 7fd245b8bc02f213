"""A ledger with a month of a team's history, through the real rules and into the real file:
`python -m tests.billing.seeded LEDGER.db ENTRIES`. What is made is the same each time, but for its instants.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Final

from billing.commands import Facts, Hold, Line, Settle
from billing.errors import BillingError
from billing.money import cost_nano_usd
from tests.billing.bank import DAY_MS, Bank

DAYS: Final = 28
_TOGETHER: Final = 20  # runs that end in the same batch
_MODELS: Final = (
    ("embedded/smollm2-135m", "demonstration", 100_000, 400_000, 10),
    ("openai/gpt-4.1", "paid", 2_000_000, 8_000_000, 6),
    ("openai/gpt-5.1-codex-mini", "paid", 250_000, 2_000_000, 5),
    ("openai/o4-mini", "paid", 1_100_000, 4_400_000, 4),
    ("anthropic/claude-haiku-5.5", "paid", 1_000_000, 5_000_000, 3),
    ("simulated/steady", "demonstration", 100_000, 400_000, 1),
)


def seed(path: Path, entries: int, *, now_ms: int | None = None, chance_seed: int = 4) -> None:
    """Exactly so many entries of team 1, the last of them just now: the allowance, runs, a payment."""
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    chance = random.Random(chance_seed)
    bank = Bank(path)
    bank.now_ms = bank.latest_ms = now_ms - (DAYS * DAY_MS if entries > 10 else DAY_MS // 8)
    made = 0
    if entries > 10:
        bank.pay("40")
        made = 1
    while made < entries:
        runs = min(_TOGETHER, entries - made - (not _has_allowance(bank)))
        bank.now_ms += max(1, (now_ms - bank.now_ms) * runs // (entries - made + 1))
        _run_together(bank, chance, runs)
        made = bank.statements.newest(1)[0]
    bank.journal.close()


def _has_allowance(bank: Bank) -> bool:
    return bool(bank.statements.newest(1)[0])


def _run_together(bank: Bank, chance: random.Random, runs: int) -> None:
    facts = [_facts(chance) for _ in range(runs)]
    holds = bank.together(*(bank.asking("0.05", facts=each) for each, _ in facts))
    settles = []
    for hold, (said, prices) in zip(holds, facts, strict=True):
        if isinstance(hold, BillingError):
            raise hold
        assert isinstance(hold, Hold)
        quantities = (chance.randrange(20, 1_500), chance.randrange(20, 700))
        lines = (Line("input", quantities[0], prices[0]), Line("output", quantities[1], prices[1]))
        settles.append(Settle(hold, lines, cost_nano_usd(lines), said, estimated=chance.random() < 0.03))
    for outcome in bank.together(*settles):
        if isinstance(outcome, BillingError):
            raise outcome


def _facts(chance: random.Random) -> tuple[Facts, tuple[int, int]]:
    (picked,) = chance.choices(_MODELS, [weight for *_, weight in _MODELS])
    model, series, input_price, output_price, _ = picked
    facts = Facts(
        model=model,
        provider=model.partition("/")[0],
        price_version="2026-11-21",
        user_id=chance.choice((1, 1, 1, 2)),
        key_id=chance.choice((None, None, 1, 2)),
        series="paid" if series == "paid" else "demonstration",
    )
    return facts, (input_price, output_price)


if __name__ == "__main__":
    seed(Path(sys.argv[1]), int(sys.argv[2]))
