"""The English sentences of comparisons: `words.py`'s, for what differs between two texts."""

from __future__ import annotations

from typing import Final

WAY: Final = "Compare by"
WAYS: Final = {"words": "Words", "json": "JSON", "code": "Code"}
SAME: Final = "Both are the same, to the letter."
SAME_STRUCTURE: Final = "The same JSON: only blanks or the order of keys differ."
STRUCTURE: Final = "Where the JSON differs"
PATH: Final = "Place"
CHANGE: Final = "Change"
CHANGES: Final = {"added": "added", "removed": "removed", "changed": "changed"}
CODE: Final = "Lines of code that differ"
LINE_HEADS: Final = ("Line left", "Line right", "Text")
ADDED: Final = "added"
REMOVED: Final = "removed"
SKIPPED: Final = "Equal lines are left out here."
REASONING: Final = "Reasoning"
NO_REASONING: Final = "No reasoning came with this answer."
COMPARE: Final = "Compare answers"
LEFT: Final = "This answer"
RIGHT: Final = "with"
NO_CALLS: Final = "No tool was called."
TOOL_CALLS: Final = "Tool calls"
RECORDED: Final = "Recorded result"
NOT_RECORDED: Final = "No result was recorded."
NO_ANSWER: Final = "No answer."


def likeness(share: str) -> str:
    return f"{share} in common."


def legend(left: str, right: str) -> str:
    return f"Struck through is only in {_plain(left)}, underlined only in {_plain(right)}."


def cut(characters: int) -> str:
    return f"Only the first {characters:,} characters of each are compared."


def _plain(name: str) -> str:
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()<>#+-!|~$:" else letter for letter in name)
