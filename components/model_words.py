"""The English sentences of the list of models and of a model's page: `words.py`'s, for these two."""

from __future__ import annotations

from typing import Final

MODELS: Final = "Models"
SEARCH: Final = "Search"
SEARCH_EXAMPLE: Final = "Name, maker, or what it can do"
MAKER: Final = "Maker"
ANY_MAKER: Final = "Any maker"
CAN: Final = "Can"
SORT: Final = "Sort by"
ONLY_HERE: Final = "Answers here"
NONE_SUCH: Final = "No model fits."
NONE_SUCH_ADVICE: Final = "Take a filter away, or search for less."
BY_HERE: Final = "Answers here first"
BY_NAME: Final = "Name"
BY_NEWEST: Final = "Newest"
BY_INPUT: Final = "Cheapest input"
BY_OUTPUT: Final = "Cheapest output"
BY_CONTEXT: Final = "Largest context"
BY_FIRST_TOKEN: Final = "Fastest first token here"
BY_RATE: Final = "Most tokens/s here"
BY_WON_VOTE: Final = "Cheapest won vote here"
OPEN: Final = "$ per 1M tokens. Press a name to read about a model."
ALL_MODELS: Final = "All models"

INPUT: Final = "Input"
CACHED: Final = "Cached input"
CACHE_WRITE: Final = "Cache write"
OUTPUT: Final = "Output"
PER_MILLION: Final = "$ per 1M tokens"
CONTEXT: Final = "Context"
LONGEST: Final = "Longest answer"
KNOWS_UNTIL: Final = "Knows until"
FIRST_TOKEN: Final = "First token"
TOKENS_PER_S: Final = "Tokens/s"
WON_VOTE: Final = "A won vote costs"
WON_VOTE_HELP: Final = (
    "The mean cost of its answers in your battles, over the share of votes that they won; from 30 votes on"
)
SUCCESS: Final = "Success"
HERE_30_DAYS: Final = "Measured here, last 30 days, p50"
RELEASED: Final = "Released"
STATE: Final = "State"
MODEL: Final = "Model"

ABOUT: Final = "About"
BEST_FOR: Final = "Best for"
CONSIDER: Final = "Consider another for"
TRY: Final = "Try it here"
TRY_RULE: Final = (
    "Billed to your team at the prices above. A team that never paid gets $5.00 each 30 days, from its "
    "first request."
)
ASK: Final = "Send"
USE: Final = "Use it"
STEPS: Final = (
    "1. Make a key under *Team*, *API keys*, and keep it in the variable `TILTYARD_API_KEY`.\n"
    "2. Send one of these: any OpenAI SDK does, with this address and this name.\n"
    "3. Check what comes back: run tests and linters over code, and let a person read what goes live."
)
MAKE_A_KEY: Final = "Make a key"
MAKER_ALONE: Final = "At the maker, not here"
PROVIDERS: Final = "Providers"
PREFER: Final = "Prefer or require a provider in a request"
CHOOSING: Final = (
    "Where several serve a model, weigh the price, the time to the first token and the speed measured here "
    "(p95 is the slow end), how often it succeeds, what it keeps, and in which region."
)
PRICE: Final = "Price"
VERSIONS: Final = "Price versions"
FEES: Final = "Fees for tools"
COMPARE: Final = "Compare with"
COMPARE_ALL: Final = "Compare them point by point"
CALCULATOR: Final = "What it would cost"
ONE_REQUEST: Final = "8,000 tokens in and 2,000 out"
OWN_MIX: Final = "Your last 30 days"
NO_MIX: Final = "Nothing was settled yet"
CAPABILITIES: Final = "Capabilities"
MODALITY: Final = "Modality"
IN: Final = "In"
OUT: Final = "Out"
ENDPOINT: Final = "Endpoint"
AT_THE_MAKER: Final = "At the maker"
THROUGH_TILTYARD: Final = "Through Tiltyard"
FEATURE: Final = "Feature"
YES: Final = "Yes"
NO: Final = "No"
UNKNOWN: Final = "Unknown"
TRANSLATED: Final = "Yes, translated"
LIMITS: Final = "Limits"
NAMES: Final = "Names that lead here"
PINNED: Final = "pinned version"
ALIAS: Final = "alias"
TIERS: Final = "Requests and tokens a minute, by what a team has paid"
TIER: Final = "Tier"
YOURS: Final = "yours"
PAID: Final = "Paid in all"
REQUESTS: Final = "Requests"
TOKENS: Final = "Tokens"
DATA: Final = "Data and compliance"
RETENTION: Final = "Zero data retention"
TRAINS: Final = "Trains on data"
KEPT_DAYS: Final = "Kept, days"
REGIONS: Final = "Regions"
TERMS: Final = "Terms"
STAYS_HERE: Final = "Nothing leaves this installation"
LICENCE: Final = "Licence"
EU_AI_ACT: Final = "EU AI Act"
TRANSFERS: Final = "Transfers out of the EU"
TRAINING_DATA: Final = "What it was trained on"
PARAMETERS: Final = "Parameters and architecture"
OWN_MACHINES: Final = "On your own machines"
RUNS_HERE: Final = "Yes: it runs inside this installation"
AT_PROVIDERS: Final = "Only at its providers, as far as this catalog knows"
LIFECYCLE: Final = "Lifecycle"
NOTHING_ANNOUNCED: Final = "No end announced"
QUESTIONS: Final = "Questions"
REVIEW: Final = "As it stands"
WATCH: Final = "Watch next"
SOURCES: Final = "Sources"
FACT: Final = "Facts"
SOURCE: Final = "Source"
AS_OF: Final = "Read on"
READ_AT: Final = "Read at"
OTHERS_SAY: Final = "Other sources say"
MORE_BY: Final = "More by"
PROVIDER: Final = "Provider"
SLUG: Final = "Slug"
HERE: Final = "Here"
CONNECTED: Final = "Connected"
NOT_CONNECTED: Final = "Not connected"

GROUPS: Final = {
    "about": "About, and what it is for",
    "lifecycle": "Dates",
    "limits": "Limits",
    "capabilities": "Capabilities",
    "routes": "Providers",
}


def by(maker: str, released_on: str | None) -> str:
    return f"by {maker}, released {released_on}" if released_on else f"by {maker}"


def retired(day: str | None, successor: str | None) -> str:
    said = f"Retired on {day}." if day else "Retired."
    return f"{said} Its successor is {successor}." if successor else said


def retires(day: str, days: int, successor: str | None) -> str:
    said = f"Retires on {day}, in {days:,} days." if days > 1 else f"Retires on {day}."
    return f"{said} Its successor is {successor}." if successor else said


def deprecated(day: str | None, successor: str | None) -> str:
    said = f"Deprecated since {day}." if day else "Deprecated."
    return f"{said} Its successor is {successor}." if successor else said


def own_mix(was: str, would: str, runs: int) -> str:
    return f"{would} on this model, instead of {was} (n = {runs:,})"


def headroom(requests: str, tokens: str) -> str:
    return f"Left this minute: {requests} requests, {tokens} tokens."


def reviewed(day: str) -> str:
    return f"Facts last read on {day}."
