"""The English sentences of the page of prompts: `words.py`'s, for one page."""

from __future__ import annotations

from typing import Final

PROMPTS: Final = "Prompts"
ABOUT: Final = "A saved prompt is a whole request: model, settings and texts, with places for variables."
NONE: Final = "No prompts yet."
NONE_ADVICE: Final = "Save one here, or with *Save* in the playground."
NONE_YOURS: Final = "Your role in this team reads prompts, and does not save them."
NEW: Final = "New prompt"
NAME: Final = "Name"
NAME_HELP: Final = "Small letters, digits, dots, dashes and underscores: programs ask for it by this name."
DESCRIPTION: Final = "What it is for"
CREATE: Final = "Create"
OPEN: Final = "Open"
ARCHIVED: Final = "Show archived"
ARCHIVE: Final = "Archive"
ARCHIVE_HELP: Final = "It leaves the list. Programs that ask for it still get it."
UNARCHIVE: Final = "Back into the list"
BACK: Final = "All prompts"
UNKNOWN: Final = "There is no such prompt in this team."
LABELS: Final = "Labels"
VERSION: Final = "Version"
VERSIONS: Final = "Versions"
UPDATED: Final = "Changed"

EDIT: Final = "Edit"
ROWS: Final = "Rows"
USE: Final = "Use"

MODEL: Final = "Model"
ANY_MODEL: Final = "whichever is picked when it is used"
PROVIDER: Final = "Provider"
ANY_PROVIDER: Final = "whoever the routing picks"
SYSTEM: Final = "System prompt"
TEMPLATE: Final = "Prompt"
TEMPLATE_HELP: Final = (
    "`{{name}}` is a place for a variable, `{{prompt}}` for what is typed. Empty: it goes around whatever is "
    "typed, as a preset."
)
EXAMPLES: Final = "Example turns"
EXAMPLES_HELP: Final = "Stand before the prompt, to show how to answer."
ASKED: Final = "Asked"
ANSWERED: Final = "Answered"
PARAMETERS: Final = "Settings"
JSON_ANSWER: Final = "Answer with JSON"
KEPT_AS_IT_IS: Final = "The answer's schema stays as it was saved."
NOTE: Final = "What changed"
SAVE: Final = "Save version"
SAVED: Final = "Saved."
UNCHANGED: Final = "Nothing changed, so there is no new version."
NO_VARIABLES: Final = "No variables."

SINCE: Final = "Saved"
BY_NOBODY: Final = "by a key"
RUNS: Final = "Runs"
SUCCESS: Final = "Answered"
COST: Final = "Mean cost"
FIRST: Final = "First answer"
PERCENTILES: Final = "p50 / p95"
WON: Final = "Won"
FIGURES_ABOUT: Final = (
    "Of runs that said which version they were, the newest 1,000; simulated models are left out. Won: "
    "of people's final votes, a tie counts half."
)
FEW: Final = "Fewer than 20 samples: not enough to lean on."
MOVE_LABEL: Final = "Move label"
LABEL: Final = "Label"
LABEL_HELP: Final = "Whoever asks for this label gets that version from now on. Moves are in the audit log."
REMOVE_LABEL: Final = "Remove label"
RESTORE: Final = "Restore"
RESTORE_HELP: Final = "Makes a new version with this one's content."
COMPARE: Final = "Compare"
WITH: Final = "with"
TEXTS_SAME: Final = "Their texts are the same."
SETTING: Final = "Setting"
SETTINGS_DIFFER: Final = "Settings that differ"
SETTINGS_SAME: Final = "Model and settings are the same."

ROWS_ABOUT: Final = "Values for the variables, saved with the prompt: to try it on, or to battle on."
NO_PLACES: Final = "The newest version has no variables, so there is nothing to fill."
SAVE_ROWS: Final = "Save rows"

ROW: Final = "Row"
TYPED: Final = "Typed here"
VALUES: Final = "Values"
FILLED: Final = "As it is sent"
TO_PLAYGROUND: Final = "Open in playground"
TO_BATTLE: Final = "Battle"
AGAINST: Final = "Against"
IN_A_PROGRAM: Final = "In a program"
IN_A_PROGRAM_ABOUT: Final = (
    "Answers with a request to fill and send. With the version's id in `X-Prompt-Version`, its figures "
    "count the run."
)
STILL_OPEN: Final = "Fill the variables first."

SAVE_AS: Final = "Save"
SAVE_AS_HELP: Final = "Keeps model, settings, system prompt and the last prompt, for the team."
SAVED_AS: Final = "Saved under Prompts."


def version(no: int) -> str:
    return f"Version {no}"


def version_of(name: str, no: int) -> str:
    return f"{name} {no}"


def variables(names: tuple[str, ...]) -> str:
    return "Variables: " + ", ".join(names) if names else NO_VARIABLES


def restored(no: int) -> str:
    return f"content of version {no}"


def tools(count: int) -> str:
    return f"{count} {'tool is' if count == 1 else 'tools are'} kept with it."


def not_in_playground(count: int) -> str:
    return f"The playground sends no tools: the {'one' if count == 1 else count} of this version stays out."
