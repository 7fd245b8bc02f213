"""The English sentences of images that go with a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

IMAGES: Final = "Images"
UPLOAD: Final = "PNG, JPEG, GIF or WebP"


def beside(count: int) -> str:
    return f"With {count} {'image' if count == 1 else 'images'}."


def takes_none(names: Sequence[str]) -> str:
    told = ", ".join(dict.fromkeys(names))
    return f"{told} reads no images here. Pick models that do to add some."


def no_image(name: str) -> str:
    return f"{name[:80]} is no PNG, JPEG, GIF or WebP, and stays out."


def too_large(name: str, most_bytes: int) -> str:
    return f"{name[:80]} is larger than {most_bytes / 1024**2:g} MB, and stays out."


def too_many(name: str, most: int) -> str:
    return f"A prompt has at most {most} images: {name[:80]} stays out."


def cost(model: str, images: int, tokens: str, money: str) -> str:
    each = "an image is" if images == 1 else f"{images} images are"
    return f"{model}: {each} at most {tokens} tokens, {money}."
