"""The English sentences of the Batches page. Figures come in ready to read."""

from __future__ import annotations

from typing import Final

BATCHES: Final = "Batches"
INTRO: Final = "One prompt over many rows, on every lane, checked row by row. It goes on when you leave."
NONE: Final = "No batches yet."
NONE_ADVICE: Final = "Upload rows, say what an answer must be, and let a few lanes answer them all."
NEW: Final = "New batch"
ALL: Final = "All batches"
UNKNOWN: Final = "There is no such batch in this team."
YOUR_ROLE: Final = "Your role in this team may look, but not open batches."

NAME: Final = "Name"
NAMED: Final = "Batch"
FILE: Final = "Rows: CSV or JSONL"
FILE_HELP: Final = "The first line of a CSV names the columns. Up to 50,000 rows, 32 MB, UTF-8."
FILE_WRONG: Final = "The file cannot be read"
PROMPT: Final = "Prompt"
PROMPT_EXAMPLE: Final = "Name the city in this sentence, and nothing else: {{sentence}}"
SYSTEM: Final = "System prompt"
LANES: Final = "Models"
LANES_HELP: Final = "Each is a lane. Two or more can be compared, judged and voted on."
LIBRARY: Final = "Prompts of the library"
LIBRARY_HELP: Final = "Each model answers with each of these too: `production`, else the newest version."
TEMPERATURE: Final = "Temperature"
MAX_TOKENS: Final = "Most output tokens"
AS_THE_MODEL: Final = "the model's own"
CHECKS: Final = "Checks"
CHECKS_ABOUT: Final = "An answer passes where every check passes."
EXACT: Final = "Equals the column"
IGNORE_CASE: Final = "Large and small letters are the same"
REGEX: Final = "Matches the pattern"
REGEX_EXAMPLE: Final = r"\b{{expected}}\b"
SCHEMA: Final = "Fits the JSON schema"
PYTHON: Final = "Passes Python tests"
PYTHON_EXAMPLE: Final = "def test_short(answer, row):\n    assert len(answer) < 200"
PYTHON_HELP: Final = "Run apart: 5 s, 256 MB, no files, no network. Functions whose names begin with test."
SCHEMA_WRONG: Final = "The schema is no JSON object."
JUDGE: Final = "A model as judge"
NO_JUDGE: Final = "none"
JUDGE_HELP: Final = "It compares answers in both orders; where its two words differ, that is a tie."
CRITERIA: Final = "What counts"
AT_ONCE: Final = "Requests at a time"
CAP: Final = "Cost cap in dollars"
CAP_HELP: Final = "Held and checked before each row. At the cap the batch pauses."
CAP_WRONG: Final = "A cost cap is a number of dollars above zero."
SHARED: Final = "Whoever may see the team's requests may read this batch, its rows and its answers."
START: Final = "Start"
PICK_FIRST: Final = "Still missing: rows, a prompt and a model."
ESTIMATING: Final = "Estimate"

STATES: Final = {"running": "Running", "paused": "Paused", "stopped": "Stopped", "done": "Done"}
PAUSE: Final = "Pause"
PAUSE_HELP: Final = "What is under way ends; nothing else begins."
RESUME: Final = "Resume"
STOP: Final = "Stop"
STOP_HELP: Final = "For good. What was answered stays."
AGAIN: Final = "Ask again"
AGAIN_HELP: Final = "All that failed or was cut. It costs again."
RAISE_CAP: Final = "Set cap"
TEXT_GONE: Final = "Its rows and answers are no longer kept. What it cost, and whether answers passed, stays."

DECISION: Final = "Decision"
RESULTS: Final = "Results"
FAILURES: Final = "Failures"
VOTE: Final = "Vote"
VIEWS: Final = (DECISION, RESULTS, FAILURES, VOTE)
VIEW: Final = "What to look at"
NOT_YET: Final = "Not yet"
WINNER: Final = "Winner"
BY: Final = {"checks": "checks", "votes": "members' votes"}
BY_LANE: Final = "By lane"
FIRST_ROWS: Final = "First rows"
LANE: Final = "Lane"
PASS_RATE: Final = "Pass rate"
WIN_RATE: Final = "Preferred"
WIN_ABOUT: Final = "Of the votes for it or another lane, ties left out"
COST_1000: Final = "Cost of 1,000 requests"
P95: Final = "p95"
P95_ABOUT: Final = "Of whole answers, from the request to their last token"
ANSWERED: Final = "Answered"
FAILED: Final = "Failed"
JUDGED: Final = "What the judge said"
NO_FAILURES: Final = "Nothing failed."
LINE: Final = "Line"
WHY: Final = "Why"
ROW: Final = "Row"
CSV: Final = "CSV"
JSONL: Final = "JSONL"
NEWER: Final = "Rows before"
OLDER: Final = "Rows after"
LINK: Final = "Link to this batch"

OPEN_VOTES: Final = "Let members judge"
CLOSE_VOTES: Final = "Close the queue"
VOTES_CLOSED: Final = "Nobody judges these answers yet."
VOTES_CLOSED_ADVICE: Final = "Members see two answers at a time, without lane, price or speed."
NO_MORE: Final = "You have judged all there is."
CHOICES: Final = {"left": "Left", "right": "Right", "tie": "Tie", "both_bad": "Both bad"}
SKIP: Final = "Skip"
KEYS: Final = "Keys 1 to 5"
KEYS_HELP: Final = "1 left, 2 right, 3 tie, 4 both bad, 5 skip, while nothing is being typed."
LEFT: Final = "Left answer"
RIGHT: Final = "Right answer"
AGREEMENT: Final = {"cohen": "Cohen's kappa", "fleiss": "Fleiss' kappa"}
ONE_LANE: Final = "One lane alone has nobody to be compared with."


def rows(count: int, columns: str) -> str:
    return f"{count:,} rows with {columns}"


def problems(shown: int, count: int) -> str:
    return f"{count:,} mistakes; the first {shown}:" if count > shown else "What is wrong:"


def decided_by(voices: str) -> str:
    return f"Decided by {voices}."


def estimate(likely: str, most: str) -> str:
    return f"Likely {likely}; at most {most} if every answer were as long as it may be."


def lanes(count: int, items: int) -> str:
    return f"{count} {'lane' if count == 1 else 'lanes'}, {items:,} requests"


def progress(over: int, items: int) -> str:
    return f"{over:,} of {items:,}"


def facts(failed: int, cut: int, paid: str, cap: str | None) -> str:
    parts = [f"{paid} paid" if cap is None else f"{paid} of {cap} paid"]
    if failed:
        parts.append(f"{failed:,} failed")
    if cut:
        parts.append(f"{cut:,} cut")
    return ", ".join(parts)


def judging(judged: int, of: int) -> str:
    return f"Judged {judged:,} of {of:,}"


def place(model: str, no: int, version: str | None) -> str:
    return f"{no}. {model}" + (f", {version}" if version else "")


def preferred(one: str, ones: int, other: str, others: int, ties: int, disagreed: int) -> str:
    return (
        f"{one} {ones:,}, {other} {others:,}, ties {ties:,}; in {disagreed:,} of them its two words differed"
    )


def voted(judged: int, of: int) -> str:
    return f"{judged:,} of {of:,} pairs judged by you"


def agreed(method: str, kappa: str, share: str, n: int, voters: int) -> str:
    return f"{method} {kappa}; {share} equal; n = {n:,} pairs that at least two of {voters} judged"
