"""What a team lets itself do, as one frozen value that travels with its principal.

Routing, catalog, pages and the pre-send check obey it (`gateway/team_policy.py`); a refusal names the
rule by its field's name here. An empty tuple forbids nothing; the default is a team without rules.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from identity.errors import BadPolicy

Reader = Literal["owner", "member", "viewer", "auditor"]
Secrets = Literal["off", "redact", "block"]
Surface = Literal["page", "api"]

MOST_NAMES: Final = 200
_LONGEST_NAME: Final = 120
MOST_DAYS: Final = 3650


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`models`, `providers` and `regions` are the only ones allowed, where any is named; a model's name
    may end in `/*`. `secrets` says what becomes of a prompt that holds a secret. `text_days` is how long
    prompts and answers are kept: None for good, 0 not at all; what crosses the API is kept only with
    `keep_api_text`. `zero_retention` keeps nothing, and asks the same of providers. `text_readers` are
    the roles that may read what other members wrote and got; each reading is in the audit log.
    """

    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    zero_retention: bool = False
    no_training: bool = False
    default_model: str | None = None
    own_provider_keys: bool = True
    secrets: Secrets = "off"
    text_days: int | None = None
    keep_api_text: bool = False
    text_readers: tuple[Reader, ...] = ()

    def allows_model(self, model_id: str) -> bool:
        return allowed(self.models, model_id)

    def keeps_text(self, surface: str) -> bool:
        """Whether the text of a new run is written down."""
        if self.zero_retention or self.text_days == 0:
            return False
        return surface == "page" or self.keep_api_text


OPEN: Final = Policy()


def allowed(names: tuple[str, ...], model_id: str) -> bool:
    """Whether a list of model names, some with `/*` at their end, lets a model in; an empty one lets all."""
    return not names or any(
        model_id.startswith(name[:-1]) if name.endswith("/*") else model_id == name for name in names
    )


def decoded(text: str) -> Policy:
    """A policy as it was kept."""
    return msgspec.json.decode(text, type=Policy)


def encoded(policy: Policy) -> str:
    return msgspec.json.encode(policy).decode()


def checked(said: object) -> Policy:
    """A policy from outside, as JSON values. Raises `BadPolicy`, which names the field."""
    try:
        policy = msgspec.convert(said, Policy)
    except msgspec.ValidationError as error:
        raise BadPolicy(str(error)) from None
    for field in ("models", "providers", "regions"):
        names = getattr(policy, field)
        if len(names) > MOST_NAMES or any(not 0 < len(name) <= _LONGEST_NAME for name in names):
            raise BadPolicy(f"{field} may name {MOST_NAMES}, each in 1 to {_LONGEST_NAME} characters.")
    if policy.text_days is not None and not 0 <= policy.text_days <= MOST_DAYS:
        raise BadPolicy(f"text_days is 0 to {MOST_DAYS}, or null to keep text for good.")
    if policy.default_model is not None and not policy.allows_model(policy.default_model):
        raise BadPolicy("default_model must be one of the allowed models.")
    return policy
