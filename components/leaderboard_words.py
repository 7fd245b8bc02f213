"""The English sentences of the Leaderboard page. Figures come in ready to read."""

from __future__ import annotations

from typing import Final

LEADERBOARD: Final = "Leaderboard"
INTRO: Final = "What this team's own votes say: who answers better, how surely, at what price and how fast."
NONE: Final = "No votes yet."
NONE_ADVICE: Final = (
    "Ratings come from battles: one prompt, two or more models side by side, and your vote on the answers."
)
START: Final = "Start a battle"
START_NEXT: Final = "Battle the first of them"
NONE_SUCH: Final = "No vote fits."
NONE_SUCH_ADVICE: Final = "Take a filter away."

BOARD: Final = "What competes"
BOARDS: Final = {"model": "Models", "prompt": "Prompts and settings"}
BOARD_HELP: Final = (
    "A vote counts for a model only where the lanes differed in the model alone. Where prompt or settings "
    "differed, the whole set-up competes."
)
STAGE: Final = "Votes"
STAGES: Final = {"first": "On the text alone", "final": "After the reveal"}
STAGE_HELP: Final = (
    "Each vote is cast twice: on the text alone, and again once names, speed and price are shown."
)
VOTERS: Final = "By"
VOTER_KINDS: Final = {"person": "People", "judge": "Judging models"}
ANY_CATEGORY: Final = "Any category"
ANY_TAG: Final = "Any tag"
ANY_LANGUAGE: Final = "Any language"
TEAM: Final = "Team"
ALL_TEAMS: Final = "All teams"
CATEGORY: Final = "Category"
TAG: Final = "Tag"
LANGUAGE: Final = "Prompt language"
WITHOUT_ODD: Final = "Leave out voters unlike all others"
WITHOUT_ODD_HELP: Final = "Nobody's votes are left out unless you say so here, and only in what you see."

RATINGS: Final = "Ratings"
FIGURES: Final = "All figures"
RATING: Final = "Rating"
MODEL: Final = "Model"
SETUP: Final = "Set-up"
POINTS: Final = "points"
RANK: Final = "Rank"
WIN_SHARE: Final = "Wins"
USAGE_SHARE: Final = "Usage"
COST: Final = "An answer costs"
COST_OF_A_WIN: Final = "A won vote costs"
TOOK: Final = "Whole answer"
FIRST_WORDS: Final = "first words"
VOTES: Final = "Votes"
ANY_LOOK: Final = "However often you look"
PROVISIONAL: Final = "provisional"
NO_FIGURE: Final = "not\N{NO-BREAK SPACE}measured"
RATING_HELP: Final = (
    "1000 is the average of the models with 30 votes or more. Who has 100 points more wins 64 of 100 decided "
    "votes. Thick: the 95 % interval for one look. Thin: the one that holds however often you look; "
    "ranks rest on it. Hollow and grey: provisional."
)
WIN_SHARE_HELP: Final = "Votes won against all others it met; a tie, and both bad, are half."
USAGE_SHARE_HELP: Final = "Share of the team's requests of the last 30 days."
COST_HELP: Final = "Mean of the answers that were voted on."
COST_OF_A_WIN_HELP: Final = "The mean cost of an answer, over the share of votes that it wins outright."
TIME_HELP: Final = (
    "The middle one of the answers that were voted on; lanes that shared a processor are left out."
)

PARETO: Final = "Quality against price and speed"
PARETO_BY: Final = "Against"
PARETOS: Final = {"price": "Price", "speed": "Speed"}
PARETO_HELP: Final = "On the line nobody better is as cheap (as fast). Provisional ratings are not on it."
ON_THE_LINE: Final = "On the line"
NO_PARETO: Final = "For this picture two models need 30 votes and a known figure."

CHOICE: Final = "The cheapest that is not worse"
REFERENCE: Final = "Than"
MARGIN: Final = "Margin, points of win share"
MARGIN_HELP: Final = (
    "How much you would give up for a lower price: with 5 a cheaper model may win 45 of 100 decided votes "
    "against it and still be called not worse."
)
CONFIDENCE: Final = "Confidence"
AGAINST_IT: Final = "Wins against it"
VERDICT: Final = "So far"
STILL: Final = "Votes still needed"
PASSES: Final = "Checks passed"
VERDICTS: Final = {
    "not worse": "not worse",
    "likely": "likely not worse",
    "open": "open",
    "worse": "worse",
}
CHOICE_HELP: Final = (
    'Confidence is the posterior probability of being within the margin. "Not worse" also holds however often '
    'you look; "likely" is 95 % in this look alone.'
)
NO_PRICES: Final = "No price is known of the model to compare with."
NOBODY_CHEAPER: Final = "None of the others is cheaper."
FREE: Final = "all of it"
ENOUGH: Final = "none"
TOO_MANY: Final = "over 10,000"

NEXT: Final = "What to vote on next"
NEXT_HELP: Final = (
    "The pairs whose next vote tells the most for its price. Half of the chances are kept for models with few "
    "votes; the time of whoever votes counts as one cent a vote."
)
PAIR: Final = "Pair"
SO_FAR: Final = "Votes so far"
CHANCE: Final = "Share of the next votes"
TELLS: Final = "Tells"
BATTLE_COSTS: Final = "Costs"

KNOW: Final = "Before you rely on it"
MATRIX: Final = "Who beat whom"
MATRIX_HELP: Final = "Share of votes that the row won against the column; a tie, and both bad, are half."
AGAINST: Final = "against"
REVEAL: Final = "What speed and price change"
REVEAL_HELP: Final = (
    "Votes on the text alone against the same votes after the reveal. Names are shown at the same moment, so "
    "what a name does is in these figures too."
)
EFFECT: Final = "Effect"
SPEED: Final = "Speed"
PRICE: Final = "Price"
MOVED: Final = "Moved to the better one"
TO_BETTER: Final = "To the faster or cheaper"
TO_WORSE: Final = "To the slower or dearer"
DOUBLING: Final = "Twice as fast, or half the price"
NO_SECOND: Final = "No vote has been cast a second time yet."

CONTROLLED: Final = "Controlled conditions"
CONTROLLED_HELP: Final = (
    "One model against itself shows how much of a vote is chance; the same model from two providers shows "
    "whether they serve the same thing."
)
NO_CONTROLLED: Final = "None yet: start a battle with one model twice, or with two providers of one model."
SAME_MODEL: Final = "Same model, two providers"
QUESTIONS: Final = {"votes": "Votes", "length": "Length", "refusals": "Refusals", "json": "Valid JSON"}
CHARACTERS: Final = "characters"
BY_CHANCE: Final = "By chance"
DIFFERS: Final = "The answers differ."
NOT_TOLD_APART: Final = "Not told apart."

LANGUAGES: Final = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French", "hi": "Hindi",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese",
    "ru": "Russian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip


def counted(count: int, one: str, more: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def basis(votes: int, voters: int, prompts: int) -> str:
    return f"{counted(votes, 'vote')} by {counted(voters, 'voter')} on {counted(prompts, 'prompt')} are behind this."


def leads(name: str, points: str, interval: str, ranks: str) -> str:
    return f"{name} leads with {points} points ({interval}); the votes leave {ranks} open to it."


def nobody_leads() -> str:
    return "No model has 30 votes yet: every rating is provisional."


def ranks(best: int | None, worst: int | None) -> str:
    return f"rank {best}" if best == worst else f"ranks {best} to {worst}"


def interval(low: str, high: str) -> str:
    return f"{low} to {high}"


def hover(name: str, points: str, one: str, any_look: str, votes: str) -> str:
    return f"{name}: {points} points<br>one look {one}<br>any look {any_look}<br>{votes}"


EARLY: Final = {
    "few votes": "fewer than 30 votes",
    "one opponent": "met one other only",
    "apart": "no vote links it to the others",
}


def provisional(name: str, votes: int, reasons: str) -> str:
    return f"{name} is provisional with {counted(votes, 'vote')}: {reasons}."


def few_voters(voters: int) -> str:
    return (
        f"All votes are by {counted(voters, 'voter')}. The intervals say what these voters think, not what others "
        "would: for that at least 5 have to vote."
    )


def few_prompts(prompts: int) -> str:
    return f"All votes are on {counted(prompts, 'prompt')}: on others the order may be another."


def leans(side: str, share: str, low: str, high: str, votes: int) -> str:
    return (
        f"This team leans to the {side}: of two answers as good as each other it takes the {side} one in {share} "
        f"of decided votes ({low} to {high}, {counted(votes, 'vote')}). The ratings take that out."
    )


def no_lean(share: str, low: str, high: str) -> str:
    return f"No lean to a side is seen: the left one gets {share} of decided votes between equals ({low} to {high})."


A_VOTER: Final = "One voter"


def odd(who: str, finding: str, setup: str, share: str, expected: str, votes: int) -> str:
    if finding in ("left side", "right side"):
        side = finding.partition(" ")[0]
        return f"{who} takes the {side} answer: {share} of {votes} votes, where {expected} would be expected."
    if finding == "favours":
        return f"{who} votes for {setup} unlike all others: {share} of {votes} votes, where the others' votes let {expected} be expected."
    if finding == "against":
        return f"{who} votes against {setup} unlike all others: it got {share} of {votes} votes, where the others' votes let {expected} be expected."
    return f"{who} votes unlike all others in {votes} votes: chosen at random, or turned around."


def without_them(first: str, same: bool) -> str:
    return f"Without these votes {first} would {'still ' if same else ''}be first."


def stands_on(first: str, dropped: int, votes: int, then: str) -> str:
    return (
        f"First place hangs on {counted(dropped, 'vote')}: without "
        f"{'it' if dropped == 1 else 'them'}, of {votes:,}, {then} would be first instead of {first}."
    )


def stands_firm(first: str, votes: int) -> str:
    return f"First place stands firm: even without the fifth of {votes:,} votes that helped it most {first} is first."


def left_out(count: int) -> str:
    return f"{counted(count, 'set-up')} with the fewest votes {'is' if count == 1 else 'are'} left out."


def both_bad(name: str, share: str, votes: int) -> str:
    return f"In {share} of its {votes} votes {name} was called bad together with the other."


def chosen(name: str, cost: str, times: str, other: str, other_cost: str) -> str:
    return f"**{name}** is not worse than {other}, and an answer costs {cost} instead of {other_cost}: {times} less."


def perhaps(name: str, cost: str, times: str, other: str, other_cost: str, needed: str) -> str:
    return (
        f"**{name}** is likely not worse than {other}, and an answer costs {cost} instead of {other_cost}: {times} "
        f"less. About {needed} more votes between the two would make it hold however often you look."
    )


def not_yet(other: str) -> str:
    return f"**Not yet.** No cheaper model is known to be as good as {other} within the margin."


def times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio < 10 else f"{ratio:,.0f} times"


def bits(value: float) -> str:
    return f"{value:.2f} bit" if value >= 0.095 else f"{value:.3f} bit"


def votes_twice(votes: int, changed: int) -> str:
    return f"{counted(votes, 'vote')} cast twice; {changed:,} changed after the reveal."


def noise(share: str, low: str, high: str, votes: int) -> str:
    return (
        f"Noise floor: on two answers of the same model, provider and settings {share} of {counted(votes, 'vote')} "
        f"prefer one of them ({low} to {high}). A difference of that kind is chance."
    )


def provider_pair(model: str, one: str, other: str, battles: int) -> str:
    return f"{model}: {one} against {other}, {counted(battles, 'battle')}"


def pareto_sentence(names: str, against: str) -> str:
    return f"Nobody better is as {against} as: {names}."


def matrix_sentence(row: str, column: str, share: str, votes: int) -> str:
    return f"The clearest: {row} won {share} of {counted(votes, 'vote')} against {column}."
