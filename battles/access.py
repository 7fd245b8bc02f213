"""Who may see a battle, steer it, vote on it, and know its names. Pure."""

from __future__ import annotations

from battles.models import Battle
from identity.permissions import may
from identity.principal import Principal


def may_see(principal: Principal, battle: Battle) -> bool:
    """Its author; and unless it is personal, whoever may see the team's requests."""
    if battle.team_id != principal.team_id:
        return False
    if battle.user_id is not None and battle.user_id == principal.user_id:
        return True
    return not battle.personal and may(principal, "read_runs")


def may_steer(principal: Principal, battle: Battle) -> bool:
    """Stop its lanes, try them again: its author, or an owner of the team."""
    own = battle.user_id is None or battle.user_id == principal.user_id
    return may(principal, "run_models") and (own or principal.role == "owner")


def is_voter(principal: Principal) -> bool:
    """Votes are people's: a member with a name who may send prompts."""
    return principal.user_id is not None and may(principal, "run_models")


def is_hidden(principal: Principal, battle: Battle, revealed: bool, anybody_knows: bool) -> bool:
    """Whether this reader must not learn who is who. Whoever cannot vote learns it when somebody else
    has."""
    if not battle.blind:
        return False
    return not revealed if is_voter(principal) else not anybody_knows
