"""Tells whoever runs the installation what became slow, began to fail or reached a spending cap: once.

One process does it, by the lease `alerts`, each minute: it reads what was found, decides what is news
(`telemetry/alerts.py`), and sends what waits to every address of `TILTYARD_ALERT_URLS`. A webhook goes
through the guarded client (`net/post.py`), because it is an HTTP call like any other that leaves here; mail
goes through apprise, in a process of its own (`net/letters.py`). An address is never logged: it may hold a
password.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Engine

from billing.budgets import Budgets, CapAlert
from billing.errors import LedgerUnavailable
from billing.money import format_usd
from gateway.catalog import Catalog
from net.letters import SCHEMES as MAIL, LetterFailed, send_letter
from net.post import PostFailed, post_json
from telemetry import anomalies
from telemetry.alerts import Alert, Alerts, KeptAlert
from telemetry.anomalies import Anomalies, Anomaly

_log = logging.getLogger("tiltyard")

EVERY_S: Final = 60.0
AGAIN_MS: Final = 6 * 60 * 60 * 1_000
Results = tuple[tuple[str, str | None], ...]
_CAPS_LOOK_BACK_MS: Final = 24 * 60 * 60 * 1_000


@dataclass(frozen=True, slots=True)
class Address:
    """Where alerts go. `url` may hold a password; `name` is what may be shown."""

    url: str
    allow_private_address: bool = False

    @property
    def name(self) -> str:
        parts = urlsplit(self.url)
        return f"{'e-mail' if self.url.startswith(MAIL) else 'webhook'} at {parts.hostname or 'nowhere'}"

    async def send(self, text: str, told: Sequence[KeptAlert], site_url: str) -> None:
        """Raises `LetterFailed` and `PostFailed`."""
        if self.url.startswith(MAIL):
            await send_letter(self.url, _title(told), f"{text}\n\n{site_url}/latency")
            return
        document = {
            "text": text,
            "installation": site_url,
            "alerts": [
                {"subject": each.subject, "threshold": each.threshold, "text": each.text,
                 "at": _instant(each.told_ms)}
                for each in told
            ],
        }  # fmt: skip
        await post_json(self.url, document, allow_private_address=self.allow_private_address)


class Alerting:
    def __init__(
        self,
        engine: Engine,
        budgets: Budgets,
        catalog: Catalog,
        addresses: Sequence[Address],
        site_url: str,
        find: Callable[[], tuple[Anomaly, ...]] | None = None,
    ) -> None:
        self.alerts = Alerts(engine)
        self.addresses = tuple(addresses)
        self._budgets = budgets
        self._catalog = catalog
        self._site_url = site_url
        self._left: dict[tuple[str, str, int], set[str]] = {}  # of what waits: the addresses that have it
        self._find = find or (lambda: Anomalies(engine).of(None))

    async def turn(self, now_ms: int | None = None) -> None:
        """Decide what is news, and send what waits. Twice does no harm."""
        now_ms = _now_ms() if now_ms is None else now_ms
        found = await asyncio.to_thread(self._found, now_ms)
        for alert in await asyncio.to_thread(self.alerts.decide, found, now_ms):
            _log.warning("alert: %s", alert.text)
        due = await asyncio.to_thread(self.alerts.due, now_ms)
        if not due or not self.addresses:
            return
        await asyncio.gather(*(self._send(address, due) for address in self.addresses))
        whole = [alert for alert in due if len(self._left.get(_key(alert), ())) == len(self.addresses)]
        await asyncio.to_thread(self.alerts.sent, whole, now_ms)
        await asyncio.to_thread(self.alerts.failed, [each for each in due if each not in whole], now_ms)
        waiting = {_key(each) for each in due if each not in whole}
        self._left = {key: names for key, names in self._left.items() if key in waiting}

    async def try_out(self) -> Results:
        return await try_out(self.addresses, self._site_url)

    async def _send(self, address: Address, due: Sequence[KeptAlert]) -> None:
        """What has left for this address is not sent to it again, while this process lives."""
        news = [alert for alert in due if address.url not in self._left.get(_key(alert), ())]
        if not news:
            return
        try:
            await address.send("\n".join(each.text for each in news), news, self._site_url)
        except (LetterFailed, PostFailed) as error:
            _log.warning("alerts could not be sent to the %s: %s; they wait", address.name, error)
            return
        for alert in news:
            self._left.setdefault(_key(alert), set()).add(address.url)

    def _found(self, now_ms: int) -> list[Alert]:
        found = [self._of_anomaly(anomaly) for anomaly in self._find()]
        try:
            caps = self._budgets.alerts(now_ms - _CAPS_LOOK_BACK_MS)
        except LedgerUnavailable:
            return found  # the next turn reads further back than a minute
        return found + [_of_cap(alert) for alert in caps]

    def _of_anomaly(self, anomaly: Anomaly) -> Alert:
        names = {model.id: model.name for model in self._catalog.models()}
        names |= {provider.id: provider.name for provider in self._catalog.providers()} | names
        subject = f"{anomaly.figure}:{anomaly.of}:{anomaly.subject}"
        name = names.get(anomaly.subject, anomaly.subject)
        text = anomalies.sentence(anomaly, name, f"{_instant(anomaly.since_ms)} UTC")
        return Alert(subject, anomaly.threshold, f"{text}; {anomalies.proof(anomaly)}.", AGAIN_MS)


async def try_out(addresses: Sequence[Address], site_url: str) -> Results:
    """Send a word to each address: its name, and why it did not take it; None where it did."""
    word = KeptAlert("test", "", "This is a test: alerts of Tiltyard arrive here.", _now_ms(), None, 0)
    found: list[tuple[str, str | None]] = []
    for address in addresses:
        try:
            await address.send(word.text, (word,), site_url)
        except (LetterFailed, PostFailed) as error:
            found.append((address.name, str(error)))
        else:
            found.append((address.name, None))
    return tuple(found)


def _of_cap(alert: CapAlert) -> Alert:
    """Its key names the window, so each is told once for ever."""
    whose = alert.scope if not alert.subject else f"{alert.scope} {alert.subject}"
    spent, limit = format_usd(alert.spent_nano_usd), format_usd(alert.limit_nano_usd)
    text = (
        f"Spending cap of team {alert.team_id} ({whose}, {alert.window}): {alert.percent} % reached, "
        f"{spent} of {limit} spent."
    )
    return Alert(alert.key, f"{alert.percent} %", text)


def _key(alert: KeptAlert) -> tuple[str, str, int]:
    return alert.subject, alert.threshold, alert.told_ms


def _title(told: Sequence[KeptAlert]) -> str:
    return f"Tiltyard: {told[0].text[:80]}" if len(told) == 1 else f"Tiltyard: {len(told)} alerts"


def _instant(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
