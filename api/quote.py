"""POST /v1/quote: what a completion with this body would cost and hold; nothing is held."""

from __future__ import annotations

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.openai_chat import read
from api.wire.values import instant, usd_of_pico
from billing.money import decimal_usd
from gateway.preview import Preview, Previewed
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
        "routing": _routing(quote.preview),
    }


def _routing(preview: Preview) -> dict[str, object]:
    """Who would be asked, in order, and who would not and why. Prices are dollars a token."""
    return {
        "words": preview.words,
        "candidates": [_candidate(one) for one in preview.candidates],
        "dropped": [
            {"model": one.model, "provider": one.provider or None, "reason": one.reason}
            for one in preview.dropped
        ],
    }


def _candidate(one: Previewed) -> dict[str, object]:
    pace, health = one.pace, one.health
    return {
        "model": one.model_id,
        "provider": one.provider,
        "provider_name": one.provider_name,
        "pricing": {
            "prompt": usd_of_pico(one.input_pico_usd),
            "completion": usd_of_pico(one.output_pico_usd),
        },
        "most": decimal_usd(one.hold_nano_usd),
        "standing": health.standing,
        "rests_for_s": round(health.rests_for_s, 1),
        "first_token_ms_p50": pace and pace.first_token_ms,
        "tokens_per_s_p50": pace and pace.tokens_per_s,
        "success": pace and pace.success,
        "window_hours": pace and pace.hours,
        "n": pace.n if pace else 0,
    }


def _usd(three: Three) -> dict[str, str]:
    return {
        "low": decimal_usd(three.low),
        "likely": decimal_usd(three.likely),
        "high": decimal_usd(three.high),
    }
