"""The English sentences of the pages, in one place. Short and plain; buttons say what happens.

Pure: figures come in ready to read (`components/figure.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

PRODUCT: Final = "Tiltyard"

PLAYGROUND: Final = "Playground"
LATENCY: Final = "Latency"
CREDITS: Final = "Credits"


def tab_title(page: str) -> str:
    return f"{page} \N{MIDDLE DOT} {PRODUCT}"


# --- playground ------------------------------------------------------------------------------

YOU: Final = "You"
SEND: Final = "Send"
RETRY: Final = "Retry"
NEW: Final = "New"
NEW_HELP: Final = "Starts an empty conversation. This one stays under its own address."
SETTINGS: Final = "Settings"
CODE: Final = "Code"
MODEL: Final = "Model"
PICK_A_MODEL: Final = "Pick a model"
PROMPT: Final = "Prompt"
ASK_ANYTHING: Final = "Ask something"
ASK_ON: Final = "Go on"
TRY_ONE: Final = "Try one of these"
READY_BATTLE: Final = "Put the first one to two models at once and vote"
READY_SELF_BATTLE: Final = "Put the first one to two lanes at once and vote"
GLANCE_LEFT: Final = "Where it went, and when more comes"
GLANCE_CONNECT: Final = "Connect more models"
GLANCE_LATENCY: Final = "How fast and how reliable each is"
SYSTEM_PROMPT: Final = "System prompt"
SYSTEM_PROMPT_HELP: Final = "Goes before the conversation with each request, and is paid for as input."
MODELS_DEFAULT: Final = "default"
NO_SAMPLING: Final = "This model takes no settings of its own."
TYPE_FIRST: Final = "Type a prompt first."
STILL_ANSWERING: Final = "The answer above is still being written."
STILL_ANSWERING_ADVICE: Final = "Stop it, or wait until it ends; your prompt stays here."
TEXT_GONE: Final = "The text of this conversation is no longer kept, so it cannot go on."
TEXT_GONE_ADVICE: Final = "Start a new conversation; your prompt stays here."

DEMONSTRATION: Final = "Demonstration: English, small tasks"
SIMULATED: Final = "Simulated"
SIMULATED_HELP: Final = (
    "Answers from a script, to try a slow, failing or lying provider. Never counted as a model."
)
DEMONSTRATION_HELP: Final = (
    "A small model inside this installation. Its spend is counted apart from that on paid models."
)
RETIRED: Final = "Retired"
NOT_HERE: Final = "Not available here"
NO_SPEED: Final = "no speed known yet"

RETRY_HELP: Final = "Asks the same again, with the model and settings that are chosen now."
SNIPPET_NOTE: Final = (
    "The last prompt of this page, with the model and settings chosen now. Put an API key into "
    "`TILTYARD_API_KEY`; it spends the same credits."
)

SAMPLING_NAMES: Final = {
    "max_output_tokens": "Longest answer",
    "temperature": "Temperature",
    "top_p": "Top p",
    "frequency_penalty": "Frequency penalty",
    "presence_penalty": "Presence penalty",
    "seed": "Seed",
    "stop": "Stop at",
    "effort": "Reasoning effort",
}
SAMPLING_HELP: Final = {
    "max_output_tokens": "In tokens: the answer is cut there. Credits for an answer of this length are held while it runs.",
    "temperature": "Higher is more varied, 0 the most predictable.",
    "top_p": "Picks only from the most likely tokens that together reach this share.",
    "frequency_penalty": "Above 0, words already used often become less likely.",
    "presence_penalty": "Above 0, words already used at all become less likely.",
    "seed": "The same seed and settings try to give the same answer.",
    "stop": "The answer ends before any of these texts. Press Enter after each.",
    "effort": "How long the model thinks first. Thinking is billed as output.",
}


def deprecated(retires_on: str | None) -> str:
    return f"Retires on {retires_on}" if retires_on else "Deprecated"


def price_pair(input_price: str, output_price: str) -> str:
    return f"{input_price} in, {output_price} out per 1M tokens"


def context(window: str) -> str:
    return f"{window} context"


def first_token(duration: str) -> str:
    return f"{duration} to first token"


def stands_in(stand_in: str, model: str) -> str:
    return f"{model} was retired; {stand_in} answers in its place here."


def example_turns(count: int) -> str:
    return f"{count} example {'turn' if count == 1 else 'turns'} before this prompt"


QUOTE_EMPTY: Final = "What a prompt costs stands here before you send it."
QUOTE_CLAMPED: Final = (
    "Credit or a spending cap leaves less than the longest answer would need: it may be cut short."
)
ADD_CREDIT: Final = "Add credit"
ADD_CREDIT_HELP: Final = "In a terminal, where the server was started:"


def quote(likely: str, high: str, held: str, after: str, lasts: str | None) -> str:
    """What a prompt would cost, in a line."""
    told = f"About {likely}, at most likely {high}. Holds {held}, leaves {after}"
    return f"{told}: {lasts} at this pace." if lasts else f"{told}."


def quote_range(low: str, short: str, likely: str, long: str) -> str:
    return f"From {low} for {short} tokens of answer; likely {likely}, seldom more than {long}."


def quote_of_team(model: str, n: int) -> str:
    return f"As long as your team's newest {n:,} answers from {model}."


def quote_of_default(n: int, needed: int) -> str:
    return f"A rough guess from the model's own limit: your team has {n} answers from it, and {needed} are needed."


def quote_held(most: str) -> str:
    return f"What is held pays for {most} tokens of answer; what is not used comes back when it ends."


def demonstration_missing(note: str) -> str:
    return f"The demonstration model is not here: {sentence(note)}"


# --- refusals --------------------------------------------------------------------------------

GRANT_COMMAND: Final = "python -m operate grant --usd 5"
BROKEN: Final = "Something went wrong here."
BROKEN_ADVICE: Final = (
    "Your prompt is still in the box. The server's log says more; what was charged is under Credits."
)
NOT_SENT: Final = "This was not sent."
SHORTEN: Final = "Shorten the prompt or the conversation. Nothing was charged."
PICK_ANOTHER: Final = "Pick another model."
ASK_AN_OWNER: Final = "Ask an owner of the team for it."
DRAINING: Final = "This server is shutting down and takes no new requests."
RUN_NOT_FOUND: Final = "There is no such conversation here."
RUN_NOT_FOUND_ADVICE: Final = (
    "The address may belong to another team, or its text was not kept. Start a new one below."
)
PROVIDER_ADVICE: Final = "Send it again, or pick another model."
LEDGER_BUSY: Final = "Too many requests are waiting for the ledger."
LEDGER_DOWN: Final = "The ledger cannot be reached, so nothing can be spent."
LEDGER_DOWN_ADVICE: Final = "Nothing was held. It restarts by itself; send it again in a moment."
REPLAYED: Final = "This request was already taken."
REPLAYED_ADVICE: Final = "Its answer is under its own address; send a new prompt to ask again."
FREE_EXHAUSTED: Final = "The free credit of this installation is used up."
FREE_EXHAUSTED_ADVICE: Final = "Whoever runs it can add credit."
NO_ANSWER_IN_TIME: Final = "The server did not say in time whether it took the request."
NO_ANSWER_IN_TIME_ADVICE: Final = "Look under Credits whether it is held or charged before you send it again."


def no_credit(needed: str, available: str) -> str:
    return f"This needs {needed} and {available} can be spent."


def fits(model: str, held: str) -> str:
    return f"{model} would hold {held}, which is there."


def no_credit_advice(when: str | None) -> str:
    wait = f"The next $5.00 comes on {when}." if when else "No allowance is coming."
    return f"{wait} Until then: a shorter answer (Settings), a cheaper model, or more credit."


def capped(scope: str, needed: str, available: str) -> str:
    return f"The spending cap of this {scope} leaves {available}; this needs {needed}."


def capped_advice(when: str | None) -> str:
    return f"It starts again on {when}." if when else "An owner of the team can raise it."


def retired(model: str, on: str | None) -> str:
    return f"{model} was retired{f' on {on}' if on else ''}."


def take(model: str) -> str:
    return f"Take {model}"


def take_instead(successor: str) -> str:
    return f"Its successor is {successor}."


def unknown_model(model: str) -> str:
    return f"There is no model {model} here."


def nearest(names: Sequence[str]) -> str:
    return f"Nearest: {', '.join(names)}." if names else PICK_ANOTHER


def unavailable(model: str) -> str:
    return f"{model} cannot answer here."


def wait(retry_after_s: float) -> str:
    seconds = max(1, round(retry_after_s))
    return f"Try again in {seconds} {'second' if seconds == 1 else 'seconds'}. Nothing was charged."


# --- credits ---------------------------------------------------------------------------------

AVAILABLE: Final = "Can be spent"
AVAILABLE_HELP: Final = "The balance without what is held by runs under way."
HELD: Final = "Held"
HELD_HELP: Final = "Set aside for the dearest end of runs under way. When one ends it pays what it used; the rest comes back."
ALLOWANCE: Final = "Left of the allowance"
ALLOWANCE_HELP: Final = "$5.00 every 30 days from the first use. What is not used lapses then, and it is spent before any other credit."
SPENT: Final = "Spent in all"
SPENT_HELP: Final = "Everything this team was ever charged."
ENTRIES: Final = "Entries"
ALL_ENTRIES: Final = "Close this entry"
NO_ENTRY_OF_RUN: Final = "The ledger has no entry of that run in this team: nothing was charged for it."
NO_ENTRIES: Final = "Nothing has moved yet."
NO_ENTRIES_ADVICE: Final = "The first prompt brings the first $5.00, and a line for what it cost."
NO_HOLDS: Final = "No run is under way."
PICK_A_ROW: Final = "Pick a line of the table to open it."
POSTINGS: Final = "Postings"
POSTINGS_HELP: Final = "They sum to zero, always."
BILL: Final = "Tokens and prices"
HASH_HELP: Final = "Fingerprint of this entry and of all before it. Any change to the past changes it."
ESTIMATED: Final = "Estimated: the provider gave no count, so the tokens were counted here."
OLDER: Final = "Older"
NEWER: Final = "Newer"
ALLOWANCE_ENDED: Final = "This team pays, so no allowance comes."
ALLOWANCE_WITH_FIRST: Final = "The first prompt brings $5.00"

ENTRY_KINDS: Final = {
    "ALLOWANCE": "Allowance",
    "GRANT": "Credit given",
    "PAYMENT": "Payment",
    "ADJUSTMENT": "Adjustment",
    "LAPSE": "Allowance lapsed",
    "SETTLE": "Run",
    "EXPIRE": "Run, cut short",
}


def cut_short(model: str) -> str:
    return f"{model}, cut short"


ACCOUNTS: Final = {
    "allowance": "Team: allowance",
    "grant": "Team: credit given",
    "payment": "Team: credit paid for",
    "adjustment": "Team: adjustment",
    "issued": "Issued",
    "cash": "Paid in",
    "spent": "Spent on models",
    "lapsed": "Lapsed",
    "written_off": "Written off",
    "adjusted": "Adjusted",
}
BUCKETS: Final = {
    "input": "Input",
    "cached_input": "Input, cached",
    "cache_write": "Input, written to the cache",
    "output": "Output",
    "tool_call": "Tool calls",
    "image": "Images",
    "request": "Requests",
}
SERIES: Final = {"paid": "paid series", "demonstration": "demonstration series", "byok": "own key series"}
HOLDS: Final = "Runs under way"
USED_SO_FAR: Final = "Used so far"
SINCE: Final = "Since"
WHAT: Final = "What"
AMOUNT: Final = "Amount"
BALANCE_AFTER: Final = "Balance"
ACCOUNT: Final = "Account"
SUM: Final = "Sum"
BUCKET: Final = "Bucket"
QUANTITY_AND_PRICE: Final = "Quantity \N{MULTIPLICATION SIGN} price"
COST: Final = "Cost"
ROUNDED_UP: Final = "rounded up"
HASH: Final = "Hash"
OPEN_RUN: Final = "Open its conversation"


KIND: Final = "Kind"
MEMBER: Final = "Member"
KEY: Final = "Key"
DAYS: Final = "Days"
DAY: Final = "Day"
ANY_KIND: Final = "Any kind"
ANY_MODEL: Final = "Any model"
ANY_MEMBER: Final = "Any member"
ANY_KEY: Final = "Any key"
NOBODY: Final = "Nobody"
IN_THE_PAGES: Final = "In the pages"
OTHERS: Final = "Others"
NONE_SUCH: Final = "No entry is like that."
NONE_SUCH_ADVICE: Final = "Choose fewer conditions above."
AGE: Final = "Age"
EXPIRES: Final = "Expires"
RUN: Final = "Run"
HOLDS_HELP: Final = (
    "A run that lives moves its expiry on. One that died is billed as far as it came, soon after."
)
SPENDING: Final = "Spending"
SPENDING_BY: Final = "Stacked by"
SPENT_BY: Final = {"model": "Model", "member": "Member", "key": "Key"}
SPENT_SERIES: Final = {"paid": "on paid models", "demonstration": "in demonstration", "byok": "on own keys"}
NO_PICTURE: Final = "The picture could not be loaded. Its figures stand in the table."
AS_A_TABLE: Final = "As a table"
CSV: Final = "CSV"
CSV_HELP: Final = "Every entry as a row. The amounts sum to the balance."
JSON: Final = "JSON"
JSON_HELP: Final = "Every entry with its postings and lines. The amounts sum to the balance."
PROVE: Final = "Prove my balance"
PROVE_HELP: Final = "Every entry in one file, which anybody can check without this server."
HOW_TO_CHECK: Final = "How a balance is checked"
CHECK_IT: Final = (
    "The file holds every entry. In a checkout of the source, with Python alone, this recomputes each hash, each sum and the balance, and names "
    "the entry where anything was touched:"
)
KEEP_THE_HEAD: Final = (
    "Keep this head, or the file, outside this installation. With `--extends` a later file must contain all that "
    "it stands for:"
)
WHAT_A_CHAIN_CANNOT: Final = "Whoever owns the database could rewrite all of it, and the chain alone would not show that. A head that was kept elsewhere does."
RUNWAY_HELP: Final = (
    "What can be spent, at the pace of the runs that it names, with the allowances to come. Credit that an operator gave for a time and that ends "
    "before is not reckoned with."
)


def member(user_id: int) -> str:
    return f"Member {user_id}"


def key(key: int | str) -> str:
    return f"Key {key}"


CAPS: Final = "Spending caps"
CAPS_TABLE: Final = "What each leaves."
CAPS_HELP: Final = "What is held counts until its run ends."
NO_CAPS: Final = "No spending cap is set: what can be spent is what there is."
CAP: Final = "Cap"
CAP_WINDOW: Final = "Window"
LIMIT: Final = "Limit"
SPENT_IN_WINDOW: Final = "Spent"
LEFT: Final = "Left"
RESETS: Final = "Starts again"
BIT_BY_BIT: Final = "bit by bit"
NEVER: Final = "never"
OFF: Final = "off"
WHO: Final = "Who"
WHEN: Final = "When"
OPERATOR: Final = "Operator"
THE_TEAM: Final = "The team"
SET_CAP: Final = "Set a cap"
SET_IT: Final = "Set the cap"
REMOVE_CAP: Final = "Remove a cap"
REMOVE_IT: Final = "Remove it"
CAP_CHANGES: Final = "Changes of caps"
CAP_SCOPE: Final = "For"
CAP_SCOPES: Final = {
    "team": "The team", "member": "A member", "key": "A key", "tag": "A tag", "battle": "A battle",
    "batch": "A batch",
}  # fmt: skip
CAP_SUBJECT: Final = "Which one"
CAP_SUBJECT_HELP: Final = "The number of a member or key, the name of a tag. The team needs none."
CAP_LIMIT: Final = "Limit in dollars"
CAP_ALERTS: Final = "Tell at percent"
CAP_ALERTS_HELP: Final = "Each is told once a window. Empty: none."
SUBJECT_IS_A_NUMBER: Final = "Members and keys are named by their numbers."
SUBJECT_IS_MISSING: Final = "Say which one."
LIMIT_BELOW_ZERO: Final = "A limit is zero or more."


def cap_window(window: str, days: int) -> str:
    if window == "rolling":
        return "last 24 hours" if days == 1 else f"last {days} days"
    return {"total": "all time", "day": "a day", "week": "a week", "month": "a month"}[window]


def cap_zone(zone: str) -> str:
    return f"Days, weeks and months are those of {zone}."


def cap_subject(scope: str, subject: str) -> str:
    return f"{scope.capitalize()} {subject}"


def told_at(part: str, percent: int) -> str:
    return f"{part}, told at {percent} %"


def cap_alarm(whose: str, window: str, percent: int, spent: str, limit: str) -> str:
    return f"Spending cap of {whose} ({window}): {percent} % reached, {spent} of {limit} spent."


def cap_was_set(cap: str, limit: str | None) -> str:
    return f"{cap}: {limit}." if limit else f"{cap}: off."


def spent_in(series: str, amount: str) -> str:
    return f"{amount} {series}"


def spent_lately(days: int, amounts: Sequence[str], runs: int) -> str:
    if not runs:
        return f"No run was billed in the last {days} days."
    counted = f"{runs:,} {'run' if runs == 1 else 'runs'}"
    return f"In the last {days} days: {', '.join(amounts) or 'nothing'}, by {counted}."


def too_few_runs(runs: int, enough: int, days: int) -> str:
    had = "No run was" if runs == 0 else "One run was" if runs == 1 else f"{runs} runs were"
    lately = "the last day" if days == 1 else f"the last {days} days"
    return f"{had} billed in {lately}: too few to say how long credit lasts ({enough} are enough)."


def lasts(span: str, when: str) -> str:
    return f"At this pace: {span}, empty on {when}."


LASTS_ON: Final = "At this pace credit does not run out."


def pace_of(amount: str, runs: int, days: int) -> str:
    return f"{amount} by {runs:,} runs in the last {_days(days)}."


def _days(count: int) -> str:
    return "day" if count == 1 else f"{count} days"


def span(ms: int) -> str:
    """`41 days`, `31 hours`, `12 minutes`."""
    minutes = ms // 60_000
    count, unit = (
        (minutes // 1_440, "day")
        if minutes >= 2_880
        else (minutes // 60, "hour")
        if minutes >= 120
        else (minutes, "minute")
    )
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def not_yet_booked(due: str | None, ended: str | None) -> str:
    """Why the newest entry's balance is another."""
    told = [] if due is None else [f"{due} of allowance comes with the next request"]
    told += [] if ended is None else [f"{ended} that has ended goes with it"]
    return f"No entry says so yet: {', and '.join(told)}."


def legend(label: str) -> str:
    """For a chart, whose texts are a kind of HTML."""
    return label.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "% {")


def exactly(money: str) -> str:
    return f"Exactly {money}."


def when(zone: str) -> str:
    return f"Time ({zone})"


def entry_no(seq: int) -> str:
    return f"Entry {seq}"


def priced_by(version: str) -> str:
    return f"price list {version}"


def times(quantity: str, price: str) -> str:
    return f"{quantity} \N{MULTIPLICATION SIGN} {price}"


def per_million(price: str) -> str:
    return f"{price} / 1M"


def written_off(amount: str) -> str:
    return f"{amount} of it was more than the hold and was not charged."


def next_allowance(when: str) -> str:
    return f"Next $5.00 on {when}"


def held_by(count: int) -> str:
    return f"by {count} {'run' if count == 1 else 'runs'}"


# --- latency ---------------------------------------------------------------------------------

WINDOW: Final = "Window"
REQUESTS: Final = "Requests"
DEFINITIONS: Final = "What these figures are"
NOTHING_MEASURED: Final = "nothing measured"
SERIES_ASIDE: Final = {"simulated": "simulated", "byok": "own key", "demonstration": "demonstration"}
FEW_SAMPLES: Final = "Fewer than 20 samples: not enough to lean on."
NO_REQUESTS: Final = "No request in this window."
NO_REQUESTS_ADVICE: Final = "Send a prompt in the Playground; its point appears here within two seconds."


def by_group(by: str) -> str:
    return f"By {by.lower()}"


# --- the foot of the navigation --------------------------------------------------------------

ALL_WELL: Final = "No faults in the last 15 minutes"
LEDGER_UNREADABLE: Final = "The ledger cannot be read now"
NO_DEMONSTRATION: Final = "The embedded model is missing"


def fails_often(model: str, rate: str, samples: str) -> str:
    return f"{model}: {rate} success ({samples})"


def models_answer(answering: int, models: int) -> str:
    return f"{answering} of {models} models answer"


def left_of(available: str) -> str:
    return f"{available} can be spent"


# --- shared ----------------------------------------------------------------------------------

NOT_SIGNED_IN: Final = "Sign in to see this page."
NOT_PERMITTED: Final = "Your role in this team does not allow this page."

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-!|~$:])")


def escaped(text: str) -> str:
    """Text as it stands, for a place that reads Markdown: no link, no image, no formula."""
    return _MARKUP.sub(r"\\\1", text)


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    text = text.strip()
    if not text:
        return text
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else f"{text}."


HIDDEN_ENTRIES = "Entries of blind battles that you may still vote on are shown after your vote."
