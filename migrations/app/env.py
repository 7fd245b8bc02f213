"""Users, teams, keys, runs, battles and schedules of credit: `identity`, `gateway`, `battles` and `billing`
put their tables into one metadata."""

from battles.tables import BattleRow
from battles.tables_batches import BatchRow
from battles.tables_prompts import PromptRow
from battles.tables_shares import ShareRow
from billing.tables import RecurringGrantRow
from gateway.tables import RunRow
from identity.tables import UserRow
from migrations.environment import run

assert (
    PromptRow.metadata
    is ShareRow.metadata
    is BattleRow.metadata
    is BatchRow.metadata
    is RunRow.metadata
    is UserRow.metadata
    is RecurringGrantRow.metadata
)
run(UserRow.metadata)
