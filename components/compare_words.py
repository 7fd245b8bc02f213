"""The English sentences of the page that compares models: `words.py`'s, for one page."""

from __future__ import annotations

from typing import Final

COMPARE: Final = "Compare models"
MODELS: Final = "Models to compare"
PICK: Final = "Pick two to four models."
PICK_ADVICE: Final = (
    "What they cost, how fast they are here, what they can do and what is known of them stand side by side."
)
PRICE: Final = "Price"
SPEED: Final = "Speed and success here"
SPEED_ABOUT: Final = "your team's requests of the last 30 days"
CAN: Final = "What they can do"
DATA: Final = "Data and life"
VOTES: Final = "Votes of your team"
NO_VOTES: Final = "No vote of your team says anything of these yet."
LOWEST: Final = "lowest"
HIGHEST: Final = "highest"
FASTEST: Final = "fastest"
FIRST_TOKEN: Final = "First token, p50"
FIRST_TOKEN_SLOW: Final = "First token, p95"
RATE: Final = "Tokens a second, p50"
RATE_SLOW: Final = "Tokens a second, p95 (slow end)"
TOTAL: Final = "Total time, p50"
SUCCESS: Final = "Success"
OWN_MIX: Final = "Your last 30 days on it"
OWN_MIX_ASK: Final = "Reckon your own last 30 days on each"
NOT_MEASURED: Final = "not measured here"
READS: Final = "Reads"
WRITES: Final = "Writes"
ENDPOINTS: Final = "At the maker"
ANSWERS_HERE: Final = "Answers here"
PROVIDERS: Final = "Providers"
RATING: Final = "Rating"
WON: Final = "Won, ties as halves"
NO_VOTE: Final = "no vote here"
WIN_COST: Final = "Cost of a won battle"


def between(low: int, high: int) -> str:
    return f"{low:,} to {high:,}"
