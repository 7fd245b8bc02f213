-- From schema 1 to 2: caps with rolling windows, zones and alerts. Run with foreign keys off, in one
-- transaction. SQLite changes no CHECK in place: the table is made anew, and keeps its rows.

CREATE TABLE ledger_cap_2 (
    team_id          INTEGER NOT NULL REFERENCES ledger_team (id),
    no               INTEGER NOT NULL CHECK (no > 0),
    scope            TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    window           INTEGER NOT NULL CHECK (window BETWEEN 0 AND 4),  -- all time, day, week, month, rolling
    limit_nano_usd   INTEGER CHECK (limit_nano_usd >= 0),              -- none: switched off
    window_starts_ms INTEGER NOT NULL,                                 -- what is spent counts from here
    spent_nano_usd   INTEGER NOT NULL CHECK (spent_nano_usd >= 0),
    held_nano_usd    INTEGER NOT NULL CHECK (held_nano_usd >= 0),
    days             INTEGER NOT NULL CHECK (days BETWEEN (window = 4) AND 366 * (window = 4)),
    zone             TEXT    NOT NULL,                                 -- of the calendar, as in Europe/Berlin
    alert_at         TEXT    NOT NULL,                                 -- JSON: percents
    window_ends_ms   INTEGER CHECK (window_ends_ms > window_starts_ms),
    steps            TEXT    NOT NULL,                                 -- JSON: [start, spent] of a rolling window
    alerted          TEXT    NOT NULL,                                 -- JSON: [percent, when last told]
    change_no        INTEGER NOT NULL CHECK (change_no >= 0),
    PRIMARY KEY (team_id, no),
    UNIQUE (team_id, scope, subject, window, days)
) STRICT, WITHOUT ROWID;
INSERT INTO ledger_cap_2
SELECT team_id, no, scope, subject, window, limit_nano_usd, window_starts_ms, spent_nano_usd, held_nano_usd,
       0, 'UTC', '[50,80,100]',
       CASE window WHEN 1 THEN window_starts_ms + 86400000 WHEN 2 THEN window_starts_ms + 604800000
                   WHEN 3 THEN unixepoch(window_starts_ms / 1000, 'unixepoch', '+1 month') * 1000 END,
       '[]', '[]', 0
FROM ledger_cap;
DROP TABLE ledger_cap;
ALTER TABLE ledger_cap_2 RENAME TO ledger_cap;
CREATE TRIGGER ledger_cap_delete BEFORE DELETE ON ledger_cap
BEGIN SELECT RAISE(ABORT, 'caps are switched off, never deleted'); END;
CREATE TRIGGER ledger_cap_update BEFORE UPDATE ON ledger_cap
WHEN NEW.team_id <> OLD.team_id OR NEW.no <> OLD.no OR NEW.scope <> OLD.scope OR NEW.subject <> OLD.subject
  OR NEW.window <> OLD.window OR NEW.days <> OLD.days OR NEW.change_no < OLD.change_no
BEGIN SELECT RAISE(ABORT, 'of a cap only the limit and what it counts change'); END;

-- What somebody set a cap to, and who it was.
CREATE TABLE ledger_cap_change (
    team_id        INTEGER NOT NULL,
    cap_no         INTEGER NOT NULL,
    no             INTEGER NOT NULL CHECK (no > 0),
    at_ms          INTEGER NOT NULL,
    actor_user_id  INTEGER,
    limit_nano_usd INTEGER CHECK (limit_nano_usd >= 0),
    zone           TEXT    NOT NULL,
    alert_at       TEXT    NOT NULL,
    PRIMARY KEY (team_id, cap_no, no),
    FOREIGN KEY (team_id, cap_no) REFERENCES ledger_cap (team_id, no)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER ledger_cap_change_insert BEFORE INSERT ON ledger_cap_change
WHEN EXISTS (SELECT 1 FROM ledger_cap_change
             WHERE team_id = NEW.team_id AND cap_no = NEW.cap_no AND no = NEW.no)
BEGIN SELECT RAISE(ABORT, 'a change of a cap is never replaced'); END;
CREATE TRIGGER ledger_cap_change_update BEFORE UPDATE ON ledger_cap_change
BEGIN SELECT RAISE(ABORT, 'changes of caps are never updated'); END;
CREATE TRIGGER ledger_cap_change_delete BEFORE DELETE ON ledger_cap_change
BEGIN SELECT RAISE(ABORT, 'changes of caps are never deleted'); END;

-- Spending reached a percent of a cap: with an entry, or (no entry) as the cap turned a request away.
CREATE TABLE ledger_cap_alert (
    team_id          INTEGER NOT NULL,
    cap_no           INTEGER NOT NULL,
    change_no        INTEGER NOT NULL,
    percent          INTEGER NOT NULL CHECK (percent BETWEEN 1 AND 100),
    window_starts_ms INTEGER NOT NULL,
    at_ms            INTEGER NOT NULL CHECK (at_ms >= window_starts_ms),
    seq              INTEGER,
    limit_nano_usd   INTEGER NOT NULL CHECK (limit_nano_usd > 0),
    spent_nano_usd   INTEGER NOT NULL CHECK (spent_nano_usd >= 0),
    PRIMARY KEY (team_id, cap_no, change_no, percent, window_starts_ms),
    FOREIGN KEY (team_id, cap_no) REFERENCES ledger_cap (team_id, no),
    FOREIGN KEY (team_id, seq) REFERENCES ledger_entry (team_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_cap_alert_at ON ledger_cap_alert (at_ms);
CREATE TRIGGER ledger_cap_alert_insert BEFORE INSERT ON ledger_cap_alert
WHEN EXISTS (SELECT 1 FROM ledger_cap_alert
             WHERE team_id = NEW.team_id AND cap_no = NEW.cap_no AND change_no = NEW.change_no
               AND percent = NEW.percent AND at_ms >= NEW.window_starts_ms)
BEGIN SELECT RAISE(ABORT, 'a threshold is told once a window'); END;
CREATE TRIGGER ledger_cap_alert_update BEFORE UPDATE ON ledger_cap_alert
BEGIN SELECT RAISE(ABORT, 'alerts are never updated'); END;
CREATE TRIGGER ledger_cap_alert_delete BEFORE DELETE ON ledger_cap_alert
BEGIN SELECT RAISE(ABORT, 'alerts are never deleted'); END;
