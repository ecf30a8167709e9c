-- no-transaction
-- jobs_head_key_idx stands in its place.
DROP INDEX CONCURRENTLY IF EXISTS jobs_head_idx;
