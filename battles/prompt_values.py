"""The prompt library's values, and what may stand in them: frozen, pure.

A *prompt* has a name in its team and versions, counted from 1. A *version* is a whole lane: model,
provider, parameters, system prompt, example turns and template; one without a template is a *preset*,
which goes around whatever is typed. A *label* names the version that somebody else should take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from battles.errors import BadPrompt
from battles.models import AS_IT_IS, Example, LaneWish, Settings
from battles.prompt_template import PROMPT, filled, is_name, variables_of
from gateway.messages import CompletionRequest, Message, TextPart, Tool
from gateway.preferences import NO_PREFERENCES, RoutingPreferences

PRODUCTION: Final = "production"
MOST_ROWS: Final = 1_000
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,78}[a-z0-9])?")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?")
_LONGEST: Final = 200_000  # characters of all of a version's texts
_LONGEST_NOTE: Final = 500
_LONGEST_ROW: Final = 100_000
_MOST_EXAMPLES: Final = 50
_LONGEST_MODEL: Final = 200


@dataclass(frozen=True, slots=True)
class VersionWish:
    """What a version is made from. `model` None leaves the choice to whoever uses it."""

    settings: Settings = AS_IT_IS
    model: str | None = None
    provider: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """Never changes. `restored_no`: a rollback made it from that one."""

    id: str
    prompt_id: str
    name: str
    no: int
    model: str | None
    provider: str | None
    settings: Settings
    note: str
    restored_no: int | None
    created_ms: int
    created_by: int | None
    labels: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """What has to be filled in, besides the prompt itself where the template goes around one."""
        return tuple(name for name in variables_of(*texts_of(self.settings)) if name != PROMPT)

    @property
    def takes_prompt(self) -> bool:
        """Whether something has to be typed beside the variables."""
        template = self.settings.template
        return template is None or PROMPT in variables_of(template)

    def lane(self, model: str) -> LaneWish:
        """As a lane of a battle, on its own model where it has one."""
        return LaneWish(self.model or model, self.provider, self.id, self.settings)


@dataclass(frozen=True, slots=True)
class PromptView:
    """A prompt as lists show it. `labels` are version numbers by label; `variables` the newest version's."""

    id: str
    name: str
    description: str
    newest_no: int
    labels: Mapping[str, int]
    created_ms: int
    updated_ms: int
    archived_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SavedRow:
    no: int
    values: Mapping[str, str] = field(default_factory=dict)


def texts_of(settings: Settings) -> tuple[str, ...]:
    """Every text of a version in which a variable may stand."""
    examples = [text for example in settings.examples for text in (example.asked, example.answered)]
    return (settings.system or "", *examples, settings.template or "")


# --- what may be kept ------------------------------------------------------------------------


def checked_name(name: str) -> str:
    """Raises `BadPrompt`."""
    if _NAME.fullmatch(name) is None:
        raise BadPrompt(
            "A prompt's name has 1 to 80 small letters, digits, dots, dashes or underscores, such as "
            "'invoice-extraction'.",
            "name",
        )
    return name


def checked_label(label: str) -> str:
    """Raises `BadPrompt`."""
    if _LABEL.fullmatch(label) is None or label == "newest":
        raise BadPrompt(
            "A label has 1 to 32 small letters, digits, dots, dashes or underscores, such as 'production'; "
            "'newest' is always the newest version.",
            "label",
        )
    return label


def checked_wish(wish: VersionWish) -> VersionWish:
    """Raises `BadPrompt`."""
    settings = wish.settings
    empty = replace(settings, system=None, examples=(), template=None) == AS_IT_IS and wish.model is None
    if empty and not any(text.strip() for text in texts_of(settings)):
        raise BadPrompt("A version needs a text, a setting or a model.", "template")
    if sum(map(len, texts_of(settings))) > _LONGEST:
        raise BadPrompt(f"A version's texts have at most {_LONGEST:,} characters together.", "template")
    if len(settings.examples) > _MOST_EXAMPLES:
        raise BadPrompt(f"A version has at most {_MOST_EXAMPLES} example turns.", "examples")
    if len(wish.note) > _LONGEST_NOTE:
        raise BadPrompt(f"A note has at most {_LONGEST_NOTE} characters.", "note")
    for param, name in (("model", wish.model), ("provider", wish.provider)):
        if name is not None and not (0 < len(name) <= _LONGEST_MODEL and name.isprintable()):
            raise BadPrompt(f"`{param}` is the id of a {param}.", param)
    return wish


def checked_rows(rows: Sequence[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    """Raises `BadPrompt`."""
    if len(rows) > MOST_ROWS:
        raise BadPrompt(f"A prompt keeps at most {MOST_ROWS:,} rows; a batch takes more.", "rows")
    for no, row in enumerate(rows, 1):
        if wrong := [name for name in row if not is_name(name)]:
            raise BadPrompt(f"Row {no}: {wrong[0][:80]!r} is no variable's name.", "rows")
        if sum(map(len, row.values())) > _LONGEST_ROW:
            raise BadPrompt(f"Row {no} has more than {_LONGEST_ROW:,} characters.", "rows")
    return tuple(dict(row) for row in rows)


# --- as a request ----------------------------------------------------------------------------


def filled_settings(settings: Settings, values: Mapping[str, str]) -> Settings:
    """With every place filled that has a value; the others stay, `{{prompt}}` among them."""

    def fill(text: str) -> str:
        names = variables_of(text)
        return filled(text, {name: values.get(name, f"{{{{{name}}}}}") for name in names})

    return replace(
        settings,
        system=None if settings.system is None else fill(settings.system),
        examples=tuple(Example(fill(each.asked), fill(each.answered)) for each in settings.examples),
        template=None if settings.template is None else fill(settings.template),
    )


def request_of(
    version: PromptVersion, values: Mapping[str, str], prompt: str, model: str
) -> CompletionRequest:
    """The version as it is sent. Its own model comes before `model`. Raises `MissingVariables`."""
    settings, values = version.settings, {**values, PROMPT: prompt}
    messages = [Message.of("system", filled(settings.system, values))] if settings.system else []
    for example in settings.examples:
        messages += [
            Message.of("user", filled(example.asked, values)),
            Message.of("assistant", filled(example.answered, values)),
        ]
    text = prompt if settings.template is None else filled(settings.template, values)
    return CompletionRequest(
        model=version.model or model,
        messages=(*messages, Message.of("user", text)),
        sampling=settings.sampling,
        tools=settings.tools,
        response_format=settings.response_format,
        routing=pinned(version.provider),
        prompt_version_id=version.id,
    )


def version_of(request: CompletionRequest) -> VersionWish:
    """What was asked, as a version: its system prompt, its turns as examples, its last prompt as the
    template. Raises `BadPrompt` where it holds what no template can."""
    spoken = [message for message in request.messages if message.role != "system"]
    if any(message.role == "tool" or message.tool_calls for message in spoken):
        raise BadPrompt("A conversation with tool calls is no template: save its system prompt alone.")
    if any(not isinstance(part, TextPart) for message in spoken for part in message.parts):
        raise BadPrompt("A prompt with an image or a file is no template: save its text alone.")
    *before, last = spoken or [Message.of("user", "")]
    pairs = list(zip(before[::2], before[1::2], strict=False))
    if (
        last.role != "user"
        or len(before) % 2
        or any((asked.role, answered.role) != ("user", "assistant") for asked, answered in pairs)
    ):
        raise BadPrompt("Only prompts that take turns with answers can be saved.")
    system = "\n\n".join(message.text for message in request.messages if message.role == "system")
    settings = Settings(
        system=system or None,
        examples=tuple(Example(asked.text, answered.text) for asked, answered in pairs),
        template=last.text or None,
        sampling=request.sampling,
        response_format=request.response_format,
        tools=tuple(tool for tool in request.tools if isinstance(tool, Tool)),
    )
    only = request.routing.only
    return VersionWish(settings, request.model or None, only[0] if len(only) == 1 else None)


def pinned(provider: str | None) -> RoutingPreferences:
    """Nobody else is asked where a version names its provider."""
    return NO_PREFERENCES if provider is None else RoutingPreferences(only=(provider,), allow_fallbacks=False)
