"""What may be called, and how freely: rules that hold on every wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.errors import BadRequest
from gateway.messages import AnyTool, CustomTool, Tool


def refuse_unknown(name: str, tools: Sequence[AnyTool]) -> None:
    if name not in {tool_called(tool) for tool in tools}:
        raise BadRequest(f"`tool_choice` names {name!r}, which is not among `tools`.", "tool_choice")


def plain_choice(choice: str, tools: Sequence[AnyTool]) -> str | None:
    if choice == "required" and not tools:
        raise BadRequest("`tool_choice` asks for a tool, and there are none.", "tool_choice")
    return choice if tools else None


def named_choice(name: str, tools: Sequence[AnyTool]) -> Mapping[str, object]:
    """One tool by name, as the chat completions wire writes it."""
    kind = "custom" if any(isinstance(t, CustomTool) and t.name == name for t in tools) else "function"
    return {"type": kind, kind: {"name": name}}


def tool_called(tool: AnyTool) -> str:
    return tool.name if isinstance(tool, Tool | CustomTool) else tool.kind
