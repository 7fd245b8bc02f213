"""The chat completions wire's tools, tool choice and response format, read into our own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from api.wire.reading import MOST_TOOLS, NONE, CacheMark, Name, Strict, schema, tool_name
from api.wire.tools import named_choice, plain_choice, refuse_unknown, tool_called
from gateway.errors import BadRequest
from gateway.messages import AnyTool, CustomTool, Tool


class _Function(Strict):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Grammar(Strict):
    definition: str
    syntax: Literal["lark", "regex"]


class _CustomFormat(Strict):
    type: Literal["text", "grammar"]
    grammar: _Grammar | None = None


class _Custom(Strict):
    name: Name
    description: str | None = None
    format: _CustomFormat | None = None


class _FunctionTool(Strict, tag_field="type", tag="function"):
    function: _Function
    cache_control: CacheMark | None = None


class _CustomTool(Strict, tag_field="type", tag="custom"):
    custom: _Custom
    cache_control: Raw = NONE


class _Schema(Strict):
    name: Name
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class _PlainFormat(Strict, tag_field="type", tag="text"):
    pass


class _JsonFormat(Strict, tag_field="type", tag="json_object"):
    pass


class _SchemaFormat(Strict, tag_field="type", tag="json_schema"):
    json_schema: _Schema


class _Named(Strict):
    name: Name


class _FunctionChoice(Strict, tag_field="type", tag="function"):
    function: _Named


class _CustomChoice(Strict, tag_field="type", tag="custom"):
    custom: _Named


class _Allowed(Strict):
    mode: Literal["auto", "required"]
    tools: Annotated[list[_FunctionChoice | _CustomChoice], Meta(min_length=1, max_length=MOST_TOOLS)]


class _AllowedChoice(Strict, tag_field="type", tag="allowed_tools"):
    allowed_tools: _Allowed


ChatChoice = Literal["none", "auto", "required"] | _FunctionChoice | _CustomChoice | _AllowedChoice
ChatTool = _FunctionTool | _CustomTool
ChatFormat = _PlainFormat | _JsonFormat | _SchemaFormat


def read_tool(tool: _FunctionTool | _CustomTool, where: str) -> AnyTool:
    if isinstance(tool, _CustomTool):
        custom = tool.custom
        name = tool_name(custom.name, f"{where}.custom.name")
        return CustomTool(name, custom.description or "", _grammar(custom.format, f"{where}.custom.format"))
    function = tool.function
    return Tool(
        tool_name(function.name, f"{where}.function.name"),
        function.description or "",
        schema(function.parameters, f"{where}.function.parameters"),
        function.strict,
        cached=tool.cache_control is not None,
    )


def _grammar(wanted: _CustomFormat | None, where: str) -> Mapping[str, object] | None:
    """The responses wire nests a grammar one level less."""
    if wanted is None:
        return None
    if wanted.type == "text":
        return {"type": "text"}
    if wanted.grammar is None:
        raise BadRequest(f"`{where}.grammar` is missing.", f"{where}.grammar")
    return {"type": "grammar", "syntax": wanted.grammar.syntax, "definition": wanted.grammar.definition}


def chosen(
    choice: ChatChoice | None, tools: Sequence[AnyTool]
) -> tuple[tuple[AnyTool, ...], str | Mapping[str, object] | None]:
    """The tools that may be called and how freely: where some of them are allowed, only these are sent."""
    match choice:
        case None:
            return tuple(tools), None
        case str():
            return tuple(tools), plain_choice(choice, tools)
        case _AllowedChoice(allowed):
            names = {_name_of(one) for one in allowed.tools}
            for name in sorted(names):
                refuse_unknown(name, tools)
            return tuple(tool for tool in tools if tool_called(tool) in names), allowed.mode
        case _FunctionChoice() | _CustomChoice():
            refuse_unknown(_name_of(choice), tools)
            return tuple(tools), named_choice(_name_of(choice), tools)


def _name_of(choice: _FunctionChoice | _CustomChoice) -> str:
    return choice.function.name if isinstance(choice, _FunctionChoice) else choice.custom.name


def read_format(
    wanted: ChatFormat | None,
) -> Mapping[str, object] | None:
    match wanted:
        case None | _PlainFormat():
            return None
        case _JsonFormat():
            return {"type": "json_object"}
        case _SchemaFormat(named):
            schema(named.schema, "response_format.json_schema.schema")
            given = {
                name: value for name, value in msgspec.structs.asdict(named).items() if value is not None
            }
            return {"type": "json_schema", "json_schema": given}
