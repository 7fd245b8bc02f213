"""Users, teams, keys, runs and schedules of credit: `identity`, `gateway` and `billing` put their tables
into one metadata."""

from billing.tables import RecurringGrantRow
from gateway.tables import RunRow
from identity.tables import UserRow
from migrations.environment import run

assert RunRow.metadata is UserRow.metadata is RecurringGrantRow.metadata
run(UserRow.metadata)
