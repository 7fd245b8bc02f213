"""Who would answer a request, in which order, at what price: shown before anything is sent. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.health import Health, RouteHealth
from gateway.options import Option, Options
from gateway.routing import Candidate, Dropped
from telemetry.paces import Pace


@dataclass(frozen=True, slots=True)
class Previewed:
    """One candidate. Prices are pico-dollars a token; `hold_nano_usd` is the most that it can cost;
    `pace` is None where too little is known."""

    model_id: str
    provider: str
    provider_name: str
    input_pico_usd: int
    output_pico_usd: int
    hold_nano_usd: int
    health: Health
    pace: Pace | None


@dataclass(frozen=True, slots=True)
class Preview:
    """`candidates` in the order in which they would be asked now, never empty."""

    candidates: tuple[Previewed, ...]
    dropped: tuple[Dropped, ...]

    @property
    def words(self) -> str:
        """`OpenAI then Groq at $2.00 in, $8.00 out`: prices a million tokens, of the first one."""
        first = self.candidates[0]
        names = [
            one.provider_name if one.model_id == first.model_id else f"{one.model_id} at {one.provider_name}"
            for one in self.candidates
        ]
        price = f"{_usd(first.input_pico_usd)} in, {_usd(first.output_pico_usd)} out"
        return f"{' then '.join(names)} at {price}"


def preview_of(
    options: Options,
    health: RouteHealth,
    name_of: Callable[[str], str],
    pace_of: Callable[[Candidate], Pace | None],
) -> Preview:
    asked_first = [one for one in options.options if health.standing(one.candidate.key) != "resting"]
    asked_last = [one for one in options.options if one not in asked_first]
    return Preview(
        tuple(_previewed(one, health, name_of, pace_of) for one in (*asked_first, *asked_last)),
        options.dropped,
    )


def _previewed(
    option: Option,
    health: RouteHealth,
    name_of: Callable[[str], str],
    pace_of: Callable[[Candidate], Pace | None],
) -> Previewed:
    rates, provider = option.most.price.base, option.provider.id
    return Previewed(
        model_id=option.model.id,
        provider=provider,
        provider_name=name_of(provider),
        input_pico_usd=rates.input,
        output_pico_usd=rates.output,
        hold_nano_usd=option.most.amount_nano_usd,
        health=health.look(option.candidate.key),
        pace=pace_of(option.candidate),
    )


def _usd(pico_usd: int) -> str:
    """Dollars a million tokens, with cents, and as many places more as it takes."""
    cents = f"{pico_usd / 1_000_000:.6f}".rstrip("0")
    whole, _, part = cents.partition(".")
    return f"${whole}.{part:0<2}"
