INSERT INTO jobs (kind, lane, state, max_attempts, payload) VALUES ('bench-noop', 1, 0, 3, $1::jsonb)
