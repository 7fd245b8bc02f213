"""Traces for an OpenTelemetry collector: one span a request, one below it for each call to a provider.

Made from the row that the request log gets when a request has ended, with the row's own instants: a
request pays nothing for it while it runs, and nothing at all where no endpoint is set (then this module is
not even imported). Names and attributes are OpenTelemetry's conventions for generative AI; prompts and
answers are in no row, and so in no span. Spans leave in batches on a thread of the SDK's; what cannot be
delivered is dropped by it.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.types import AttributeValue

from telemetry.rows import AttemptRow, RequestRow

_OPERATION = "chat"
_FAILED = ("provider_fault", "gateway_fault")


class Traces:
    """Subscribe `record` to the request log. `endpoint` is a collector's, without `/v1/traces`."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        process_id: str,
        *,
        exporter: SpanExporter | None = None,
    ) -> None:
        resource = Resource({"service.name": "tiltyard", "service.instance.id": process_id})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = exporter or OTLPSpanExporter(
            f"{endpoint.rstrip('/')}/v1/traces", headers=dict(headers), timeout=5
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1_000))
        self._tracer = self._provider.get_tracer("tiltyard")

    def record(self, row: RequestRow) -> None:
        model = row.model or row.model_asked
        span = self._tracer.start_span(
            f"{_OPERATION} {model}".rstrip(),
            kind=SpanKind.SERVER,
            start_time=_at_ns(row, 0.0),
            attributes=_attributes(row),
        )
        if row.outcome in _FAILED:
            span.set_status(Status(StatusCode.ERROR, row.error))
        for attempt in row.attempts:
            call = self._tracer.start_span(
                f"{_OPERATION} {attempt.provider_model}",
                context=set_span_in_context(span),
                kind=SpanKind.CLIENT,
                start_time=_at_ns(row, attempt.sent_ms or 0.0),
                attributes=_attributes_of_attempt(row, attempt),
            )
            if attempt.outcome in _FAILED:
                call.set_status(Status(StatusCode.ERROR, attempt.error))
            for name, ms in (
                ("first_byte", attempt.first_byte_ms),
                ("first_answer", attempt.first_answer_ms),
            ):
                if ms is not None:
                    call.add_event(name, timestamp=_at_ns(row, ms))
            call.end(_at_ns(row, attempt.last_ms if attempt.last_ms is not None else row.total_ms or 0.0))
        span.end(_at_ns(row, row.total_ms or 0.0))

    def close(self) -> None:
        """Deliver what waits, for five seconds at most. Blocks."""
        self._provider.shutdown()


def _attributes(row: RequestRow) -> dict[str, AttributeValue]:
    return _known(
        {
            "gen_ai.operation.name": _OPERATION,
            "gen_ai.provider.name": row.provider,
            "gen_ai.request.model": row.model_asked,
            "gen_ai.response.model": row.model,
            "gen_ai.response.id": row.run_id,
            "gen_ai.request.stream": row.streamed,
            "gen_ai.usage.input_tokens": row.input_tokens,
            "gen_ai.usage.output_tokens": row.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": row.cached_input_tokens,
            "gen_ai.usage.reasoning.output_tokens": row.reasoning_tokens,
            "http.response.status_code": row.status,
            "error.type": row.error,
            "tiltyard.request_id": row.request_id,
            "tiltyard.team_id": row.team_id,
            "tiltyard.surface": row.surface,
            "tiltyard.outcome": row.outcome,
            "tiltyard.cost_nano_usd": row.cost_nano_usd,
        }
    )


def _attributes_of_attempt(row: RequestRow, attempt: AttemptRow) -> dict[str, AttributeValue]:
    first_byte_s = None
    if attempt.first_byte_ms is not None and attempt.sent_ms is not None:
        first_byte_s = (attempt.first_byte_ms - attempt.sent_ms) / 1e3
    return _known(
        {
            "gen_ai.operation.name": _OPERATION,
            "gen_ai.provider.name": attempt.provider,
            "gen_ai.request.model": attempt.provider_model,
            "gen_ai.response.time_to_first_chunk": first_byte_s,
            "http.response.status_code": attempt.status,
            "error.type": attempt.error,
            "tiltyard.attempt": attempt.no,
            "tiltyard.outcome": attempt.outcome,
            "tiltyard.request_id": row.request_id,
        }
    )


def _known(values: Mapping[str, AttributeValue | None]) -> dict[str, AttributeValue]:
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _at_ns(row: RequestRow, since_accepted_ms: float) -> int:
    return row.accepted_at_ms * 1_000_000 + round(since_accepted_ms * 1e6)
