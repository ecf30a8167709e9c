-- no-transaction
-- For the sweep of files that no row leads to, which asks for many by their keys.
CREATE INDEX CONCURRENTLY IF NOT EXISTS documents_file_key_idx ON documents (file_key)
