-- no-transaction
-- For retention alone, as that of messages.
CREATE INDEX CONCURRENTLY IF NOT EXISTS conversations_kept_idx
    ON conversations (tenant_id, coalesce(last_message_at, created_at))
    WHERE coalesce(last_message_at, created_at) > '-infinity'
