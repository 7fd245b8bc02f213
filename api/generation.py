"""GET /v1/generation?id=run_...: one request of the caller's team, with its receipt.

Also in the words of gateways whose clients read one (the AI SDK's `getGenerationInfo` among them):
dollars, tokens and milliseconds as numbers, 0 where nothing is known. `bill` and `entry` are exact.
"""

from __future__ import annotations

import asyncio

from api.authentication import principal_of
from api.exchange import Answer, Exchange
from api.wire.openai_chat_answer import usage_of
from api.wire.shapes import Answered
from api.wire.values import instant, usd_number, usd_of_pico
from billing.accounts import head
from billing.money import decimal_usd
from billing.statements import EntryView
from gateway.errors import BadRequest
from gateway.records import RunRecord
from identity.permissions import require
from telemetry.rows import AttemptRow


async def show(exchange: Exchange) -> Answer:
    """Raises `RunNotFound`, for another team's run too."""
    principal = await principal_of(exchange)
    require(principal, "read_runs")
    run_id = exchange.query("id")
    if run_id is None:
        raise BadRequest("`id` is missing: give a run's id.", "id")
    record = await exchange.services.gateway.record(principal, run_id)
    entry = await asyncio.to_thread(exchange.services.statements.entry_of_run, principal.team_id, run_id)
    return Answer(200, {"data": _generation(principal.team_id, record, entry)})


def _generation(team_id: int, record: RunRecord, entry: EntryView | None) -> dict[str, object]:
    figures = record.figures
    return {
        "id": record.id,
        "object": "generation",
        "state": record.state,
        "created_at": instant(record.created_ms),
        "model": record.model_id,
        "provider_name": record.provider,
        "series": record.series,
        "finish_reason": record.finish_reason or record.state,
        "failure": None if record.failure is None else record.failure.message,
        "notes": record.notes,
        "prompt_version_id": record.prompt_version_id,
        "first_token_ms": figures.first_token_ms,
        "total_ms": figures.total_ms,
        "tokens_per_s": figures.tokens_per_s,
        "attempts": [_attempt(attempt, record) for attempt in record.attempts],
        "bill": usage_of(Answered(record, ())),
        **_numbers(record, entry),
        "entry": None if entry is None else _entry(team_id, entry),
    }


def _attempt(attempt: AttemptRow, record: RunRecord) -> dict[str, object]:
    """One call to one provider; milliseconds count from when the request was accepted."""
    return {
        "no": attempt.no,
        "model": attempt.model or record.model_id,
        "provider_name": attempt.provider,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "error": attempt.error,
        "sent_ms": attempt.sent_ms,
        "first_byte_ms": attempt.first_byte_ms,
        "first_answer_ms": attempt.first_answer_ms,
        "last_ms": attempt.last_ms,
    }


def _numbers(record: RunRecord, entry: EntryView | None) -> dict[str, object]:
    figures = record.figures
    cost = usd_number(figures.cost_nano_usd or 0)
    used = {line.bucket: line.quantity for line in entry.lines} if entry else {}
    return {
        "total_cost": cost,
        "usage": cost,
        "upstream_inference_cost": 0,  # nothing is paid past the ledger
        "is_byok": record.series == "byok",
        "streamed": True,  # providers always stream to us, whatever the caller asked for
        "latency": figures.first_token_ms or 0,
        "generation_time": figures.total_ms or 0,
        "native_tokens_prompt": figures.input_tokens or 0,
        "native_tokens_completion": figures.output_tokens or 0,
        "native_tokens_reasoning": figures.reasoning_tokens or 0,
        "native_tokens_cached": used.get("cached_input", 0),
        "native_tokens_cache_creation": used.get("cache_write", 0),
        "billable_web_search_calls": used.get("tool_call", 0),
    }


def _entry(team_id: int, entry: EntryView) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "at": instant(entry.at_ms),
        "amount": decimal_usd(entry.amount_nano_usd),
        "balance_after": decimal_usd(entry.balance_after_nano_usd),
        "estimated": entry.estimated,
        "lines": [
            {
                "bucket": line.bucket,
                "quantity": line.quantity,
                "price": usd_of_pico(line.price_pico_usd),
            }
            for line in entry.lines
        ],
        "postings": [
            {"account": posting.account, "amount": decimal_usd(posting.amount_nano_usd)}
            for posting in entry.postings
        ],
        "hash": entry.hash,
        "head": head(team_id, entry.seq, entry.hash),
    }
