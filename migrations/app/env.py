"""Users, teams, keys, runs, battles and schedules of credit: `identity`, `gateway`, `battles` and `billing`
put their tables into one metadata."""

from battles.tables import BattleRow
from billing.tables import RecurringGrantRow
from gateway.tables import RunRow
from identity.tables import UserRow
from migrations.environment import run

assert BattleRow.metadata is RunRow.metadata is UserRow.metadata is RecurringGrantRow.metadata
run(UserRow.metadata)
