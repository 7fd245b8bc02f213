-- The ledger's tables on PostgreSQL (15 and later): schema 1. The same tables, columns and rules as in
-- sqlite.sql, which says what each is for. Run by billing/schema_postgresql.py in the schema "ledger",
-- under a lock; written by `ledger_commit_v1` alone, which is never altered: a new version is added.
--
-- What differs from SQLite. Rows refer to each other without foreign keys, which would cost more than
-- the rest of the commit: the audit checks what they would. Rules are checked a statement at a time,
-- over all the rows that it added. An entry or a void closes its hold itself, so that a hold ends once.
--
-- Plans are made while tables are small and kept: what the functions look up has one index that fits,
-- and they may not scan whole tables.

CREATE TABLE ledger_team (
    id                  bigint PRIMARY KEY,
    first_use_ms        bigint,
    allowance_starts_ms bigint,
    first_payment_ms    bigint,
    entry_seq           bigint NOT NULL CHECK (entry_seq >= 0),
    head                bytea  NOT NULL CHECK (length(head) = 32),
    hold_seq            bigint NOT NULL CHECK (hold_seq >= 0),
    account_seq         bigint NOT NULL CHECK (account_seq >= 0),
    cap_seq             bigint NOT NULL CHECK (cap_seq >= 0),
    clock_ms            bigint NOT NULL,
    used_nano_usd       bigint NOT NULL CHECK (used_nano_usd >= 0),
    version             bigint NOT NULL                 -- guards what writers remember of the team
) WITH (fillfactor = 50);                               -- updated in place by each batch
CREATE INDEX ledger_team_allowance ON ledger_team (allowance_starts_ms) WHERE allowance_starts_ms IS NOT NULL;

CREATE TABLE ledger_account (
    team_id          bigint   NOT NULL,
    no               bigint   NOT NULL CHECK (no > 0 OR no BETWEEN -6 AND -1),
    kind             smallint NOT NULL CHECK (kind BETWEEN 0 AND 4),
    priority         smallint NOT NULL,
    starts_ms        bigint   NOT NULL,
    expires_ms       bigint CHECK (expires_ms > starts_ms),
    balance_nano_usd bigint   NOT NULL CHECK (balance_nano_usd >= 0),
    held_nano_usd    bigint   NOT NULL CHECK (held_nano_usd BETWEEN 0 AND balance_nano_usd),
    PRIMARY KEY (team_id, no),
    CHECK ((no < 0) = (kind = 0)),
    CHECK (no > 0 OR balance_nano_usd = 0)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX ledger_account_allowance ON ledger_account (team_id, starts_ms) WHERE kind = 1;

CREATE TABLE ledger_hold (
    team_id               bigint NOT NULL,
    no                    bigint NOT NULL CHECK (no > 0),
    run_id                text   NOT NULL CHECK (run_id <> ''),
    amount_nano_usd       bigint NOT NULL CHECK (amount_nano_usd >= 0),
    first_account_no      bigint CHECK (first_account_no > 0),
    first_amount_nano_usd bigint NOT NULL,
    created_ms            bigint NOT NULL,
    PRIMARY KEY (team_id, no),
    CHECK ((first_account_no IS NULL) = (amount_nano_usd = 0)),
    CHECK (first_amount_nano_usd BETWEEN (amount_nano_usd > 0)::int AND amount_nano_usd)
);
CREATE UNIQUE INDEX ledger_hold_run ON ledger_hold (run_id, team_id);

CREATE TABLE ledger_hold_line (
    team_id         bigint NOT NULL,
    hold_no         bigint NOT NULL,
    account_no      bigint NOT NULL CHECK (account_no > 0),
    amount_nano_usd bigint NOT NULL CHECK (amount_nano_usd > 0),
    PRIMARY KEY (team_id, hold_no, account_no)
);

CREATE TABLE ledger_open_hold (
    team_id           bigint NOT NULL,
    hold_no           bigint NOT NULL,
    lease_ms          bigint NOT NULL CHECK (lease_ms > 0),
    expires_ms        bigint NOT NULL,
    progress_nano_usd bigint NOT NULL CHECK (progress_nano_usd >= 0),
    progress          text   NOT NULL,
    facts             text   NOT NULL,
    scopes            text   NOT NULL,
    cap_nos           text   NOT NULL,
    key_sha256        bytea CHECK (length(key_sha256) = 32),
    PRIMARY KEY (team_id, hold_no)
) WITH (fillfactor = 50);

CREATE TABLE ledger_void (
    team_id bigint NOT NULL,
    hold_no bigint NOT NULL,
    at_ms   bigint NOT NULL,
    PRIMARY KEY (team_id, hold_no)
);

CREATE TABLE ledger_entry (
    team_id                bigint   NOT NULL,
    seq                    bigint   NOT NULL CHECK (seq > 0),
    kind                   smallint NOT NULL CHECK (kind BETWEEN 1 AND 7),
    ref                    text     NOT NULL CHECK (ref <> ''),
    hold_no                bigint,
    at_ms                  bigint   NOT NULL,
    balance_after_nano_usd bigint   NOT NULL CHECK (balance_after_nano_usd >= 0),
    actor_user_id          bigint,
    reason                 text     NOT NULL,
    hash                   bytea    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (team_id, seq),
    CHECK ((kind IN (6, 7)) = (hold_no IS NOT NULL))
);
CREATE UNIQUE INDEX ledger_entry_hold ON ledger_entry (hold_no, team_id) WHERE hold_no IS NOT NULL;
CREATE UNIQUE INDEX ledger_entry_ref ON ledger_entry (ref, team_id) WHERE hold_no IS NULL;

CREATE TABLE ledger_posting (
    team_id         bigint NOT NULL,
    seq             bigint NOT NULL,
    account_no      bigint NOT NULL,
    amount_nano_usd bigint NOT NULL CHECK (amount_nano_usd <> 0),
    PRIMARY KEY (team_id, seq, account_no)
);

CREATE TABLE ledger_usage (
    team_id       bigint   NOT NULL,
    seq           bigint   NOT NULL,
    model         text     NOT NULL,
    provider      text     NOT NULL,
    price_version text     NOT NULL,
    user_id       bigint,
    key_id        bigint,
    tags          text     NOT NULL,
    series        text     NOT NULL,
    estimated     smallint NOT NULL CHECK (estimated IN (0, 1)),
    PRIMARY KEY (team_id, seq)
);

CREATE TABLE ledger_usage_line (
    team_id        bigint   NOT NULL,
    seq            bigint   NOT NULL,
    no             smallint NOT NULL CHECK (no > 0),
    bucket         smallint NOT NULL CHECK (bucket BETWEEN 1 AND 7),
    quantity       bigint   NOT NULL CHECK (quantity >= 0),
    price_pico_usd bigint   NOT NULL CHECK (price_pico_usd >= 0),
    PRIMARY KEY (team_id, seq, no)
);

CREATE TABLE ledger_cap (
    team_id          bigint   NOT NULL,
    no               bigint   NOT NULL CHECK (no > 0),
    scope            text     NOT NULL,
    subject          text     NOT NULL,
    "window"         smallint NOT NULL CHECK ("window" BETWEEN 0 AND 3),
    limit_nano_usd   bigint CHECK (limit_nano_usd >= 0),
    window_starts_ms bigint   NOT NULL,
    spent_nano_usd   bigint   NOT NULL CHECK (spent_nano_usd >= 0),
    held_nano_usd    bigint   NOT NULL CHECK (held_nano_usd >= 0),
    PRIMARY KEY (team_id, no),
    UNIQUE (team_id, scope, subject, "window")
) WITH (fillfactor = 50);

CREATE TABLE ledger_cap_entry (
    team_id          bigint NOT NULL,
    cap_no           bigint NOT NULL,
    seq              bigint NOT NULL,
    charged_nano_usd bigint NOT NULL CHECK (charged_nano_usd > 0),
    PRIMARY KEY (team_id, cap_no, seq)
);

CREATE TABLE ledger_idempotency (
    team_id     bigint NOT NULL,
    key_sha256  bytea  NOT NULL CHECK (length(key_sha256) = 32),
    fingerprint bytea  NOT NULL,
    run_id      text   NOT NULL,
    PRIMARY KEY (team_id, key_sha256)
);

-- What has happened stays --------------------------------------------------------------------------

CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER ledger_entry_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    EXECUTE FUNCTION ledger_refuse('entries are never updated or deleted');
CREATE TRIGGER ledger_posting_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_posting
    EXECUTE FUNCTION ledger_refuse('postings are never updated or deleted');
CREATE TRIGGER ledger_usage_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_usage
    EXECUTE FUNCTION ledger_refuse('usage is never updated or deleted');
CREATE TRIGGER ledger_usage_line_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_usage_line
    EXECUTE FUNCTION ledger_refuse('usage is never updated or deleted');
CREATE TRIGGER ledger_hold_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_hold
    EXECUTE FUNCTION ledger_refuse('holds are never updated or deleted');
CREATE TRIGGER ledger_hold_line_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_hold_line
    EXECUTE FUNCTION ledger_refuse('holds are never updated or deleted');
CREATE TRIGGER ledger_void_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_void
    EXECUTE FUNCTION ledger_refuse('voids are never updated or deleted');
CREATE TRIGGER ledger_cap_entry_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_cap_entry
    EXECUTE FUNCTION ledger_refuse('what counted against a cap is never updated or deleted');
CREATE TRIGGER ledger_cap_stays BEFORE DELETE OR TRUNCATE ON ledger_cap
    EXECUTE FUNCTION ledger_refuse('caps are switched off, never deleted');
CREATE TRIGGER ledger_team_stays BEFORE DELETE OR TRUNCATE ON ledger_team
    EXECUTE FUNCTION ledger_refuse('teams are never deleted');
CREATE TRIGGER ledger_account_stays BEFORE DELETE OR TRUNCATE ON ledger_account
    EXECUTE FUNCTION ledger_refuse('accounts are never deleted');
CREATE TRIGGER ledger_idempotency_stays BEFORE UPDATE OR TRUNCATE ON ledger_idempotency
    EXECUTE FUNCTION ledger_refuse('keys are never updated');
CREATE TRIGGER ledger_open_hold_is_emptied BEFORE TRUNCATE ON ledger_open_hold
    EXECUTE FUNCTION ledger_refuse('an open hold ends with an entry or a void');
CREATE TRIGGER ledger_open_hold_ends BEFORE DELETE ON ledger_open_hold FOR EACH STATEMENT
    WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION ledger_refuse('an open hold ends with an entry or a void');

CREATE TRIGGER ledger_account_moves BEFORE UPDATE ON ledger_account FOR EACH ROW
    WHEN (NEW.team_id <> OLD.team_id OR NEW.no <> OLD.no OR NEW.kind <> OLD.kind
       OR NEW.priority <> OLD.priority OR NEW.starts_ms <> OLD.starts_ms
       OR NEW.expires_ms IS DISTINCT FROM OLD.expires_ms)
    EXECUTE FUNCTION ledger_refuse('of an account only the balance and what is held change');
CREATE TRIGGER ledger_open_hold_moves BEFORE UPDATE ON ledger_open_hold FOR EACH ROW
    WHEN (NEW.team_id <> OLD.team_id OR NEW.hold_no <> OLD.hold_no OR NEW.facts <> OLD.facts
       OR NEW.scopes <> OLD.scopes OR NEW.cap_nos <> OLD.cap_nos
       OR NEW.key_sha256 IS DISTINCT FROM OLD.key_sha256 OR NEW.progress_nano_usd < OLD.progress_nano_usd)
    EXECUTE FUNCTION ledger_refuse('of an open hold only the progress and the lease change');
CREATE TRIGGER ledger_cap_moves BEFORE UPDATE ON ledger_cap FOR EACH ROW
    WHEN (NEW.team_id <> OLD.team_id OR NEW.no <> OLD.no OR NEW.scope <> OLD.scope
       OR NEW.subject <> OLD.subject OR NEW."window" <> OLD."window")
    EXECUTE FUNCTION ledger_refuse('of a cap only the limit and what it counts change');
CREATE TRIGGER ledger_team_moves BEFORE UPDATE ON ledger_team FOR EACH ROW
    WHEN (NEW.id <> OLD.id OR NEW.version <> OLD.version + 1 OR NEW.clock_ms < OLD.clock_ms
       OR NEW.entry_seq < OLD.entry_seq OR NEW.hold_seq < OLD.hold_seq
       OR NEW.account_seq < OLD.account_seq OR NEW.cap_seq < OLD.cap_seq
       OR NEW.used_nano_usd < OLD.used_nano_usd
       OR (OLD.first_use_ms IS NOT NULL AND NEW.first_use_ms IS DISTINCT FROM OLD.first_use_ms)
       OR (OLD.first_payment_ms IS NOT NULL AND NEW.first_payment_ms IS DISTINCT FROM OLD.first_payment_ms)
       OR (OLD.allowance_starts_ms IS NOT NULL AND NEW.allowance_starts_ms IS NULL)
       OR NEW.allowance_starts_ms < OLD.allowance_starts_ms
       OR (NEW.entry_seq = OLD.entry_seq AND NEW.head <> OLD.head))
    EXECUTE FUNCTION ledger_refuse('a team only moves forward, with its entries');

CREATE FUNCTION ledger_team_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM moved LEFT JOIN ledger_entry AS newest
                      ON newest.team_id = moved.id AND newest.seq = moved.entry_seq
               WHERE moved.entry_seq > 0 AND newest.hash IS DISTINCT FROM moved.head) THEN
        RAISE EXCEPTION 'a team only moves forward, with its entries'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_team_follows AFTER UPDATE ON ledger_team
    REFERENCING NEW TABLE AS moved EXECUTE FUNCTION ledger_team_follows();

-- An entry is whole when it is written -------------------------------------------------------------

CREATE FUNCTION ledger_entry_is_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken text;
    ending bigint;
    closed bigint;
BEGIN
    SELECT CASE
        WHEN made.seq > 1 AND before.seq IS NULL THEN 'entries have no gaps'
        WHEN total <> 0 OR legs = 1 OR (legs = 0 AND made.kind NOT IN (6, 7))
            THEN 'the postings of an entry sum to zero'
        WHEN made.balance_after_nano_usd <> coalesce(before.balance_after_nano_usd, 0) + change
            THEN 'a balance follows from the one before and the postings'
        WHEN (used.seq IS NULL) = (made.kind IN (6, 7))
            THEN 'an entry that settles a hold has its usage, and no other has'
    END INTO broken
    FROM made
    CROSS JOIN LATERAL (
        SELECT count(*) AS legs, coalesce(sum(amount_nano_usd), 0) AS total,
               coalesce(sum(amount_nano_usd) FILTER (WHERE account_no > 0), 0) AS change
        FROM ledger_posting AS posting
        WHERE posting.team_id = made.team_id AND posting.seq = made.seq) AS posted
    LEFT JOIN ledger_entry AS before ON before.team_id = made.team_id AND before.seq = made.seq - 1
    LEFT JOIN ledger_usage AS used ON used.team_id = made.team_id AND used.seq = made.seq
    WHERE (made.seq > 1 AND before.seq IS NULL)
       OR total <> 0 OR legs = 1 OR (legs = 0 AND made.kind NOT IN (6, 7))
       OR made.balance_after_nano_usd <> coalesce(before.balance_after_nano_usd, 0) + change
       OR (used.seq IS NULL) = (made.kind IN (6, 7))
    LIMIT 1;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '%', broken USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT count(*) INTO ending FROM made WHERE hold_no IS NOT NULL;
    IF ending > 0 THEN
        DELETE FROM ledger_open_hold AS running USING made
        WHERE running.team_id = made.team_id AND running.hold_no = made.hold_no;
        GET DIAGNOSTICS closed = ROW_COUNT;
        IF closed <> ending THEN
            RAISE EXCEPTION 'a hold ends once' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entry_is_whole AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS made EXECUTE FUNCTION ledger_entry_is_whole();

CREATE FUNCTION ledger_void_closes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    closed bigint;
BEGIN
    DELETE FROM ledger_open_hold AS running USING made
    WHERE running.team_id = made.team_id AND running.hold_no = made.hold_no;
    GET DIAGNOSTICS closed = ROW_COUNT;
    IF closed <> (SELECT count(*) FROM made) THEN
        RAISE EXCEPTION 'a hold ends once' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_void_closes AFTER INSERT ON ledger_void
    REFERENCING NEW TABLE AS made EXECUTE FUNCTION ledger_void_closes();

CREATE FUNCTION ledger_entry_is_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added JOIN ledger_entry AS entry
                      ON entry.team_id = added.team_id AND entry.seq = added.seq) THEN
        RAISE EXCEPTION 'an entry is never added to' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_posting_is_sealed AFTER INSERT ON ledger_posting
    REFERENCING NEW TABLE AS added EXECUTE FUNCTION ledger_entry_is_sealed();
CREATE TRIGGER ledger_usage_is_sealed AFTER INSERT ON ledger_usage
    REFERENCING NEW TABLE AS added EXECUTE FUNCTION ledger_entry_is_sealed();
CREATE TRIGGER ledger_usage_line_is_sealed AFTER INSERT ON ledger_usage_line
    REFERENCING NEW TABLE AS added EXECUTE FUNCTION ledger_entry_is_sealed();

CREATE FUNCTION ledger_hold_is_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM opened LEFT JOIN ledger_hold AS hold
                      ON hold.team_id = opened.team_id AND hold.no = opened.hold_no
               WHERE hold.xmin IS DISTINCT FROM pg_current_xact_id()::xid) THEN
        RAISE EXCEPTION 'a hold is opened once' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_open_hold_is_new AFTER INSERT ON ledger_open_hold
    REFERENCING NEW TABLE AS opened EXECUTE FUNCTION ledger_hold_is_new();

CREATE FUNCTION ledger_key_is_let_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM freed WHERE NOT EXISTS (
                   SELECT 1 FROM ledger_hold AS hold
                   JOIN ledger_void AS void ON void.team_id = hold.team_id AND void.hold_no = hold.no
                   WHERE hold.run_id = freed.run_id AND hold.team_id = freed.team_id)) THEN
        RAISE EXCEPTION 'a key is let go only when its hold is voided'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_key_is_let_go AFTER DELETE ON ledger_idempotency
    REFERENCING OLD TABLE AS freed EXECUTE FUNCTION ledger_key_is_let_go();

-- What a writer calls --------------------------------------------------------------------------------

-- Teams as JSON, for those whose version is not the one that the writer knows; a team that is not there
-- has no row. With `p_lock` nobody else writes to them until the transaction ends.
CREATE FUNCTION ledger_load_v1(p_team_id bigint[], p_known_version bigint[], p_lock boolean)
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
                cap.spent_nano_usd, cap.held_nano_usd))
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

-- How runs ended. Their tables grow from nothing, so each look is planned for what is there by then.
CREATE FUNCTION ledger_ended_v1(p_team_id bigint[], p_run_id text[])
RETURNS TABLE (team_id bigint, run_id text, seq bigint, kind smallint, at_ms bigint, hash bytea,
               estimated smallint, cost_nano_usd bigint, writeoff_nano_usd bigint)
LANGUAGE plpgsql STABLE
SET search_path = ledger, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT hold.team_id, hold.run_id, entry.seq, entry.kind, entry.at_ms, entry.hash, used.estimated,
           coalesce(spent.amount_nano_usd, 0), coalesce(-written_off.amount_nano_usd, 0)
    FROM unnest(p_team_id, p_run_id) AS asked (team_id, run_id)
    JOIN ledger_hold AS hold ON hold.run_id = asked.run_id AND hold.team_id = asked.team_id
    LEFT JOIN ledger_entry AS entry ON entry.hold_no = hold.no AND entry.team_id = hold.team_id
    LEFT JOIN ledger_usage AS used ON used.team_id = entry.team_id AND used.seq = entry.seq
    LEFT JOIN ledger_posting AS spent
      ON spent.team_id = entry.team_id AND spent.seq = entry.seq AND spent.account_no = -3
    LEFT JOIN ledger_posting AS written_off
      ON written_off.team_id = entry.team_id AND written_off.seq = entry.seq AND written_off.account_no = -5
    LEFT JOIN ledger_void AS void ON void.team_id = hold.team_id AND void.hold_no = hold.no
    WHERE entry.seq IS NOT NULL OR void.hold_no IS NOT NULL;
END $$;

-- What was given under a reference.
CREATE FUNCTION ledger_given_v1(p_team_id bigint[], p_ref text[])
RETURNS TABLE (team_id bigint, ref text, kind smallint, amount_nano_usd bigint, seq bigint)
LANGUAGE plpgsql STABLE
SET search_path = ledger, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT entry.team_id, entry.ref, entry.kind,
           (SELECT sum(posting.amount_nano_usd) FROM ledger_posting AS posting
            WHERE posting.team_id = entry.team_id AND posting.seq = entry.seq
              AND posting.account_no > 0)::bigint,
           entry.seq
    FROM unnest(p_team_id, p_ref) AS asked (team_id, ref)
    JOIN ledger_entry AS entry
      ON entry.ref = asked.ref AND entry.team_id = asked.team_id AND entry.hold_no IS NULL;
END $$;

-- One batch, whole or not at all. Raises 40001 where a team, a hold or the free money is no longer as
-- the writer remembers it, with the teams in the error's detail. `p_rest` is what few batches have: an
-- object of lists of rows. Without `p_synced` the commit does not wait for the disk.
CREATE FUNCTION ledger_commit_v1(
    p_synced boolean,
    p_seen_team bigint[], p_seen_version bigint[],
    p_most_allowances bigint, p_counted_after_ms bigint,
    p_new_team bigint[],
    p_team_id bigint[], p_team_version bigint[], p_team_first_use_ms bigint[],
    p_team_allowance_starts_ms bigint[], p_team_first_payment_ms bigint[], p_team_entry_seq bigint[],
    p_team_head bytea[], p_team_hold_seq bigint[], p_team_account_seq bigint[], p_team_cap_seq bigint[],
    p_team_clock_ms bigint[], p_team_used_nano_usd bigint[],
    p_account_team bigint[], p_account_no bigint[], p_account_balance bigint[], p_account_held bigint[],
    p_hold_team bigint[], p_hold_no bigint[], p_hold_run text[], p_hold_amount bigint[],
    p_hold_first_account bigint[], p_hold_first_amount bigint[], p_hold_created_ms bigint[],
    p_hold_lease_ms bigint[], p_hold_expires_ms bigint[], p_hold_progress_nano_usd bigint[],
    p_hold_progress text[], p_hold_facts text[], p_hold_scopes text[], p_hold_cap_nos text[],
    p_hold_key bytea[],
    p_renewed_team bigint[], p_renewed_hold bigint[], p_renewed_lease_ms bigint[],
    p_renewed_expires_ms bigint[], p_renewed_progress_nano_usd bigint[], p_renewed_progress text[],
    p_entry_team bigint[], p_entry_seq bigint[], p_entry_kind bigint[], p_entry_ref text[],
    p_entry_hold bigint[], p_entry_at_ms bigint[], p_entry_balance bigint[], p_entry_actor bigint[],
    p_entry_reason text[], p_entry_hash bytea[],
    p_posting_team bigint[], p_posting_seq bigint[], p_posting_account bigint[], p_posting_amount bigint[],
    p_usage_team bigint[], p_usage_seq bigint[], p_usage_model text[], p_usage_provider text[],
    p_usage_price_version text[], p_usage_user bigint[], p_usage_key bigint[], p_usage_tags text[],
    p_usage_series text[], p_usage_estimated bigint[],
    p_line_team bigint[], p_line_seq bigint[], p_line_no bigint[], p_line_bucket bigint[],
    p_line_quantity bigint[], p_line_price bigint[],
    p_rest json
) RETURNS void LANGUAGE plpgsql
SET search_path = ledger, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    stale text;
    found_rows bigint;
BEGIN
    IF NOT p_synced THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;

    -- Nobody else may write to these teams, and nobody has since they were remembered.
    IF cardinality(p_new_team) > 0 THEN
        INSERT INTO ledger_team (id, entry_seq, head, hold_seq, account_seq, cap_seq, clock_ms,
                                 used_nano_usd, version)
        SELECT id, 0, decode(repeat('00', 32), 'hex'), 0, 0, 0, 0, 0, 0 FROM unnest(p_new_team) AS new (id);
        INSERT INTO ledger_account (team_id, no, kind, priority, starts_ms, expires_ms, balance_nano_usd,
                                    held_nano_usd)
        SELECT id, no, 0, 0, 0, NULL, 0, 0
        FROM unnest(p_new_team) AS new (id) CROSS JOIN generate_series(-6, -1) AS system (no);
    END IF;
    PERFORM 1 FROM ledger_team AS team WHERE team.id = ANY (p_team_id) ORDER BY team.id FOR NO KEY UPDATE;
    SELECT string_agg(mine.id::text, ' ') INTO stale
    FROM (SELECT id, version FROM unnest(p_team_id, p_team_version) AS changed (id, version)
          UNION ALL
          SELECT id, version FROM unnest(p_seen_team, p_seen_version) AS seen (id, version)) AS mine
    LEFT JOIN ledger_team AS team ON team.id = mine.id
    WHERE team.version IS DISTINCT FROM mine.version;
    IF stale IS NOT NULL THEN
        RAISE EXCEPTION 'stale team' USING ERRCODE = '40001', DETAIL = stale;
    END IF;

    IF cardinality(p_hold_team) > 0 THEN
        INSERT INTO ledger_hold (team_id, no, run_id, amount_nano_usd, first_account_no,
                                 first_amount_nano_usd, created_ms)
        SELECT * FROM unnest(p_hold_team, p_hold_no, p_hold_run, p_hold_amount, p_hold_first_account,
                             p_hold_first_amount, p_hold_created_ms);
        INSERT INTO ledger_open_hold (team_id, hold_no, lease_ms, expires_ms, progress_nano_usd, progress,
                                      facts, scopes, cap_nos, key_sha256)
        SELECT * FROM unnest(p_hold_team, p_hold_no, p_hold_lease_ms, p_hold_expires_ms,
                             p_hold_progress_nano_usd, p_hold_progress, p_hold_facts, p_hold_scopes,
                             p_hold_cap_nos, p_hold_key);
    END IF;
    IF cardinality(p_renewed_team) > 0 THEN
        UPDATE ledger_open_hold AS running
        SET lease_ms = renewed.lease_ms, expires_ms = renewed.expires_ms,
            progress_nano_usd = renewed.progress_nano_usd, progress = renewed.progress
        FROM unnest(p_renewed_team, p_renewed_hold, p_renewed_lease_ms, p_renewed_expires_ms,
                    p_renewed_progress_nano_usd, p_renewed_progress)
             AS renewed (team_id, hold_no, lease_ms, expires_ms, progress_nano_usd, progress)
        WHERE running.team_id = renewed.team_id AND running.hold_no = renewed.hold_no
          AND running.progress_nano_usd <= renewed.progress_nano_usd;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        IF found_rows <> cardinality(p_renewed_team) THEN
            RAISE EXCEPTION 'stale hold' USING ERRCODE = '40001';
        END IF;
    END IF;

    IF p_rest IS NOT NULL THEN
        INSERT INTO ledger_account (team_id, no, kind, priority, starts_ms, expires_ms, balance_nano_usd,
                                    held_nano_usd)
        SELECT team_id, no, kind, priority, starts_ms, expires_ms, balance_nano_usd, held_nano_usd
        FROM json_to_recordset(p_rest -> 'new_accounts')
             AS new (team_id bigint, no bigint, kind smallint, priority smallint, starts_ms bigint,
                     expires_ms bigint, balance_nano_usd bigint, held_nano_usd bigint);
        INSERT INTO ledger_hold_line (team_id, hold_no, account_no, amount_nano_usd)
        SELECT team_id, hold_no, account_no, amount_nano_usd
        FROM json_to_recordset(p_rest -> 'hold_lines')
             AS new (team_id bigint, hold_no bigint, account_no bigint, amount_nano_usd bigint);
    END IF;

    -- An entry comes after what it consists of, and is checked against it.
    IF cardinality(p_entry_team) > 0 THEN
        INSERT INTO ledger_posting (team_id, seq, account_no, amount_nano_usd)
        SELECT * FROM unnest(p_posting_team, p_posting_seq, p_posting_account, p_posting_amount);
        IF cardinality(p_usage_team) > 0 THEN
            INSERT INTO ledger_usage (team_id, seq, model, provider, price_version, user_id, key_id, tags,
                                      series, estimated)
            SELECT * FROM unnest(p_usage_team, p_usage_seq, p_usage_model, p_usage_provider,
                                 p_usage_price_version, p_usage_user, p_usage_key, p_usage_tags,
                                 p_usage_series, p_usage_estimated);
            INSERT INTO ledger_usage_line (team_id, seq, no, bucket, quantity, price_pico_usd)
            SELECT * FROM unnest(p_line_team, p_line_seq, p_line_no, p_line_bucket, p_line_quantity,
                                 p_line_price);
        END IF;
        INSERT INTO ledger_entry (team_id, seq, kind, ref, hold_no, at_ms, balance_after_nano_usd,
                                  actor_user_id, reason, hash)
        SELECT * FROM unnest(p_entry_team, p_entry_seq, p_entry_kind, p_entry_ref, p_entry_hold,
                             p_entry_at_ms, p_entry_balance, p_entry_actor, p_entry_reason, p_entry_hash);
    END IF;

    IF p_rest IS NOT NULL THEN
        INSERT INTO ledger_void (team_id, hold_no, at_ms)
        SELECT team_id, hold_no, at_ms
        FROM json_to_recordset(p_rest -> 'voids') AS new (team_id bigint, hold_no bigint, at_ms bigint);
        DELETE FROM ledger_idempotency AS used
        USING json_to_recordset(p_rest -> 'freed_keys') AS freed (team_id bigint, key_sha256 text)
        WHERE used.team_id = freed.team_id AND used.key_sha256 = decode(freed.key_sha256, 'hex');
        INSERT INTO ledger_idempotency (team_id, key_sha256, fingerprint, run_id)
        SELECT team_id, decode(key_sha256, 'hex'), decode(fingerprint, 'hex'), run_id
        FROM json_to_recordset(p_rest -> 'new_keys')
             AS new (team_id bigint, key_sha256 text, fingerprint text, run_id text);
        INSERT INTO ledger_cap (team_id, no, scope, subject, "window", limit_nano_usd, window_starts_ms,
                                spent_nano_usd, held_nano_usd)
        SELECT team_id, no, scope, subject, "window", limit_nano_usd, window_starts_ms, spent_nano_usd,
               held_nano_usd
        FROM json_to_recordset(p_rest -> 'caps')
             AS cap (team_id bigint, no bigint, scope text, subject text, "window" smallint,
                     limit_nano_usd bigint, window_starts_ms bigint, spent_nano_usd bigint,
                     held_nano_usd bigint)
        ON CONFLICT (team_id, no) DO UPDATE
        SET limit_nano_usd = excluded.limit_nano_usd, window_starts_ms = excluded.window_starts_ms,
            spent_nano_usd = excluded.spent_nano_usd, held_nano_usd = excluded.held_nano_usd;
        INSERT INTO ledger_cap_entry (team_id, cap_no, seq, charged_nano_usd)
        SELECT team_id, cap_no, seq, charged_nano_usd
        FROM json_to_recordset(p_rest -> 'cap_entries')
             AS new (team_id bigint, cap_no bigint, seq bigint, charged_nano_usd bigint);
    END IF;

    IF cardinality(p_account_team) > 0 THEN
        UPDATE ledger_account AS account
        SET balance_nano_usd = changed.balance_nano_usd, held_nano_usd = changed.held_nano_usd
        FROM unnest(p_account_team, p_account_no, p_account_balance, p_account_held)
             AS changed (team_id, no, balance_nano_usd, held_nano_usd)
        WHERE account.team_id = changed.team_id AND account.no = changed.no;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        IF found_rows <> cardinality(p_account_team) THEN
            RAISE EXCEPTION 'an account is missing' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    IF cardinality(p_team_id) > 0 THEN
        UPDATE ledger_team AS team
        SET first_use_ms = changed.first_use_ms, allowance_starts_ms = changed.allowance_starts_ms,
            first_payment_ms = changed.first_payment_ms, entry_seq = changed.entry_seq,
            head = changed.head, hold_seq = changed.hold_seq, account_seq = changed.account_seq,
            cap_seq = changed.cap_seq, clock_ms = changed.clock_ms,
            used_nano_usd = changed.used_nano_usd, version = team.version + 1
        FROM unnest(p_team_id, p_team_first_use_ms, p_team_allowance_starts_ms, p_team_first_payment_ms,
                    p_team_entry_seq, p_team_head, p_team_hold_seq, p_team_account_seq, p_team_cap_seq,
                    p_team_clock_ms, p_team_used_nano_usd)
             AS changed (id, first_use_ms, allowance_starts_ms, first_payment_ms, entry_seq, head, hold_seq,
                         account_seq, cap_seq, clock_ms, used_nano_usd)
        WHERE team.id = changed.id;
    END IF;

    -- The installation's limit on free money holds across all writers: one of them at a time adds to it.
    IF p_most_allowances IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(hashtext('tiltyard ledger'), hashtext('free money'));
        IF (SELECT count(*) FROM ledger_team WHERE allowance_starts_ms > p_counted_after_ms)
           > p_most_allowances THEN
            RAISE EXCEPTION 'stale free money' USING ERRCODE = '40001';
        END IF;
    END IF;
END $$;
