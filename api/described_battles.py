"""What the battles' paths are for, in words (see `described.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.described_values import About, Parameter
from api.wire.battles import BattleBody, RetryBody, StopBody, TurnBody, VoteBody
from battles.models import CATEGORIES

_TEXT: Final[Mapping[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 200}
_WHOLE: Final[Mapping[str, Any]] = {"type": "integer", "minimum": 0, "maximum": 253_402_300_799_999}
_ID = Parameter("battle", "A battle's id, `btl_...`", _TEXT, "path", required=True, example="BATTLE_ID")
_BATTLE = ("object", "id", "state", "blind", "hidden", "cost", "lanes", "turns", "votes", "may_vote")
_IDEMPOTENCY = Parameter(
    "Idempotency-Key",
    "The same key opens one battle",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "header",
)
_ONE = "/v1/battles/{battle}"

BATTLES: dict[tuple[str, str], About] = {
    ("POST", "/v1/battles"): About(
        "Put one prompt to two to six lanes",
        "Battles",
        _BATTLE,
        "Each lane is a run, charged like any other; look again until `state` is `ended`. `models` is short "
        "for lanes that differ in the model alone. Of a blind battle nobody is told who is who before their "
        "vote.",
        body=BattleBody,
        parameters=(_IDEMPOTENCY,),
        status=202,
        example={
            "models": ["embedded/smollm2-135m", "embedded/smollm2-135m"],
            "prompt": "Name three rivers.",
            "cost_cap_usd": "0.10",
        },
    ),
    ("GET", "/v1/battles"): About(
        "The battles that you may see, newest first",
        "Battles",
        ("object", "data", "has_more"),
        parameters=(
            Parameter("q", "Words in a prompt", _TEXT),
            Parameter("model", "With this model, where its names are known to you", _TEXT),
            Parameter("category", "Of this category", {"enum": list(CATEGORIES)}),
            Parameter("tag", "With this tag", _TEXT),
            Parameter("mine", "`true`: your own", {"enum": ["true", "false"]}),
            Parameter("before", "The id of the last one that you have seen", _TEXT),
            Parameter("limit", "How many at most", {"type": "integer", "minimum": 1, "maximum": 100}),
        ),
    ),
    ("GET", "/v1/battles/votes"): About(
        "The team's votes as pairs, in the columns of FastChat's arena",
        "Battles",
        ("object", "data"),
        "Voters are numbered, not named. `anony` is true of votes on the text alone.",
        parameters=(
            Parameter("since_ms", "Cast since this instant, in UTC milliseconds", _WHOLE),
            Parameter(
                "voters", "People's votes, or those of models that judge", {"enum": ["people", "judges"]}
            ),
            Parameter("format", "json or jsonl", {"enum": ["json", "jsonl"]}),
        ),
        also={"application/x-ndjson": "The same rows, one a line"},
    ),
    ("GET", _ONE): About(
        "A battle as you may see it now: lanes, turns, answers, votes", "Battles", _BATTLE, parameters=(_ID,)
    ),
    ("POST", f"{_ONE}/turns"): About(
        "Go on after a turn, or fork there",
        "Battles",
        _BATTLE,
        "Each lane sees the turns that lead there with its own answers. Without `parent_turn_id` the prompt "
        "stands at the beginning.",
        body=TurnBody,
        parameters=(_ID,),
        status=202,
        example={"prompt": "And the longest of them?"},
    ),
    ("POST", f"{_ONE}/stop"): About(
        "Stop one lane or all; what had arrived is billed",
        "Battles",
        _BATTLE,
        body=StopBody,
        parameters=(_ID,),
        example={"lane": 0},
    ),
    ("POST", f"{_ONE}/retry"): About(
        "Ask a lane again, or those that gave no whole answer; each try is charged",
        "Battles",
        _BATTLE,
        body=RetryBody,
        parameters=(_ID,),
        status=202,
        example={"turn_id": "TURN_ID", "lane": 1},
    ),
    ("POST", f"{_ONE}/votes"): About(
        "Vote: first on the text alone, then once more with names, speed and price",
        "Battles",
        ("object", "id", "stage", "pairs", "reasons"),
        "One way: `outcome` (`left`, `right`, `tie`, `both_bad`), `best` and `worst`, or `pairs`. Your key "
        "votes as you. Both votes are kept for ever.",
        body=VoteBody,
        parameters=(_ID,),
        status=201,
        example={"outcome": "left", "reasons": ["correct"], "stage": "first"},
    ),
    ("POST", f"{_ONE}/reveal"): About(
        "Show the names without a vote: your first vote is then over", "Battles", _BATTLE, parameters=(_ID,)
    ),
}
