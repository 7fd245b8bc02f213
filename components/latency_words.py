"""The English sentences of the latency page: `words.py`'s, for one page."""

from __future__ import annotations

from typing import Final

WINDOW: Final = "Window"
CUSTOM: Final = "Custom"
FROM: Final = "From"
TO: Final = "To"
BY: Final = "By"
BYS: Final = {
    "model": "Model",
    "provider": "Provider",
    "key": "Key",
    "tag": "Tag",
    "input_length": "Input length",
    "output_length": "Output length",
}
FILTER: Final = "Only"
ANY_MODEL: Final = "Any model"
ANY_PROVIDER: Final = "Any provider"
KEY_NUMBER: Final = "Key (its number)"
TAG: Final = "Tag"
SIMULATED: Final = "Simulated models too"
EVERYONE: Final = "All teams"
COMPARE: Final = "Compare with the window before"
SHARE: Final = "Share"
SHARE_HELP: Final = "Whoever may see this page sees the same view at this address."
FIGURE: Final = "Figure"
GROUP: Final = "Whose"
ALL: Final = "All"
SHOWN: Final = "Shown"
SHOWN_AS: Final = {"requests": "Each request", "50": "p50", "95": "p95", "99": "p99"}
OVER_TIME: Final = "over time"
DISTRIBUTION: Final = "How its values lie"
PHASES: Final = "Where the time goes"
SLOWEST: Final = "Slowest requests"
SLOWEST_HELP: Final = "By the figure above, of the whole window as far as the request log goes back."
NO_SLOWEST: Final = "No request of the window has a time."
ITS_REQUESTS: Final = "Its requests"
MIDDLE_AND_ENDS: Final = "p50\np95 / p99"
PRESS: Final = "Press a figure to open it."
MEANS: Final = "What it is"
RECKONED: Final = "How it is reckoned"
MIND: Final = "Mind"
SAMPLES: Final = "Samples"
SINCE_TO: Final = "Window"
INTERVAL: Final = "95 % interval"
PERCENTILE: Final = "Percentile"
VALUE: Final = "Value"
BEFORE: Final = "Before"
CHANGE: Final = "Change"
TOO_FEW: Final = "too few samples"
ODD_WINDOW: Final = "A window is from 5 minutes to 90 days long, and ends after it begins."
REQUESTS: Final = "Requests"


def cut(since: str) -> str:
    return f"Nothing from before {since} is there to be read."


def beyond(told_apart: int, requests: int) -> str:
    return f"The {told_apart:,} busiest; {requests:,} requests of others are in the figures of all alone."


def window(since: str, until: str) -> str:
    return f"{since} to {until}"


def filters(count: int) -> str:
    return f"{FILTER} ({count})" if count else FILTER


def change(percent: float) -> str:
    if abs(percent) < 0.5:
        return "as before"
    return f"{percent:+,.0f} %".replace("-", "\N{MINUS SIGN}")


def row_link(value: str, what: str, when: str) -> str:
    return f"{value}, {what}, {when}"


def points(points: float) -> str:
    """A change of a share."""
    if abs(points) < 0.05:
        return "as before"
    return f"{points:+.1f} points".replace("-", "\N{MINUS SIGN}")
