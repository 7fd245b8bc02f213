"""What an installation does by itself: who is told of what, which text goes, which sums are made.

Each of these is one process's at a time, by lease; a process that belongs to another (`api_process.py`)
leaves them to it. What one does is its own module's.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from alerting import EVERY_S as ALERTS_S, Alerting
from billing.recurring import RecurringGrants
from deployed import notice_changes
from gateway.catalog import Catalog
from gateway.retention import EVERY_S as RETENTION_S, Retention
from store.leases import ALERTS, LOG, ROLLUPS, SHEETS
from stores import Stores
from telemetry import grouping, upkeep
from telemetry.grouping import Grouping
from telemetry.retention import EVERY_S as LOG_RETENTION_S, LogRetention

_TEXT_RETENTION = "retention"


def keep_house(
    keep: Callable[[Coroutine[Any, Any, None]], None],
    stores: Stores,
    catalog: Catalog,
    alerting: Alerting,
    retention: Retention,
    *,
    log_days: int | None,
) -> None:
    """`keep` goes on with something until everything closes. Rows of the log go after `log_days`."""
    log, leases = stores.databases.log.engine, stores.leases
    keep(leases.keep(ALERTS, ALERTS_S, alerting.turn))
    keep(leases.keep(_TEXT_RETENTION, RETENTION_S, retention.forget_old))
    keep(notice_changes(stores, catalog))
    keep(leases.keep(ROLLUPS, upkeep.EVERY_S, upkeep.Upkeep(log)))
    keep(leases.keep(SHEETS, grouping.EVERY_S, Grouping(log).turn))
    keep(leases.keep(LOG, LOG_RETENTION_S, LogRetention(log, log_days).turn))
    keep(RecurringGrants(stores.databases.app, stores.ledger.grant).keep_giving())
