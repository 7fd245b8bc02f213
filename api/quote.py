"""POST /v1/quote: what a completion with this body would cost and hold; nothing is held."""

from __future__ import annotations

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.openai_chat import read
from api.wire.values import instant
from billing.money import decimal_usd
from gateway.quote import LEAST_SAMPLE, Quote, Three

_DAY_MS = 24 * 60 * 60 * 1_000


async def create(exchange: Exchange) -> Answer:
    principal = await principal_of(exchange)
    asked = read(await exchange.body())
    quote = await exchange.services.quotes.quote(principal, asked.request)
    return Answer(200, _body(quote))


def _body(quote: Quote) -> dict[str, object]:
    pace = quote.pace
    lasts_ms = quote.lasts_ms
    output = quote.output_tokens
    return {
        "object": "quote",
        "model": quote.model.id,
        "provider": quote.provider,
        "price_version": quote.price_version,
        "series": quote.model.series,
        "currency": "USD",
        "cost": _usd(quote.cost_nano_usd),
        "input_tokens": {"likely": quote.input_tokens, "most": quote.input_bound},
        "output_tokens": {
            "low": output.low,
            "likely": output.likely,
            "high": output.high,
            "most": quote.out_cap,
        },
        "basis": {"from": quote.basis, "n": quote.n, "needed": LEAST_SAMPLE},
        "hold": decimal_usd(quote.hold_nano_usd),
        "hold_is_clamped": quote.is_clamped,
        "available": decimal_usd(quote.available_nano_usd),
        "available_while_held": decimal_usd(quote.available_while_held_nano_usd),
        "available_after": _usd(quote.available_after_nano_usd),
        "pace": {
            "spent": decimal_usd(pace.spent_nano_usd),
            "runs": pace.runs,
            "from": instant(pace.from_ms),
            "to": instant(pace.to_ms),
        },
        "lasts_days": None if lasts_ms is None else round(lasts_ms / _DAY_MS, 1),
        "notes": quote.notes,
    }


def _usd(three: Three) -> dict[str, str]:
    return {
        "low": decimal_usd(three.low),
        "likely": decimal_usd(three.likely),
        "high": decimal_usd(three.high),
    }
