"""What a lane asks of its model at a turn: the turns that lead there with this lane's own answers, then the
prompt as the lane puts it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from msgspec import structs

from battles.errors import BadBattle, TextGone
from battles.models import Battle, Lane, LaneRun, Prompt, Settings, Turn
from battles.prompt_template import PROMPT, MissingVariables, filled, missing, variables_of
from battles.prompt_values import filled_settings, texts_of
from gateway.messages import CompletionRequest, ImagePart, Message, TextPart
from gateway.preferences import NO_PREFERENCES, RoutingPreferences
from gateway.records import RunRecord

_GONE = "What was said earlier in this battle is no longer kept, so it cannot go on. Open a new one."


def path_to(turn_id: str | None, turns: Mapping[str, Turn]) -> tuple[Turn, ...]:
    """The turns that lead to this one, itself included, first first."""
    path: list[Turn] = []
    while turn_id is not None and len(path) <= len(turns):
        turn = turns[turn_id]
        path.append(turn)
        turn_id = turn.parent_turn_id
    return tuple(reversed(path))


def last_runs(runs: Iterable[LaneRun]) -> dict[tuple[str, int], LaneRun]:
    """The run that counts of each (turn, lane): its last."""
    return {(run.turn_id, run.lane): run for run in sorted(runs, key=lambda run: run.no)}


def request_of(
    battle: Battle,
    lane: Lane,
    path: Sequence[Turn],
    answers: Mapping[tuple[str, int], RunRecord],
) -> CompletionRequest:
    """`path` ends with the turn to answer. `answers` are the records that count. Raises `TextGone` and
    `BadBattle`."""
    settings = _filled(lane, _said(path[-1]))
    messages: list[Message] = []
    if settings.system:
        messages.append(Message.of("system", settings.system))
    for example in settings.examples:
        messages += [Message.of("user", example.asked), Message.of("assistant", example.answered)]
    for turn in path[:-1]:
        messages += _exchange(lane, turn, answers.get((turn.id, lane.no)))
    messages.append(_user(lane, _said(path[-1])))
    routing = NO_PREFERENCES
    if lane.provider is not None:
        routing = RoutingPreferences(only=(lane.provider,), allow_fallbacks=False)
    return CompletionRequest(
        model=lane.asked_model,
        messages=tuple(messages),
        sampling=settings.sampling,
        tools=settings.tools,
        response_format=settings.response_format,
        tags=battle.tags,
        routing=routing,
        keep=battle.keeps_text,
        prompt_version_id=lane.prompt_version_id,
    )


def _filled(lane: Lane, prompt: Prompt) -> Settings:
    """The lane's settings with this turn's variables in their texts. Only a version of the prompt library
    has variables there: in anything else braces are text."""
    if lane.prompt_version_id is None:
        return lane.settings
    around = replace(lane.settings, template=None)
    if names := missing(variables_of(*texts_of(around)), {**prompt.variables, PROMPT: ""}):
        raise BadBattle(str(MissingVariables(names)), "variables")
    return replace(filled_settings(around, prompt.variables), template=lane.settings.template)


def _exchange(lane: Lane, turn: Turn, answer: RunRecord | None) -> tuple[Message, ...]:
    """A turn that is over, as this lane saw it. One that it has no answer to is left out: two questions in a
    row are more than some providers take."""
    if answer is None or (answer.state == "failed" and not answer.text):
        return ()
    if not answer.text:
        if answer.figures.output_tokens and not answer.tool_calls:
            raise TextGone(_GONE)
        return ()
    return _user(lane, _said(turn)), Message.of("assistant", answer.text)


def _said(turn: Turn) -> Prompt:
    if turn.prompt is None:
        raise TextGone(_GONE)
    return turn.prompt


def _user(lane: Lane, prompt: Prompt) -> Message:
    text = prompt.text
    if lane.settings.template is not None:
        try:
            text = filled(lane.settings.template, {**prompt.variables, PROMPT: prompt.text})
        except MissingVariables as missing:
            raise BadBattle(str(missing), "variables") from None
        if PROMPT not in variables_of(lane.settings.template) and not prompt.variables and prompt.text:
            text = f"{text}\n\n{prompt.text}"
    images = tuple(ImagePart(image) for image in prompt.images)
    return structs.replace(Message.of("user", text), parts=(*images, TextPart(text)))
