"""What the two OpenAI wires share: reading JSON of strangers, and what may be told of their errors.

Nothing that a provider wrote in prose is ever repeated: it may hold keys, prompts or addresses. Only
short codes of a known shape are (`context_length_exceeded`, `max_tokens`).
"""

from __future__ import annotations

import re
from typing import Any, Protocol, TypeVar

import msgspec

from gateway.errors import ProviderBroke, ProviderError, ProviderRefused
from gateway.messages import Event

T = TypeVar("T")

_CODE = re.compile(r"[a-z]{2,24}([_.-][a-z]{2,24}){0,6}")
_PARAM = re.compile(r"[a-z_]{1,40}([.\[]{1,2}([a-z_]{1,40}|\d{1,3})\]?){0,6}")
# An escape of half a character: a server cut its text between the two halves.
_HALF = re.compile(
    rb"\\u[dD][89abAB][\da-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F].."
)


class Answer(Protocol):
    """One answer as it arrives, frame by frame. `done` says that no frame after this one matters."""

    done: bool

    def take(self, frame: bytes) -> list[Event]:
        """The events in a frame. Raises `ProviderError`."""
        ...

    def end(self) -> list[Event]:
        """What is left to say when the stream is done, or has ended cleanly. Raises `ProviderError`."""
        ...


class ErrorBody(msgspec.Struct):
    """An error as OpenAI and those who follow it write it; others write parts of it, or prose."""

    message: Any = None
    type: Any = None
    code: Any = None
    param: Any = None
    n_prompt_tokens: Any = None  # llama.cpp says how long the prompt was,
    n_ctx: Any = None  # and how long it may be

    @property
    def name(self) -> str | None:
        """Its code, or its type, if that is one safe word."""
        for word in (self.code, self.type):
            if isinstance(word, str) and len(word) <= 60 and _CODE.fullmatch(word):
                return word
        return None

    @property
    def where(self) -> str | None:
        param = self.param
        return param if isinstance(param, str) and len(param) <= 60 and _PARAM.fullmatch(param) else None

    @property
    def status(self) -> int | None:
        """Some put an HTTP status where the code belongs."""
        for number in (self.code, self.type):
            if isinstance(number, int | str) and re.fullmatch(r"[45]\d\d", str(number)):
                return int(number)
        return _STATUS_BY_NAME.get(self.name or "")


_STATUS_BY_NAME = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "invalid_request_error": 400,
    "model_not_found": 404,
    "overloaded_error": 529,
    "server_error": 500,
}


class _ErrorReply(msgspec.Struct):
    error: ErrorBody | str | None = None
    # those who leave the envelope away
    message: Any = None
    type: Any = None
    code: Any = None
    param: Any = None


_ERROR_REPLY = msgspec.json.Decoder(_ErrorReply)


def read_error(body: bytes) -> ErrorBody:
    """The error in a reply of whatever shape; an empty one where there is none to be found."""
    try:
        reply = _ERROR_REPLY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorBody()
    if isinstance(reply.error, ErrorBody):
        return reply.error
    return ErrorBody(type=reply.type, code=reply.code, param=reply.param)


def refusal(
    provider: str, status: int, error: ErrorBody, retry_after_s: float | None = None
) -> ProviderRefused:
    """An answer with an error status, in our words."""
    message = f"{_sentence(status, error)} ({_detail(f'status {status}', error)})."
    return ProviderRefused(provider, message, status=status, retry_after_s=retry_after_s)


def reported(provider: str, error: ErrorBody, *, began: bool) -> ProviderError:
    """An error that came as an event inside a success: a refusal before the first token, else a break."""
    if began:
        message = f"The provider broke off in mid-answer ({_detail('it reported an error', error)})."
        return ProviderBroke(provider, message, status=error.status)
    message = f"{_sentence(error.status or 500, error)} ({_detail('reported in its stream', error)})."
    return ProviderRefused(provider, message, status=error.status)


def garbled(provider: str) -> ProviderBroke:
    return ProviderBroke(provider, "The provider sent something that is not of its protocol.")


def decode(decoder: msgspec.json.Decoder[T], frame: bytes, provider: str) -> T:
    """One frame. Raises `ProviderBroke`. Half a character, escaped, becomes U+FFFD, as in browsers."""
    try:
        return decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return decoder.decode(_HALF.sub(rb"\\ufffd", frame))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise garbled(provider) from error


def _sentence(status: int, error: ErrorBody) -> str:
    if error.name in ("context_length_exceeded", "exceed_context_size_error"):
        return "The prompt and its answer are longer than the model's context"
    if error.name == "content_filter":
        return "The provider's content filter stopped the prompt"
    if status in (401, 403):
        return "The provider does not accept the key it was given"
    if status == 402:
        return "The provider wants to be paid first"
    if status == 404:
        return "The provider does not know this model"
    if status == 429:
        return "The provider is over its rate limit"
    if 300 <= status < 400:
        return "The provider answered with a redirect, which is not followed"
    if status >= 500:
        return "The provider failed"
    return "The provider refused the request"


def _detail(how: str, error: ErrorBody) -> str:
    where = f"at {error.where}" if error.where else None
    return ", ".join(part for part in (how, error.name, where) if part)
