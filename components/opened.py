"""A request that was opened in the playground, from the prompt library or from the log: what the page sends
first. Pure but for `show`.

Model, system prompt, sampling and prompt lie in the page's own fields, where the reader may change them; the
rest (earlier messages, images, tools, the answer's shape, a pinned provider) comes along as it was, and is
said. The version of a prompt is named only while nothing of it was changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st
from msgspec import structs

from components import opened_words as say, words
from components.asking import Settings
from gateway.messages import CompletionRequest, FilePart, ImagePart, Message, TextPart


@dataclass(frozen=True, slots=True)
class Opened:
    """`name` says what was opened, in words."""

    name: str
    request: CompletionRequest

    @property
    def system(self) -> str:
        return "\n\n".join(each.text for each in self.request.messages if each.role == "system").strip()

    @property
    def draft(self) -> str:
        """What stood last, where that was a prompt."""
        last = self._spoken[-1:]
        return last[0].text.strip() if last and last[0].role == "user" else ""

    @property
    def before(self) -> tuple[Message, ...]:
        """What was said before the prompt."""
        spoken = self._spoken
        return spoken[:-1] if spoken and spoken[-1].role == "user" else spoken

    @property
    def _spoken(self) -> tuple[Message, ...]:
        return tuple(each for each in self.request.messages if each.role != "system")

    def with_page(self, settings: Settings, draft: str) -> CompletionRequest:
        """The request as the page has it now."""
        system = (Message.of("system", settings.system),) if settings.system else ()
        page = settings.sampling
        sampling = replace(  # what the page has no field for stays as it was
            self.request.sampling,
            max_output_tokens=page.max_output_tokens,
            temperature=page.temperature,
            top_p=page.top_p,
            frequency_penalty=page.frequency_penalty,
            presence_penalty=page.presence_penalty,
            seed=page.seed,
            stop=page.stop,
            effort=page.effort,
        )
        asked = (self.request.model or settings.model, self.system, self.request.sampling)
        # A version that goes around a prompt has none of its own: whatever is typed is that version's.
        same = (settings.model, settings.system, sampling) == asked and self.draft in ("", draft)
        last = self._spoken[-1:]
        kept = (part for each in last if each.role == "user" for part in each.parts)
        parts = (*(part for part in kept if not isinstance(part, TextPart)), TextPart(draft))
        return structs.replace(
            self.request,
            model=settings.model,
            sampling=sampling,
            messages=(*system, *self.before, Message("user", parts)),
            tags=(),
            prompt_version_id=self.request.prompt_version_id if same else None,
        )

    def comes_along(self) -> tuple[str, ...]:
        """What is sent besides what the page's fields show, in words."""
        parts = [part for each in self.request.messages for part in each.parts]
        counts = (
            (len(self.before), say.messages),
            (sum(isinstance(part, ImagePart) for part in parts), say.images),
            (sum(isinstance(part, FilePart) for part in parts), say.files),
            (len(self.request.tools), say.tools),
        )
        told = [said(count) for count, said in counts if count]
        if self.request.response_format is not None:
            told.append(say.JSON_ANSWER)
        if self.request.routing.only:
            told.append(say.only(self.request.routing.only))
        return tuple(told)


def show(opened: Opened, drop: Callable[[], None]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="opened"):
        along = opened.comes_along()
        told = say.opened(opened.name, ", ".join(along)) if along else say.opened_plainly(opened.name)
        st.caption(words.escaped(told))
        st.button(say.DROP, key="drop-opened", type="tertiary", help=say.DROP_HELP, on_click=drop)
