-- From schema 2 to 3: the same rules over what each request writes, checked in less time. A rule that is
-- broken ends the whole transaction, which the writer does anyway: SQLite then keeps no copy of each page
-- to undo a single statement with, and an entry is looked at once.

DROP TRIGGER ledger_entry_is_whole;
CREATE TRIGGER ledger_entry_is_whole BEFORE INSERT ON ledger_entry BEGIN
    SELECT CASE
        WHEN coalesce(sum(amount_nano_usd), 0) <> 0 OR count(*) = 1
          OR (count(*) = 0 AND NEW.kind NOT IN (6, 7))
            THEN RAISE(ROLLBACK, 'the postings of an entry sum to zero')
        WHEN NEW.balance_after_nano_usd - coalesce(sum(amount_nano_usd) FILTER (WHERE account_no > 0), 0)
             IS NOT CASE NEW.seq WHEN 1 THEN 0 ELSE (
                 SELECT balance_after_nano_usd FROM ledger_entry
                 WHERE team_id = NEW.team_id AND seq = NEW.seq - 1) END
            THEN CASE WHEN NEW.seq = 1 OR EXISTS (
                     SELECT 1 FROM ledger_entry WHERE team_id = NEW.team_id AND seq = NEW.seq - 1)
                THEN RAISE(ROLLBACK, 'a balance follows from the one before and the postings')
                ELSE RAISE(ROLLBACK, 'entries have no gaps')
            END
    END
    FROM ledger_posting WHERE team_id = NEW.team_id AND seq = NEW.seq;
END;
CREATE TRIGGER ledger_entry_is_new BEFORE INSERT ON ledger_entry
WHEN EXISTS (SELECT 1 FROM ledger_entry WHERE team_id = NEW.team_id AND seq = NEW.seq)
  OR CASE WHEN NEW.hold_no IS NULL
     THEN EXISTS (SELECT 1 FROM ledger_entry
                  WHERE ref = NEW.ref AND team_id = NEW.team_id AND hold_no IS NULL)
     ELSE EXISTS (SELECT 1 FROM ledger_entry WHERE hold_no = NEW.hold_no AND team_id = NEW.team_id) END
BEGIN SELECT RAISE(ROLLBACK, 'an entry is never replaced'); END;
CREATE TRIGGER ledger_entry_has_usage BEFORE INSERT ON ledger_entry
WHEN EXISTS (SELECT 1 FROM ledger_usage WHERE team_id = NEW.team_id AND seq = NEW.seq)
  <> (NEW.kind IN (6, 7))
BEGIN SELECT RAISE(ROLLBACK, 'an entry that settles a hold has its usage, and no other has'); END;
DROP TRIGGER ledger_entry_ends_once;
CREATE TRIGGER ledger_entry_ends_once BEFORE INSERT ON ledger_entry
WHEN NEW.hold_no IS NOT NULL
 AND EXISTS (SELECT 1 FROM ledger_void WHERE team_id = NEW.team_id AND hold_no = NEW.hold_no)
BEGIN SELECT RAISE(ROLLBACK, 'a hold ends once'); END;

DROP TRIGGER ledger_posting_is_sealed;
CREATE TRIGGER ledger_posting_is_sealed BEFORE INSERT ON ledger_posting
WHEN EXISTS (SELECT 1 FROM ledger_entry WHERE team_id = NEW.team_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ROLLBACK, 'an entry is never added to'); END;
DROP TRIGGER ledger_usage_is_sealed;
CREATE TRIGGER ledger_usage_is_sealed BEFORE INSERT ON ledger_usage
WHEN EXISTS (SELECT 1 FROM ledger_entry WHERE team_id = NEW.team_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ROLLBACK, 'an entry is never added to'); END;
DROP TRIGGER ledger_usage_line_is_sealed;
CREATE TRIGGER ledger_usage_line_is_sealed BEFORE INSERT ON ledger_usage_line
WHEN EXISTS (SELECT 1 FROM ledger_entry WHERE team_id = NEW.team_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ROLLBACK, 'an entry is never added to'); END;

DROP TRIGGER ledger_hold_insert;
CREATE TRIGGER ledger_hold_insert BEFORE INSERT ON ledger_hold
WHEN EXISTS (SELECT 1 FROM ledger_hold WHERE team_id = NEW.team_id AND no = NEW.no)
  OR EXISTS (SELECT 1 FROM ledger_hold WHERE run_id = NEW.run_id AND team_id = NEW.team_id)
BEGIN SELECT RAISE(ROLLBACK, 'a hold is never replaced'); END;
DROP TRIGGER ledger_open_hold_insert;
CREATE TRIGGER ledger_open_hold_insert BEFORE INSERT ON ledger_open_hold
WHEN EXISTS (SELECT 1 FROM ledger_open_hold WHERE team_id = NEW.team_id AND hold_no = NEW.hold_no)
  OR EXISTS (SELECT 1 FROM ledger_entry WHERE hold_no = NEW.hold_no AND team_id = NEW.team_id)
  OR EXISTS (SELECT 1 FROM ledger_void WHERE team_id = NEW.team_id AND hold_no = NEW.hold_no)
BEGIN SELECT RAISE(ROLLBACK, 'a hold is opened once'); END;
DROP TRIGGER ledger_open_hold_update;
CREATE TRIGGER ledger_open_hold_update BEFORE UPDATE ON ledger_open_hold
WHEN NEW.team_id <> OLD.team_id OR NEW.hold_no <> OLD.hold_no OR NEW.facts <> OLD.facts
  OR NEW.scopes <> OLD.scopes OR NEW.cap_nos <> OLD.cap_nos OR NEW.key_sha256 IS NOT OLD.key_sha256
  OR NEW.progress_nano_usd < OLD.progress_nano_usd
BEGIN SELECT RAISE(ROLLBACK, 'of an open hold only the progress and the lease change'); END;
DROP TRIGGER ledger_open_hold_delete;
CREATE TRIGGER ledger_open_hold_delete BEFORE DELETE ON ledger_open_hold
WHEN NOT EXISTS (SELECT 1 FROM ledger_entry WHERE hold_no = OLD.hold_no AND team_id = OLD.team_id)
 AND NOT EXISTS (SELECT 1 FROM ledger_void WHERE team_id = OLD.team_id AND hold_no = OLD.hold_no)
BEGIN SELECT RAISE(ROLLBACK, 'an open hold ends with an entry or a void'); END;
