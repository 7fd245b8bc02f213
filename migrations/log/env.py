"""The request log and its roll-ups. `telemetry` puts its tables into this metadata."""

import telemetry.tables  # noqa: F401
from migrations.environment import run
from store.tables import LogTable

run(LogTable.metadata)
