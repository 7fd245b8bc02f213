"""The request log and its roll-ups, as `telemetry` has them."""

from migrations.environment import run
from telemetry.tables import LoggedRequest

run(LoggedRequest.metadata)
