INSERT INTO jobs (kind, lane, state, max_attempts, payload, flow) VALUES ('bench-noop', 1, 0, 3, $1::jsonb, job_flow('bench-noop', 1::smallint, 0::smallint, NULL, NULL, NULL))
