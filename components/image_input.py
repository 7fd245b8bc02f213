"""Draws the images that go with a prompt, and what each costs at most on the models that are picked.

An image travels inside the request as a `data:` URL; nothing is fetched from anywhere, and what a file is,
its first bytes say, not its name.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

import streamlit as st

from components import figure, image_words as say, session, words
from gateway.catalog import Model
from gateway.errors import GatewayError
from gateway.pricing import price_at

MOST: Final = 4
MOST_MB: Final = 1
MOST_BYTES: Final = MOST_MB * 1024 * 1024  # each
_KINDS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def show(models: Sequence[Model], page: str, now_ms: int) -> None:
    """The images are then `session.images(page)`; none where a model that is picked takes none, which is
    said. Draws nothing where no model does."""
    if all(model.image_tokens is None for model in models):
        session.set_images(page, ())
        return
    kept = session.images(page)
    label = f"{say.IMAGES} ({len(kept)})" if kept else say.IMAGES
    with st.popover(label, icon=":material/image:", key=f"{page}-images", wrap=False):
        session.set_images(page, _picked(models, page, now_ms))


def _picked(models: Sequence[Model], page: str, now_ms: int) -> tuple[str, ...]:
    with st.container(gap="xsmall"):
        if without := [model.name for model in models if model.image_tokens is None]:
            st.caption(words.escaped(say.takes_none(without)))
            return ()
        files = st.file_uploader(
            say.UPLOAD,
            ["png", "jpg", "jpeg", "gif", "webp"],
            accept_multiple_files=True,
            max_upload_size=MOST_MB,
            key=session.images_key(page),
        )
        urls, problems = read([(file.name, file.getvalue()) for file in files])
        for problem in problems:
            st.warning(words.escaped(problem))
        for line in costs(models, len(urls) or 1, now_ms):
            st.caption(words.escaped(line))
        return urls


def read(files: Sequence[tuple[str, bytes]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and contents as `data:` URLs; and what is wrong with those that are left out. Pure."""
    urls: list[str] = []
    problems: list[str] = []
    for name, raw in files:
        kind = kind_of(raw)
        if kind is None:
            problems.append(say.no_image(name))
        elif len(raw) > MOST_BYTES:
            problems.append(say.too_large(name, MOST_BYTES))
        elif len(urls) == MOST:
            problems.append(say.too_many(name, MOST))
        else:
            urls.append(f"data:{kind};base64,{base64.b64encode(raw).decode()}")
    return tuple(urls), tuple(problems)


def kind_of(raw: bytes) -> str | None:
    """What these bytes are, by their beginning; None for what is no image that providers take."""
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _KINDS if raw.startswith(start)), None)


def costs(models: Sequence[Model], images: int, now_ms: int) -> tuple[str, ...]:
    """For each model, the most that so many images come to: in tokens, and in money at its input price. What
    is held for the request counts the same. Pure."""
    lines = []
    for model in models:
        tokens = (model.image_tokens or 0) * images
        try:
            price = price_at(model, now_ms).base.input
        except GatewayError:
            continue
        cost = figure.money(-(-tokens * price // 1000))
        lines.append(say.cost(model.name, images, figure.tokens(tokens), cost))
    return tuple(dict.fromkeys(lines))
