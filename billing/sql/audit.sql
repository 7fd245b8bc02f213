-- What must hold of a ledger, as queries that find where it does not: each answers no rows, or the
-- team and the place. Read by billing/audit.py; a rule begins with its name after `-- rule:`. Both
-- engines run them: billing/audit_postgresql.py says what little it writes otherwise.
-- Kinds of entries: 1 allowance, 2 grant, 3 payment, 4 adjustment, 5 lapse, 6 settle, 7 expire.
-- System accounts: -1 issued, -2 cash, -3 spent, -4 lapsed, -5 written off, -6 adjusted.

-- rule: the postings of an entry sum to zero
SELECT team_id, 'entry ' || seq FROM ledger_posting
GROUP BY team_id, seq HAVING sum(amount_nano_usd) <> 0;

-- rule: an entry has two sides; only a run that cost nothing has none
SELECT entry.team_id, 'entry ' || entry.seq
FROM ledger_entry AS entry
LEFT JOIN (SELECT team_id, seq, count(*) AS legs FROM ledger_posting GROUP BY team_id, seq) AS posted
       ON posted.team_id = entry.team_id AND posted.seq = entry.seq
WHERE coalesce(legs, 0) < 2 AND NOT (legs IS NULL AND kind IN (6, 7));

-- rule: a posting belongs to an entry and an account of its team
SELECT team_id, 'entry ' || seq || ', account ' || account_no FROM ledger_posting AS posting
WHERE NOT EXISTS (SELECT 1 FROM ledger_entry AS entry
                  WHERE entry.team_id = posting.team_id AND entry.seq = posting.seq)
   OR NOT EXISTS (SELECT 1 FROM ledger_account AS account
                  WHERE account.team_id = posting.team_id AND account.no = posting.account_no);

-- rule: an entry posts to the system accounts that its kind is for
SELECT team_id, 'entry ' || seq || ', account ' || account_no
FROM ledger_posting JOIN ledger_entry USING (team_id, seq)
WHERE account_no < 0
  AND NOT ((kind IN (1, 2) AND account_no = -1) OR (kind = 3 AND account_no = -2)
        OR (kind = 4 AND account_no = -6) OR (kind = 5 AND account_no = -4)
        OR (kind IN (6, 7) AND account_no IN (-3, -5)));

-- rule: credit comes by grants, and goes by spending, lapsing and adjusting
SELECT team_id, 'entry ' || seq || ', account ' || account_no
FROM ledger_posting JOIN ledger_entry USING (team_id, seq)
WHERE (account_no > 0 AND kind IN (1, 2, 3) AND amount_nano_usd < 0)
   OR (account_no > 0 AND kind IN (5, 6, 7) AND amount_nano_usd > 0)
   OR (account_no IN (-1, -2, -5) AND amount_nano_usd > 0)
   OR (account_no IN (-3, -4) AND amount_nano_usd < 0);

-- rule: an account's balance is the sum of its postings
SELECT account.team_id, 'account ' || account.no
FROM ledger_account AS account
LEFT JOIN (SELECT team_id, account_no, sum(amount_nano_usd) AS total FROM ledger_posting
           WHERE account_no > 0 GROUP BY team_id, account_no) AS posted
       ON posted.team_id = account.team_id AND posted.account_no = account.no
WHERE account.no > 0 AND account.balance_nano_usd <> coalesce(total, 0);

-- rule: an account is given its credit once
SELECT account.team_id, 'account ' || account.no
FROM ledger_account AS account
LEFT JOIN (SELECT team_id, account_no, count(*) AS times FROM ledger_posting
           WHERE account_no > 0 AND amount_nano_usd > 0 GROUP BY team_id, account_no) AS given
       ON given.team_id = account.team_id AND given.account_no = account.no
WHERE account.no > 0 AND coalesce(times, 0) <> 1;

-- rule: no account is below zero, and none holds more than it has
SELECT team_id, 'account ' || no FROM ledger_account
WHERE held_nano_usd < 0 OR balance_nano_usd < held_nano_usd;

-- rule: what an account holds is what open holds set aside
WITH line AS (
    SELECT team_id, no AS hold_no, first_account_no AS account_no, first_amount_nano_usd AS amount_nano_usd
    FROM ledger_hold WHERE first_account_no IS NOT NULL
    UNION ALL
    SELECT team_id, hold_no, account_no, amount_nano_usd FROM ledger_hold_line
), running AS (
    SELECT line.team_id, account_no, sum(amount_nano_usd) AS held
    FROM ledger_open_hold JOIN line USING (team_id, hold_no) GROUP BY line.team_id, account_no
)
SELECT account.team_id, 'account ' || account.no
FROM ledger_account AS account
LEFT JOIN running ON running.team_id = account.team_id AND running.account_no = account.no
WHERE account.held_nano_usd <> coalesce(held, 0);

-- rule: the lines of a hold sum to its amount
SELECT team_id, 'hold ' || no FROM ledger_hold AS hold
WHERE amount_nano_usd <> first_amount_nano_usd
    + coalesce((SELECT sum(line.amount_nano_usd) FROM ledger_hold_line AS line
                WHERE line.team_id = hold.team_id AND line.hold_no = hold.no), 0);

-- rule: a hold is open, or ended once: by an entry or by a void
SELECT team_id, 'hold ' || no FROM ledger_hold AS hold
WHERE (SELECT count(*) FROM ledger_open_hold AS running
       WHERE running.team_id = hold.team_id AND running.hold_no = hold.no)
    + (SELECT count(*) FROM ledger_entry AS entry
       WHERE entry.hold_no = hold.no AND entry.team_id = hold.team_id)
    + (SELECT count(*) FROM ledger_void AS void
       WHERE void.team_id = hold.team_id AND void.hold_no = hold.no) <> 1;

-- rule: holds are numbered from 1 without gaps
SELECT team.id, 'holds'
FROM ledger_team AS team
LEFT JOIN (SELECT team_id, count(*) AS holds, max(no) AS newest FROM ledger_hold GROUP BY team_id) AS made
       ON made.team_id = team.id
WHERE hold_seq <> coalesce(holds, 0) OR hold_seq <> coalesce(newest, 0);

-- rule: an entry that ends a hold names the hold's run
SELECT entry.team_id, 'entry ' || seq
FROM ledger_entry AS entry
LEFT JOIN ledger_hold AS hold ON hold.team_id = entry.team_id AND hold.no = entry.hold_no
WHERE (kind IN (6, 7)) <> (hold_no IS NOT NULL) OR (hold_no IS NOT NULL AND ref IS NOT run_id);

-- rule: an entry that ends a hold has its usage, and no other has
SELECT team_id, 'entry ' || seq FROM ledger_entry AS entry
WHERE EXISTS (SELECT 1 FROM ledger_usage AS usage
              WHERE usage.team_id = entry.team_id AND usage.seq = entry.seq) <> (kind IN (6, 7))
UNION ALL
SELECT team_id, 'usage of entry ' || seq FROM ledger_usage AS usage
WHERE NOT EXISTS (SELECT 1 FROM ledger_entry AS entry
                  WHERE entry.team_id = usage.team_id AND entry.seq = usage.seq)
UNION ALL
SELECT team_id, 'usage line of entry ' || seq FROM ledger_usage_line AS line
WHERE NOT EXISTS (SELECT 1 FROM ledger_usage AS usage
                  WHERE usage.team_id = line.team_id AND usage.seq = line.seq);

-- rule: what a run cost is the sum of its lines, rounded up once
SELECT entry.team_id, 'entry ' || entry.seq
FROM ledger_entry AS entry
LEFT JOIN ledger_posting AS spent
       ON spent.team_id = entry.team_id AND spent.seq = entry.seq AND spent.account_no = -3
LEFT JOIN (SELECT team_id, seq, sum(quantity * price_pico_usd) AS pico_usd FROM ledger_usage_line
           GROUP BY team_id, seq) AS used
       ON used.team_id = entry.team_id AND used.seq = entry.seq
WHERE kind IN (6, 7) AND coalesce(spent.amount_nano_usd, 0) * 1000 - coalesce(pico_usd, 0) NOT BETWEEN 0 AND 999;

-- rule: what a crash cut short is marked as estimated
SELECT team_id, 'entry ' || seq FROM ledger_entry JOIN ledger_usage USING (team_id, seq)
WHERE kind = 7 AND estimated = 0;

-- rule: a team's used credit is what its runs were charged
SELECT team.id, 'used'
FROM ledger_team AS team
LEFT JOIN (SELECT team_id, -sum(amount_nano_usd) AS charged
           FROM ledger_entry JOIN ledger_posting USING (team_id, seq)
           WHERE kind IN (6, 7) AND account_no > 0 GROUP BY team_id) AS spent
       ON spent.team_id = team.id
WHERE used_nano_usd <> coalesce(charged, 0);

-- rule: a balance after an entry is the one before it and what the entry did
SELECT team_id, 'entry ' || seq FROM (
    SELECT entry.team_id, entry.seq,
           balance_after_nano_usd - coalesce(change, 0)
         - lag(balance_after_nano_usd, 1, 0) OVER (PARTITION BY entry.team_id ORDER BY entry.seq) AS wrong
    FROM ledger_entry AS entry
    LEFT JOIN (SELECT team_id, seq, sum(amount_nano_usd) AS change FROM ledger_posting
               WHERE account_no > 0 GROUP BY team_id, seq) AS done
           ON done.team_id = entry.team_id AND done.seq = entry.seq) AS followed
WHERE wrong <> 0;

-- rule: entries are numbered from 1 without gaps
SELECT team.id, 'entries'
FROM ledger_team AS team
LEFT JOIN (SELECT team_id, count(*) AS entries, max(seq) AS newest FROM ledger_entry GROUP BY team_id) AS made
       ON made.team_id = team.id
WHERE entry_seq <> coalesce(entries, 0) OR entry_seq <> coalesce(newest, 0)
UNION ALL
SELECT team_id, 'entry ' || seq FROM ledger_entry WHERE team_id NOT IN (SELECT id FROM ledger_team);

-- rule: time never goes back
SELECT team_id, 'entry ' || seq FROM (
    SELECT team_id, seq, at_ms, lag(at_ms, 1, at_ms) OVER (PARTITION BY team_id ORDER BY seq) AS before_ms
    FROM ledger_entry) AS followed
WHERE at_ms < before_ms
UNION ALL
SELECT team.id, 'clock' FROM ledger_team AS team
JOIN ledger_entry AS newest ON newest.team_id = team.id AND newest.seq = team.entry_seq
WHERE clock_ms < newest.at_ms;

-- rule: there is one allowance a window, and windows follow from the first use
SELECT account.team_id, 'account ' || no
FROM ledger_account AS account JOIN ledger_team AS team ON team.id = account.team_id
WHERE kind = 1
  AND (first_use_ms IS NULL OR starts_ms < first_use_ms OR starts_ms > allowance_starts_ms
    OR (starts_ms - first_use_ms) % 2592000000 <> 0 OR expires_ms IS NOT starts_ms + 2592000000)
UNION ALL
SELECT team_id, 'window ' || starts_ms FROM ledger_account
WHERE kind = 1 GROUP BY team_id, starts_ms HAVING count(*) > 1
UNION ALL
SELECT team.id, 'newest allowance' FROM ledger_team AS team
LEFT JOIN (SELECT team_id, max(starts_ms) AS newest_ms FROM ledger_account
           WHERE kind = 1 GROUP BY team_id) AS given ON given.team_id = team.id
WHERE allowance_starts_ms IS NOT newest_ms;

-- rule: an allowance is five dollars
SELECT team_id, 'entry ' || seq FROM ledger_entry JOIN ledger_posting USING (team_id, seq)
WHERE kind = 1 AND abs(amount_nano_usd) <> 5000000000;

-- rule: there is no allowance after the first payment
WITH payment AS (
    SELECT team_id, min(seq) AS first_seq, min(at_ms) AS first_ms FROM ledger_entry WHERE kind = 3 GROUP BY team_id
)
SELECT entry.team_id, 'entry ' || seq FROM ledger_entry AS entry JOIN payment USING (team_id)
WHERE kind = 1 AND seq > first_seq
UNION ALL
SELECT team.id, 'first payment' FROM ledger_team AS team LEFT JOIN payment ON payment.team_id = team.id
WHERE first_payment_ms IS NOT first_ms;

-- rule: of credit that has ended only what is held is left
SELECT account.team_id, 'account ' || no
FROM ledger_account AS account JOIN ledger_team AS team ON team.id = account.team_id
WHERE expires_ms <= clock_ms AND balance_nano_usd <> held_nano_usd;

-- rule: a cap counts what its entries were charged and what its open holds set aside
SELECT cap.team_id, 'cap ' || no FROM ledger_cap AS cap
WHERE spent_nano_usd <> coalesce((
          SELECT sum(charged_nano_usd) FROM ledger_cap_entry AS counted
          JOIN ledger_entry AS entry ON entry.team_id = counted.team_id AND entry.seq = counted.seq
          WHERE counted.team_id = cap.team_id AND counted.cap_no = cap.no AND at_ms >= window_starts_ms), 0)
   OR held_nano_usd <> coalesce((
          SELECT sum(hold.amount_nano_usd) FROM ledger_open_hold AS running
          JOIN ledger_hold AS hold ON hold.team_id = running.team_id AND hold.no = running.hold_no
          JOIN json_each(running.cap_nos) AS counts ON counts.value = cap.no
          WHERE running.team_id = cap.team_id), 0)
UNION ALL
SELECT team_id, 'cap entry ' || seq FROM ledger_cap_entry AS counted
WHERE charged_nano_usd <> (SELECT -sum(amount_nano_usd) FROM ledger_posting AS posting
                           WHERE posting.team_id = counted.team_id AND posting.seq = counted.seq AND account_no > 0);

-- rule: a cap is what its newest change made it
SELECT cap.team_id, 'cap ' || cap.no FROM ledger_cap AS cap
LEFT JOIN ledger_cap_change AS made
       ON made.team_id = cap.team_id AND made.cap_no = cap.no AND made.no = cap.change_no
WHERE change_no > 0
  AND (made.no IS NULL OR cap.limit_nano_usd IS NOT made.limit_nano_usd OR cap.zone <> made.zone
    OR cap.alert_at <> made.alert_at)
UNION ALL
SELECT cap.team_id, 'changes of cap ' || cap.no FROM ledger_cap AS cap
WHERE change_no <> (SELECT count(*) FROM ledger_cap_change AS made
                    WHERE made.team_id = cap.team_id AND made.cap_no = cap.no);

-- rule: a threshold is told once a window, and only where it was reached
SELECT told.team_id, 'cap ' || told.cap_no || ' at ' || told.percent || ' %'
FROM ledger_cap_alert AS told
JOIN ledger_cap_alert AS before
  ON before.team_id = told.team_id AND before.cap_no = told.cap_no AND before.change_no = told.change_no
 AND before.percent = told.percent AND before.window_starts_ms < told.window_starts_ms
WHERE before.at_ms >= told.window_starts_ms
UNION ALL
SELECT told.team_id, 'cap ' || told.cap_no || ' at ' || told.percent || ' %'
FROM ledger_cap_alert AS told
LEFT JOIN ledger_cap_change AS made
       ON made.team_id = told.team_id AND made.cap_no = told.cap_no AND made.no = told.change_no
LEFT JOIN ledger_cap_entry AS counted
       ON counted.team_id = told.team_id AND counted.cap_no = told.cap_no AND counted.seq = told.seq
WHERE made.no IS NULL OR made.limit_nano_usd <> told.limit_nano_usd
   OR (told.seq IS NOT NULL AND counted.seq IS NULL)
   OR (spent_nano_usd * 100 < told.limit_nano_usd * told.percent
       AND NOT (told.seq IS NULL AND told.percent = 100));

-- rule: a caller's key guards a hold that was not voided
SELECT used.team_id, used.run_id FROM ledger_idempotency AS used
LEFT JOIN ledger_hold AS hold ON hold.run_id = used.run_id AND hold.team_id = used.team_id
WHERE hold.no IS NULL
   OR EXISTS (SELECT 1 FROM ledger_void AS void WHERE void.team_id = hold.team_id AND void.hold_no = hold.no);
