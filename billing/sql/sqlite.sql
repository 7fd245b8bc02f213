-- The ledger's tables on SQLite: schema 1. Written by billing/journal_sqlite.py alone; read by
-- billing/statements.py and billing/audit.py. Money is in nano-dollars, prices in pico-dollars a
-- unit, instants in UTC milliseconds. Numbers of kinds, accounts and buckets: billing/accounts.py.
--
-- An entry is written after its postings and usage: its own insert checks that they are whole and
-- sum to zero, and from then on nothing can be added to it. What has happened is never updated or
-- deleted; the triggers below refuse it even where somebody else opens the file.

CREATE TABLE ledger_team (
    id                  INTEGER PRIMARY KEY,
    first_use_ms        INTEGER,
    allowance_starts_ms INTEGER,                    -- of the newest allowance given
    first_payment_ms    INTEGER,
    entry_seq           INTEGER NOT NULL CHECK (entry_seq >= 0),
    head                BLOB    NOT NULL CHECK (length(head) = 32),
    hold_seq            INTEGER NOT NULL CHECK (hold_seq >= 0),
    account_seq         INTEGER NOT NULL CHECK (account_seq >= 0),
    cap_seq             INTEGER NOT NULL CHECK (cap_seq >= 0),
    clock_ms            INTEGER NOT NULL,           -- the team's time, which never goes back
    used_nano_usd       INTEGER NOT NULL CHECK (used_nano_usd >= 0),
    version             INTEGER NOT NULL
) STRICT;
CREATE INDEX ledger_team_allowance ON ledger_team (allowance_starts_ms) WHERE allowance_starts_ms IS NOT NULL;

-- One for each grant of credit (numbers above zero), and the team's system accounts (below zero).
CREATE TABLE ledger_account (
    team_id          INTEGER NOT NULL REFERENCES ledger_team (id),
    no               INTEGER NOT NULL CHECK (no > 0 OR no BETWEEN -6 AND -1),
    kind             INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 4),
    priority         INTEGER NOT NULL,
    starts_ms        INTEGER NOT NULL,
    expires_ms       INTEGER CHECK (expires_ms > starts_ms),
    balance_nano_usd INTEGER NOT NULL CHECK (balance_nano_usd >= 0),
    held_nano_usd    INTEGER NOT NULL CHECK (held_nano_usd BETWEEN 0 AND balance_nano_usd),
    PRIMARY KEY (team_id, no),
    CHECK ((no < 0) = (kind = 0)),
    CHECK (no > 0 OR balance_nano_usd = 0)          -- a system account's balance is the sum of its postings
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX ledger_account_allowance ON ledger_account (team_id, starts_ms) WHERE kind = 1;

-- Money set aside for a run; for ever. Its first line is in columns, further ones in ledger_hold_line.
CREATE TABLE ledger_hold (
    team_id               INTEGER NOT NULL REFERENCES ledger_team (id),
    no                    INTEGER NOT NULL CHECK (no > 0),
    run_id                TEXT    NOT NULL CHECK (run_id <> ''),
    amount_nano_usd       INTEGER NOT NULL CHECK (amount_nano_usd >= 0),
    first_account_no      INTEGER CHECK (first_account_no > 0),     -- none where nothing had to be held
    first_amount_nano_usd INTEGER NOT NULL,
    created_ms            INTEGER NOT NULL,
    PRIMARY KEY (team_id, no),
    FOREIGN KEY (team_id, first_account_no) REFERENCES ledger_account (team_id, no),
    CHECK ((first_account_no IS NULL) = (amount_nano_usd = 0)),
    CHECK (first_amount_nano_usd BETWEEN (amount_nano_usd > 0) AND amount_nano_usd)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX ledger_hold_run ON ledger_hold (run_id, team_id);

CREATE TABLE ledger_hold_line (
    team_id         INTEGER NOT NULL,
    hold_no         INTEGER NOT NULL,
    account_no      INTEGER NOT NULL CHECK (account_no > 0),
    amount_nano_usd INTEGER NOT NULL CHECK (amount_nano_usd > 0),
    PRIMARY KEY (team_id, hold_no, account_no),
    FOREIGN KEY (team_id, hold_no) REFERENCES ledger_hold (team_id, no),
    FOREIGN KEY (team_id, account_no) REFERENCES ledger_account (team_id, no)
) STRICT, WITHOUT ROWID;

-- The holds whose runs still run: small, and gone when the hold is settled, voided or expired.
CREATE TABLE ledger_open_hold (
    team_id           INTEGER NOT NULL,
    hold_no           INTEGER NOT NULL,
    lease_ms          INTEGER NOT NULL CHECK (lease_ms > 0),
    expires_ms        INTEGER NOT NULL,
    progress_nano_usd INTEGER NOT NULL CHECK (progress_nano_usd >= 0),
    progress          TEXT    NOT NULL,             -- lines as JSON: what a crash would bill
    facts             TEXT    NOT NULL,             -- JSON
    scopes            TEXT    NOT NULL,             -- JSON: whose caps were asked
    cap_nos           TEXT    NOT NULL,             -- JSON: the caps that this hold counts against
    key_sha256        BLOB CHECK (length(key_sha256) = 32),
    PRIMARY KEY (team_id, hold_no),
    FOREIGN KEY (team_id, hold_no) REFERENCES ledger_hold (team_id, no)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_void (
    team_id INTEGER NOT NULL,
    hold_no INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (team_id, hold_no),
    FOREIGN KEY (team_id, hold_no) REFERENCES ledger_hold (team_id, no)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_entry (
    team_id                INTEGER NOT NULL REFERENCES ledger_team (id),
    seq                    INTEGER NOT NULL CHECK (seq > 0),
    kind                   INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 7),
    ref                    TEXT    NOT NULL CHECK (ref <> ''),      -- the run's id where there is a hold
    hold_no                INTEGER,
    at_ms                  INTEGER NOT NULL,
    balance_after_nano_usd INTEGER NOT NULL CHECK (balance_after_nano_usd >= 0),
    actor_user_id          INTEGER,
    reason                 TEXT    NOT NULL,
    hash                   BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (team_id, seq),
    FOREIGN KEY (team_id, hold_no) REFERENCES ledger_hold (team_id, no),
    CHECK ((kind IN (6, 7)) = (hold_no IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX ledger_entry_hold ON ledger_entry (hold_no, team_id) WHERE hold_no IS NOT NULL;
CREATE UNIQUE INDEX ledger_entry_ref ON ledger_entry (ref, team_id) WHERE hold_no IS NULL;

CREATE TABLE ledger_posting (
    team_id         INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    account_no      INTEGER NOT NULL,
    amount_nano_usd INTEGER NOT NULL CHECK (amount_nano_usd <> 0),
    PRIMARY KEY (team_id, seq, account_no),
    FOREIGN KEY (team_id, seq) REFERENCES ledger_entry (team_id, seq) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (team_id, account_no) REFERENCES ledger_account (team_id, no)
) STRICT, WITHOUT ROWID;

-- What was used and by whom: one row for each entry that settles a hold, and its lines.
CREATE TABLE ledger_usage (
    team_id       INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    model         TEXT    NOT NULL,
    provider      TEXT    NOT NULL,
    price_version TEXT    NOT NULL,
    user_id       INTEGER,
    key_id        INTEGER,
    tags          TEXT    NOT NULL,                 -- JSON array
    series        TEXT    NOT NULL,
    estimated     INTEGER NOT NULL CHECK (estimated IN (0, 1)),
    PRIMARY KEY (team_id, seq),
    FOREIGN KEY (team_id, seq) REFERENCES ledger_entry (team_id, seq) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_usage_line (
    team_id        INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    no             INTEGER NOT NULL CHECK (no > 0),
    bucket         INTEGER NOT NULL CHECK (bucket BETWEEN 1 AND 7),
    quantity       INTEGER NOT NULL CHECK (quantity >= 0),
    price_pico_usd INTEGER NOT NULL CHECK (price_pico_usd >= 0),
    PRIMARY KEY (team_id, seq, no),
    FOREIGN KEY (team_id, seq) REFERENCES ledger_entry (team_id, seq) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

-- What a team, member, key, tag, battle or batch may spend in a window (0 all time, 1 day, 2 week, 3 month).
CREATE TABLE ledger_cap (
    team_id          INTEGER NOT NULL REFERENCES ledger_team (id),
    no               INTEGER NOT NULL CHECK (no > 0),
    scope            TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    window           INTEGER NOT NULL CHECK (window BETWEEN 0 AND 3),
    limit_nano_usd   INTEGER CHECK (limit_nano_usd >= 0),           -- none: switched off
    window_starts_ms INTEGER NOT NULL,
    spent_nano_usd   INTEGER NOT NULL CHECK (spent_nano_usd >= 0),  -- in that window
    held_nano_usd    INTEGER NOT NULL CHECK (held_nano_usd >= 0),
    PRIMARY KEY (team_id, no),
    UNIQUE (team_id, scope, subject, window)
) STRICT, WITHOUT ROWID;

-- Which entries counted against a cap, and with how much.
CREATE TABLE ledger_cap_entry (
    team_id          INTEGER NOT NULL,
    cap_no           INTEGER NOT NULL,
    seq              INTEGER NOT NULL,
    charged_nano_usd INTEGER NOT NULL CHECK (charged_nano_usd > 0),
    PRIMARY KEY (team_id, cap_no, seq),
    FOREIGN KEY (team_id, cap_no) REFERENCES ledger_cap (team_id, no),
    FOREIGN KEY (team_id, seq) REFERENCES ledger_entry (team_id, seq)
) STRICT, WITHOUT ROWID;

-- Callers' own keys; kept for ever for what moved money, let go when the hold is voided.
CREATE TABLE ledger_idempotency (
    team_id     INTEGER NOT NULL,
    key_sha256  BLOB    NOT NULL CHECK (length(key_sha256) = 32),
    fingerprint BLOB    NOT NULL,
    run_id      TEXT    NOT NULL,
    PRIMARY KEY (team_id, key_sha256)
) STRICT, WITHOUT ROWID;

-- An entry is whole when it is written -----------------------------------------------------------

CREATE TRIGGER ledger_entry_is_whole BEFORE INSERT ON ledger_entry BEGIN
    SELECT RAISE(ABORT, 'an entry is never replaced')
    WHERE EXISTS (SELECT 1 FROM ledger_entry WHERE team_id = NEW.team_id AND seq = NEW.seq)
       OR EXISTS (SELECT 1 FROM ledger_entry WHERE hold_no = NEW.hold_no AND team_id = NEW.team_id)
       OR (NEW.hold_no IS NULL AND EXISTS (
              SELECT 1 FROM ledger_entry WHERE ref = NEW.ref AND team_id = NEW.team_id AND hold_no IS NULL));
    SELECT CASE
        WHEN before_nano_usd IS NULL
            THEN RAISE(ABORT, 'entries have no gaps')
        WHEN total <> 0 OR legs = 1 OR (legs = 0 AND NEW.kind NOT IN (6, 7))
            THEN RAISE(ABORT, 'the postings of an entry sum to zero')
        WHEN NEW.balance_after_nano_usd <> before_nano_usd + change
            THEN RAISE(ABORT, 'a balance follows from the one before and the postings')
    END
    FROM (SELECT count(*) AS legs,
                 coalesce(sum(amount_nano_usd), 0) AS total,
                 coalesce(sum(amount_nano_usd) FILTER (WHERE account_no > 0), 0) AS change
          FROM ledger_posting WHERE team_id = NEW.team_id AND seq = NEW.seq),
         (SELECT coalesce((SELECT balance_after_nano_usd FROM ledger_entry
                           WHERE team_id = NEW.team_id AND seq = NEW.seq - 1),
                          CASE NEW.seq WHEN 1 THEN 0 END) AS before_nano_usd);
    SELECT RAISE(ABORT, 'an entry that settles a hold has its usage, and no other has')
    WHERE EXISTS (SELECT 1 FROM ledger_usage WHERE team_id = NEW.team_id AND seq = NEW.seq)
       <> (NEW.kind IN (6, 7));
END;

CREATE TRIGGER ledger_posting_is_sealed BEFORE INSERT ON ledger_posting
WHEN EXISTS (SELECT 1 FROM ledger_entry WHERE team_id = NEW.team_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'an entry is never added to'); END;

CREATE TRIGGER ledger_usage_is_sealed BEFORE INSERT ON ledger_usage
WHEN EXISTS (SELECT 1 FROM ledger_entry WHERE team_id = NEW.team_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'an entry is never added to'); END;

CREATE TRIGGER ledger_usage_line_is_sealed BEFORE INSERT ON ledger_usage_line
WHEN EXISTS (SELECT 1 FROM ledger_entry WHERE team_id = NEW.team_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'an entry is never added to'); END;

-- What has happened stays --------------------------------------------------------------------------

CREATE TRIGGER ledger_entry_update BEFORE UPDATE ON ledger_entry
BEGIN SELECT RAISE(ABORT, 'entries are never updated'); END;
CREATE TRIGGER ledger_entry_delete BEFORE DELETE ON ledger_entry
BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;
CREATE TRIGGER ledger_posting_update BEFORE UPDATE ON ledger_posting
BEGIN SELECT RAISE(ABORT, 'postings are never updated'); END;
CREATE TRIGGER ledger_posting_delete BEFORE DELETE ON ledger_posting
BEGIN SELECT RAISE(ABORT, 'postings are never deleted'); END;
CREATE TRIGGER ledger_usage_update BEFORE UPDATE ON ledger_usage
BEGIN SELECT RAISE(ABORT, 'usage is never updated'); END;
CREATE TRIGGER ledger_usage_delete BEFORE DELETE ON ledger_usage
BEGIN SELECT RAISE(ABORT, 'usage is never deleted'); END;
CREATE TRIGGER ledger_usage_line_update BEFORE UPDATE ON ledger_usage_line
BEGIN SELECT RAISE(ABORT, 'usage is never updated'); END;
CREATE TRIGGER ledger_usage_line_delete BEFORE DELETE ON ledger_usage_line
BEGIN SELECT RAISE(ABORT, 'usage is never deleted'); END;

CREATE TRIGGER ledger_hold_insert BEFORE INSERT ON ledger_hold
WHEN EXISTS (SELECT 1 FROM ledger_hold WHERE team_id = NEW.team_id AND no = NEW.no)
  OR EXISTS (SELECT 1 FROM ledger_hold WHERE run_id = NEW.run_id AND team_id = NEW.team_id)
BEGIN SELECT RAISE(ABORT, 'a hold is never replaced'); END;
CREATE TRIGGER ledger_hold_update BEFORE UPDATE ON ledger_hold
BEGIN SELECT RAISE(ABORT, 'holds are never updated'); END;
CREATE TRIGGER ledger_hold_delete BEFORE DELETE ON ledger_hold
BEGIN SELECT RAISE(ABORT, 'holds are never deleted'); END;
CREATE TRIGGER ledger_hold_line_insert BEFORE INSERT ON ledger_hold_line
WHEN EXISTS (SELECT 1 FROM ledger_hold_line
             WHERE team_id = NEW.team_id AND hold_no = NEW.hold_no AND account_no = NEW.account_no)
BEGIN SELECT RAISE(ABORT, 'a hold is never replaced'); END;
CREATE TRIGGER ledger_hold_line_update BEFORE UPDATE ON ledger_hold_line
BEGIN SELECT RAISE(ABORT, 'holds are never updated'); END;
CREATE TRIGGER ledger_hold_line_delete BEFORE DELETE ON ledger_hold_line
BEGIN SELECT RAISE(ABORT, 'holds are never deleted'); END;

CREATE TRIGGER ledger_void_insert BEFORE INSERT ON ledger_void
WHEN EXISTS (SELECT 1 FROM ledger_void WHERE team_id = NEW.team_id AND hold_no = NEW.hold_no)
  OR EXISTS (SELECT 1 FROM ledger_entry WHERE hold_no = NEW.hold_no AND team_id = NEW.team_id)
BEGIN SELECT RAISE(ABORT, 'a hold ends once'); END;
CREATE TRIGGER ledger_void_update BEFORE UPDATE ON ledger_void
BEGIN SELECT RAISE(ABORT, 'voids are never updated'); END;
CREATE TRIGGER ledger_void_delete BEFORE DELETE ON ledger_void
BEGIN SELECT RAISE(ABORT, 'voids are never deleted'); END;
CREATE TRIGGER ledger_entry_ends_once BEFORE INSERT ON ledger_entry
WHEN NEW.hold_no IS NOT NULL
 AND EXISTS (SELECT 1 FROM ledger_void WHERE team_id = NEW.team_id AND hold_no = NEW.hold_no)
BEGIN SELECT RAISE(ABORT, 'a hold ends once'); END;

CREATE TRIGGER ledger_open_hold_insert BEFORE INSERT ON ledger_open_hold
WHEN EXISTS (SELECT 1 FROM ledger_open_hold WHERE team_id = NEW.team_id AND hold_no = NEW.hold_no)
  OR EXISTS (SELECT 1 FROM ledger_entry WHERE hold_no = NEW.hold_no AND team_id = NEW.team_id)
  OR EXISTS (SELECT 1 FROM ledger_void WHERE team_id = NEW.team_id AND hold_no = NEW.hold_no)
BEGIN SELECT RAISE(ABORT, 'a hold is opened once'); END;
CREATE TRIGGER ledger_open_hold_update BEFORE UPDATE ON ledger_open_hold
WHEN NEW.team_id <> OLD.team_id OR NEW.hold_no <> OLD.hold_no OR NEW.facts <> OLD.facts
  OR NEW.scopes <> OLD.scopes OR NEW.cap_nos <> OLD.cap_nos OR NEW.key_sha256 IS NOT OLD.key_sha256
  OR NEW.progress_nano_usd < OLD.progress_nano_usd
BEGIN SELECT RAISE(ABORT, 'of an open hold only the progress and the lease change'); END;
CREATE TRIGGER ledger_open_hold_delete BEFORE DELETE ON ledger_open_hold
WHEN NOT EXISTS (SELECT 1 FROM ledger_entry WHERE hold_no = OLD.hold_no AND team_id = OLD.team_id)
 AND NOT EXISTS (SELECT 1 FROM ledger_void WHERE team_id = OLD.team_id AND hold_no = OLD.hold_no)
BEGIN SELECT RAISE(ABORT, 'an open hold ends with an entry or a void'); END;

CREATE TRIGGER ledger_account_insert BEFORE INSERT ON ledger_account
WHEN EXISTS (SELECT 1 FROM ledger_account WHERE team_id = NEW.team_id AND no = NEW.no)
  OR (NEW.kind = 1 AND EXISTS (
         SELECT 1 FROM ledger_account WHERE team_id = NEW.team_id AND starts_ms = NEW.starts_ms AND kind = 1))
BEGIN SELECT RAISE(ABORT, 'an account is never replaced'); END;
CREATE TRIGGER ledger_account_update BEFORE UPDATE ON ledger_account
WHEN NEW.team_id <> OLD.team_id OR NEW.no <> OLD.no OR NEW.kind <> OLD.kind OR NEW.priority <> OLD.priority
  OR NEW.starts_ms <> OLD.starts_ms OR NEW.expires_ms IS NOT OLD.expires_ms
BEGIN SELECT RAISE(ABORT, 'of an account only the balance and what is held change'); END;
CREATE TRIGGER ledger_account_delete BEFORE DELETE ON ledger_account
BEGIN SELECT RAISE(ABORT, 'accounts are never deleted'); END;

CREATE TRIGGER ledger_team_insert BEFORE INSERT ON ledger_team
WHEN EXISTS (SELECT 1 FROM ledger_team WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a team is never replaced'); END;
CREATE TRIGGER ledger_team_update BEFORE UPDATE ON ledger_team
WHEN NEW.id <> OLD.id OR NEW.version <> OLD.version + 1 OR NEW.clock_ms < OLD.clock_ms
  OR NEW.entry_seq < OLD.entry_seq OR NEW.hold_seq < OLD.hold_seq
  OR NEW.account_seq < OLD.account_seq OR NEW.cap_seq < OLD.cap_seq OR NEW.used_nano_usd < OLD.used_nano_usd
  OR (OLD.first_use_ms IS NOT NULL AND NEW.first_use_ms IS NOT OLD.first_use_ms)
  OR (OLD.first_payment_ms IS NOT NULL AND NEW.first_payment_ms IS NOT OLD.first_payment_ms)
  OR (OLD.allowance_starts_ms IS NOT NULL AND NEW.allowance_starts_ms IS NULL)
  OR NEW.allowance_starts_ms < OLD.allowance_starts_ms
  OR (NEW.entry_seq = OLD.entry_seq AND NEW.head <> OLD.head)
  OR (NEW.entry_seq > OLD.entry_seq AND NOT EXISTS (
         SELECT 1 FROM ledger_entry WHERE team_id = NEW.id AND seq = NEW.entry_seq AND hash = NEW.head))
BEGIN SELECT RAISE(ABORT, 'a team only moves forward, with its entries'); END;
CREATE TRIGGER ledger_team_delete BEFORE DELETE ON ledger_team
BEGIN SELECT RAISE(ABORT, 'teams are never deleted'); END;

CREATE TRIGGER ledger_cap_entry_insert BEFORE INSERT ON ledger_cap_entry
WHEN EXISTS (SELECT 1 FROM ledger_cap_entry
             WHERE team_id = NEW.team_id AND cap_no = NEW.cap_no AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'what counted against a cap is never replaced'); END;
CREATE TRIGGER ledger_cap_entry_update BEFORE UPDATE ON ledger_cap_entry
BEGIN SELECT RAISE(ABORT, 'what counted against a cap is never updated'); END;
CREATE TRIGGER ledger_cap_entry_delete BEFORE DELETE ON ledger_cap_entry
BEGIN SELECT RAISE(ABORT, 'what counted against a cap is never deleted'); END;
CREATE TRIGGER ledger_cap_delete BEFORE DELETE ON ledger_cap
BEGIN SELECT RAISE(ABORT, 'caps are switched off, never deleted'); END;

CREATE TRIGGER ledger_idempotency_insert BEFORE INSERT ON ledger_idempotency
WHEN EXISTS (SELECT 1 FROM ledger_idempotency WHERE team_id = NEW.team_id AND key_sha256 = NEW.key_sha256)
BEGIN SELECT RAISE(ABORT, 'a key is used once'); END;
CREATE TRIGGER ledger_idempotency_update BEFORE UPDATE ON ledger_idempotency
BEGIN SELECT RAISE(ABORT, 'keys are never updated'); END;
CREATE TRIGGER ledger_idempotency_delete BEFORE DELETE ON ledger_idempotency
WHEN NOT EXISTS (SELECT 1 FROM ledger_hold AS hold
                 JOIN ledger_void AS void ON void.team_id = hold.team_id AND void.hold_no = hold.no
                 WHERE hold.run_id = OLD.run_id AND hold.team_id = OLD.team_id)
BEGIN SELECT RAISE(ABORT, 'a key is let go only when its hold is voided'); END;
