"""Images beside a prompt: what is taken, what is left out and why, and what it costs at most."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest

from components import image_words as say, session, words
from components.asking import Settings
from components.image_input import MOST, MOST_BYTES, costs, kind_of, read
from components.opened import Opened
from gateway.catalog import Catalog
from gateway.messages import CompletionRequest, ImagePart, Message, Sampling, TextPart
from tests.pages import reading
from tests.pages.conftest import OpenPage
from tests.pages.fakes import World

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a...", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"<svg onload=alert(1)>", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_a_file_is_what_its_first_bytes_say(raw: bytes, kind: str | None) -> None:
    assert kind_of(raw) == kind


def test_what_is_left_out_is_said_and_the_rest_goes() -> None:
    large = PNG + bytes(MOST_BYTES)
    urls, problems = read([("a.png", PNG), ("b.png", b"text"), ("c.png", large), *[("d.png", PNG)] * MOST])
    assert urls == (f"data:image/png;base64,{base64.b64encode(PNG).decode()}",) * MOST
    assert problems == (
        say.no_image("b.png"),
        say.too_large("c.png", MOST_BYTES),
        say.too_many("d.png", MOST),
    )


def test_an_image_costs_at_most_what_the_gateway_would_hold_for_it() -> None:
    model = replace(Catalog.load().get("openai/gpt-4.1"), image_tokens=1_000)
    (one,), (three,) = costs([model, model], 1, 2**41), costs([model], 3, 2**41)
    assert one == "GPT-4.1: an image is at most 1,000 tokens, $0.002."
    assert three == "GPT-4.1: 3 images are at most 3,000 tokens, $0.006."


def test_images_of_an_opened_request_stay_with_its_prompt() -> None:
    image = ImagePart("data:image/png;base64,AAAA")
    asked = CompletionRequest("lab/full", (Message("user", (image, TextPart("What is it?"))),))
    sent = Opened("x", asked).with_page(Settings("lab/full", "", Sampling()), "And where?")
    assert sent.messages[-1].parts == (image, TextPart("And where?"))


def test_an_image_goes_with_the_prompt_and_not_with_the_next(
    build: Callable[..., World], open_page: OpenPage
) -> None:
    world = build(absent={})
    page = open_page("playground.py", model="openai/gpt-4.1")
    page.file_uploader[0].set_value(("sky.png", PNG, "image/png")).run()
    page.text_area(key=session.DRAFT).set_value("What is it?")
    page = next(each for each in page.button if each.label == words.SEND).click().run()
    (asked,) = world.gateway.asked
    image, text = asked.messages[-1].parts
    assert isinstance(image, ImagePart) and image.url.startswith("data:image/png;base64,")
    assert isinstance(text, TextPart) and text.text == "What is it?"
    assert say.beside(1) in reading.texts(page)
    page.text_area(key=session.DRAFT).set_value("And where?")
    next(each for each in page.button if each.label == words.SEND).click().run()
    parts = [part for message in world.gateway.asked[-1].messages for part in message.parts]
    assert sum(isinstance(part, ImagePart) for part in parts) == 1


def test_a_model_that_reads_no_images_offers_none(world: World, open_page: OpenPage) -> None:
    assert list(open_page().file_uploader) == []
