"""The ledger's rules: what each command does to a team's money. No input, no output, no clock of its own.

A `Batch` decides commands in order on the teams it was handed, and collects what changed; a journal
writes that in one transaction, and only then is anybody answered. What always holds:

- A command that is refused changed nothing, but for what was due anyway: a reserve may have let credit
  lapse or given the allowance before it was refused; and that a cap refuses is told, once a window.
- Every entry balances, no account goes below zero, and no more is held than is there. Where that
  would break, `Broken` is raised: then the teams handed in are spoilt and must be loaded again.
- Asking twice does a thing once: reserve by run, settle, void and expire by hold, grant by reference.

A team's time never goes back: entries, windows and ends of credit go by the latest instant it saw.
Leases go by the wall's clock, so that a clock that once jumped ahead keeps no hold open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from billing import allowance
from billing.accounts import (
    BUCKETS,
    OTHER_SIDE,
    PRIORITY,
    AccountKind,
    EntryKind,
    EntryRow,
    PostingRow,
    SystemAccount,
    UsageLineRow,
    UsageRow,
    entry_hash,
)
from billing.admission import admitted_nano_usd
from billing.allowance import ALLOWANCE_NANO_USD, FreeMoney
from billing.caps import Cap, caps_on, check as check_cap, new_cap, turned_away
from billing.commands import (
    MAX_AMOUNT_NANO_USD,
    MAX_LEASE_MS,
    CapSet,
    Checkpoint,
    Command,
    Facts,
    Grant,
    Granted,
    Hold,
    HoldLine,
    Idempotency,
    Line,
    Receipt,
    Reserve,
    SetCap,
    Settle,
    Void,
)
from billing.errors import (
    CapReached,
    HoldGone,
    IdempotencyConflict,
    InsufficientCredits,
    LedgerBug,
    RefConflict,
    Replayed,
    TooManyOpen,
)
from billing.money import cost_nano_usd
from billing.state import (
    Account,
    CapAlertRow,
    CapChangeRow,
    CapEntryRow,
    Changes,
    Ended,
    GivenBefore,
    HoldLineRow,
    HoldRow,
    OpenHold,
    Past,
    Team,
    UsedKey,
    VoidRow,
    Wanted,
)

_GRANTS: Final = {
    "grant": (EntryKind.GRANT, AccountKind.GRANT),
    "payment": (EntryKind.PAYMENT, AccountKind.PAYMENT),
    "adjustment": (EntryKind.ADJUSTMENT, AccountKind.ADJUSTMENT),
}
# As plain numbers: those of an enumeration take the database's driver several times as long.
_SPENT: Final = int(SystemAccount.SPENT)
_WRITTEN_OFF: Final = int(SystemAccount.WRITTEN_OFF)
_GRANT_REF = "grant:"  # before a caller's reference, so that it can never meet one of ours


class Broken(Exception):
    """An assertion of the core failed after it began to change things: the teams are spoilt."""


def wanted(commands: Iterable[Command], teams: Mapping[int, Team]) -> Wanted:
    """What a batch of these commands needs to know of the past."""
    want = Wanted()
    for command in commands:
        match command:
            case Reserve(team_id=team_id, run_id=run_id) | Void(team_id=team_id, run_id=run_id):
                if run_id not in teams[team_id].holds:
                    want.runs.add((team_id, run_id))
                    if isinstance(command, Reserve) and command.idempotency:
                        want.keys.add((team_id, command.idempotency.key_sha256))
            case Settle(hold=hold):
                if hold.run_id not in teams[hold.team_id].holds:
                    want.runs.add((hold.team_id, hold.run_id))
                    if hold.idempotency:
                        want.keys.add((hold.team_id, hold.idempotency.key_sha256))
            case Checkpoint(team_id=team_id, run_id=run_id):
                if run_id not in teams[team_id].holds:
                    want.runs.add((team_id, run_id))
            case Grant(team_id=team_id, ref=ref):
                want.refs.add((team_id, _GRANT_REF + ref))
    return want


class Batch:
    """Decides commands on `teams`, which hold every team that they mention. `now_ms` is the wall's."""

    def __init__(self, teams: Mapping[int, Team], past: Past, *, now_ms: int, free_money: FreeMoney) -> None:
        self.changes = Changes()
        self._teams = teams
        self._past = past
        self._now_ms = now_ms
        self._free_money = free_money

    # --- reserve ------------------------------------------------------------------------------

    def reserve(self, command: Reserve) -> Hold:
        """Raises `Replayed`, `IdempotencyConflict`, `HoldGone`, `TooManyOpen`, `InsufficientCredits`,
        `FreeCreditExhausted` and `CapReached`, in this order of precedence."""
        _check_reserve(command)
        team = self._teams[command.team_id]
        running = team.holds.get(command.run_id)
        if running is not None:
            return running.hold
        if command.idempotency is not None:
            self._refuse_used_key(command, command.idempotency)
        ended = self._past.runs.get((team.id, command.run_id))
        if ended is not None:
            raise HoldGone(command.run_id, ended.how)
        if command.most_open is not None and len(team.holds) >= command.most_open:
            raise TooManyOpen(len(team.holds), command.most_open)
        now_ms = _time_of(team, self._now_ms)
        self._lapse(team, now_ms)
        refused_allowance = not self._give_allowance(team, now_ms)
        try:
            amount = self._admitted_nano_usd(team, command, now_ms, refused_allowance)
        except CapReached as reached:
            self._tell_of_refusal(team, command, reached, now_ms)
            raise
        return self._open(team, command, _allocate(team, amount, now_ms), now_ms).hold

    def _refuse_used_key(self, command: Reserve, key: Idempotency) -> None:
        used = self._past.keys.get((command.team_id, key.key_sha256))
        if used is None or used.run_id == command.run_id:
            return
        if used.fingerprint != key.fingerprint:
            raise IdempotencyConflict(used.run_id)
        raise Replayed(used.run_id)

    def _give_allowance(self, team: Team, now_ms: int) -> bool:
        """Give the allowance where it is due; False where the operator's limit refuses it."""
        starts_ms = allowance.window_due_ms(
            team.first_use_ms, team.allowance_starts_ms, team.first_payment_ms, now_ms
        )
        if starts_ms is None:
            return True
        if allowance.must_find_room(team.allowance_starts_ms, now_ms):
            if not self._free_money.room():
                return False
            self._free_money.commit()
        self._touch(team, now_ms)
        if team.first_use_ms is None:
            team.first_use_ms = now_ms
        team.allowance_starts_ms = starts_ms
        account = self._add_account(team, AccountKind.ALLOWANCE, starts_ms, starts_ms + allowance.WINDOW_MS)
        self._enter(
            team, EntryKind.ALLOWANCE, f"allowance:{starts_ms}", {account.no: ALLOWANCE_NANO_USD}, now_ms
        )
        return True

    def _admitted_nano_usd(self, team: Team, command: Reserve, now_ms: int, refused_allowance: bool) -> int:
        """How much the hold may be: what is asked, or what credit and caps leave of it."""
        return admitted_nano_usd(
            command.amount_nano_usd,
            command.least_nano_usd,
            team.available_nano_usd(now_ms),
            _caps_on(team, command.scopes),
            now_ms,
            next_allowance_at_ms=allowance.next_at_ms(team.first_use_ms, team.first_payment_ms, now_ms),
            refused_allowance=refused_allowance,
        )

    def _open(self, team: Team, command: Reserve, lines: tuple[HoldLine, ...], now_ms: int) -> OpenHold:
        self._touch(team, now_ms)
        if team.first_use_ms is None:
            team.first_use_ms = now_ms
        team.hold_seq += 1
        amount = sum(line.amount_nano_usd for line in lines)
        for line in lines:
            account = team.accounts[line.account_no]
            account.held_nano_usd += line.amount_nano_usd
            self._changed(team, account)
        caps = [cap for cap in _caps_on(team, command.scopes) if cap.limit_nano_usd is not None]
        for cap in caps:
            cap.hold(amount)
            self.changes.caps[team.id, cap.no] = cap
        hold = Hold(
            team_id=team.id,
            no=team.hold_seq,
            run_id=command.run_id,
            amount_nano_usd=amount,
            lines=lines,
            scopes=command.scopes,
            facts=command.facts,
            created_ms=now_ms,
            expires_ms=self._now_ms + command.lease_ms,
            available_after_nano_usd=team.available_nano_usd(now_ms),
            idempotency=command.idempotency,
        )
        key = command.idempotency
        opened = OpenHold(
            hold,
            command.lease_ms,
            hold.expires_ms,
            tuple(cap.no for cap in caps),
            key.key_sha256 if key else None,
        )
        team.holds[hold.run_id] = opened
        self.changes.opened[team.id, hold.no] = opened
        self.changes.holds.append(_hold_row(hold))
        for line in lines[1:]:
            self.changes.hold_lines.append(
                HoldLineRow(team.id, hold.no, line.account_no, line.amount_nano_usd)
            )
        if key is not None:
            used = UsedKey(key.fingerprint, hold.run_id)
            self._past.keys[team.id, key.key_sha256] = used
            self.changes.new_keys[team.id, key.key_sha256] = used
        return opened

    # --- what becomes of a hold ---------------------------------------------------------------

    def settle(self, command: Settle) -> Receipt:
        """Raises `HoldGone` where the hold was voided."""
        _check_settle(command)
        frozen = command.hold
        team = self._teams[frozen.team_id]
        now_ms = _time_of(team, self._now_ms)
        running = team.holds.get(frozen.run_id)
        if running is None:
            ended = self._past.runs.get((team.id, frozen.run_id))
            if ended is not None:
                return self._first_receipt(team, frozen.run_id, ended, now_ms)
            running = self._reserve_again(team, frozen, now_ms)
        elif running.hold.no != frozen.no or running.hold.lines != frozen.lines:
            raise LedgerBug("A settle must carry its hold as it was reserved.")
        return self._close(
            team,
            running,
            EntryKind.SETTLE,
            command.lines,
            command.cost_nano_usd,
            command.facts,
            command.estimated,
            now_ms,
        )

    def _first_receipt(self, team: Team, run_id: str, ended: Ended, now_ms: int) -> Receipt:
        if ended.receipt is None:
            raise HoldGone(run_id, ended.how)
        return msgspec.structs.replace(
            ended.receipt, replayed=True, available_after_nano_usd=team.available_nano_usd(now_ms)
        )

    def _reserve_again(self, team: Team, frozen: Hold, now_ms: int) -> OpenHold:
        """A hold that a lost disk write forgot: take what it held, as far as that is still free."""
        lines: list[HoldLine] = []
        for line in frozen.lines:
            account = team.accounts.get(line.account_no)
            amount = min(line.amount_nano_usd, account.free_nano_usd) if account else 0
            if amount > 0:
                lines.append(HoldLine(line.account_no, amount))
        key = frozen.idempotency
        if key is not None and (frozen.team_id, key.key_sha256) in self._past.keys:
            key = None  # forgotten with the hold, and used again since
        again = Reserve(
            team_id=frozen.team_id,
            run_id=frozen.run_id,
            amount_nano_usd=frozen.amount_nano_usd,
            least_nano_usd=0,
            lease_ms=MAX_LEASE_MS,
            facts=frozen.facts,
            scopes=frozen.scopes,
            idempotency=key,
        )
        return self._open(team, again, tuple(lines), now_ms)

    def void(self, command: Void) -> None:
        """Raises `HoldGone` where the hold was settled or expired."""
        team = self._teams[command.team_id]
        running = team.holds.get(command.run_id)
        if running is not None:
            self._let_go(team, running, _time_of(team, self._now_ms))
            return
        ended = self._past.runs.get((team.id, command.run_id))
        if ended is not None and ended.receipt is not None:
            raise HoldGone(command.run_id, ended.how)

    def checkpoint(self, command: Checkpoint) -> None:
        """Raises `HoldGone`. Progress never goes back: a lower one only renews the lease."""
        _check_lease(command.lease_ms)
        _check_lines(command.lines)
        team = self._teams[command.team_id]
        running = team.holds.get(command.run_id)
        if running is None:
            ended = self._past.runs.get((team.id, command.run_id))
            raise HoldGone(command.run_id, ended.how if ended else "unknown")
        running.lease_ms = command.lease_ms
        running.expires_ms = self._now_ms + command.lease_ms
        progress_nano_usd = cost_nano_usd(command.lines)
        if progress_nano_usd > running.progress_nano_usd or (command.lines and not running.progress):
            running.progress = command.lines
            running.progress_nano_usd = progress_nano_usd
            running.answered = command.facts
        self._renewed(team, running)

    def expire(self, team_id: int, run_id: str) -> bool:
        """End a hold whose lease has passed, at its progress; True where one was ended.

        A lease that ends later than it could have been given was given by a clock that has since
        gone back: it is cut to its length from now.
        """
        team = self._teams[team_id]
        running = team.holds.get(run_id)
        if running is None:
            return False
        if running.expires_ms > self._now_ms + running.lease_ms:
            running.expires_ms = self._now_ms + running.lease_ms
            self._renewed(team, running)
        if running.expires_ms > self._now_ms:
            return False
        now_ms = _time_of(team, self._now_ms)
        if running.progress:
            progress, facts = running.progress, running.answered or running.hold.facts
            cost = cost_nano_usd(progress)
            self._close(team, running, EntryKind.EXPIRE, progress, cost, facts, True, now_ms)
        else:
            self._let_go(team, running, now_ms)
        return True

    def _let_go(self, team: Team, running: OpenHold, now_ms: int) -> None:
        hold = running.hold
        self._touch(team, now_ms)
        self._release(team, running)
        self.changes.voids.append(VoidRow(team.id, hold.no, now_ms))
        if running.key_sha256 is not None:
            key = (team.id, running.key_sha256)
            if self.changes.new_keys.pop(key, None) is None:
                self.changes.freed_keys.append(key)
            self._past.keys.pop(key, None)
        self._past.runs[team.id, hold.run_id] = Ended("voided", None)
        self._lapse(team, now_ms)

    def _close(
        self,
        team: Team,
        running: OpenHold,
        kind: EntryKind,
        lines: tuple[Line, ...],
        cost: int,
        facts: Facts,
        estimated: bool,
        now_ms: int,
    ) -> Receipt:
        """Charge a hold: from what it set aside, then from free credit; the operator bears the rest."""
        self._touch(team, now_ms)
        hold = running.hold
        self._release(team, running)
        taken: dict[int, int] = {}
        left = cost
        for line in hold.lines:
            left -= _take(taken, line.account_no, min(left, line.amount_nano_usd))
        if left:
            for account in team.spendable(now_ms):
                free = account.free_nano_usd - taken.get(account.no, 0)
                left -= _take(taken, account.no, min(left, free))
        charged = cost - left
        postings = {no: -amount for no, amount in taken.items()}
        if cost:
            postings[_SPENT] = cost
        if left:
            postings[_WRITTEN_OFF] = -left
        team.used_nano_usd += charged
        seq = team.entry_seq + 1
        usage = _usage_row(team.id, seq, facts, estimated)
        digest = self._enter(
            team, kind, hold.run_id, postings, now_ms, hold_no=hold.no, usage=usage, lines=lines
        )
        if charged:
            for no in running.cap_nos:
                team.caps[no].spend(charged, now_ms)
                self.changes.cap_entries.append(CapEntryRow(team.id, no, seq, charged))
                self._tell(team, team.caps[no], team.caps[no].tell(now_ms), now_ms, seq)
        receipt = Receipt(
            team_id=team.id,
            run_id=hold.run_id,
            entry_seq=seq,
            cost_nano_usd=cost,
            charged_nano_usd=charged,
            writeoff_nano_usd=left,
            available_after_nano_usd=team.available_nano_usd(now_ms),
            entry_hash=digest,
            at_ms=now_ms,
            estimated=estimated,
        )
        self._past.runs[team.id, hold.run_id] = Ended(
            "expired" if kind is EntryKind.EXPIRE else "settled", receipt
        )
        self._lapse(team, now_ms)
        return receipt

    def _release(self, team: Team, running: OpenHold) -> None:
        """Undo what a reserve set aside, on accounts and caps, and take the hold off the open ones."""
        hold = running.hold
        for line in hold.lines:
            account = team.accounts[line.account_no]
            account.held_nano_usd -= line.amount_nano_usd
            self._changed(team, account)
        for no in running.cap_nos:
            team.caps[no].release(hold.amount_nano_usd)
            _ensure(team.caps[no].held_nano_usd >= 0, "a cap released more than was held")
            self.changes.caps[team.id, no] = team.caps[no]
        del team.holds[hold.run_id]
        key = (team.id, hold.no)
        self.changes.renewed.pop(key, None)
        if self.changes.opened.pop(key, None) is None:
            self.changes.closed.append(key)

    # --- grants and caps ----------------------------------------------------------------------

    def grant(self, command: Grant) -> Granted:
        """Raises `RefConflict`, and `InsufficientCredits` where an adjustment takes more than is free."""
        team = self._teams[command.team_id]
        now_ms = _time_of(team, self._now_ms)
        kind, account_kind = _GRANTS[command.kind]
        ref = _GRANT_REF + command.ref
        _check_grant(command)
        before = self._past.refs.get((team.id, ref))
        if before is not None:
            if (before.kind, before.amount_nano_usd) != (kind, command.amount_nano_usd):
                raise RefConflict(command.ref)
            return self._granted(team, command, before.entry_seq, now_ms, replayed=True)
        if command.expires_ms is not None and command.expires_ms <= now_ms:
            raise LedgerBug("A grant must not end before it begins.")
        self._lapse(team, now_ms)
        if command.amount_nano_usd < 0:
            postings = self._take_back(team, -command.amount_nano_usd, command.undoes_account_no, now_ms)
        else:
            account = self._add_account(team, account_kind, now_ms, command.expires_ms)
            postings = {account.no: command.amount_nano_usd}
        self._touch(team, now_ms)
        if kind is EntryKind.PAYMENT and team.first_payment_ms is None:
            team.first_payment_ms = now_ms
        self._enter(
            team, kind, ref, postings, now_ms, actor_user_id=command.actor_user_id, reason=command.reason
        )
        self._past.refs[team.id, ref] = GivenBefore(kind, command.amount_nano_usd, team.entry_seq)
        return self._granted(team, command, team.entry_seq, now_ms, replayed=False)

    def _granted(self, team: Team, command: Grant, seq: int, now_ms: int, *, replayed: bool) -> Granted:
        available = team.available_nano_usd(now_ms)
        return Granted(team.id, seq, command.amount_nano_usd, available, replayed)

    def _take_back(
        self, team: Team, amount_nano_usd: int, undoes_account_no: int | None, now_ms: int
    ) -> dict[int, int]:
        """What a negative adjustment takes from each account: what it undoes, then bought credit first."""
        available = team.available_nano_usd(now_ms)
        if available < amount_nano_usd:
            next_ms = allowance.next_at_ms(team.first_use_ms, team.first_payment_ms, now_ms)
            raise InsufficientCredits(amount_nano_usd, available, next_ms)
        taken: dict[int, int] = {}
        last_spent_first = reversed(team.spendable(now_ms))
        for account in sorted(last_spent_first, key=lambda account: account.no != undoes_account_no):
            amount_nano_usd -= _take(taken, account.no, min(amount_nano_usd, account.free_nano_usd))
        return {no: -amount for no, amount in taken.items()}

    def set_cap(self, command: SetCap) -> CapSet:
        check_cap(command)
        team = self._teams[command.team_id]
        now_ms = _time_of(team, self._now_ms)
        cap = next((cap for cap in team.caps.values() if cap.counts(command)), None)
        is_new = cap is None
        if cap is None:
            cap = new_cap(team.cap_seq + 1, command, now_ms)
        if cap.set(command):
            self._lapse(team, now_ms)
            self._touch(team, now_ms)
            if is_new:
                team.cap_seq = cap.no
                team.caps[cap.no] = cap
            self.changes.caps[team.id, cap.no] = cap
            self.changes.cap_changes.append(_cap_change_row(team.id, cap, now_ms, command.actor_user_id))
        return CapSet(team.id, cap.no, cap.change_no)

    def _tell_of_refusal(self, team: Team, command: Reserve, reached: CapReached, now_ms: int) -> None:
        cap = turned_away(_caps_on(team, command.scopes), reached, now_ms)
        told = cap.tell(now_ms, refused=True) if cap is not None else ()
        if cap is not None and told:
            self._touch(team, now_ms)
            self.changes.caps[team.id, cap.no] = cap
            self._tell(team, cap, told, now_ms, None)

    def _tell(self, team: Team, cap: Cap, percents: tuple[int, ...], now_ms: int, seq: int | None) -> None:
        for percent in percents:
            starts_ms, spent = cap.window_at(now_ms)[0], cap.spent_at(now_ms)
            limit = cap.limit_nano_usd or 0
            self.changes.cap_alerts.append(
                CapAlertRow(team.id, cap.no, cap.change_no, percent, starts_ms, now_ms, seq, limit, spent)
            )

    # --- entries ------------------------------------------------------------------------------

    def _lapse(self, team: Team, now_ms: int) -> None:
        """Take away the free part of credit that has ended; what is held keeps its claim."""
        ended = [a for a in team.accounts.values() if a.has_ended(now_ms) and a.free_nano_usd > 0]
        for account in ended:
            self._touch(team, now_ms)
            ref = f"lapse:{account.no}:{team.entry_seq + 1}"
            self._enter(team, EntryKind.LAPSE, ref, {account.no: -account.free_nano_usd}, now_ms)

    def _enter(
        self,
        team: Team,
        kind: EntryKind,
        ref: str,
        amounts: dict[int, int],
        now_ms: int,
        *,
        hold_no: int | None = None,
        actor_user_id: int | None = None,
        reason: str = "",
        usage: UsageRow | None = None,
        lines: Sequence[Line] = (),
    ) -> bytes:
        """Write one entry: `amounts` by account, with the other side added where the kind has one."""
        if kind in OTHER_SIDE:
            amounts = {**amounts, int(OTHER_SIDE[kind]): -sum(amounts.values())}
        _ensure(sum(amounts.values()) == 0, "the postings of an entry must sum to zero")
        _ensure(len(amounts) != 1, "an entry has two sides")
        _ensure(0 not in amounts.values(), "a posting of nothing")
        for no, amount in amounts.items():
            if no > 0:
                account = team.accounts[no]
                account.balance_nano_usd += amount
                self._changed(team, account)
        team.entry_seq += 1
        seq = team.entry_seq
        balance = team.balance_nano_usd
        entry = EntryRow(team.id, seq, int(kind), ref, hold_no, now_ms, balance, actor_user_id, reason)
        postings = [PostingRow(team.id, seq, no, amount) for no, amount in sorted(amounts.items())]
        usage_lines = [
            UsageLineRow(team.id, seq, no, BUCKETS[line.bucket], line.quantity, line.price_pico_usd)
            for no, line in enumerate(lines, 1)
        ]
        digest = entry_hash(team.head, entry, postings, usage, usage_lines)
        team.head = digest
        self.changes.entries.append((entry, digest))
        self.changes.postings += postings
        if usage is not None:
            self.changes.usage.append(usage)
            self.changes.usage_lines += usage_lines
        return digest

    def _add_account(self, team: Team, kind: AccountKind, starts_ms: int, expires_ms: int | None) -> Account:
        team.account_seq += 1
        account = Account(team.account_seq, kind, PRIORITY[kind], starts_ms, expires_ms)
        team.accounts[account.no] = account
        self.changes.new_accounts[team.id, account.no] = account
        return account

    def _changed(self, team: Team, account: Account) -> None:
        """An account was changed: what must always hold of it holds, and it will be written."""
        _ensure(
            0 <= account.held_nano_usd <= account.balance_nano_usd,
            "an account holds no more than it has, and has no less than nothing",
        )
        key = (team.id, account.no)
        if key not in self.changes.new_accounts:
            self.changes.accounts[key] = account
        if account.is_spent:
            del team.accounts[account.no]

    def _renewed(self, team: Team, running: OpenHold) -> None:
        key = (team.id, running.hold.no)
        if key not in self.changes.opened:
            self.changes.renewed[key] = running

    def _touch(self, team: Team, now_ms: int) -> None:
        team.clock_ms = now_ms
        self.changes.teams[team.id] = team


def _time_of(team: Team, wall_ms: int) -> int:
    return max(team.clock_ms, wall_ms)


def _allocate(team: Team, amount_nano_usd: int, now_ms: int) -> tuple[HoldLine, ...]:
    """Spread an amount over a team's credit, first to be spent first."""
    lines: list[HoldLine] = []
    for account in team.spendable(now_ms):
        if amount_nano_usd == 0:
            break
        part = min(amount_nano_usd, account.free_nano_usd)
        lines.append(HoldLine(account.no, part))
        amount_nano_usd -= part
    _ensure(amount_nano_usd == 0, "a hold was admitted that credit does not cover")
    return tuple(lines)


def _take(taken: dict[int, int], account_no: int, amount_nano_usd: int) -> int:
    if amount_nano_usd > 0:
        taken[account_no] = taken.get(account_no, 0) + amount_nano_usd
        return amount_nano_usd
    return 0


def _caps_on(team: Team, scopes: tuple[tuple[str, str], ...]) -> list[Cap]:
    return caps_on(team.caps.values(), scopes) if team.caps else []


def _cap_change_row(team_id: int, cap: Cap, now_ms: int, actor_user_id: int | None) -> CapChangeRow:
    alert_at = msgspec.json.encode(cap.alert_at).decode()
    return CapChangeRow(
        team_id, cap.no, cap.change_no, now_ms, actor_user_id, cap.limit_nano_usd, cap.zone, alert_at
    )


def _hold_row(hold: Hold) -> HoldRow:
    first = hold.lines[0] if hold.lines else None
    return HoldRow(
        hold.team_id,
        hold.no,
        hold.run_id,
        hold.amount_nano_usd,
        first.account_no if first else None,
        first.amount_nano_usd if first else 0,
        hold.created_ms,
    )


def _usage_row(team_id: int, seq: int, facts: Facts, estimated: bool) -> UsageRow:
    tags = msgspec.json.encode(facts.tags).decode()
    return UsageRow(
        team_id,
        seq,
        facts.model,
        facts.provider,
        facts.price_version,
        facts.user_id,
        facts.key_id,
        tags,
        facts.series,
        int(estimated),
    )


# --- commands that no caller of ours may send ---------------------------------------------------


def _check_reserve(command: Reserve) -> None:
    amount, least = command.amount_nano_usd, command.least_nano_usd
    if not command.run_id:
        raise LedgerBug("A reserve names its run.")
    if not 0 <= least <= amount <= MAX_AMOUNT_NANO_USD or (amount > 0 and least == 0):
        raise LedgerBug(f"A reserve of {amount} with at least {least} makes no sense.")
    _check_lease(command.lease_ms)


def _check_settle(command: Settle) -> None:
    _check_lines(command.lines)
    if command.cost_nano_usd != cost_nano_usd(command.lines):
        raise LedgerBug("A settle's cost must be the sum of its lines, rounded up once.")
    if command.cost_nano_usd > MAX_AMOUNT_NANO_USD:
        raise LedgerBug("A settle costs more than anything can.")


def _check_lines(lines: tuple[Line, ...]) -> None:
    for line in lines:
        if line.quantity < 0 or line.price_pico_usd < 0 or line.bucket not in BUCKETS:
            raise LedgerBug("A line has a bucket, a quantity and a price, none of them below zero.")


def _check_lease(lease_ms: int) -> None:
    if not 0 < lease_ms <= MAX_LEASE_MS:
        raise LedgerBug(f"A lease is above 0 and at most {MAX_LEASE_MS} ms.")


def _check_grant(command: Grant) -> None:
    amount = command.amount_nano_usd
    if not command.ref:
        raise LedgerBug("A grant has a reference of its own.")
    if amount == 0 or abs(amount) > MAX_AMOUNT_NANO_USD or (amount < 0 and command.kind != "adjustment"):
        raise LedgerBug(f"A {command.kind} of {amount} makes no sense.")
    if amount < 0 and command.expires_ms is not None:
        raise LedgerBug("Credit that is taken back does not end.")


def _ensure(condition: bool, what: str) -> None:
    if not condition:
        raise Broken(what)
