"""What the paths of the prompt library and of packs are for, in words (see `described.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.described_values import About, Parameter
from api.prompts import ChangeBody, LabelBody, PromptBody, RowsBody, VersionBody

_TEXT: Final[Mapping[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 80}
_NAME = Parameter("prompt", "The prompt's name", _TEXT, "path", required=True, example="PROMPT_NAME")
_LABEL = Parameter(
    "label", "A label, such as `production`", _TEXT, "path", required=True, example="production"
)
_VERSION = ("object", "id", "name", "version", "labels", "variables", "takes_prompt", "request")
_PROMPT = ("object", "id", "name", "description", "newest_version", "labels")
_REQUEST: Final = {
    "model": "embedded/smollm2-135m",
    "messages": [{"role": "user", "content": "Extract the city as JSON: {{sentence}}"}],
    "temperature": 0,
}
_BATTLE = Parameter("battle", "A battle's id, `btl_...`", _TEXT, "path", required=True, example="BATTLE_ID")
_FORM = Parameter("format", "json is the pack itself", {"enum": ["json", "markdown", "html"]})
PACKS: dict[tuple[str, str], About] = {
    ("GET", "/v1/battles/{battle}/pack"): About(
        "A battle to take away: prompts, settings, outputs, timings, costs, votes and prices, signed",
        "Battles",
        ("format", "parts", "digests", "head", "signature"),
        "`python -m battles.packs verify FILE` checks one, `run FILE` asks everything again.",
        parameters=(_BATTLE, _FORM),
        also={"text/markdown": "The same to read", "text/html": "The same as one page, without script"},
    ),
    ("GET", "/v1/pack-key"): About(
        "What packs of this installation are signed with",
        "Battles",
        ("algorithm", "key_id", "public_key"),
        with_key=False,
    ),
    ("GET", "/s/*"): About(
        "What a share link shows, to read: a page, or the way to where people sign in",
        "Battles",
        (),
        path="/s/{secret}",
        parameters=(
            Parameter("secret", "The link's secret", _TEXT, "path", required=True, example="SECRET"),
        ),
        also={"text/html": "A page without script"},
        with_key=False,
    ),
}
PROMPTS: dict[tuple[str, str], About] = {
    ("GET", "/v1/prompts"): About(
        "Your team's prompts, by name",
        "Prompts",
        ("object", "data"),
        parameters=(Parameter("archived", "`true` shows archived ones too", {"enum": ["true", "false"]}),),
    ),
    ("POST", "/v1/prompts"): About(
        "Save a prompt with its first version",
        "Prompts",
        _VERSION,
        "`request` is a chat completions request with places for variables in its texts: `{{x}}`.",
        body=PromptBody,
        example={"name": "city", "request": _REQUEST},
        status=201,
    ),
    ("GET", "/v1/prompts/{prompt}"): About(
        "A version, as a request to fill and send",
        "Prompts",
        _VERSION,
        "The one that `label` or `version` names; without either, production's, else the newest.",
        parameters=(
            _NAME,
            Parameter("label", "A label; `newest` is the newest version", _TEXT),
            Parameter("version", "A version's number", {"type": "integer", "minimum": 1, "maximum": 10**6}),
        ),
    ),
    ("PATCH", "/v1/prompts/{prompt}"): About(
        "Describe or archive a prompt",
        "Prompts",
        _PROMPT,
        body=ChangeBody,
        parameters=(_NAME,),
        example={"description": "Names the city"},
    ),
    ("GET", "/v1/prompts/{prompt}/versions"): About(
        "Every version, newest first, with what it cost, how fast it was and how often it won",
        "Prompts",
        ("object", "data"),
        parameters=(_NAME,),
    ),
    ("POST", "/v1/prompts/{prompt}/versions"): About(
        "Save the next version; versions never change",
        "Prompts",
        _VERSION,
        body=VersionBody,
        parameters=(_NAME,),
        example={"request": _REQUEST, "note": "Says JSON"},
        status=201,
    ),
    ("PUT", "/v1/prompts/{prompt}/labels/{label}"): About(
        "Let a label name a version: whoever asks for it gets that one from now on",
        "Prompts",
        _PROMPT,
        body=LabelBody,
        parameters=(_NAME, _LABEL),
        example={"version": 2},
    ),
    ("DELETE", "/v1/prompts/{prompt}/labels/{label}"): About(
        "Take a label away", "Prompts", (), parameters=(_NAME, _LABEL), status=204
    ),
    ("GET", "/v1/prompts/{prompt}/rows"): About(
        "The rows of values that were saved with a prompt", "Prompts", ("object", "data"), parameters=(_NAME,)
    ),
    ("PUT", "/v1/prompts/{prompt}/rows"): About(
        "Save these rows instead",
        "Prompts",
        ("object", "data"),
        body=RowsBody,
        parameters=(_NAME,),
        example={"rows": [{"sentence": "Anna lives in Bremen."}]},
    ),
}
