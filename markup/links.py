"""Which addresses in an answer may become links, and the host that a reader is shown beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_LONGEST = 2048
_WEB = re.compile(r"https?://", re.IGNORECASE)
_MAIL = re.compile(r"mailto:[^\s@?]+@([^\s@?]+)", re.IGNORECASE)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>\"\\]")


@dataclass(frozen=True, slots=True)
class Link:
    """`host` is where a click goes, in ASCII, so that look-alike letters show as `xn--`."""

    href: str
    host: str


def safe_link(address: str) -> Link | None:
    """The link to an absolute http, https or mailto address; None for anything else.

    Backslashes and control characters are refused, because browsers and parsers read them differently.
    """
    if len(address) > _LONGEST or _FORBIDDEN.search(address):
        return None
    if mail := _MAIL.match(address):
        return Link(address, mail[1].lower())
    if not _WEB.match(address):
        return None
    try:
        host = urlsplit(address).hostname
    except ValueError:
        return None
    return Link(address, _ascii(host)) if host else None


def _ascii(host: str) -> str:
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in host.split(".")
    )
