"""What the paths of batches are for, in words (see `described.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.described_values import About, Parameter
from api.wire.batches import BatchBody, BatchChange

_ID: Final[Mapping[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 64}
_BATCH = Parameter("batch", "The batch's id", _ID, "path", required=True, example="BATCH_ID")
_KEY = Parameter(
    "Idempotency-Key",
    "Opens the batch once, however often it is sent",
    {"type": "string", "minLength": 1, "maxLength": 255},
    "header",
)
_SHOWN: Final = ("object", "id")
BATCHES: dict[tuple[str, str], About] = {
    ("GET", "/v1/batches"): About(
        "Your team's batches, newest first",
        "Batches",
        ("object", "data"),
        parameters=(Parameter("before", "The id of the last one of the page before", _ID),),
    ),
    ("POST", "/v1/batches"): About(
        "Put a prompt to lanes over rows, check every answer, and go on whatever happens",
        "Batches",
        _SHOWN,
        "Ours, not OpenAI's batch API. Each row on each lane is paid for once, also after a crash. A "
        "column's value stands where `{{column}}` is.",
        body=BatchBody,
        parameters=(_KEY,),
        example={
            "name": "Cities",
            "rows": [{"sentence": "I live in Rome.", "expected": "Rome"}],
            "request": {"messages": [{"role": "user", "content": "Name the city: {{sentence}}"}]},
            "lanes": [{"model": "embedded/smollm2-135m"}],
            "checks": [{"kind": "regex", "pattern": "{{expected}}"}],
            "cost_cap_usd": "1.00",
        },
        status=201,
    ),
    ("GET", "/v1/batches/{batch}"): About(
        "A batch: progress, cost, each lane's figures, and the winner or why there is none yet",
        "Batches",
        _SHOWN,
        parameters=(_BATCH,),
    ),
    ("PATCH", "/v1/batches/{batch}"): About(
        "Change its cost cap, or let members judge its rows",
        "Batches",
        _SHOWN,
        body=BatchChange,
        parameters=(_BATCH,),
        example={"cost_cap_usd": "5.00"},
    ),
    ("POST", "/v1/batches/{batch}/pause"): About(
        "Begin nothing further; what is under way ends", "Batches", _SHOWN, parameters=(_BATCH,)
    ),
    ("POST", "/v1/batches/{batch}/resume"): About("Go on", "Batches", _SHOWN, parameters=(_BATCH,)),
    ("POST", "/v1/batches/{batch}/stop"): About("End it for good", "Batches", _SHOWN, parameters=(_BATCH,)),
    ("POST", "/v1/batches/{batch}/retry"): About(
        "Ask again for what failed or was cut, which costs again", "Batches", _SHOWN, parameters=(_BATCH,)
    ),
    ("GET", "/v1/batches/{batch}/results"): About(
        "Every row on every lane, one JSON object a line",
        "Batches",
        (),
        parameters=(
            _BATCH,
            Parameter("format", "`csv` for a table", {"enum": ["jsonl", "csv"]}),
        ),
        also={"application/jsonl": "One object a line", "text/csv": "With `format=csv`"},
    ),
}
