"""The deliberate bugs: what each one does wrong, where, and the tests that should notice.

`old` stands in its file exactly once; where the code has moved on, the run says so.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bug:
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


_PRICING = ("tests/gateway/test_pricing.py",)
_COMPLETION = ("tests/gateway/test_completion.py", "tests/faults/test_known_failures.py")
_ATTEMPTS = ("tests/gateway/test_attempts.py",)
_ROUTING = ("tests/gateway/test_routing.py",)
_RESERVE = ("tests/billing/test_reserve.py",)
_SETTLE = ("tests/billing/test_settle.py",)
_ALLOWANCE = ("tests/billing/test_allowance.py",)
_GRANTS = ("tests/billing/test_grants.py",)
_CAPS = ("tests/billing/test_caps.py", "tests/billing/test_reserve.py")
_BUDGETS = ("tests/billing/test_caps.py", "tests/billing/test_budgets.py")
_DISK = ("tests/billing/test_full_disk.py",)
_WRITER = ("tests/billing/test_writer.py",)
_PROCESS = ("tests/billing/test_writer_process.py",)
_TAMPERING = ("tests/billing/test_tampering.py",)
_CLOCKS = ("tests/telemetry/test_clocks.py",)
_CHAT = ("tests/gateway/providers/test_wire_chat.py",)
_RESPONSES = ("tests/gateway/providers/test_wire_responses.py",)
_API = ("tests/api/test_chat_completions.py",)
_BATTLES = ("tests/battles/test_battle.py",)
_BLIND = ("tests/battles/test_blind.py",)
_POSTGRESQL = ("tests/billing/postgresql",)

BUGS = (
    # --- prices and bounds
    Bug(
        "a bill is rounded down",
        "billing/money.py",
        "return -(-pico_usd // PICO_USD_PER_NANO_USD)",
        "return pico_usd // PICO_USD_PER_NANO_USD",
        ("tests/billing/test_money.py",),
    ),
    Bug(
        "cached tokens cost as much as fresh ones",
        "gateway/pricing.py",
        "_or(rates.cached_input, rates.input)",
        "rates.input",
        _PRICING,
    ),
    Bug(
        "reasoning is charged beside the output that contains it",
        "gateway/pricing.py",
        'Line("output", usage.output, rates.output)',
        'Line("output", usage.output + usage.reasoning, rates.output)',
        _PRICING,
    ),
    Bug(
        "a hold forgets the prompt",
        "gateway/pricing.py",
        '        Line("input", input_bound, dearest.input),\n',
        "",
        _PRICING,
    ),
    Bug(
        "a hold reckons with the cheapest context tier",
        "gateway/pricing.py",
        "if input_bound > tier.above_input_tokens)]",
        "if False)]",
        _PRICING,
    ),
    Bug(
        "a clamped limit on output rounds up",
        "gateway/pricing.py",
        "left // dearest.output)",
        "-(-left // dearest.output))",
        _PRICING,
    ),
    Bug(
        "a model whose price has not started is taken at it all the same",
        "gateway/pricing.py",
        '        raise ModelUnavailable(model.id, "it has no price today.")\n',
        "        return versions[-1]\n",
        _PRICING,
    ),
    Bug(
        "impossible usage is believed",
        "gateway/pricing.py",
        "    if within and not negative:",
        "    if True:",
        _PRICING,
    ),
    # --- the use case
    Bug(
        "the limit that goes upstream is what was asked, not what the hold pays for",
        "gateway/attempts.py",
        "option.most.within(self._hold_nano_usd)",
        "option.most.out_cap",
        _COMPLETION,
    ),
    Bug(
        "a request's key is not handed to the ledger",
        "gateway/completion.py",
        "                scopes=ready.scopes,\n                idempotency=idempotency,\n",
        "                scopes=ready.scopes,\n",
        _COMPLETION,
    ),
    Bug(
        "no cap applies",
        "gateway/completion.py",
        "                scopes=ready.scopes,\n                idempotency=idempotency,\n",
        "                scopes=(),\n                idempotency=idempotency,\n",
        _COMPLETION,
    ),
    Bug(
        "a server that drains takes new requests",
        "gateway/completion.py",
        "        if self.draining:\n            raise Draining\n",
        "",
        _COMPLETION,
    ),
    Bug(
        "whoever may only look may also spend",
        "gateway/completion.py",
        'if not may(principal, "run_models"):',
        "if False:",
        _COMPLETION,
    ),
    Bug(
        "a kept run is shown to other teams",
        "gateway/kept_runs.py",
        "if row is not None and row.team_id == team_id else None",
        "if row is not None else None",
        _COMPLETION,
    ),
    # --- several providers
    Bug(
        "the hold is made for the first provider, not for the dearest",
        "gateway/options.py",
        "return max(option.most.amount_nano_usd for option in self.options)",
        "return self.first.most.amount_nano_usd",
        _ATTEMPTS,
    ),
    Bug(
        "a bill names the provider that was asked first",
        "gateway/pump.py",
        "return facts_of(self._attempt.option, self._at.facts)",
        "return self._at.facts",
        _ATTEMPTS,
    ),
    Bug(
        "every provider of a model is priced as its first one",
        "gateway/options.py",
        "        route.provider,\n        tool_calls",
        "        None,\n        tool_calls",
        _ATTEMPTS,
    ),
    Bug(
        "what an attempt that gave way reported is billed",
        "gateway/pump.py",
        "        self._usage: Usage | None = None\n        self._calls",
        "        self._usage: Usage | None = getattr(self, '_usage', None)\n        self._calls",
        _ATTEMPTS,
    ),
    Bug(
        "a crash is billed to the provider that was asked first",
        "billing/ledger.py",
        "running.answered or running.hold.facts",
        "running.hold.facts",
        _SETTLE,
    ),
    Bug(
        "an answer that broke in the middle is asked again of the next",
        "gateway/pump.py",
        "return self._began or self._opened or self.run.stop_reason is not None",
        "return False",
        _ATTEMPTS,
    ),
    Bug(
        "a request that is itself at fault goes round all providers",
        "gateway/attempts.py",
        "return error.status not in _THE_REQUESTS_FAULT",
        "return True",
        _ATTEMPTS,
    ),
    Bug(
        "a provider that credit does not reach for is asked all the same",
        "gateway/options.py",
        "kept = tuple(option for option in self.options if option.most.least_nano_usd <= amount_nano_usd)",
        "kept = self.options",
        _ATTEMPTS,
    ),
    Bug(
        "the total deadline begins anew with each attempt",
        "gateway/streaming.py",
        "self._start_s if call.started_s is None else call.started_s",
        "self._start_s",
        _ATTEMPTS,
    ),
    Bug(
        "a hold forgets the calls of the provider's tools",
        "gateway/pricing.py",
        "amount_nano_usd=hold_nano_usd(price, input_bound, cap, tool_calls, fee)",
        "amount_nano_usd=hold_nano_usd(price, input_bound, cap)",
        _ATTEMPTS,
    ),
    Bug(
        "every call of a tool costs as the dearest",
        "gateway/pricing.py",
        "fees.get(kind, dearest)",
        "dearest",
        _ATTEMPTS,
    ),
    Bug(
        "a tool without a price is free",
        "gateway/tool_fees.py",
        "        if fee is None:\n            raise",
        "        if fee is None:\n            continue\n            raise",
        _ATTEMPTS,
    ),
    Bug(
        "a limit on calls does not go upstream",
        "gateway/options.py",
        "        request = replace(request, max_tool_calls=calls)\n",
        "        pass\n",
        _ATTEMPTS,
    ),
    Bug(
        "where nobody's data policy is known everybody is asked",
        "gateway/routing.py",
        'if wants.zero_data_retention and retention != "yes":',
        'if wants.zero_data_retention and retention == "no":',
        _ROUTING,
    ),
    # --- the pump
    Bug(
        "usage of zero is taken for missing",
        "gateway/pump.py",
        "if reported is not None:",
        "if reported is not None and (reported.input or reported.output):",
        _COMPLETION,
    ),
    Bug(
        "whoever hangs up pays nothing",
        "gateway/pump.py",
        "run.usage = await self._final_usage()",
        "run.usage = None if run.stop_reason else await self._final_usage()",
        _COMPLETION,
    ),
    Bug(
        "an answer without usage is free",
        "gateway/pump.py",
        "            return None\n        return await self._guess(",
        "            return None\n        return None and await self._guess(",
        _COMPLETION,
    ),
    Bug(
        "an answer that never came is charged",
        "gateway/pump.py",
        "        if not self._began:\n            return None\n        return await",
        "        return await",
        _COMPLETION,
    ),
    Bug(
        "a stop ends the task before it has settled",
        "gateway/pump.py",
        "                self.task.uncancel()\n",
        "                raise\n",
        _COMPLETION,
    ),
    Bug(
        "a run stopped before its first step is cancelled unborn",
        "gateway/pump.py",
        "        if not self._under_way:\n",
        "        if False:\n",
        _COMPLETION,
    ),
    Bug(
        "a fault of our own leaves the hold open",
        "gateway/pump.py",
        '            _log.exception("%s failed by a fault of ours", self.run.id)\n',
        "            raise\n",
        _COMPLETION,
    ),
    Bug(
        "a checkpoint says nothing of what came",
        "gateway/pump.py",
        "        elif self._began:\n            progress = lines_for(await",
        "        elif False:\n            progress = lines_for(await",
        _COMPLETION,
    ),
    Bug(
        "a settle that found no ledger is not sent again",
        "gateway/pump.py",
        "            except LedgerUnavailable:\n                continue\n",
        "            except LedgerUnavailable:\n                return\n",
        _COMPLETION,
    ),
    Bug(
        "stopped reasoning models are cut and their hidden tokens given away",
        "gateway/pump.py",
        "if drains and self._tools.may_drain():",
        "if False:",
        _COMPLETION,
    ),
    Bug(
        "a stream that ends without an end counts as whole",
        "gateway/streaming.py",
        "    if not watch.finished:\n        what",
        "    if False:\n        what",
        ("tests/gateway/test_streaming.py",),
    ),
    # --- the wires
    Bug(
        "cached tokens are counted in the prompt and beside it",
        "gateway/providers/wire_chat.py",
        "input=prompt - cached - written,",
        "input=prompt - written,",
        _CHAT,
    ),
    Bug(
        "reasoning that is counted beside the output is lost",
        "gateway/providers/wire_chat.py",
        "        return output + reasoning, reasoning\n",
        "        return output, reasoning\n",
        _CHAT,
    ),
    Bug(
        "an incomplete answer's usage is not read",
        "gateway/providers/wire_responses.py",
        "        usage = usage_of(response.usage) if response.usage else None\n        return events if",
        "        usage = usage_of(response.usage) if self._reason(response) == 'stop' else None\n"
        "        return events if",
        _RESPONSES,
    ),
    Bug(
        "the same request spelled otherwise is another one",
        "api/wire/reading.py",
        'return hashlib.sha256(msgspec.json.encode(msgspec.json.decode(raw), order="sorted")).digest()',
        "return hashlib.sha256(raw).digest()",
        _API,
    ),
    # --- the ledger's rules
    Bug(
        "a hold is as large as asked, whatever there is",
        "billing/admission.py",
        "amount = min(asked_nano_usd, available_nano_usd)",
        "amount = asked_nano_usd",
        _RESERVE,
    ),
    Bug(
        "a cap forgets what is held",
        "billing/caps.py",
        " - self.spent_at(now_ms) - self.held_nano_usd, 0)",
        " - self.spent_at(now_ms), 0)",
        _CAPS,
    ),
    Bug(
        "the cap that names the error is not the nearest",
        "billing/caps.py",
        "for named in scopes for cap in there",
        "for named in reversed(scopes) for cap in there",
        _COMPLETION,
    ),
    Bug(
        "a rolling window forgets what is in its oldest step",
        "billing/caps.py",
        "return (now_ms - self.days * DAY_MS) // step * step",
        "return -(-(now_ms - self.days * DAY_MS) // step) * step",
        _BUDGETS,
    ),
    Bug(
        "a rolling window never lets go",
        "billing/caps.py",
        "self.steps = [step for step in self.steps if step[0] >= first_ms]",
        "self.steps = list(self.steps)",
        _BUDGETS,
    ),
    Bug(
        "a cap's day is that of UTC",
        "billing/caps.py",
        "ends_ms = window_ends_ms(window, now_ms, command.zone)",
        "ends_ms = window_ends_ms(window, now_ms)",
        _BUDGETS,
    ),
    Bug(
        "a cap's next day is that of UTC",
        "billing/caps.py",
        "window_ends_ms(self.window, now_ms, self.zone)",
        "window_ends_ms(self.window, now_ms)",
        _BUDGETS,
    ),
    Bug(
        "every day has 24 hours",
        "billing/windows.py",
        "starts_ms, ends_ms = _midnight_ms(first, zone), _midnight_ms(following, zone)",
        "starts_ms = _midnight_ms(first, zone); ends_ms = starts_ms + (following - first).days * DAY_MS",
        _BUDGETS,
    ),
    Bug(
        "a threshold is told with each entry beyond it",
        "billing/caps.py",
        "            and self.alerted.get(percent, -1) < starts_ms\n",
        "",
        _BUDGETS,
    ),
    Bug(
        "a threshold is told once for ever",
        "billing/caps.py",
        "and self.alerted.get(percent, -1) < starts_ms",
        "and percent not in self.alerted",
        _BUDGETS,
    ),
    Bug(
        "that a cap refuses is told each time",
        "billing/caps.py",
        "        self.alerted.update(dict.fromkeys(due, now_ms))\n",
        "        self.alerted.update(dict.fromkeys(due, now_ms) if not refused else {})\n",
        _BUDGETS,
    ),
    Bug(
        "a cap that waits for a hold says that it is spent",
        "billing/caps.py",
        "if 2 * spent >= cap.limit_nano_usd and room < reached.needed_nano_usd:",
        "if room - cap.held_nano_usd < reached.needed_nano_usd:",
        _BUDGETS,
    ),
    Bug(
        "a cap may be changed without a trace",
        "billing/ledger.py",
        "self.changes.cap_changes.append(_cap_change_row(",
        "print(_cap_change_row(",
        _BUDGETS,
    ),
    Bug(
        "an alert is not written on PostgreSQL",
        "billing/rows_postgresql.py",
        '"cap_alerts": [row._asdict() for row in changes.cap_alerts],',
        '"cap_alerts": [],',
        ("tests/billing/postgresql/test_budgets.py",),
    ),
    Bug(
        "an alert is not written on SQLite",
        "billing/journal_sqlite.py",
        "            many(_CAP_ALERT, changes.cap_alerts)\n",
        "",
        _BUDGETS,
    ),
    Bug(
        "a key may be used for another request",
        "billing/ledger.py",
        "if used.fingerprint != key.fingerprint:",
        "if False:",
        _RESERVE,
    ),
    Bug(
        "the key of a voided hold stays taken",
        "billing/ledger.py",
        "                self.changes.freed_keys.append(key)\n",
        "                pass\n",
        _RESERVE,
    ),
    Bug(
        "a run that has ended may be reserved again",
        "billing/ledger.py",
        "            raise HoldGone(command.run_id, ended.how)\n        if command.most_open",
        "            pass\n        if command.most_open",
        _RESERVE,
    ),
    Bug(
        "a settle that comes twice reserves again",
        "billing/ledger.py",
        "            if ended is not None:\n                return self._first_receipt",
        "            if False:\n                return self._first_receipt",
        _SETTLE,
    ),
    Bug(
        "what a settle did not use stays held on the caps",
        "billing/ledger.py",
        "            team.caps[no].release(hold.amount_nano_usd)\n",
        "            pass\n",
        _CAPS,
    ),
    Bug(
        "what credit does not cover is not written off",
        "billing/ledger.py",
        "            postings[_WRITTEN_OFF] = -left\n",
        "            postings[_SPENT] = cost - left\n",
        _SETTLE,
    ),
    Bug(
        "what a run cost above its hold is written off although there is credit",
        "billing/ledger.py",
        "            for account in team.spendable(now_ms):\n                free",
        "            for account in ():\n                free",
        _SETTLE,
    ),
    Bug(
        "a run that died is free",
        "billing/ledger.py",
        "        if running.progress:\n            progress",
        "        if False:\n            progress",
        _SETTLE,
    ),
    Bug(
        "a later checkpoint may say less",
        "billing/ledger.py",
        "if progress_nano_usd > running.progress_nano_usd or (",
        "if True or (",
        (*_SETTLE, "tests/billing/test_ledger_model.py"),
    ),
    Bug(
        "a clock that jumped ahead and back keeps holds open",
        "billing/ledger.py",
        "if running.expires_ms > self._now_ms + running.lease_ms:",
        "if False:",
        _SETTLE,
    ),
    Bug(
        "credit that has ended can still be spent",
        "billing/ledger.py",
        "if a.has_ended(now_ms) and a.free_nano_usd > 0]",
        "if False]",
        _ALLOWANCE,
    ),
    Bug(
        "a grant is given again for the same reference",
        "billing/ledger.py",
        "        if before is not None:\n            if (before.kind",
        "        if False:\n            if (before.kind",
        _GRANTS,
    ),
    Bug(
        "an adjustment takes what is held",
        "billing/ledger.py",
        "        if available < amount_nano_usd:\n",
        "        if False:\n",
        _GRANTS,
    ),
    Bug(
        "an allowance is given twice in a window",
        "billing/allowance.py",
        "starts_ms <= newest_starts_ms)",
        "starts_ms < newest_starts_ms)",
        _ALLOWANCE,
    ),
    Bug(
        "the allowance goes on after a payment",
        "billing/allowance.py",
        "    if first_payment_ms is not None:\n        return None\n    if first_use_ms is None:\n",
        "    if first_use_ms is None:\n",
        _ALLOWANCE,
    ),
    Bug(
        "the limit on free money is not looked at",
        "billing/allowance.py",
        "return self.committed_nano_usd + ALLOWANCE_NANO_USD <= self.limit_nano_usd",
        "return True",
        _ALLOWANCE,
    ),
    # --- the writer and its journal
    Bug(
        "a receipt is given away before the disk has it",
        "billing/group_commit.py",
        "return isinstance(outcome, Receipt | Granted | CapSet)",
        "return False",
        _PROCESS,
    ),
    Bug(
        "one bad command spoils its neighbours",
        "billing/group_commit.py",
        "return [outcome for command in commands for outcome in self.run([command])]",
        'return [LedgerBug("all of them") for _ in commands]',
        _WRITER,
    ),
    Bug(
        "what a failed write had decided is remembered",
        "billing/group_commit.py",
        "        except Unavailable as error:\n            self._teams.clear()\n            if len",
        "        except Unavailable as error:\n            if len",
        _DISK,
    ),
    Bug(
        "a write by somebody else is not noticed",
        "billing/journal_sqlite.py",
        "if self._data_version() != self._seen_version:",
        "if False:",
        _DISK,
    ),
    Bug(
        "a checkpoint is not written",
        "billing/journal_sqlite.py",
        "if changes.renewed:",
        "if False:",
        _SETTLE,
    ),
    Bug(
        "a hold that ended stays open in the file",
        "billing/journal_sqlite.py",
        "if changes.closed:",
        "if False:",
        _SETTLE,
    ),
    Bug(
        "the sweeper looks for leases that end, and not for those that cannot be",
        "billing/journal_sqlite.py",
        '" WHERE running.expires_ms <= ?1 OR running.expires_ms > ?1 + running.lease_ms LIMIT ?2"',
        '" WHERE running.expires_ms <= ?1 LIMIT ?2"',
        _SETTLE,
    ),
    Bug(
        "nothing is synced",
        "billing/writer_process.py",
        "                self._sync()\n",
        "                pass\n",
        _PROCESS,
    ),
    Bug(
        "what waits when the end comes is not decided",
        "billing/writer_process.py",
        "        while self._waiting:\n            self._decide_some()\n        while not",
        "        while not",
        _PROCESS,
    ),
    Bug(
        "what was in flight when the writer died is forgotten",
        "billing/writer.py",
        "        if self._in_flight:\n            link.send(",
        "        if False:\n            link.send(",
        _WRITER,
    ),
    Bug(
        "callers are queued without end",
        "billing/writer.py",
        "if len(self._in_flight) >= MOST_IN_FLIGHT:",
        "if False:",
        _WRITER,
    ),
    Bug(
        "entries may be altered in the file",
        "billing/sql/sqlite.sql",
        "CREATE TRIGGER ledger_entry_update BEFORE UPDATE ON ledger_entry\n",
        "CREATE TRIGGER ledger_entry_update BEFORE UPDATE ON ledger_entry WHEN 0\n",
        _TAMPERING,
    ),
    Bug(
        "an audit takes each entry's word for its hash",
        "billing/audit.py",
        "        if stored != computed:\n",
        "        if False:\n",
        _TAMPERING,
    ),
    Bug(
        "on PostgreSQL somebody is refused on what was remembered",
        "billing/group_commit_postgresql.py",
        "        return None if refused else outcomes\n",
        "        return outcomes\n",
        _POSTGRESQL,
    ),
    Bug(
        "on PostgreSQL what another process wrote since is not looked at",
        "billing/sql/postgresql.sql",
        "    IF stale IS NOT NULL THEN\n",
        "    IF false THEN\n",
        _POSTGRESQL,
    ),
    Bug(
        "on PostgreSQL entries are acknowledged before the disk has them",
        "billing/sql/postgresql.sql",
        "    IF NOT p_synced THEN\n",
        "    IF true THEN\n",
        _POSTGRESQL,
    ),
    Bug(
        "on PostgreSQL a receipt is told before the disk has it",
        "billing/writer_postgresql.py",
        "                    if witness is not None and must_last(outcome):\n",
        "                    if False:\n",
        _POSTGRESQL,
    ),
    Bug(
        "on PostgreSQL what a dying server lost is acknowledged all the same",
        "billing/syncer_postgresql.py",
        "            witness.terminate()\n            return False\n",
        "            witness.terminate()\n            return True\n",
        _POSTGRESQL,
    ),
    Bug(
        "on PostgreSQL a server that was away syncs what it never had",
        "billing/syncer_postgresql.py",
        "            await witness.fetchval(_SYNC, timeout=_SYNCED_WITHIN_S)\n",
        "            await (await self._connect()).fetchval(_SYNC, timeout=_SYNCED_WITHIN_S)\n",
        _POSTGRESQL,
    ),
    Bug(
        "on PostgreSQL entries may be altered in the database",
        "billing/sql/postgresql.sql",
        "CREATE TRIGGER ledger_entry_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry\n",
        "CREATE TRIGGER ledger_entry_stays BEFORE TRUNCATE ON ledger_entry\n",
        _POSTGRESQL,
    ),
    # --- figures
    Bug(
        "the first token is counted among those that took time",
        "telemetry/clocks.py",
        "return span_ms / (tokens - 1) if",
        "return span_ms / tokens if",
        _CLOCKS,
    ),
    Bug(
        "hidden reasoning makes a model look faster",
        "telemetry/clocks.py",
        "hidden = (reasoning_tokens or 0) if attempt.first_reasoning_ms is None else 0",
        "hidden = 0",
        _CLOCKS,
    ),
    # --- battles
    Bug(
        "a fast lane of a blind battle does not wait for a slow one",
        "battles/pacing.py",
        "return min(running) if running else",
        "return max(running) if running else",
        _BLIND,
    ),
    Bug(
        "a voter watches a hidden lane under the name that it has when it is shown",
        "battles/live.py",
        "if await is_hidden(self._battles, principal, battle):",
        "if False:",
        _BLIND,
    ),
    Bug(
        "after the first vote its voter is not shown the names",
        "battles/votes.py",
        "            storage.reveal(session, battle.id, voter.user_id, vote.created_ms)",
        "            pass",
        ("tests/battles/test_votes.py",),
    ),
    Bug(
        "a battle's own cap is not asked",
        "battles/conducting.py",
        'scopes=(("battle", battle.id),),',
        "scopes=(),",
        _BATTLES,
    ),
)
