"""A provider on loopback that answers at once, and remembers what it was asked: `MODEL` is in the catalog
where `config` is in tiltyard.toml. It names the number that stands in a prompt as `row N`. `JUDGE` compares
two answers: it prefers the shorter, and always the one shown first where `takes_the_first` says so of the
number."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Callable

from aiohttp import web

MODELS = ("lab/one", "lab/two")
JUDGE = "lab/judge"
_CONFIG = """\
[providers.lab]
base_url = "http://127.0.0.1:{port}/v1"
wire = "chat_completions"
allow_private_address = true
"""
_MODEL = """
[[models]]
id = "{id}"
name = "{id}"
context_tokens = 32768
max_output_tokens = 4096
input_usd_per_million = "1.00"
output_usd_per_million = "4.00"
providers = [ {{ id = "lab", model = "{id}" }} ]
"""
_COMPARED = re.compile(r"<<<(?:FIRST|SECOND) ANSWER\n(.*?)\n(?:FIRST|SECOND) ANSWER>>>", re.DOTALL)


class FastUpstream:
    """Serves on a loop of its own from `with` to its end. `answer_s` is how long an answer takes, `fails`
    are the statuses that the next requests are refused with. With `two_errs` the second model is wrong of
    every other row."""

    def __init__(self, answer_s: float = 0.01, two_errs: bool = False) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.at_once = self.most_at_once = 0
        self.answer_s = answer_s
        self.two_errs = two_errs
        self.fails: list[int] = []
        self.takes_the_first: Callable[[int], bool] = lambda _: False
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="fast upstream")
        self._port = 0

    @property
    def config(self) -> str:
        return _CONFIG.format(port=self._port) + "".join(_MODEL.format(id=name) for name in (*MODELS, JUDGE))

    def __enter__(self) -> FastUpstream:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _open(self) -> web.AppRunner:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/v1/chat/completions", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = runner.addresses[0][1]
        return runner

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        prompt = asked["messages"][-1]["content"]
        if self.fails:
            return web.json_response({"error": {"message": "no"}}, status=self.fails.pop(0))
        found = re.search(r"row (\d+)", prompt)
        self.asked[asked["model"], found[1] if found else prompt] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            begins, goes_on = self._said(asked["model"], prompt, found[1] if found else "none")
            await self._send(response, {"delta": {"content": begins}, "finish_reason": None})
            await asyncio.sleep(self.answer_s)
            await self._send(response, {"delta": {"content": goes_on}, "finish_reason": None})
            await self._send(response, {"delta": {}, "finish_reason": "stop"})
            usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
            await self._chunk(response, {"choices": [], "usage": usage})
            await response.write(b"data: [DONE]\n\n")
            return response
        finally:
            self.at_once -= 1

    def _said(self, model: str, prompt: str, number: str) -> tuple[str, str]:
        if model == JUDGE:
            return "One is to the point.\n", f"VERDICT: {self._verdict(prompt, number)}"
        errs = self.two_errs and model == MODELS[1] and number.isdigit() and int(number) % 2
        return "number ", number + " or so" * bool(errs)

    def _verdict(self, prompt: str, number: str) -> str:
        first, second = (found.group(1) for found in _COMPARED.finditer(prompt))
        if self.takes_the_first(int(number)) or len(first) < len(second):
            return "FIRST"
        return "TIE" if first == second else "SECOND"

    async def _send(self, response: web.StreamResponse, choice: dict[str, object]) -> None:
        await self._chunk(response, {"choices": [{"index": 0, **choice}]})

    async def _chunk(self, response: web.StreamResponse, rest: dict[str, object]) -> None:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m", **rest}
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
