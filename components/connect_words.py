"""The English sentences of the page that connects models: `words.py`'s, for one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

CONNECT: Final = "Connect"
TITLE: Final = "Connect a model"
HOW: Final = "What do you have?"
A_KEY: Final = "A key"
A_SERVER: Final = "An address"
THIS_MACHINE: Final = "This machine"

PROVIDER: Final = "Provider"
KEY: Final = "Key"
KEY_HELP: Final = "Kept encrypted, and sent to this provider alone."
KEY_OPTIONAL: Final = "Key, if it asks for one"
CHECK_AND_CONNECT: Final = "Check and connect"
ALL_CONNECTED: Final = "Every provider that takes a key is connected."

NAME: Final = "Name"
ADDRESS: Final = "Address of its API"
ADDRESS_EXAMPLE: Final = "https://host/v1"
PRIVATE: Final = "It is on this machine or in my network"
LIST_MODELS: Final = "List its models"
FIND: Final = "Find local servers"
FINDING: Final = "Looking for Ollama, LM Studio, vLLM and llama.cpp on their usual ports"
NONE_FOUND: Final = "No server answers on this machine."
NONE_FOUND_ADVICE: Final = "Start one, or give its address if it listens on another port."

MODELS: Final = "Models"
PICK_MODELS: Final = "Pick those to offer here"
CONTEXT: Final = "Context, in tokens"
MOST_OUTPUT: Final = "Longest answer, in tokens"
CONTEXT_HELP: Final = "Used for models whose context the server does not tell."
FREE: Final = "Free"
FREE_HELP: Final = "Its answers cost no credits."
INPUT_PRICE: Final = "Input, $ per 1M tokens"
OUTPUT_PRICE: Final = "Output, $ per 1M tokens"
CHECKING: Final = "Asking for a few words"

CONNECTED: Final = "Connected in this page"
DISCONNECT: Final = "Disconnect"
DISCONNECT_SURE: Final = "New prompts find nobody there. Answers under way go on."
TRY: Final = "Try it in the playground"

OPERATORS_CONNECT: Final = (
    "Providers and servers for everybody are connected by those who run this installation. What your team "
    "may add is keys of its own, for providers that are listed here."
)
OWN_KEYS: Final = "Your team's own keys"
OWN_KEYS_ABOUT: Final = (
    "Requests of this team to these providers go over your key. You pay the provider; here they cost "
    "nothing, and are a series of their own."
)
USE_OWN_KEY: Final = "Use this key"
FALLS_BACK: Final = "If my key fails, use this installation's, and my credits"
FALLS_BACK_NOTE: Final = "falls back to this installation's key"
REMOVE: Final = "Remove"
OWN_SAVED: Final = "The key is in use."


def models(count: int) -> str:
    return "1 model" if count == 1 else f"{count:,} models"


def answers(name: str, said: str, ready: int) -> str:
    return f"{name} answers: \u201c{said.strip()[:80]}\u201d. {models(ready)} can be used now."


def found(name: str, count: int) -> str:
    return f"{name}: {models(count)}"


def connected(ids: Sequence[str]) -> str:
    some = ", ".join(ids[:3])
    return some if len(ids) <= 3 else f"{some} and {len(ids) - 3} more"
