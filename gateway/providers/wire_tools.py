"""Tools in the shape that a wire knows: what it has no shape for goes as a function, and comes back.

A custom tool becomes a function with one text, `input`; the caller's local shell becomes a function
whose arguments are the shell's action. Whoever reads the answer asks `disguises` which functions those
were, and `Unwrapped` takes the plain input out of the arguments while they stream. Tools that the
provider runs itself cannot be disguised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.messages import AnyTool, CallKind, CustomTool, HostedTool, Message, Tool, ToolCall

LOCAL_SHELL = "local_shell"

_SHELL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["exec"]},
        "command": {"type": "array", "items": {"type": "string"}, "description": "Program, then arguments."},
        "working_directory": {"type": "string"},
        "timeout_ms": {"type": "integer"},
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["type", "command"],
}  # fmt: skip
_INPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


def is_local_shell(tool: AnyTool) -> bool:
    return isinstance(tool, HostedTool) and tool.kind == LOCAL_SHELL


def as_function(tool: AnyTool) -> Tool | None:
    """The tool as a function; None for one that the provider runs itself."""
    if isinstance(tool, Tool):
        return tool
    if isinstance(tool, CustomTool):
        return Tool(tool.name, _described(tool), _INPUT_SCHEMA)
    if is_local_shell(tool):
        return Tool(LOCAL_SHELL, "Runs a command in a shell on the caller's machine.", _SHELL_SCHEMA)
    return None


def _described(tool: CustomTool) -> str:
    """A grammar that cannot be enforced is told of in words."""
    grammar = tool.format or {}
    inner = grammar.get("grammar")
    said = inner if isinstance(inner, Mapping) else grammar
    if said.get("type") in (None, "text") and "definition" not in said:
        return tool.description
    rule = f"The input must follow this {said.get('syntax', 'formal')} grammar:\n{said.get('definition', '')}"
    return f"{tool.description}\n\n{rule}" if tool.description else rule


def disguises(tools: Iterable[AnyTool], native: frozenset[CallKind] = frozenset()) -> dict[str, CallKind]:
    """By name, which functions of an answer are something else; `native` kinds needed no disguise."""
    found: dict[str, CallKind] = {}
    for tool in tools:
        if isinstance(tool, CustomTool) and "custom" not in native:
            found[tool.name] = "custom"
        elif is_local_shell(tool) and "local_shell" not in native:
            found[LOCAL_SHELL] = "local_shell"
    return found


def arguments_of(call: ToolCall) -> str:
    """The arguments of an earlier call as a function's."""
    return (
        json.dumps({"input": call.arguments}, ensure_ascii=False) if call.kind == "custom" else call.arguments
    )


def kinds_by_call(messages: Iterable[Message]) -> dict[str, CallKind]:
    """Of what kind the calls were that later messages answer."""
    return {
        call.id: call.kind for message in messages for call in message.tool_calls if call.kind != "function"
    }


def named_tool(choice: object) -> str | None:
    """The tool that a choice in the chat wire's shape names: a function's or custom tool's name, or the
    kind of one that is neither; None where it names none."""
    if not isinstance(choice, Mapping):
        return None
    kind = choice.get("type")
    inner = choice.get(kind) if isinstance(kind, str) else None
    if isinstance(inner, Mapping) and isinstance(name := inner.get("name"), str):
        return name
    if isinstance(name := choice.get("name"), str):
        return name
    return kind if isinstance(kind, str) and kind not in ("allowed_tools", "function", "custom") else None


def allowed_tools(choice: object) -> tuple[str, tuple[str, ...]] | None:
    """The mode and the names of a choice of several tools; None where it is no such choice."""
    if not isinstance(choice, Mapping) or choice.get("type") != "allowed_tools":
        return None
    inner = choice.get("allowed_tools")
    said = inner if isinstance(inner, Mapping) else choice
    listed = said.get("tools")
    names = [named_tool(tool) for tool in listed] if isinstance(listed, list | tuple) else []
    return str(said.get("mode", "auto")), tuple(name for name in names if name)


def is_forced(choice: object) -> bool:
    """Whether a choice makes the model call some tool."""
    several = allowed_tools(choice)
    if several is not None:
        return several[0] == "required"
    return choice == "required" or named_tool(choice) is not None


_OPENING = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_OPENING_BEGUN = re.compile(r'\s*(\{\s*("i?n?p?u?t?"?\s*:?\s*)?)?')
# Whole characters of a JSON text: plain ones, escapes, and both halves of a pair.
_WHOLE = re.compile(r'(?:[^"\\]|\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}'
                    r'|\\u(?![dD][89abAB])[\da-fA-F]{4}|\\["\\/bfnrt])*')  # fmt: skip


class Unwrapped:
    """Takes the text out of `{"input": "..."}` as it streams. Arguments of another shape pass as they are:
    the model did not do as it was told, and the caller shall see what it did."""

    def __init__(self) -> None:
        self._rest = ""
        self._state = "opening"

    def feed(self, piece: str) -> str:
        self._rest += piece
        if self._state == "opening":
            opening = _OPENING.match(self._rest)
            if opening is not None:
                self._state, self._rest = "inside", self._rest[opening.end() :]
            elif not _OPENING_BEGUN.fullmatch(self._rest):
                self._state = "other"
        if self._state == "inside":
            return self._inside()
        if self._state == "other":
            passed, self._rest = self._rest, ""
            return passed
        return ""

    def _inside(self) -> str:
        whole = _WHOLE.match(self._rest)
        assert whole is not None  # it matches nothing at all, too
        self._rest = self._rest[whole.end() :]
        if self._rest.startswith('"'):
            self._state, self._rest = "closed", ""
        text = whole.group()
        if "\\" not in text:
            return text
        decoded = json.loads(f'"{text}"', strict=False)
        return decoded if isinstance(decoded, str) else text
