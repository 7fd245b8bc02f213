"""Tools that a provider runs itself and charges by the call: their names, their fees, how many calls.

A fee is a line of the bill like any other, so a call has to be foreseen in the hold: a request that
brings such a tool is given a limit on calls (its own, or ours), which goes upstream with it. A tool
without a price in the catalog is refused, never free. Functions that the caller runs cost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec.structs import replace

from gateway.catalog_values import Price
from gateway.errors import Unsupported
from gateway.messages import CompletionRequest, HostedCall, HostedTool, Usage

DEFAULT_TOOL_CALLS = 8
MOST_TOOL_CALLS = 128
# What the provider only knows the shape of: the caller's own machine does the work.
RUN_BY_THE_CALLER = frozenset(
    {"local_shell", "shell", "apply_patch", "computer", "computer_use", "bash", "text_editor", "memory"}
)
_VERSION = re.compile(r"(_preview)?([_-]\d{4}[_-]?\d{2}[_-]?\d{2})?(_preview)?$")


def tool_of(kind: str) -> str:
    """The tool's name in the catalog, without a vendor's dates: `web_search_preview_2025_03_11` and
    `web_search_20250305` are both `web_search`."""
    return _VERSION.sub("", kind.removesuffix("_call"))


def hosted_tools(request: CompletionRequest) -> tuple[str, ...]:
    """The tools of a request that its provider runs, each once."""
    if not request.tools:
        return ()
    kinds = (tool_of(tool.kind) for tool in request.tools if isinstance(tool, HostedTool))
    return tuple(dict.fromkeys(kind for kind in kinds if kind not in RUN_BY_THE_CALLER))


def most_calls(request: CompletionRequest) -> int:
    """How many calls a request may make of its hosted tools; at most 128."""
    asked = request.max_tool_calls
    return min(DEFAULT_TOOL_CALLS if asked is None else asked, MOST_TOOL_CALLS)


def fee_pico_usd(tool: str, price: Price) -> int | None:
    """What one call costs; None where the price list does not say."""
    return (price.tool_fees or {}).get(tool)


def dearest_fee(tools: tuple[str, ...], price: Price, model_name: str) -> int:
    """The dearest call that these tools can make. Raises `Unsupported` for one that has no price."""
    dearest = 0
    for tool in tools:
        fee = fee_pico_usd(tool, price)
        if fee is None:
            raise Unsupported(f"{model_name} has no price for calls of {tool} here.", "tools")
        dearest = max(dearest, fee)
    return dearest


def billable(call: HostedCall, price: Price) -> str | None:
    """The tool that a call is charged as; None where it costs nothing. Of a web search only the search
    itself does, not the pages that the model opens afterwards."""
    tool = tool_of(call.kind)
    if fee_pico_usd(tool, price) is None:
        return None
    action = call.item.get("action")
    kind = action.get("type", "search") if isinstance(action, Mapping) else "search"
    return tool if tool != "web_search" or kind == "search" else None


def with_calls(usage: Usage, calls: Mapping[str, int]) -> Usage:
    """Usage with the calls that were seen in the stream, where the provider did not report more."""
    seen = sum(calls.values())
    if not seen and not usage.tool_calls:
        return usage
    kinds = usage.tool_kinds or tuple(sorted(calls.items()))
    return replace(usage, tool_calls=max(usage.tool_calls, seen), tool_kinds=kinds)
