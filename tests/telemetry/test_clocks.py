"""Worked examples: the numbers are literals, written down before the code was asked."""

import pytest

from telemetry import clocks
from tests.telemetry.example_rows import NOON_MS, attempt, request


def test_a_chat_answer() -> None:
    # Sent at 2 ms, first character at 202, last event at 1,202, 101 tokens: 100 gaps of 10 ms.
    answer = attempt()
    assert clocks.first_token_ms(answer, streamed=True) == 200.0
    assert clocks.first_answer_ms(answer, streamed=True) == 200.0
    assert clocks.tpot_ms(answer, 101) == 10.0
    assert clocks.tokens_per_s(answer, 101) == 100.0
    assert clocks.end_to_end_tokens_per_s(answer, 101) == pytest.approx(84.1667, abs=1e-4)  # 101 / 1.2 s


def test_a_reasoning_model_has_two_first_tokens() -> None:
    thinking = attempt(first_reasoning_ms=102.0, first_answer_ms=3_002.0, last_ms=4_102.0)
    assert clocks.first_token_ms(thinking, streamed=True) == 100.0
    assert clocks.first_answer_ms(thinking, streamed=True) == 3_000.0
    # 401 tokens, 300 of them reasoning that was shown: all lie between 102 and 4,102.
    assert clocks.tpot_ms(thinking, 401, 300) == 10.0


def test_hidden_reasoning_does_not_make_a_model_look_faster() -> None:
    # 2,000 tokens were thought before the first of 101 was shown: 100 gaps of 10 ms, not 2,100 of 0.48.
    hidden = attempt(first_answer_ms=9_002.0, last_ms=10_002.0)
    assert clocks.first_token_ms(hidden, streamed=True) == 9_000.0
    assert clocks.tokens_per_s(hidden, 2_101, 2_000) == 100.0
    assert clocks.end_to_end_tokens_per_s(hidden, 2_101) == pytest.approx(210.1)


def test_a_stream_that_ends_in_its_reasoning_has_no_first_answer() -> None:
    cut = attempt(first_reasoning_ms=52.0, first_answer_ms=None, last_ms=1_052.0)
    assert clocks.first_token_ms(cut, streamed=True) == 50.0
    assert clocks.first_answer_ms(cut, streamed=True) is None
    assert clocks.tpot_ms(cut, 51, 51) == 20.0


def test_a_tool_call_argument_is_a_first_answer() -> None:
    # No text came; the adapter stops `first_answer` at the first argument.
    call = attempt(first_byte_ms=80.0, first_answer_ms=302.0, last_ms=502.0)
    assert clocks.first_token_ms(call, streamed=True) == 300.0
    assert clocks.tpot_ms(call, 21) == 10.0


def test_an_empty_role_frame_stops_no_clock() -> None:
    # The frame's bytes came at 12 ms; a token came at 1,002.
    framed = attempt(first_byte_ms=12.0, first_answer_ms=1_002.0)
    assert clocks.first_token_ms(framed, streamed=True) == 1_000.0
    only_a_frame = attempt(first_byte_ms=12.0, first_answer_ms=None, last_ms=30.0)
    assert clocks.first_token_ms(only_a_frame, streamed=True) is None
    assert clocks.tpot_ms(only_a_frame, 0) is None


def test_an_answer_that_was_not_streamed_has_no_first_token() -> None:
    row = request(streamed=False)
    whole = row.attempts[0]
    assert clocks.first_token_ms(whole, streamed=False) is None
    assert clocks.first_answer_ms(whole, streamed=False) is None
    assert clocks.tokens_per_s(whole, 101, streamed=False) is None
    assert clocks.caller_first_answer_ms(row) is None
    assert clocks.end_to_end_token_ms(whole, 120) == 10.0


def test_one_token_has_no_pace() -> None:
    assert clocks.tpot_ms(attempt(), 1) is None
    assert clocks.tpot_ms(attempt(), 0) is None
    assert clocks.tpot_ms(attempt(), None) is None
    assert clocks.tpot_ms(attempt(), 2) == 1_000.0
    assert clocks.end_to_end_token_ms(attempt(), 1) == 1_200.0
    assert clocks.end_to_end_token_ms(attempt(), 0) is None


def test_an_answer_in_one_read_has_no_pace() -> None:
    burst = attempt(first_answer_ms=900.0, last_ms=900.0)
    assert clocks.tpot_ms(burst, 500) is None
    assert clocks.tokens_per_s(burst, 500) is None


def test_a_request_that_fell_back_is_two_attempts_and_one_wait() -> None:
    failed = attempt(provider="slow", outcome="provider_fault", first_answer_ms=None, last_ms=5_002.0)
    answered = attempt(no=2, sent_ms=5_010.0, first_answer_ms=5_210.0, last_ms=6_210.0)
    row = request(attempts=(failed, answered), total_ms=6_211.0)
    assert clocks.first_token_ms(failed, streamed=True) is None
    assert clocks.first_token_ms(answered, streamed=True) == 200.0
    assert clocks.caller_first_answer_ms(row) == 5_210.0
    assert clocks.output_tokens_of(row, failed) is None
    assert clocks.output_tokens_of(row, answered) == 101
    assert clocks.success({"ok": 1}) == (1.0, 1)  # of requests
    assert clocks.success({"ok": 1, "provider_fault": 1}) == (0.5, 2)  # of attempts


def test_a_provider_that_was_never_reached_has_no_figures() -> None:
    unreached = attempt(
        outcome="provider_fault", sent_ms=None, first_byte_ms=None, first_answer_ms=None, last_ms=None
    )
    assert clocks.first_token_ms(unreached, streamed=True) is None
    assert clocks.end_to_end_token_ms(unreached, 10) is None
    assert clocks.caller_first_answer_ms(request(attempts=())) is None


def test_an_answer_before_the_request_was_all_sent_took_no_time_rather_than_less() -> None:
    assert clocks.first_token_ms(attempt(sent_ms=10.0, first_answer_ms=9.0), streamed=True) == 0.0


def test_success_counts_our_faults_and_the_providers_and_nobody_elses() -> None:
    counts = {"ok": 90, "provider_fault": 6, "gateway_fault": 4, "client_fault": 50, "cancelled": 30}
    assert clocks.success(counts) == (0.9, 100)  # type: ignore[arg-type]  # a dict of literals widens
    assert clocks.success({"client_fault": 3, "cancelled": 2, "blocked": 1}) == (None, 0)


def test_a_request_counts_when_it_ended() -> None:
    row = request(accepted_at_ms=NOON_MS, total_ms=90_000.4)
    assert clocks.ended_at_ms(row) == NOON_MS + 90_000
