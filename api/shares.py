"""GET /s/{secret}: what a share link shows, as one page without script.

A link that asks for sign-in leads to the page that asks for it; one that does not is shown to whoever has
it. Every link that shows nothing gets the same answer.
"""

from __future__ import annotations

from urllib.parse import quote

from api.exchange import Answer, Exchange, Text
from battles.pack_reading import page

_FOOT = "Shared by a link that ends, read-only."
# The page says itself, in its head, that nothing may load or run; `edge.py` says the rest.
_HEADERS = ((b"x-robots-tag", b"noindex"),)


async def show(exchange: Exchange) -> Answer:
    """Raises `ShareNotFound`."""
    shown = await exchange.services.sharing.look(exchange.tail)
    if not shown.share.without_sign_in:
        where = f"/shared?share={quote(exchange.tail, safe='')}"
        return Answer(303, Text("", "text/plain"), ((b"location", where.encode()),))
    return Answer(200, Text(page(shown.parts, _FOOT), "text/html; charset=utf-8"), _HEADERS)
