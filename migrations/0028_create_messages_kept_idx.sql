-- no-transaction
-- For retention alone, which says how old a message is. Without that condition on it, a planner that
-- knows nothing of the table takes it to be as good as any for finding one message, and reads all of
-- the tenant's.
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_kept_idx ON messages (tenant_id, created_at)
    WHERE created_at > '-infinity'
