"""Users, teams, keys and runs. `identity` and `gateway` put their tables into this metadata."""

import gateway.tables
import identity.tables  # noqa: F401
from migrations.environment import run
from store.tables import AppTable

run(AppTable.metadata)
