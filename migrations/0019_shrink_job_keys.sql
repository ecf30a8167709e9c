-- A key ends when whoever takes its head away finds nobody behind it, under the lock on its row: that
-- needs no count, and a finish with somebody behind it does not write the row. Processes that still
-- count must have ended before this step.
ALTER TABLE job_keys DROP COLUMN depth;
COMMENT ON TABLE job_keys IS
    'A row for each ordering key with unfinished jobs; its lock gives out last_seq and decides who is at the head.';
