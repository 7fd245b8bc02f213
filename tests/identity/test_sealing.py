from __future__ import annotations

from dataclasses import replace

import pytest

from identity.keys import purpose_key
from identity.sealing import NotOpened, Sealer

_KEY = purpose_key(b"s" * 32, "provider-key")


def test_what_was_sealed_is_opened_for_the_same_context_alone() -> None:
    sealer = Sealer(_KEY)
    sealed = sealer.seal("sk-secret", "team 7, openai")
    assert sealer.open(sealed, "team 7, openai") == "sk-secret"
    with pytest.raises(NotOpened, match="changed"):
        sealer.open(sealed, "team 8, openai")


def test_neither_the_row_nor_its_repr_holds_the_secret() -> None:
    sealed = Sealer(_KEY).seal("sk-secret", "team 7")
    assert b"sk-secret" not in sealed.secret
    assert "sk-secret" not in repr(sealed) and repr(sealed.secret) not in repr(sealed)


def test_one_secret_sealed_twice_looks_different() -> None:
    sealer = Sealer(_KEY)
    assert sealer.seal("same", "here").secret != sealer.seal("same", "here").secret


@pytest.mark.parametrize("at", [0, 13, -1])
def test_a_changed_byte_keeps_it_shut(at: int) -> None:
    sealer = Sealer(_KEY)
    sealed = sealer.seal("sk-secret", "here")
    changed = bytearray(sealed.secret)
    changed[at] ^= 1
    with pytest.raises(NotOpened, match="changed"):
        sealer.open(replace(sealed, secret=bytes(changed)), "here")


def test_a_new_installation_secret_is_said_to_be_the_reason() -> None:
    sealed = Sealer(_KEY).seal("sk-secret", "here")
    with pytest.raises(NotOpened, match="another TILTYARD_SECRET_KEY"):
        Sealer(purpose_key(b"t" * 32, "provider-key")).open(sealed, "here")
