from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, strategies as st

import chain

_INTEGERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6)
_TEXTS = st.lists(st.text(max_size=6), max_size=4)


def test_the_bytes_are_those_that_the_module_documents() -> None:
    written = (
        bytes(32)
        + b"\x00\x00\x00\x02\x00\x00\x00\x01"
        + b"\x00\x00\x00\x00\x00\x00\x00\x01"
        + b"\xff\xff\xff\xff\xff\xff\xff\xff"
        + b"\x00\x00\x00\x02\xc3\xa9"
    )
    assert chain.digest(chain.GENESIS, [1, -1], ["é"]) == hashlib.sha256(written).digest()


def test_a_digest_never_changes_from_version_to_version() -> None:
    digest = chain.digest(chain.GENESIS, [1, 2, -(2**63), 2**63 - 1], ["", "ref", "日本"])
    assert digest.hex() == "efe8ed1db003eb4e15bc310fcc1957171cafe37de9f5dda4793324052a2cb0cb"


@given(_INTEGERS, _TEXTS, _INTEGERS, _TEXTS)
def test_two_records_never_encode_alike(
    integers: list[int], texts: list[str], other_integers: list[int], other_texts: list[str]
) -> None:
    same = (integers, texts) == (other_integers, other_texts)
    digest = chain.digest(chain.GENESIS, integers, texts)
    assert (digest == chain.digest(chain.GENESIS, other_integers, other_texts)) is same


def test_a_digest_covers_everything_before_it() -> None:
    first = chain.digest(chain.GENESIS, [1], [])
    other = chain.digest(chain.GENESIS, [2], [])
    assert chain.digest(first, [3], []) != chain.digest(other, [3], [])


@pytest.mark.parametrize("integer", [2**63, -(2**63) - 1])
def test_an_integer_that_is_too_large_is_refused(integer: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        chain.digest(chain.GENESIS, [integer], [])


def test_what_is_no_digest_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        chain.digest(b"short", [], [])
