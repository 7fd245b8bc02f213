import json

import pytest
from sqlalchemy import Engine

from telemetry import charts
from telemetry.latency import MOST_POINTS, Latency
from telemetry.metrics import METRICS
from telemetry.request_log import RequestLog
from telemetry.rows import RequestRow
from tests.telemetry.example_rows import NOON_MS, attempt, request

HOUR_MS = 3_600_000
NAMES = {"lab/fast": "Lab Fast", "lab/deep": "Lab Deep"}


def chart_of(figure_id: str, *rows: RequestRow) -> charts.Chart:
    points = [point for row in rows if (point := charts.point_of(row)) is not None]
    return charts.chart(figure_id, points, NAMES, window_ms=HOUR_MS)


def test_a_chart_of_waits() -> None:
    fast = [
        request(run_id=f"run_{ms}", ended_at_ms=NOON_MS + ms, attempts=(attempt(first_answer_ms=2.0 + ms),))
        for ms in (100, 300, 200)
    ]
    deep = request(model="lab/deep", run_id="run_deep", attempts=(attempt(first_answer_ms=2_502.0),))
    unstreamed = request(streamed=False)
    assert chart_of("ttft_ms", *fast, deep, unstreamed) == {
        "figure": "ttft_ms",
        "unit": "ms",
        "series": [
            {"name": "Lab Deep", "key": "lab/deep", "points": [[NOON_MS, 2500.0, "run_deep"]]},
            {
                "name": "Lab Fast",
                "key": "lab/fast",
                "points": [
                    [NOON_MS + 100, 100.0, "run_100"],
                    [NOON_MS + 300, 300.0, "run_300"],
                    [NOON_MS + 200, 200.0, "run_200"],
                ],
            },
        ],
        "n": 4,
        "sentence": "Time to first token, median in the last hour: "
        "Lab Fast 200 ms (n = 3), Lab Deep 2.50 s (n = 1).",
    }


def test_a_chart_of_success_has_a_slot_a_minute_and_counts_only_what_counts() -> None:
    rows = [
        request(),
        request(outcome="provider_fault"),
        request(outcome="cancelled"),
        request(ended_at_ms=NOON_MS + 61_000),
        request(ended_at_ms=NOON_MS + 130_000, outcome="client_fault"),
    ]
    shown = chart_of("success_rate", *rows)
    assert shown["series"][0]["points"] == [[NOON_MS, 50.0, None], [NOON_MS + 60_000, 100.0, None]]
    assert shown["n"] == 3
    assert shown["sentence"] == "Success rate in the last hour: Lab Fast 66.7 % (n = 3)."


def test_an_empty_chart_says_so() -> None:
    assert chart_of("tokens_per_s") == {
        "figure": "tokens_per_s",
        "unit": "tokens/s",
        "series": [],
        "n": 0,
        "sentence": "Throughput: nothing was measured in the last hour.",
    }
    assert chart_of("ttft_ms", request(streamed=False))["series"] == []


def test_own_keys_and_simulations_are_lines_of_their_own() -> None:
    shown = chart_of("ttft_ms", request(), request(series="byok"), request(series="simulated"))
    assert [(one["name"], one["key"]) for one in shown["series"]] == [
        ("Lab Fast (own key)", "lab/fast (own key)"),
        ("Lab Fast", "lab/fast"),
        ("Lab Fast (simulated)", "lab/fast (simulated)"),
    ]


def test_a_long_list_of_models_is_cut_in_the_sentence_and_nowhere_else() -> None:
    rows = [request(model=f"lab/{number}") for number in range(9)]
    shown = chart_of("ttft_ms", *rows)
    assert len(shown["series"]) == 9
    assert shown["sentence"].endswith("lab/3 200 ms (n = 1), and 5 more.")


@pytest.mark.parametrize("figure_id", charts.FIGURES)
def test_every_chart_is_of_a_registered_figure_and_plain_json(figure_id: str) -> None:
    shown = chart_of(figure_id, request())
    assert shown["unit"] == METRICS[figure_id].unit
    assert shown["n"] == 1
    assert json.loads(json.dumps(shown)) == shown


def test_a_figure_that_is_not_registered_is_refused() -> None:
    with pytest.raises(KeyError, match="vibes"):
        chart_of("vibes")


async def test_a_chart_that_does_not_show_all_says_so(engine: Engine) -> None:
    log = RequestLog(engine, flush_s=0.01)
    await log.open()
    for number in range(MOST_POINTS + 50):
        log.record(request(ended_at_ms=NOON_MS + number))
    await log.close()
    shown = Latency(engine, log).chart("ttft_ms", 1, 24 * HOUR_MS, NAMES, NOON_MS + 5_000)
    assert shown["n"] == MOST_POINTS
    assert shown["series"][0]["points"][0][0] == NOON_MS + 50
    assert shown["sentence"] == (
        "Time to first token, median in the newest 1,000 requests of the last day: "
        "Lab Fast 200 ms (n = 1,000)."
    )
