"""What the operator looks after: teams and their approval, credit, providers, alerts, the audit log."""

from __future__ import annotations

import time

import streamlit as st

import runtime
from components import (
    alert_list,
    audit_table,
    drill_table,
    figure,
    grant_form,
    guard,
    operator_teams,
    session,
    team_words as say,
    words,
)

st.set_page_config(layout="centered")
principal = guard.enter("operate")
services = runtime.current()
people = services.people

st.title(say.OPERATOR)
teams, credit, providers, alerts, faults, log = st.tabs(
    (say.TEAMS, say.GRANT, say.PROVIDERS, alert_list.ALERTS, drill_table.DRILL, say.LOG)
)
with teams:
    operator_teams.show(people.teams, principal, session.zone())
with credit:
    if (free := services.statements.free_money(time.time_ns() // 1_000_000)) is not None:
        st.metric(
            say.FREE_MONEY,
            f"{figure.money(free.committed_nano_usd)} of {figure.money(free.limit_nano_usd)}",
            help=say.FREE_MONEY_HELP,
        )
    grant_form.show(
        people.teams.all(principal),
        lambda team_id, nano_usd, kind, reason: services.grant(principal, team_id, nano_usd, kind, reason),
    )
with providers:
    for name, why in services.providers_state():
        st.text(f"{name}: {why or say.CONNECTED}")
with alerts:
    alert_list.show(
        services.alerting.alerts.newest(),
        [address.name for address in services.alerting.addresses],
        lambda: services.try_alerts(principal),
        session.zone(),
    )
with faults:
    drill_table.show(lambda times: services.fault_drill(principal, times))
with log:
    broken = people.audit.broken_at()
    if broken is None:
        st.caption(f"{say.LOG_WHOLE} {words.escaped(people.audit.head()[1])}")
    else:
        st.error(f"{say.LOG_BROKEN} {broken}")
    audit_table.show(people.audit.entries(limit=200), {}, session.zone())
