"""The English sentences of a battle's export."""

from __future__ import annotations

from typing import Final

EXPORT: Final = "Export"
ABOUT: Final = "Prompts, settings, answers, times, costs, votes and prices. People are numbered, not named."
PACK: Final = "Pack (JSON, signed)"
MARKDOWN: Final = "Markdown"
HTML: Final = "HTML page"
HELP: Final = {
    "json": "Runs again here and in CI; any changed byte is found.",
    "md": "To read, and to paste elsewhere.",
    "html": "One file without script, which needs nothing else.",
}
CHECK_IT: Final = "Anybody can check a pack:"
