"""What every wire's reader shares: strict structs, the bounds of a request, and how it is refused by name.

A wire describes its body as structs and decodes them here; whatever msgspec finds becomes one of our
errors with the field that is at fault. A list whose elements name their own type is decoded element by
element (`OneOf`), so that a type which nobody here knows is refused by that name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from gateway.errors import BadRequest, Unsupported
from gateway.messages import FilePart, ImagePart

MOST_MESSAGES = 2_000
MOST_TOOLS = 128
DEEPEST = 32  # levels of objects and lists in a tool's or an answer's schema
NONE: Raw = msgspec.field(default_factory=Raw)  # as a factory: the API's description has no words for it
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,100}")

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Id = Annotated[str, Meta(min_length=1, max_length=256)]
ModelName = Annotated[str, Meta(min_length=1, max_length=200)]
Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Stop = Annotated[str, Meta(min_length=1, max_length=500)]
CacheKey = Annotated[str, Meta(min_length=1, max_length=512)]
Detail = Literal["auto", "low", "high"]

T = TypeVar("T")


class Strict(Struct, forbid_unknown_fields=True):
    """A field typed `Raw` is let through unread; one typed `None` may only be null."""


class CacheMark(Strict):
    """Anthropic's mark at the end of a prefix to be cached; how long is the provider's to say."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class OneOf(Generic[T]):
    """Decodes an object by the name in its `type`. `bare` is the type of one that names none."""

    def __init__(self, kinds: Mapping[str, type[T]], *, what: str, bare: str | None = None) -> None:
        self.kinds = kinds
        self._decoders = {name: msgspec.json.Decoder(kind) for name, kind in kinds.items()}
        self._what = what
        self._bare = bare

    def decode(self, raw: Raw, where: str) -> T:
        """Raises `BadRequest` and `Unsupported`, with the path below `where`."""
        kind = decode_at(_TYPE, raw, where).type or self._bare
        if kind is None:
            raise BadRequest(f"`{where}.type` is missing.", f"{where}.type")
        decoder = self._decoders.get(kind)
        if decoder is None:
            raise Unsupported(f"{self._what} of type {kind[:60]!r} is not supported here.", f"{where}.type")
        return decode_at(decoder, raw, where)


class _Type(Struct):
    type: str | None = None


_TYPE = msgspec.json.Decoder(_Type)


def decode_at(decoder: msgspec.json.Decoder[T], raw: Raw, where: str) -> T:
    """A part of a body. Raises `BadRequest` and `Unsupported`, with the path below `where`."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refuse(error, where=where)


def decode(decoder: msgspec.json.Decoder[T], raw: bytes, one_value: re.Pattern[str] | None = None) -> T:
    """A whole body. `one_value` matches the fields that are carried in their default only."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refuse(error, one_value=one_value)


def fingerprint(raw: bytes) -> bytes:
    """SHA-256 of the request as it means, not as it was spelled: key order and spaces do not count."""
    return hashlib.sha256(msgspec.json.encode(msgspec.json.decode(raw), order="sorted")).digest()


# --- values that several wires carry ---------------------------------------------------------


def model_name(name: str) -> str:
    if not name.isprintable():
        raise BadRequest("`model` has characters that no model's name has.", "model")
    return name


def tool_name(name: str, where: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadRequest("A tool's name has letters, digits, `_`, `-` and `.` only.", where)
    return name


def schema(value: dict[str, Any] | None, where: str) -> dict[str, Any]:
    """Other programs, and providers, read a schema by recursion. Raises `BadRequest` for a deep one."""
    level: list[object] = [value]
    for _ in range(DEEPEST):
        inner = (
            one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)
        )
        level = [item for items in inner for item in items]
        if not level:
            return value or {}
    raise BadRequest(f"`{where}` is nested more than {DEEPEST} levels deep.", where)


def image(url: str, detail: Detail | None, where: str, *, cached: bool = False) -> ImagePart:
    if not url.startswith(("https://", "data:image/")):
        raise BadRequest("An image is given by an https address or a `data:image/` URL.", where)
    return ImagePart(url, detail or "auto", cached)


def file(url: str, media_type: str | None, name: str | None, where: str, *, cached: bool = False) -> FilePart:
    """`media_type` is that of a `data:` URL where it is not given; of an address it is a PDF's then."""
    if url.startswith("data:"):
        media_type = media_type or re.split("[;,]", url[5:200], maxsplit=1)[0].lower()
    elif not url.startswith("https://"):
        raise BadRequest("A file is given by an https address or a `data:` URL.", where)
    media_type = media_type or "application/pdf"
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise BadRequest("The file's media type cannot be read.", where)
    return FilePart(url, media_type, name, cached)


def checked_json(text: str, where: str) -> str:
    """A call's arguments, which providers parse; some models wrote none at all."""
    if len(text) > 10 * 1024 * 1024:
        raise BadRequest(f"`{where}` is too long.", where)
    return text


# --- refusing --------------------------------------------------------------------------------


def refuse(error: Exception, *, where: str = "", one_value: re.Pattern[str] | None = None) -> NoReturn:
    """Raise what msgspec found as one of ours, with the field that is at fault."""
    if isinstance(error, RecursionError):
        raise BadRequest("The body is nested too deeply.") from None
    if not isinstance(error, msgspec.ValidationError):
        raise BadRequest("The body is not JSON in UTF-8.") from None
    said, _, place = str(error).partition(" - at `$")
    path = _below(where, place.removesuffix("`"))
    field = re.search(r"(?:missing required|contains unknown) field `([^`]*)`", said)
    if field:
        path = f"{path}.{field[1][:100]}" if path else field[1][:100]
    if "unknown field" in said or "Expected `null`" in said:
        raise Unsupported(f"`{path}` is not supported here; leave it out.", path) from None
    if "missing required field" in said:
        raise BadRequest(f"`{path}` is missing.", path) from None
    if one_value is not None and one_value.match(path):
        raise Unsupported(f"`{path}` is supported in its default only; leave it out.", path) from None
    said = said[:300]
    raise BadRequest(f"`{path}`: {said}." if path else f"The body: {said}.", path or None) from None


def _below(where: str, place: str) -> str:
    return f"{where}{place}" if where else place.removeprefix(".")
