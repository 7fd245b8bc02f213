"""What a battle's prompt would cost before it is put: the quotes of its lanes, taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from battles.asking import request_of
from battles.models import Battle, BattleWish, Order, Prompt, Turn
from battles.opening import lanes_of
from gateway.catalog import Catalog
from gateway.messages import CompletionRequest
from gateway.quote import Quote, Three


@dataclass(frozen=True, slots=True)
class BattleQuote:
    """Of all lanes together. `hold_nano_usd` is the most that is held at one moment; `is_clamped`: credit,
    or the battle's cap, is less than the lanes could come to, so that one may be cut short."""

    lanes: int
    cost_nano_usd: Three
    hold_nano_usd: int
    available_nano_usd: int
    is_clamped: bool

    @property
    def available_after_nano_usd(self) -> int:
        return max(self.available_nano_usd - self.cost_nano_usd.likely, 0)


def together(quotes: Sequence[Quote], order: Order = "auto", cap_nano_usd: int | None = None) -> BattleQuote:
    """`quotes` are those of a battle's lanes, in any order. Pure."""
    holds = [quote.hold_nano_usd for quote in quotes]
    held = max(holds) if order == "in_sequence" else sum(holds)
    costs = [quote.cost_nano_usd for quote in quotes]
    cost = Three(*(sum(getattr(each, name) for each in costs) for name in ("low", "likely", "high")))
    available = min(quote.available_nano_usd for quote in quotes)
    tight = held > available or (cap_nano_usd is not None and cap_nano_usd < max(held, cost.high))
    return BattleQuote(len(quotes), cost, held, available, tight or any(quote.is_clamped for quote in quotes))


def requests_of(wish: BattleWish, prompt: Prompt, catalog: Catalog) -> tuple[CompletionRequest, ...]:
    """What each lane of a battle that is not there yet would be asked first, in the order asked for. Raises
    `BadBattle`, and `UnknownModel` and `RetiredModel` as the catalog does."""
    lanes = lanes_of(wish, catalog, lambda lanes: None)
    battle = Battle(
        id="",
        team_id=0,
        user_id=None,
        kind=wish.kind,
        surface="page",
        personal=wish.personal,
        blind=wish.blind,
        category=wish.category,
        tags=wish.tags,
        order=wish.order,
        cost_cap_nano_usd=wish.cost_cap_nano_usd,
        shared=wish.shared,
        lanes=lanes,
        keeps_text=wish.keep,
        created_ms=0,
    )
    turn = Turn("", "", None, 1, None, prompt, "", None, 0)
    return tuple(request_of(battle, lane, (turn,), {}) for lane in lanes)
