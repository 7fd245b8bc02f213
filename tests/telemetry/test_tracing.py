"""Traces as a collector gets them: over HTTP, in OpenTelemetry's own encoding."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from msgspec.structs import replace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from telemetry.tracing import Traces
from tests.telemetry.test_exposition import ATTEMPT, ROW


class Collector:
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.headers: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                collector.headers.append(dict(self.headers))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    threading.Thread(target=collector.server.serve_forever, daemon=True).start()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


def values(span: Span) -> dict[str, Any]:
    return {a.key: getattr(a.value, str(a.value.WhichOneof("value"))) for a in span.attributes}


def lasted_ms(span: Span) -> tuple[float, float]:
    """Its start and end since the request came."""
    began_ns = ROW.accepted_at_ms * 1_000_000
    return (span.start_time_unix_nano - began_ns) / 1e6, (span.end_time_unix_nano - began_ns) / 1e6


def test_a_request_is_a_span_and_each_attempt_one_below_it(collector: Collector) -> None:
    traces = Traces(collector.url, {"x-team": "ours"}, "proc_1")
    failed = replace(
        ATTEMPT, no=1, provider="near", outcome="provider_fault", status=503, error="ProviderRefused",
        first_byte_ms=None, first_answer_ms=None, last_ms=20.0,
    )  # fmt: skip
    traces.record(replace(ROW, attempts=(failed, replace(ATTEMPT, no=2))))
    traces.close()
    (request,) = (span for span in collector.spans if not span.parent_span_id)
    calls = [span for span in collector.spans if span.parent_span_id]
    first, second = sorted(calls, key=lambda span: int(values(span)["tiltyard.attempt"]))
    assert {name.lower(): value for name, value in collector.headers[0].items()}["x-team"] == "ours"
    assert (request.name, request.kind) == ("chat lab/fast", Span.SPAN_KIND_SERVER)
    assert (second.name, second.kind) == ("chat fast-1", Span.SPAN_KIND_CLIENT)
    assert {first.parent_span_id, second.parent_span_id} == {request.span_id}
    assert {first.trace_id, second.trace_id} == {request.trace_id}
    told = values(request)
    assert told["gen_ai.request.model"] == "fast"
    assert told["gen_ai.response.model"] == "lab/fast"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (12, 11)
    assert told["http.response.status_code"] == 200
    assert (values(first)["gen_ai.provider.name"], values(first)["error.type"]) == ("near", "ProviderRefused")
    assert first.status.code == Status.STATUS_CODE_ERROR
    assert second.status.code == Status.STATUS_CODE_UNSET
    began = ROW.accepted_at_ms * 1_000_000
    assert (request.start_time_unix_nano - began, request.end_time_unix_nano - began) == (0, 150_000_000)
    assert (second.start_time_unix_nano - began, second.end_time_unix_nano - began) == (
        2_000_000,
        142_000_000,
    )
    assert [event.name for event in second.events] == ["first_byte", "first_answer"]


def test_a_collector_that_is_away_holds_up_nobody() -> None:
    traces = Traces("http://127.0.0.1:1", {}, "proc_1")
    traces.record(ROW)
    traces.close()
