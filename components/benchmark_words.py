"""The English sentences of the benchmarks page: `words.py`'s, for one page."""

from __future__ import annotations

from typing import Final

BENCHMARKS: Final = "Benchmarks"
BOARD: Final = "Board"
BOARDS: Final = {"speed": "Speed", "methodology": "Methodology", "intelligence": "Intelligence"}
SPEED: Final = "Speed by model"
SPEED_ABOUT: Final = "p50 / p95; p95 is the slow end"
SPEED_LEAD: Final = (
    "What this team's own requests measured, the quickest first token first. Simulated models are left out."
)
LONG: Final = "Answers above 1,500 tokens"
NONE: Final = "Nothing was measured in this window."
NONE_ADVICE: Final = "Send a prompt in the playground, or look further back."
QUARTILE: Final = "Quartile"
FIRST_TOKEN: Final = "First token"
RATE: Final = "Tokens/s"
TOTAL: Final = "Total time"
SUCCESS: Final = "Success"
REQUESTS: Final = "Requests"
MODEL: Final = "Model"
FEW_TO_RANK: Final = "too few to rank"
NO_LONG: Final = "No answer above 1,500 tokens was found."
INTELLIGENCE: Final = "Not measured"
INTELLIGENCE_LEAD: Final = (
    "General scores such as MMLU or GSM8K are not measured here, and no score of anybody else's is repeated: "
    "makers run them their own way, and a number without its prompts, its dates and its sample size cannot "
    "be opened. Until this installation measures one itself, every model says so."
)
INTELLIGENCE_INSTEAD: Final = (
    "What is measured here: how fast models are, and which answers your team prefers."
)
SCORE: Final = "General score"
METHODOLOGY_LEAD: Final = (
    "How each figure of this installation comes about. This page is made from the registry that computes "
    "them, so it says what is done, not what was once intended."
)
CLOCKS: Final = "Six clocks"
OUTCOMES: Final = "Outcomes"
RULES: Final = "Rules for all figures"
FIGURES: Final = "Figures"
FORMULA: Final = "Formula"
MIND: Final = "Mind"
MEASURED: Final = "What is measured, and what is asked"
MEASURED_TEXT: Final = (
    "Speed and success come from live traffic alone: the prompts that this team sends, never test prompts of "
    "ours. So models are compared on the team's own work, and a model that got longer prompts looks slower: "
    "the latency page tells lengths apart."
)
BATTLES: Final = "Battles and votes"
BATTLES_TEXT: Final = (
    "Quality is what people of the team prefer. In a battle the same prompt goes to every lane, the order is "
    "drawn by lot and kept, and names, speed and price are hidden until the vote. A vote says left, right, "
    "tie or both bad. A vote rates models only where the lanes differ in the model alone."
)
JUDGE: Final = "What a judge is told, before the criteria of the batch"
RUBRIC: Final = "Rubric of the judge"
RUBRIC_TEXT: Final = (
    "Where a model judges in people's place it is asked this, in both orders; if it contradicts itself, that "
    "is a tie. Its votes are never mixed with people's."
)
RAW: Final = (
    "Every number opens its own rows: Latency shows n, interval and requests, Requests the rows themselves."
)


def long_since(when: str) -> str:
    return f"Answers above 1,500 tokens were looked for among the newest rows, back to {when}."
