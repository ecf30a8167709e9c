-- The hot table: only what waits or runs. A finished job moves to `job_history`, a dead one to
-- `dead_jobs`. It stands outside row-level security: the engine claims across tenants in one
-- statement, and every function that answers a tenant filters by `tenant_id` itself.
CREATE TABLE jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    -- 0 interactive: a customer waits; 1 bulk.
    lane smallint NOT NULL CHECK (lane IN (0, 1)),
    -- 0 ready, 1 scheduled (until run_at), 2 held (behind its ordering key), 3 running.
    state smallint NOT NULL CHECK (state BETWEEN 0 AND 3),
    -- Lower runs first.
    priority smallint NOT NULL DEFAULT 0,
    -- Raised by the claim, so that a crash counts; given back by a snooze or a shutdown.
    attempt smallint NOT NULL DEFAULT 0,
    -- Raised by the claim and never lowered: tells one claim from the next in every fence.
    claims integer NOT NULL DEFAULT 0,
    max_attempts smallint NOT NULL CHECK (max_attempts > 0),
    tenant_id uuid,
    run_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    payload jsonb NOT NULL,
    unique_key text,
    -- True: the key is given up when the job starts; false: when it ends.
    unique_until_started boolean NOT NULL DEFAULT false,
    -- Jobs of one (kind, ordering_key) run one at a time, in the order of their ordering_seq.
    ordering_key text,
    ordering_seq bigint,
    -- Up to two limits the claim has to respect.
    limit_key_1 text,
    limit_key_2 text,
    -- Who runs it: a number per process start, never a name.
    session_id bigint,
    lease_until timestamptz,
    claimed_at timestamptz,
    -- Why the last attempt did not finish it.
    last_error text,
    -- W3C trace context of whoever enqueued it.
    traceparent text,
    CHECK ((state = 3) = (session_id IS NOT NULL)),
    CHECK ((state = 3) = (lease_until IS NOT NULL)),
    CHECK ((ordering_key IS NULL) = (ordering_seq IS NULL)),
    CHECK (state <> 2 OR ordering_key IS NOT NULL)
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX jobs_ready_idx ON jobs (lane, priority, id) WHERE state = 0;
CREATE INDEX jobs_due_idx ON jobs (run_at) WHERE state = 1;
CREATE INDEX jobs_lease_idx ON jobs (lease_until) WHERE state = 3;
CREATE INDEX jobs_held_idx ON jobs (kind, ordering_key, ordering_seq) WHERE state = 2;
CREATE UNIQUE INDEX jobs_unique_key ON jobs (kind, unique_key) WHERE unique_key IS NOT NULL;

-- One row per ordering key with unfinished jobs. Its lock gives out `last_seq` and decides who is
-- at the head: `depth` counts the unfinished jobs of the key, the row goes with the last of them.
CREATE TABLE job_keys (
    kind text NOT NULL,
    key text NOT NULL,
    last_seq bigint NOT NULL,
    depth bigint NOT NULL CHECK (depth >= 0),
    PRIMARY KEY (kind, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE SEQUENCE worker_sessions_id_seq;
CREATE TABLE worker_sessions (
    id bigint PRIMARY KEY DEFAULT nextval('worker_sessions_id_seq'),
    host text NOT NULL,
    process_id integer NOT NULL,
    kinds text[] NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    lost_leases bigint NOT NULL DEFAULT 0
);

-- What was finished, whole days at a time: retention drops partitions.
CREATE TABLE job_history (
    id bigint NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    lane smallint NOT NULL,
    tenant_id uuid,
    outcome text NOT NULL CHECK (outcome IN ('done', 'cancelled')),
    attempt smallint NOT NULL,
    max_attempts smallint NOT NULL,
    created_at timestamptz NOT NULL,
    claimed_at timestamptz,
    ordering_key text,
    payload jsonb NOT NULL
) PARTITION BY RANGE (finished_at);
CREATE TABLE job_history_default PARTITION OF job_history DEFAULT;
CREATE INDEX job_history_id_idx ON job_history (id);

-- Every attempt that did not finish its job, with its reason.
CREATE TABLE job_attempts (
    job_id bigint NOT NULL,
    attempt smallint NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT now(),
    claimed_at timestamptz,
    session_id bigint,
    outcome text NOT NULL CHECK (outcome IN
        ('retry', 'snoozed', 'cancelled', 'dead', 'panicked', 'timed_out', 'crashed')),
    error text
) PARTITION BY RANGE (ended_at);
CREATE TABLE job_attempts_default PARTITION OF job_attempts DEFAULT;
CREATE INDEX job_attempts_job_id_idx ON job_attempts (job_id, attempt);

-- Jobs that will not run again unless somebody says so.
CREATE TABLE dead_jobs (
    id bigint PRIMARY KEY,
    died_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    lane smallint NOT NULL,
    priority smallint NOT NULL,
    tenant_id uuid,
    reason text NOT NULL,
    attempt smallint NOT NULL,
    max_attempts smallint NOT NULL,
    created_at timestamptz NOT NULL,
    claimed_at timestamptz,
    ordering_key text,
    limit_key_1 text,
    limit_key_2 text,
    payload jsonb NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE
    ON jobs, job_keys, job_history, job_attempts, dead_jobs, worker_sessions
    TO metachat_app, metachat_system;
GRANT USAGE ON SEQUENCE worker_sessions_id_seq TO metachat_app, metachat_system;
SELECT ensure_daily_partitions('job_history', 7);
SELECT ensure_daily_partitions('job_attempts', 7);
