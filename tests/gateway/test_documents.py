"""How much a document can cost: its pages are counted, also where they are compressed away."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace

import pytest

from gateway.catalog import Catalog
from gateway.documents import MOST_PAGES, data_of, pages_of
from gateway.errors import Unsupported
from gateway.messages import CompletionRequest, FilePart, Message
from gateway.tokens import bound_input_tokens

PAGES = b"1 0 obj << /Type /Pages /Count 3 >> endobj "
PAGE = b"<< /Type /Page /Parent 1 0 R >> "
HIDDEN = b"<< /Type /ObjStm /N 3 /Filter /FlateDecode >>\nstream\n" + zlib.compress(PAGE * 5) + b"\nendstream"


@pytest.mark.parametrize(
    ("pdf", "pages"),
    [(PAGES + PAGE * 3, 3), (PAGES + HIDDEN, 5), (HIDDEN + HIDDEN, 10), (b"%PDF" + b"x" * 5000, 3), (b"", 0)],
)
def test_pages_are_counted(pdf: bytes, pages: int) -> None:
    assert pages_of(pdf) == pages


def test_a_bomb_is_not_unpacked_whole() -> None:
    bomb = b"<< /Type /ObjStm >>\nstream\n" + zlib.compress(b"\0" * 50_000_000)
    assert pages_of(bomb) == -(-len(bomb) // 2048)


def test_data_urls_are_read_in_either_form() -> None:
    assert data_of("data:application/pdf;base64,JVBE") == b"%PD"
    assert data_of("data:text/plain,a%20b") == b"a b"
    assert data_of("data:application/pdf;base64,J") == b""


def test_a_document_is_bound_by_its_pages_and_a_link_by_the_most() -> None:
    model = Catalog.load().get("anthropic/claude-haiku-5.5")
    url = "data:application/pdf;base64," + base64.b64encode(PAGES + PAGE * 3).decode()

    def bound(*files: FilePart) -> int:
        return bound_input_tokens(CompletionRequest("x", (Message("user", files),)), model)

    nothing = bound()
    assert bound(FilePart(url, "application/pdf")) - nothing == 3 * 7800
    assert bound(FilePart("https://example.com/a.pdf", "application/pdf")) - nothing == MOST_PAGES * 7800
    assert bound(FilePart("data:text/plain,hello", "text/plain")) - nothing == 5
    asked = CompletionRequest("x", (Message("user", (FilePart(url, "application/pdf"),)),))
    with pytest.raises(Unsupported):
        bound_input_tokens(asked, replace(model, page_tokens=None))
