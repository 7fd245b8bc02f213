-- From schema 1 to 2: caps with rolling windows, zones and alerts; see sqlite_2.sql. Whoever writes them
-- calls `ledger_caps_v1` in the statement of its `ledger_commit_v1`, after it, whose locks then hold.

ALTER TABLE ledger_cap
    DROP CONSTRAINT ledger_cap_window_check,
    DROP CONSTRAINT ledger_cap_team_id_scope_subject_window_key,
    ADD CHECK ("window" BETWEEN 0 AND 4),
    ADD days           smallint NOT NULL DEFAULT 0,
    ADD zone           text     NOT NULL DEFAULT 'UTC',
    ADD alert_at       text     NOT NULL DEFAULT '[50,80,100]',
    ADD window_ends_ms bigint,
    ADD steps          text     NOT NULL DEFAULT '[]',
    ADD alerted        text     NOT NULL DEFAULT '[]',
    ADD change_no      bigint   NOT NULL DEFAULT 0 CHECK (change_no >= 0),
    ADD CHECK (days BETWEEN ("window" = 4)::int AND 366 * ("window" = 4)::int),
    ADD CHECK (window_ends_ms > window_starts_ms),
    ADD UNIQUE (team_id, scope, subject, "window", days);
UPDATE ledger_cap SET window_ends_ms = CASE "window"
    WHEN 1 THEN window_starts_ms + 86400000
    WHEN 2 THEN window_starts_ms + 604800000
    WHEN 3 THEN (extract(epoch FROM (to_timestamp(window_starts_ms / 1000) AT TIME ZONE 'UTC' + interval '1 month')
                                    AT TIME ZONE 'UTC') * 1000)::bigint END;
DROP TRIGGER ledger_cap_moves ON ledger_cap;
CREATE TRIGGER ledger_cap_moves BEFORE UPDATE ON ledger_cap FOR EACH ROW
    WHEN (NEW.team_id <> OLD.team_id OR NEW.no <> OLD.no OR NEW.scope <> OLD.scope
       OR NEW.subject <> OLD.subject OR NEW."window" <> OLD."window" OR NEW.days <> OLD.days
       OR NEW.change_no < OLD.change_no)
    EXECUTE FUNCTION ledger_refuse('of a cap only the limit and what it counts change');

CREATE TABLE ledger_cap_change (
    team_id        bigint NOT NULL,
    cap_no         bigint NOT NULL,
    no             bigint NOT NULL CHECK (no > 0),
    at_ms          bigint NOT NULL,
    actor_user_id  bigint,
    limit_nano_usd bigint CHECK (limit_nano_usd >= 0),
    zone           text   NOT NULL,
    alert_at       text   NOT NULL,
    PRIMARY KEY (team_id, cap_no, no)
);
CREATE TRIGGER ledger_cap_change_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_cap_change
    EXECUTE FUNCTION ledger_refuse('changes of caps are never updated or deleted');

CREATE TABLE ledger_cap_alert (
    team_id          bigint   NOT NULL,
    cap_no           bigint   NOT NULL,
    change_no        bigint   NOT NULL,
    percent          smallint NOT NULL CHECK (percent BETWEEN 1 AND 100),
    window_starts_ms bigint   NOT NULL,
    at_ms            bigint   NOT NULL CHECK (at_ms >= window_starts_ms),
    seq              bigint,
    limit_nano_usd   bigint   NOT NULL CHECK (limit_nano_usd > 0),
    spent_nano_usd   bigint   NOT NULL CHECK (spent_nano_usd >= 0),
    PRIMARY KEY (team_id, cap_no, change_no, percent, window_starts_ms)
);
CREATE INDEX ledger_cap_alert_at ON ledger_cap_alert (at_ms);
CREATE TRIGGER ledger_cap_alert_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_cap_alert
    EXECUTE FUNCTION ledger_refuse('alerts are never updated or deleted');
CREATE FUNCTION ledger_cap_alert_is_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM told JOIN ledger_cap_alert AS before
                      ON before.team_id = told.team_id AND before.cap_no = told.cap_no
                     AND before.change_no = told.change_no AND before.percent = told.percent
                     AND before.window_starts_ms <> told.window_starts_ms
                     AND before.at_ms BETWEEN told.window_starts_ms AND told.at_ms) THEN
        RAISE EXCEPTION 'a threshold is told once a window' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_cap_alert_is_first AFTER INSERT ON ledger_cap_alert
    REFERENCING NEW TABLE AS told EXECUTE FUNCTION ledger_cap_alert_is_first();

-- As `ledger_load_v1`, with caps as `billing.caps.COLUMNS` has them.
CREATE FUNCTION ledger_load_v2(p_team_id bigint[], p_known_version bigint[], p_lock boolean)
RETURNS TABLE (team_id bigint, state text) LANGUAGE plpgsql
SET search_path = ledger, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
BEGIN
    IF p_lock THEN
        PERFORM 1 FROM ledger_team AS team WHERE team.id = ANY (p_team_id)
        ORDER BY team.id FOR NO KEY UPDATE;
    END IF;
    RETURN QUERY
    SELECT team.id, json_build_object(
        'id', team.id,
        'first_use_ms', team.first_use_ms,
        'allowance_starts_ms', team.allowance_starts_ms,
        'first_payment_ms', team.first_payment_ms,
        'entry_seq', team.entry_seq,
        'head', encode(team.head, 'hex'),
        'hold_seq', team.hold_seq,
        'account_seq', team.account_seq,
        'cap_seq', team.cap_seq,
        'clock_ms', team.clock_ms,
        'used_nano_usd', team.used_nano_usd,
        'version', team.version,
        'accounts', (
            SELECT json_agg(json_build_array(
                account.no, account.kind, account.priority, account.starts_ms, account.expires_ms,
                account.balance_nano_usd, account.held_nano_usd))
            FROM ledger_account AS account
            WHERE account.team_id = team.id AND account.balance_nano_usd > 0),
        'caps', (
            SELECT json_agg(json_build_array(
                cap.no, cap.scope, cap.subject, cap."window", cap.limit_nano_usd, cap.window_starts_ms,
                cap.spent_nano_usd, cap.held_nano_usd, cap.days, cap.zone, cap.alert_at,
                cap.window_ends_ms, cap.steps, cap.alerted, cap.change_no))
            FROM ledger_cap AS cap WHERE cap.team_id = team.id),
        'holds', (
            SELECT json_agg(json_build_object(
                'no', hold.no,
                'run_id', hold.run_id,
                'amount_nano_usd', hold.amount_nano_usd,
                'first_account_no', hold.first_account_no,
                'first_amount_nano_usd', hold.first_amount_nano_usd,
                'created_ms', hold.created_ms,
                'lease_ms', running.lease_ms,
                'expires_ms', running.expires_ms,
                'progress_nano_usd', running.progress_nano_usd,
                'progress', running.progress::json,
                'facts', running.facts::json,
                'scopes', running.scopes::json,
                'cap_nos', running.cap_nos::json,
                'key_sha256', encode(running.key_sha256, 'hex'),
                'fingerprint', encode(used.fingerprint, 'hex'),
                'further', (
                    SELECT json_agg(json_build_array(line.account_no, line.amount_nano_usd)
                                    ORDER BY account.priority,
                                             coalesce(account.expires_ms, 4611686018427387904),
                                             account.starts_ms, account.no)
                    FROM ledger_hold_line AS line
                    JOIN ledger_account AS account
                      ON account.team_id = line.team_id AND account.no = line.account_no
                    WHERE line.team_id = running.team_id AND line.hold_no = running.hold_no)))
            FROM ledger_open_hold AS running
            JOIN ledger_hold AS hold ON hold.team_id = running.team_id AND hold.no = running.hold_no
            LEFT JOIN ledger_idempotency AS used
              ON used.team_id = running.team_id AND used.key_sha256 = running.key_sha256
            WHERE running.team_id = team.id))::text
    FROM unnest(p_team_id, p_known_version) AS known (id, version)
    JOIN ledger_team AS team ON team.id = known.id
    WHERE team.version <> known.version;
END $$;

-- What a batch did to caps: an object of lists of rows. Its teams are locked by `ledger_commit_v1`.
CREATE FUNCTION ledger_caps_v1(p_caps json) RETURNS void LANGUAGE plpgsql
SET search_path = ledger, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    INSERT INTO ledger_cap (team_id, no, scope, subject, "window", limit_nano_usd, window_starts_ms,
                            spent_nano_usd, held_nano_usd, days, zone, alert_at, window_ends_ms, steps,
                            alerted, change_no)
    SELECT team_id, no, scope, subject, "window", limit_nano_usd, window_starts_ms, spent_nano_usd,
           held_nano_usd, days, zone, alert_at, window_ends_ms, steps, alerted, change_no
    FROM json_to_recordset(p_caps -> 'caps')
         AS cap (team_id bigint, no bigint, scope text, subject text, "window" smallint,
                 limit_nano_usd bigint, window_starts_ms bigint, spent_nano_usd bigint,
                 held_nano_usd bigint, days smallint, zone text, alert_at text, window_ends_ms bigint,
                 steps text, alerted text, change_no bigint)
    ON CONFLICT (team_id, no) DO UPDATE
    SET limit_nano_usd = excluded.limit_nano_usd, window_starts_ms = excluded.window_starts_ms,
        spent_nano_usd = excluded.spent_nano_usd, held_nano_usd = excluded.held_nano_usd,
        zone = excluded.zone, alert_at = excluded.alert_at, window_ends_ms = excluded.window_ends_ms,
        steps = excluded.steps, alerted = excluded.alerted, change_no = excluded.change_no;
    INSERT INTO ledger_cap_entry (team_id, cap_no, seq, charged_nano_usd)
    SELECT team_id, cap_no, seq, charged_nano_usd
    FROM json_to_recordset(p_caps -> 'cap_entries')
         AS new (team_id bigint, cap_no bigint, seq bigint, charged_nano_usd bigint);
    INSERT INTO ledger_cap_change (team_id, cap_no, no, at_ms, actor_user_id, limit_nano_usd, zone, alert_at)
    SELECT team_id, cap_no, no, at_ms, actor_user_id, limit_nano_usd, zone, alert_at
    FROM json_to_recordset(p_caps -> 'cap_changes')
         AS new (team_id bigint, cap_no bigint, no bigint, at_ms bigint, actor_user_id bigint,
                 limit_nano_usd bigint, zone text, alert_at text);
    INSERT INTO ledger_cap_alert (team_id, cap_no, change_no, percent, window_starts_ms, at_ms, seq,
                                  limit_nano_usd, spent_nano_usd)
    SELECT team_id, cap_no, change_no, percent, window_starts_ms, at_ms, seq, limit_nano_usd, spent_nano_usd
    FROM json_to_recordset(p_caps -> 'cap_alerts')
         AS new (team_id bigint, cap_no bigint, change_no bigint, percent smallint, window_starts_ms bigint,
                 at_ms bigint, seq bigint, limit_nano_usd bigint, spent_nano_usd bigint);
END $$;
