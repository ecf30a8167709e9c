-- Fairness, limits, deadlines, cancelling, schedules and counters for the job engine.

-- Jobs that are equally eligible form a flow: same lane, kind, tenant, priority and limit keys. The
-- claim shares its slots out between tenants and takes from each flow by its own index range, so
-- neither a whale's backlog nor a limited tenant stands in anybody's way. A hash, so that
-- enqueueing needs no look-up; two flows of one hash would merely share their order.
CREATE FUNCTION job_flow(kind text, lane smallint, priority smallint, tenant_id uuid,
                         limit_key_1 text, limit_key_2 text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended(
        kind || E'\x1f' || lane::text || E'\x1f' || priority::text || E'\x1f'
        || coalesce(tenant_id::text, '') || E'\x1f' || coalesce(limit_key_1, '') || E'\x1f'
        || coalesce(limit_key_2, ''), 0);

-- A generated column would be the obvious way, but Postgres 18 reads its expression anew for every
-- updated row: half the time of a claim. Whoever enqueues calls the function; the trigger does it
-- for rows that others insert.
CREATE FUNCTION set_job_flow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.flow := job_flow(NEW.kind, NEW.lane, NEW.priority, NEW.tenant_id, NEW.limit_key_1,
                         NEW.limit_key_2);
    RETURN NEW;
END
$$;

ALTER TABLE jobs
    ADD COLUMN flow bigint,
    -- Dead, whatever it waits for, when it has not begun by then.
    ADD COLUMN deadline_at timestamptz,
    -- Somebody wants it ended: a running handler is told, a waiting job never begins.
    ADD COLUMN cancel_requested_at timestamptz,
    -- The limits that count this run as running; they are given back by whatever ends the run.
    ADD COLUMN permits bigint[];
UPDATE jobs SET flow = job_flow(kind, lane, priority, tenant_id, limit_key_1, limit_key_2);
ALTER TABLE jobs ALTER COLUMN flow SET NOT NULL;
CREATE TRIGGER set_job_flow BEFORE INSERT ON jobs
    FOR EACH ROW WHEN (NEW.flow IS NULL) EXECUTE FUNCTION set_job_flow();
DROP INDEX jobs_ready_idx;
CREATE INDEX jobs_ready_idx ON jobs (flow, id) WHERE state = 0;
CREATE INDEX jobs_deadline_idx ON jobs (deadline_at) WHERE deadline_at IS NOT NULL AND state <> 3;

-- One row per limited key: `tenant:<id>`, `kind:<kind>`, `tenant:<id>/<kind>`, or one that jobs
-- carry themselves, such as `endpoint:<id>`. Only keys that were ever limited have a row. Rows are
-- locked in the order of their ids, after job rows and ordering keys; claims lock them first and
-- wait for nothing after.
CREATE TABLE job_limits (
    id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    key text PRIMARY KEY CHECK (key LIKE '%:%' AND length(key) <= 300),
    -- Attempts per second over time; NULL: no limit.
    rate_per_second double precision CHECK (rate_per_second > 0),
    -- The most attempts at once after a rest.
    burst integer CHECK (burst >= 1),
    -- Attempts that may run at a time; NULL: no limit.
    concurrency integer CHECK (concurrency >= 1),
    -- Nothing begins before; 'infinity': until somebody resumes it.
    paused_until timestamptz,
    -- The share of a `tenant:` key while there is a backlog; NULL: 1.
    weight real CHECK (weight > 0 AND weight <= 1000),
    tokens double precision NOT NULL DEFAULT 0,
    refilled_at timestamptz NOT NULL DEFAULT now(),
    running integer NOT NULL DEFAULT 0 CHECK (running >= 0),
    -- Of what people set above, not of tokens and running.
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((rate_per_second IS NULL) = (burst IS NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX job_limits_changed_at_idx ON job_limits (changed_at);

-- Jobs that come by the clock. Whoever moves `next_at` on enqueues the job of that tick in the same
-- transaction: one job per tick, however many processes look.
CREATE TABLE job_schedules (
    name text PRIMARY KEY,
    kind text NOT NULL,
    -- A cron expression of five fields in UTC, or `every <n>s`.
    spec text NOT NULL,
    -- What becomes of ticks that passed while nobody looked.
    catch_up text NOT NULL DEFAULT 'latest' CHECK (catch_up IN ('skip', 'latest', 'all')),
    payload jsonb NOT NULL,
    paused boolean NOT NULL DEFAULT false,
    next_at timestamptz NOT NULL,
    last_at timestamptz,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- How many jobs of a kind stand where: sums of what processes counted, folded in once a second and
-- set right by a count whenever the table is small. 0 to 3 are the states of `jobs`, 4 is dead.
CREATE TABLE job_depths (
    kind text NOT NULL,
    state smallint NOT NULL CHECK (state BETWEEN 0 AND 4),
    jobs bigint NOT NULL,
    PRIMARY KEY (kind, state)
) WITH (fillfactor = 50);

-- What happened to jobs of a kind in each minute.
CREATE TABLE job_minutes (
    minute timestamptz NOT NULL,
    kind text NOT NULL,
    enqueued bigint NOT NULL DEFAULT 0,
    started bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    -- Attempts that did not finish their job, snoozes excluded.
    failed bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    -- From due to begun, summed over `started`.
    wait_ms bigint NOT NULL DEFAULT 0,
    -- From begun to ended, summed over every ended attempt.
    run_ms bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (minute, kind)
) WITH (fillfactor = 50);

-- How busy a process is, as of its last fold: tells a full lane from an idle one.
ALTER TABLE worker_sessions
    ADD COLUMN interactive_slots integer NOT NULL DEFAULT 0,
    ADD COLUMN interactive_busy integer NOT NULL DEFAULT 0,
    ADD COLUMN bulk_slots integer NOT NULL DEFAULT 0,
    ADD COLUMN bulk_busy integer NOT NULL DEFAULT 0;

ALTER TABLE job_history
    ADD COLUMN run_at timestamptz,
    ADD COLUMN session_id bigint,
    ADD COLUMN priority smallint NOT NULL DEFAULT 0,
    ADD COLUMN limit_key_1 text,
    ADD COLUMN limit_key_2 text,
    ADD COLUMN traceparent text,
    -- Why it was cancelled.
    ADD COLUMN reason text;
ALTER TABLE dead_jobs
    ADD COLUMN run_at timestamptz,
    ADD COLUMN session_id bigint,
    ADD COLUMN traceparent text;
ALTER TABLE job_attempts
    DROP CONSTRAINT job_attempts_outcome_check,
    ADD CONSTRAINT job_attempts_outcome_check CHECK (outcome IN
        ('retry', 'snoozed', 'cancelled', 'dead', 'panicked', 'timed_out', 'crashed', 'expired'));
CREATE INDEX dead_jobs_tenant_id_idx ON dead_jobs (tenant_id, id);

-- Lets go of the days of `parent` that are older than `keep_days`, as the owner of the schema.
-- What lies in the DEFAULT partition is deleted by age, at most 10,000 rows a call.
CREATE FUNCTION drop_daily_partitions(parent regclass, time_column name, keep_days integer)
    RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    oldest date := (now() AT TIME ZONE 'UTC')::date - keep_days;
    child record;
    dropped integer := 0;
BEGIN
    IF keep_days < 1 THEN
        RAISE EXCEPTION 'keep_days must be at least 1';
    END IF;
    FOR child IN
        SELECT c.oid::regclass AS name, c.relname
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = parent AND c.relname ~ '_[0-9]{8}$'
    LOOP
        IF to_date(right(child.relname, 8), 'YYYYMMDD') < oldest THEN
            EXECUTE format('DROP TABLE %s', child.name);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    EXECUTE format(
        'DELETE FROM %s_default WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM %s_default WHERE %I < %L LIMIT 10000))',
        parent, parent, time_column, oldest::timestamp AT TIME ZONE 'UTC');
    RETURN dropped;
END
$$;
REVOKE ALL ON FUNCTION drop_daily_partitions(regclass, name, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_daily_partitions(regclass, name, integer) TO metachat_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON job_limits, job_schedules, job_depths, job_minutes
    TO metachat_app, metachat_system;
