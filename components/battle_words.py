"""The English sentences of the Battle page. Figures come in ready to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

BATTLE: Final = "Battle"
INTRO: Final = "One prompt, two to six lanes side by side. Vote on the text before you see who wrote it."
LANE: Final = "Lane"
ADD_LANE: Final = "Lane"
ADD_LANE_HELP: Final = "One more lane, six at most."
REMOVE: Final = "Remove"
ROUTED: Final = "Any provider"
PROVIDER: Final = "Provider"
PROVIDER_HELP: Final = "With one provider named nobody else is asked, and the lane fails where it does."
AS_TYPED: Final = "Prompt as typed"
PROMPT_VERSION: Final = "Prompt version"
VARIABLES: Final = "Variables"
VARIABLES_HELP: Final = "They fill {{name}} in the prompt versions above, the same in all lanes."
SHARED: Final = "Settings of all lanes"
OWN: Final = "Pinned to this lane"
OWN_HELP: Final = "What is pinned has its own value here; everything else follows the settings of all lanes."
LANE_SETTINGS: Final = "Settings"
OPTIONS: Final = "Options"
BLIND: Final = "Blind"
BLIND_HELP: Final = (
    "Names, prices and speeds stay hidden until you have voted; the lanes stand in an order drawn by lot, "
    "and all text comes at one pace."
)
CAP: Final = "Cost cap, dollars"
CAP_HELP: Final = "The whole battle may spend this and no more: retries and later turns too."
NO_CAP: Final = "none"
ORDER: Final = "Lanes start"
ORDERS: Final = {"auto": "At once", "at_once": "At once, sharing a CPU", "in_sequence": "One by one"}
ORDER_HELP: Final = (
    "At once, but lanes on one local model take turns, so that they do not slow each other. Sharing a CPU "
    "they run together, are marked, and stay out of latency figures."
)
CATEGORY: Final = "Category"
NO_CATEGORY: Final = "None"
CATEGORY_HELP: Final = "Kept with each vote, so that ratings can be read by kind of work."
TAGS: Final = "Tags"
TAGS_HELP: Final = "Your own words for this kind of prompt. Press Enter after each."
PERSONAL: Final = "Only for me"
PERSONAL_HELP: Final = "Nobody else in the team sees this battle. It costs the team all the same."
DRILL: Final = "Fault drill"
DRILL_HELP: Final = (
    "Simulated models that are slow, cut off, refuse or lie, to see what a fault looks like. Never blind, "
    "never voted on."
)
PROMPT: Final = "Prompt"
START: Final = "Start battle"
SEND_ON: Final = "Send to all lanes"
PROMPT_HINT: Final = "What shall all lanes answer?"
NEXT_HINT: Final = "Go on with all lanes"
TYPE_FIRST: Final = "Type a prompt first."
NEW: Final = "New battle"
NEW_HELP: Final = "This one stays under its own address and in the history."
FIRST: Final = "First battle"
FIRST_ABOUT: Final = (
    "Ten sentences, one small model, two prompts: bare, and with two examples before it. Checked row by row, "
    "then three blind votes of yours. It runs on this machine."
)
NOT_HERE: Final = "There is no such battle here."
NOT_HERE_ADVICE: Final = "It may belong to another team, or be somebody's own. Start a new one below."
ALL: Final = "All battles"
READ_ONLY: Final = "You may look at battles. To start one or vote, ask an owner for another role."
HISTORY: Final = "Earlier battles"
SEARCH: Final = "Search prompts, models, tags"
NO_HISTORY: Final = "No battle yet. Each one is kept here with its votes."
NO_MATCH: Final = "No battle matches."
TOO_FEW: Final = "A battle needs two lanes."
QUOTE_EMPTY: Final = "What all lanes cost stands here before you send a prompt."
MAY_BE_CUT: Final = "Credit or the cap is less than that: a lane may be cut short."
COST_HIDDEN: Final = "What it costs is shown after the vote."
NOT_SETTLED: Final = "What it costs is known once all lanes have ended."
KEYS: Final = "Keys"
SINGLE_KEYS: Final = "Single keys"
SINGLE_KEYS_HELP: Final = "Off, only Esc, the arrows and Ctrl+Enter do anything."
KEY_LIST: Final = (
    ("Ctrl or Cmd + Enter", "Start the battle, send the next prompt"),
    ("Esc", "Stop the lane that has the focus, else all lanes"),
    ("Left, Right", "Move between lanes"),
    ("1 to 4", "Vote: A is better, B is better, tie, both bad; with more lanes one key each first"),
    ("/", "Pick a model"),
    ("?", "Show these keys"),
)
FORK: Final = "Fork here"
FORK_HELP: Final = "The next prompt goes on from this turn; what followed it stays beside it."
FORKING: Final = "The next prompt goes on from turn {no}."
NOT_FORKING: Final = "Go on from the end"
BRANCH: Final = "Turns that followed turn {no}"
CATEGORIES: Final = {
    "reasoning": "Reasoning",
    "coding": "Coding",
    "multilingual": "Multilingual",
    "creative": "Creative",
    "factual": "Factual",
    "healthcare": "Healthcare",
    "legal": "Legal",
    "government": "Government",
}


def not_taken(model: str) -> str:
    return f"{model} does not take it"


def not_taken_by(models: Sequence[str]) -> str:
    return f"Not taken by {', '.join(models)}: left out there."


def version(name: str, no: int, labels: Sequence[str]) -> str:
    return f"{name} v{no} ({', '.join(labels)})" if labels else f"{name} v{no}"


def version_asks(model: str) -> str:
    return f"This version asks {model}, whatever is picked above."


def lane(letter: str) -> str:
    return f"Lane {letter}"


def remove(letter: str) -> str:
    return f"Remove lane {letter}"


def settings_count(own: int) -> str:
    return f"{LANE_SETTINGS} ({own} pinned)" if own else LANE_SETTINGS


def quote(likely: str, high: str, held: str, lanes: int) -> str:
    return f"About {likely} for {lanes} lanes, at most likely {high}. Holds {held} while they run."


def request_of(letter: str) -> str:
    return f"Lane {letter}: its request"


def spent(cost: str, cap: str | None) -> str:
    return f"{cost} of {cap} spent" if cap else f"{cost} spent"


def answered_by(model: str) -> str:
    return f"answered by {model}"


def tries(count: int) -> str:
    return f"asked {count} times"


# --- votes -----------------------------------------------------------------------------------

VOTE_FIRST: Final = "Which answer is better?"
VOTE_FIRST_ABOUT: Final = (
    "On the text alone. Names, speeds and prices come after it, and you may change your mind."
)
VOTE_FINAL: Final = "And now that you know who, how fast and for how much?"
VOTE_FINAL_ABOUT: Final = (
    "Both votes are kept: the difference is what a name, a speed and a price do to a judgement."
)
TIE: Final = "Tie"
BOTH_BAD: Final = "Both bad"
ALL_BAD: Final = "All bad"
ASK_ON: Final = "Go on without voting"
REVEAL: Final = "Show names without voting"
REVEAL_HELP: Final = "Your vote on the text alone is over then: it cannot be cast any more."
LETTERS: Final = "ABCDEF"
WORST: Final = "Worst"
REASONS: Final = "Why"
REASON_NAMES: Final = {
    "correct": "Correct",
    "complete": "Complete",
    "clear": "Clear",
    "concise": "Concise",
    "follows_instructions": "Follows instructions",
    "well_formatted": "Well formatted",
    "good_tone": "Good tone",
    "wrong": "Wrong",
    "made_up": "Made up",
    "too_long": "Too long",
    "too_short": "Too short",
    "refused": "Refused",
}
WHO: Final = "Who wrote what"
MODEL: Final = "Model"
PRICE: Final = "Price, in / out per 1M"
FIRST_TOKEN: Final = "First token"
WHOLE: Final = "Whole answer"
SPEED: Final = "Tokens/s"
COST: Final = "Cost"
SHARED_CPU: Final = "shared CPU"
NO_FIGURE: Final = "not measured: the lane gave no whole answer"


def better(letter: str) -> str:
    return f"{letter} is better"


def keep(vote: str) -> str:
    return f"Keep: {vote}"


def pressed_by(key: int) -> str:
    return f"Key {key}"


def your_vote(first: str, final: str | None) -> str:
    if final is None:
        return f"Your vote: {first}."
    if final == first:
        return f"Your vote: {first}, kept after the names were shown."
    return f"Your vote: {first}; after the names were shown: {final}."


def best(letter: str) -> str:
    return f"{letter} is best"


def best_and_worst(top: str, bottom: str | None) -> str:
    return f"{best(top)}, {bottom} is worst" if bottom else best(top)


# --- history ---------------------------------------------------------------------------------

HIDDEN_YET: Final = "blind, not voted on yet"
GONE: Final = "The prompt is no longer kept"


def lanes_named(names: Sequence[str]) -> str:
    return " against ".join(names)


def turns_and_votes(turns: int, votes: int) -> str:
    said = f"{turns} {'turn' if turns == 1 else 'turns'}"
    return f"{said}, {votes} {'vote' if votes == 1 else 'votes'}" if votes else said


# --- from the playground ---------------------------------------------------------------------

TO_BATTLE: Final = "To battle"
TO_BATTLE_HELP: Final = "Puts the last prompt beside other models, in lanes of a battle."


# --- the first battle ------------------------------------------------------------------------

FIRST_START: Final = "Start"
NEXT_ROW: Final = "Next row"
FIRST_ROWS: Final = "All ten rows"
SENTENCE: Final = "Sentence"
EXPECTED: Final = "Expected"
SIDE_NAMES: Final = {"bare": "Bare prompt", "with examples": "With two examples"}
PASSED: Final = "right"
NOT_PASSED: Final = "wrong"
CHECKED: Final = "Right is the city and nothing else."


def first_progress(voted: int, most: int) -> str:
    return f"{voted} of {most} votes. All ten rows are shown, checked, when the last is cast."


def first_result(passed: Mapping[str, int], rows: int) -> str:
    said = [f"{SIDE_NAMES[side]}: {count} of {rows}" for side, count in passed.items()]
    return f"{', '.join(said)} right."


def checked_for(cost: str) -> str:
    return f"{CHECKED} All of it cost {cost}."
