"""How many tokens a prompt may come to (for the hold) and how many a text has (for an estimated bill).

A bound is never too low by design, and never above the UTF-8 bytes of what is sent plus the frame that
a chat template puts around it: no tokenizer here makes more tokens than bytes. An estimate is our best
count, and a bill made from it is marked as estimated. Ratios: docs/catalog.md, "Token counts".
"""

from __future__ import annotations

import asyncio
import json

from gateway.catalog_values import Model
from gateway.documents import MOST_PAGES, data_of, pages_of
from gateway.errors import Unsupported
from gateway.messages import (
    AnyTool,
    CompletionRequest,
    CustomTool,
    FilePart,
    HostedTool,
    ImagePart,
    Message,
    TextPart,
    Tool,
)
from gateway.vocabularies import Encoder, Vocabulary, encoder, encoder_if_loaded, is_loaded

_FRAME_MESSAGE = 8  # what a chat template may put around one message
_FRAME_TOOL = 16
_SMOLLM2_FRAME_MESSAGE = 3  # start, end, line
_SMOLLM2_FRAME_REQUEST = 4  # start, "assistant" in two, line
_ESTIMATED_FRAME = 4
_BYTES_PER_TOKEN = 4  # where there is no tokenizer to ask
_BYTES_SUFFICE = 1_024  # so short a prompt costs less than the output beside it: no need to count
_INLINE_BYTES = 16_384  # counted in 2 ms; more goes to a thread
_INLINE_TEXTS = 256

# Of the counted tokens, in percent: OpenAI's own vocabulary; another maker's, on texts of every kind.
_MARGIN = {"o200k": 105, "approximate": 150, "smollm2": 100}
_VOCABULARY: dict[str, Vocabulary] = {"o200k": "o200k", "approximate": "o200k", "smollm2": "smollm2"}
# SmolLM2's template speaks first where the caller does not (its GGUF header, tokenizer.chat_template).
_SMOLLM2_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


def bound_input_tokens(request: CompletionRequest, model: Model) -> int:
    """The most tokens that the prompt can come to, or anything above the model's context where it does
    not fit there. May load a vocabulary, which blocks for 0.3 s once.

    Raises `Unsupported` for an image or a file where the model takes none.
    """
    texts = _texts(request, model)
    return _bounded(texts, sum(map(_bytes, texts)), _frame(request, model), model)


async def bound_input(request: CompletionRequest, model: Model) -> int:
    """`bound_input_tokens` without holding up the event loop: long work goes to a thread."""
    texts, frame = _texts(request, model), _frame(request, model)
    size = sum(map(_bytes, texts))
    if _bytes_suffice(size, model) or _counts_at_once(texts, size, model):
        return _bounded(texts, size, frame, model)
    return await asyncio.to_thread(_bounded, texts, size, frame, model)


def estimate_input_tokens(request: CompletionRequest, model: Model) -> int:
    """Our best count of the prompt, for a bill where the provider reported none. May block, as above."""
    counted = sum(count_tokens(text, model) for text in _texts(request, model))
    images = _media_tokens(request, model)
    if model.tokenizer == "smollm2":
        return counted + _frame(request, model)
    return counted + images + _ESTIMATED_FRAME * len(request.messages)


async def estimate_input(request: CompletionRequest, model: Model) -> int:
    """`estimate_input_tokens` without holding up the event loop: long work goes to a thread."""
    texts = _texts(request, model)
    if _counts_at_once(texts, sum(map(_bytes, texts)), model):
        return estimate_input_tokens(request, model)
    return await asyncio.to_thread(estimate_input_tokens, request, model)


def guess_input_tokens(request: CompletionRequest, model: Model) -> int:
    """The same at once, from bytes: for what is asked each second, and must not wait for a vocabulary."""
    guessed = sum(map(_guess, _texts(request, model)))
    return guessed + _media_tokens(request, model)


def count_tokens(text: str, model: Model) -> int:
    """Our best count of a text, for a bill where the provider reported none. May block, as above."""
    counter = _encoder(model)
    return _guess(text) if counter is None else counter.count(text)


class Tally:
    """Counts an answer while it streams, each piece once, and never blocks.

    Where its vocabulary is not loaded the count is a guess from bytes. Nor is it loaded for this: that holds
    up every stream of the process for some tenths of a second, and costs 45 MB.
    """

    def __init__(self, model: Model) -> None:
        self._vocabulary = _VOCABULARY.get(model.tokenizer)
        self._counted = 0
        self._waiting: list[str] = []

    def add(self, text: str) -> None:
        self._waiting.append(text)

    def total(self) -> int:
        waiting = "".join(self._waiting)
        if not waiting:
            return self._counted
        counter = None
        if self._vocabulary is not None:
            if not is_loaded(self._vocabulary):
                return self._counted + _guess(waiting)
            counter = encoder_if_loaded(self._vocabulary)
        self._counted += _guess(waiting) if counter is None else counter.count(waiting)
        self._waiting.clear()
        return self._counted


def _bounded(texts: list[str], size: int, frame: int, model: Model) -> int:
    """`size` is that of all texts in bytes."""
    if _bytes_suffice(size, model):
        return size + frame
    counter = _encoder(model)
    if counter is None:
        return size + frame
    counted = 0
    for text in texts:
        counted += counter.count(text, model.context_tokens - counted)
        if counted > model.context_tokens:
            break
    bound = -(-counted * _MARGIN[model.tokenizer] // 100)
    if model.tokenizer == "approximate":
        bound += sum(map(_digits, texts)) // 2
    return min(size, bound) + frame


def _counts_at_once(texts: list[str], size: int, model: Model) -> bool:
    vocabulary = _VOCABULARY.get(model.tokenizer)
    if vocabulary is None:
        return True
    if not is_loaded(vocabulary) or len(texts) > _INLINE_TEXTS:
        return False
    return size <= _INLINE_BYTES


def _bytes_suffice(size: int, model: Model) -> bool:
    """Whether bytes alone are a bound that takes neither much money nor much of the context."""
    return model.tokenizer != "smollm2" and size <= min(_BYTES_SUFFICE, model.context_tokens // 32)


def _encoder(model: Model) -> Encoder | None:
    vocabulary = _VOCABULARY.get(model.tokenizer)
    return None if vocabulary is None else encoder(vocabulary)


def _texts(request: CompletionRequest, model: Model) -> list[str]:
    """Everything of a request that becomes tokens, save images and the frame."""
    texts = [text for message in request.messages for text in _texts_of(message, model)]
    if model.tokenizer == "smollm2" and request.messages and request.messages[0].role != "system":
        texts.append(f"system\n{_SMOLLM2_SYSTEM}")
    for tool in request.tools:
        texts += _texts_of_tool(tool)
    if request.response_format is not None:
        texts.append(_json(request.response_format))
    return texts


def _texts_of(message: Message, model: Model) -> list[str]:
    said = f"{message.role}\n{message.text}" if model.tokenizer == "smollm2" else message.text
    if not (message.tool_calls or message.reasoning or message.name or message.tool_call_id):
        return [said] if said else []
    calls = [text for call in message.tool_calls for text in (call.id, call.name, call.arguments)]
    thoughts = [text for thought in message.reasoning for text in (thought.text, thought.proof)]
    return [text for text in (said, message.name, message.tool_call_id, *calls, *thoughts) if text]


def _texts_of_tool(tool: AnyTool) -> list[str]:
    match tool:
        case Tool(name, description, parameters):
            return [name, description, _json(parameters)]
        case CustomTool(name, description, grammar):
            return [name, description, _json(grammar or {})]
        case HostedTool(kind, options):
            return [kind, _json(options)]


def _frame(request: CompletionRequest, model: Model) -> int:
    messages = len(request.messages)
    if model.tokenizer == "smollm2":
        spoken_first = bool(messages) and request.messages[0].role != "system"
        return _SMOLLM2_FRAME_MESSAGE * (messages + spoken_first) + _SMOLLM2_FRAME_REQUEST
    calls = sum(len(message.tool_calls) for message in request.messages)
    framed = model.frame_tokens + _FRAME_MESSAGE * (messages + calls)
    if request.tools:
        framed += model.tools_frame_tokens + _FRAME_TOOL * len(request.tools)
    return framed + _media_tokens(request, model)


def _media_tokens(request: CompletionRequest, model: Model) -> int:
    """Images and documents, which few prompts have."""
    if all(isinstance(part, TextPart) for message in request.messages for part in message.parts):
        return 0
    return _image_tokens(request, model) + _page_tokens(request, model)


def _image_tokens(request: CompletionRequest, model: Model) -> int:
    images = sum(isinstance(part, ImagePart) for message in request.messages for part in message.parts)
    if images and model.image_tokens is None:
        raise Unsupported(f"{model.name} takes no images here.", "messages")
    return images * (model.image_tokens or 0)


def _page_tokens(request: CompletionRequest, model: Model) -> int:
    files = [part for message in request.messages for part in message.parts if isinstance(part, FilePart)]
    if files and model.page_tokens is None:
        raise Unsupported(f"{model.name} takes no files here.", "messages")
    return sum(_tokens_of(part, model.page_tokens or 0) for part in files)


def _tokens_of(part: FilePart, page_tokens: int) -> int:
    """A document's pages at the most that each can cost; text at its bytes; behind a link nobody looks."""
    if not part.url.startswith("data:"):
        return MOST_PAGES * page_tokens
    data = data_of(part.url)
    if part.media_type.startswith("text/"):
        return len(data)
    return min(max(1, pages_of(data)), MOST_PAGES) * page_tokens


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _digits(text: str) -> int:
    """o200k joins three digits where others join none: half a token more a digit makes up for it."""
    return sum(text.count(digit) for digit in "0123456789")


def _guess(text: str) -> int:
    return -(-_bytes(text) // _BYTES_PER_TOKEN)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
