"""Documents inside a request: their bytes, and how many pages a PDF has, for what reading them can cost.

Nothing is rendered and nothing is fetched. A count of pages is read from the file's own page objects,
compressed ones included; a file that hides them counts as one page for each 2 kB.
"""

from __future__ import annotations

import base64
import re
import zlib
from urllib.parse import unquote_to_bytes

MOST_PAGES = 100  # the most that a link may lead to, in a bound, and that a document counts for

_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_STREAM = re.compile(rb"/ObjStm\b.{0,400}?stream\r?\n", re.DOTALL)
_MOST_INFLATED = 4 * 1024 * 1024
_MOST_STREAMS = 200
_BYTES_A_PAGE = 2_048


def data_of(url: str) -> bytes:
    """The bytes of a `data:` URL; none where it holds none that can be read."""
    head, _, rest = url.partition(",")
    if not head.endswith(";base64"):
        return unquote_to_bytes(rest)
    try:
        return base64.b64decode(rest)
    except ValueError:
        return b""


def pages_of(pdf: bytes) -> int:
    """How many pages a PDF has."""
    pages = len(_PAGE.findall(pdf))
    room = _MOST_INFLATED
    for at, stream in enumerate(_STREAM.finditer(pdf)):
        if at == _MOST_STREAMS or room <= 0:
            break
        inflated = _inflated(pdf[stream.end() : stream.end() + room], room)
        room -= len(inflated)
        pages += len(_PAGE.findall(inflated))
    return pages or -(-len(pdf) // _BYTES_A_PAGE)


def _inflated(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error:
        return b""
