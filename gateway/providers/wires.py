"""One call on one wire: its path, its body, and who reads the answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.providers.base import Call, Wire
from gateway.providers.wire import Answer
from gateway.providers.wire_anthropic import AnthropicAnswer
from gateway.providers.wire_anthropic_request import answers_by_tool, anthropic_body
from gateway.providers.wire_chat import ChatAnswer
from gateway.providers.wire_chat_request import ChatDialect, chat_body
from gateway.providers.wire_responses import ResponsesAnswer
from gateway.providers.wire_responses_request import native_kinds, responses_body
from gateway.providers.wire_tools import disguises

PATHS: Mapping[Wire, str] = {
    "chat_completions": "/chat/completions",
    "responses": "/responses",
    "anthropic_messages": "/messages",
}


def asked(call: Call, wire: Wire, chat: ChatDialect) -> dict[str, Any]:
    """The body of a call."""
    if wire == "responses":
        return responses_body(call.request, call.model, call.out_cap, call.features)
    if wire == "anthropic_messages":
        return anthropic_body(call.request, call.model, call.out_cap, call.features)
    return chat_body(call.request, call.model, call.out_cap, chat)


def answer_to(call: Call, wire: Wire, chat: ChatDialect, provider: str) -> Answer:
    """Who reads the answer to that body."""
    tools = call.request.tools
    if wire == "responses":
        native = native_kinds(call.features)
        return ResponsesAnswer(provider, disguises(tools, native) if tools else None)
    if wire == "anthropic_messages":
        by_tool = answers_by_tool(call.request, call.features)
        return AnthropicAnswer(provider, disguises(tools) if tools else None, by_tool=by_tool)
    return ChatAnswer(provider, disguises(tools, chat.native_kinds) if tools else None)
