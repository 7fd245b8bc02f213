"""Users, teams, keys and runs: `identity` and `gateway` put their tables into one metadata."""

from gateway.tables import RunRow
from identity.tables import UserRow
from migrations.environment import run

assert RunRow.metadata is UserRow.metadata
run(UserRow.metadata)
