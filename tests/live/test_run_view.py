"""The live answer, as its reader meets it in a real browser under the real policy."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from tests.live.conftest import Harness, OpenTab, Tab
from tests.markup.test_markdown import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

STATE = "() => __views()[0]?.dataset.state"
ENDED = "() => __views().length && __views().every((view) => view.dataset.state === 'ended')"
SAID = "() => document.body.innerText.match(/ended (\\d+)/)?.[1]"

ANSWER = """\
Here is a **Python** function that validates a palindrome:

```python
def is_palindrome(text: str) -> bool:
    letters = [c.lower() for c in text if c.isalnum()]  # only letters count
    return letters == letters[::-1]
```

How it works:
- it keeps letters
- it *compares*

| in | out |
|----|----:|
| racecar | 1 |

""" + "".join(f"Paragraph {n} says a little more, so that the answer is long enough.\n\n" for n in range(12))


async def answers(tab: Tab) -> list[str]:
    found: list[str] = await tab.page.evaluate("() => __answers()")
    return found


async def words_of(tab: Tab) -> list[str]:
    """What stands in the answer, without layout."""
    return ["".join(text.split()) for text in await answers(tab)]


async def test_an_answer_streams_and_ends_with_its_figures(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start(ANSWER, per_s=150, reasoning="First I think about it. " * 4)
    tab = await open_tab(f"/?runs={run}")
    await tab.until("() => __views()[0]?.getAttribute('aria-busy') === 'true' && __answers()[0].length > 50")
    first = (await answers(tab))[0]
    await tab.until(ENDED, 20)
    last = (await answers(tab))[0]
    assert len(last) > len(first)
    assert "Paragraph 11" in last
    assert "**" not in last
    view = await tab.page.evaluate(
        """() => { const view = __views()[0]; return {
            busy: view.getAttribute('aria-busy'), figures: view.querySelector('.figures').innerText,
            colour: view.querySelectorAll('pre .k').length,
            stop: view.querySelector('.stop').checkVisibility(),
            thoughts: view.querySelector('.thoughts').textContent,
            status: view.querySelector('.status').textContent }; }"""
    )
    figures = " ".join(view["figures"].split())
    assert "first token" in figures
    assert "150 tok/s 36 in" in figures
    assert "$4.998" in figures
    assert "\N{EM DASH}" not in figures
    assert view["colour"] > 2
    assert view["busy"] == "false"
    assert not view["stop"]
    assert view["thoughts"] == "First I think about it. " * 4
    assert view["status"] == "The answer is complete."


@pytest.mark.slow
async def test_text_only_ever_grows(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start(ANSWER * 3, per_s=100, piece=5)
    tab = await open_tab(f"/?runs={run}")
    lengths = [0]
    while not await tab.page.evaluate(ENDED):
        text = "".join((await words_of(tab))[:1])
        lengths.append(len(text))
        await asyncio.sleep(0.03)
    # Markers that close (a star, a bracket) may take back a character or two; a block never goes.
    assert max(before - after for before, after in itertools.pairwise(lengths)) <= 4
    assert len(set(lengths)) > 5


@pytest.mark.slow
async def test_reloading_in_mid_answer_goes_on_where_it_was(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start(ANSWER, per_s=60)
    tab = await open_tab(f"/?runs={run}")
    await tab.until("() => __answers()[0]?.includes('How it works')", 15)
    await tab.page.reload()
    before_s = time.monotonic()
    await tab.until("() => __answers()[0]?.includes('How it works')", 5)
    assert time.monotonic() - before_s < 5
    await tab.until(ENDED, 20)
    untouched = await open_tab(f"/?runs={run}")
    await untouched.until(ENDED)
    assert await answers(tab) == await answers(untouched)


async def test_a_broken_connection_is_opened_again_and_loses_nothing(
    harness: Harness, open_tab: OpenTab
) -> None:
    run = harness.start(ANSWER, per_s=80)
    tab = await open_tab(f"/?runs={run}")
    await tab.until("() => __answers()[0]?.length > 30")
    for _ in range(3):
        harness.do("cut")
        await asyncio.sleep(0.6)
    await tab.until(ENDED, 20)
    untouched = await open_tab(f"/?runs={run}")
    await untouched.until(ENDED)
    assert await answers(tab) == await answers(untouched)
    assert sum(url.endswith("/live") for url in tab.asked) == 4


@pytest.mark.slow
@pytest.mark.parametrize("by", ["button", "Escape"])
async def test_stop_gives_a_receipt_within_half_a_second(
    harness: Harness, open_tab: OpenTab, by: str
) -> None:
    run = harness.start(ANSWER * 5, per_s=50)
    tab = await open_tab(f"/?runs={run}")
    await tab.until("() => __answers()[0]?.length > 60")
    taken_ms = await tab.page.evaluate(
        """async (by) => {
          const view = __views()[0];
          const began = performance.now();
          if (by === "button") view.querySelector(".stop").click();
          else document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
          while (!view.querySelector(".outcome").textContent) await new Promise((go) => setTimeout(go, 5));
          return performance.now() - began;
        }""",
        by,
    )
    outcome = await tab.page.evaluate("() => __views()[0].querySelector('.outcome').textContent")
    assert outcome.startswith("Stopped: ")
    assert "tokens billed, $0.0000" in outcome
    assert taken_ms < 500
    assert not await tab.page.evaluate("() => __views()[0].querySelector('.stop').checkVisibility()")


@pytest.mark.slow
async def test_the_page_is_told_once_that_a_run_ended_and_not_of_old_ones(
    harness: Harness, open_tab: OpenTab
) -> None:
    run = harness.start("Short answer. " * 8, per_s=30)
    tab = await open_tab(f"/?runs={run}")
    await tab.until("() => document.body.innerText.includes('ended 1')", 15)
    await tab.page.get_by_role("button", name="Again").click()
    await asyncio.sleep(0.7)
    assert await tab.page.evaluate(SAID) == "1"
    await asyncio.sleep(5)  # older than what may have ended while the page was drawn
    again = await open_tab(f"/?runs={run}")
    await again.until(ENDED)
    await asyncio.sleep(0.7)
    assert await again.page.evaluate(SAID) == "0"


@pytest.mark.slow
async def test_a_run_that_ends_before_the_view_is_up_is_told_of_too(
    harness: Harness, open_tab: OpenTab
) -> None:
    run = harness.start("Quick.", per_s=500)
    tab = await open_tab(f"/?runs={run}")
    await tab.until("() => document.body.innerText.includes('ended 1')")


@pytest.mark.slow
async def test_a_rerun_leaves_the_answer_alone(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start(ANSWER, per_s=60)
    tab = await open_tab(f"/?runs={run}")
    await tab.until("() => __answers()[0]?.includes('How it works')", 15)
    await tab.page.evaluate("() => (__views()[0].querySelector('.answer > *').marked = true)")
    await tab.page.get_by_role("button", name="Slowly").click()
    await asyncio.sleep(2)
    assert await tab.page.evaluate("() => __views()[0].querySelector('.answer > *').marked === true")
    await tab.until(ENDED, 20)
    assert "Paragraph 11" in (await answers(tab))[0]


@pytest.mark.slow
async def test_finished_blocks_move_nothing(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start(ANSWER, per_s=100)
    tab = await open_tab(f"/?runs={run}")
    await tab.until("() => __answers()[0]?.length > 20")
    # Where each block begins, looked at in every frame until the end.
    tops = await tab.page.evaluate(
        """async () => {
          const view = __views()[0];
          const tops = [];
          while (view.dataset.state !== "ended") {
            await new Promise(requestAnimationFrame);
            const blocks = [...view.querySelector(".answer").children];
            blocks.forEach((block, i) => (tops[i] ??= new Set()).add(block.offsetTop));
          }
          return tops.map((seen) => [...seen]);
        }"""
    )
    assert len(tops) > 10
    assert [seen for seen in tops if len(seen) != 1] == []


@pytest.mark.slow
async def test_a_hostile_answer_runs_nothing_and_asks_nobody(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start("\n\n".join(HOSTILE), per_s=400)
    tab = await open_tab(f"/?runs={run}")
    await tab.page.evaluate("() => { window.alert = () => { window.hit = true; }; }")
    await tab.until(ENDED, 30)
    assert await tab.page.evaluate("() => window.hit === undefined")
    elements = await tab.page.evaluate(
        "() => [...new Set([...__views()[0].querySelectorAll('.answer *')].map((node) => node.localName))]"
    )
    assert not set(elements) & {"script", "img", "iframe", "svg", "style", "form", "input", "object", "meta"}
    handlers = await tab.page.evaluate(
        """() => [...__views()[0].querySelectorAll('.answer *')].flatMap((n) => [...n.attributes])
            .filter((a) => a.name.startsWith('on') || a.value.startsWith('javascript:')).length"""
    )
    assert handlers == 0
    # That no other origin was asked is checked for every tab when it is put away.


@pytest.mark.slow
async def test_copy_gives_the_answer_as_the_model_wrote_it(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start(ANSWER, per_s=400, piece=40)
    tab = await open_tab(f"/?runs={run}")
    await tab.until(ENDED, 20)
    await tab.page.locator("button.copy").click()
    await tab.until("() => __views()[0].querySelector('.copy').textContent === 'Copied'")
    assert await tab.page.evaluate("() => navigator.clipboard.readText()") == ANSWER
    await tab.page.locator("button.copy-code").first.dispatch_event("click")
    await tab.until(
        "() => navigator.clipboard.readText().then((text) => text.startsWith('def is_palindrome'))"
    )


async def test_a_failure_says_what_happened_what_it_cost_and_what_to_do(
    harness: Harness, open_tab: OpenTab
) -> None:
    failure = {"kind": "ProviderBroke", "message": "The provider cut its answer."}
    run = harness.start("It began well", per_s=200, failure=failure)
    tab = await open_tab(f"/?runs={run}")
    await tab.until(ENDED)
    said = await tab.page.evaluate("() => __views()[0].querySelector('.problem').innerText")
    assert "The provider cut its answer." in said
    assert "was charged for what came." in said
    assert "Send it again, or pick another model." in said
    assert "It began well" in (await answers(tab))[0]


@pytest.mark.slow
async def test_a_run_of_another_team_is_as_unknown_as_none(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start("Secret.", strange=True)
    tab = await open_tab(f"/?runs={run},run_none")
    await tab.until(ENDED)
    said = await tab.page.evaluate("() => __views().map((view) => view.querySelector('.problem').innerText)")
    assert said == ["There is no such answer here."] * 2
    assert await words_of(tab) == ["", ""]


@pytest.mark.slow
@pytest.mark.parametrize("with_text", [True, False])
async def test_an_older_run_is_shown_as_it_was_kept(
    harness: Harness, open_tab: OpenTab, with_text: bool
) -> None:
    run = harness.start("Kept **well**.", per_s=500)
    await asyncio.sleep(0.5)
    harness.do("keep", run=run, text=with_text)
    tab = await open_tab(f"/?runs={run}")
    await tab.until(ENDED)
    assert (await words_of(tab))[0] == ("Keptwell." if with_text else "")
    outcome = await tab.page.evaluate("() => __views()[0].querySelector('.outcome').textContent")
    assert ("no longer kept" in outcome) is not with_text


@pytest.mark.slow
async def test_four_answers_share_one_socket(harness: Harness, open_tab: OpenTab) -> None:
    runs = [harness.start(ANSWER, per_s=100, piece=6) for _ in range(4)]
    tab = await open_tab(f"/?runs={','.join(runs)}")
    await tab.until(ENDED, 30)
    shown = await words_of(tab)
    assert len(set(shown)) == 1
    assert sum(url.endswith("/live") for url in tab.asked) == 1


@pytest.mark.slow
async def test_a_selection_in_the_text_survives_while_it_grows(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start("One two three four five six seven. " * 30, per_s=60)
    tab = await open_tab(f"/?runs={run}")
    await tab.until("() => __answers()[0]?.length > 60")
    await tab.page.evaluate(
        """() => { const text = __views()[0].querySelector('.answer p').firstChild;
            window.marked = text; window.length0 = text.data.length; }"""
    )
    await tab.until("() => window.marked.isConnected && window.marked.data.length > window.length0 + 100")


async def test_a_phone_needs_no_sideways_scrolling(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start(ANSWER, per_s=400, piece=20)
    tab = await open_tab(f"/?runs={run}", width=390, height=844)
    await tab.until(ENDED, 20)
    assert await tab.page.evaluate("() => document.documentElement.scrollWidth <= 390")
    assert await tab.page.evaluate("() => __views()[0].scrollWidth <= __views()[0].clientWidth + 1")


@pytest.mark.slow
async def test_a_connection_that_died_without_a_word_is_noticed(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start(ANSWER * 4, per_s=20)
    # Cable pulled: nothing that the server says arrives any more, and the browser is not told.
    tab = await open_tab(
        f"/?runs={run}",
        script="""
          const Real = WebSocket;
          window.WebSocket = class extends Real {
            set onmessage(hear) { super.onmessage = (event) => window.pulled === this || hear(event); }
            constructor(...given) {
              super(...given);
              if (given[0].endsWith("/live")) (window.lives ??= []).push(this);
            }
          };
          const every = setInterval;
          window.setInterval = (work, ms) => every(work, ms === 10000 ? 400 : ms);
          const now = performance.now.bind(performance);
          performance.now = () => now() * 25;
        """,
    )
    await tab.until("() => __answers()[0]?.length > 30")
    await tab.page.evaluate("() => { window.pulled = window.lives[0]; }")
    await tab.until("() => window.lives.length === 2", 5)
    before = (await words_of(tab))[0]
    await tab.until(f"() => __answers()[0].length > {len(before) + 150}")


@pytest.mark.slow
async def test_while_only_reasoning_comes_the_view_says_so(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start("So.", reasoning="Let me see. " * 60, per_s=60)
    tab = await open_tab(f"/?runs={run}")
    await tab.until("() => __views()[0]?.querySelector('.thoughts')?.textContent.length > 20")
    assert await tab.page.evaluate("() => __views()[0].querySelector('.waiting').innerText") == "Thinking"
    assert await tab.page.evaluate("() => __views()[0].querySelector('.reasoning').open") is False
    await tab.until(ENDED, 20)
    assert not await tab.page.evaluate("() => __views()[0].querySelector('.waiting').checkVisibility()")


@pytest.mark.slow
async def test_copy_works_on_a_page_without_https_too(harness: Harness, open_tab: OpenTab) -> None:
    run = harness.start("Short and plain.", per_s=500)
    tab = await open_tab(
        f"/?runs={run}",
        script="""
          Object.defineProperty(navigator, "clipboard", { value: undefined });
          document.addEventListener("copy", () => (window.copied = document.activeElement.value));
        """,
    )
    await tab.until(ENDED)
    await tab.page.locator("button.copy").click()
    assert await tab.until("() => window.copied") == "Short and plain."
