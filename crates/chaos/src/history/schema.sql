-- What a run records of itself, in the database of its jobs.

-- Written in the transaction that enqueues the job.
CREATE TABLE chaos_enqueued (
    n bigint PRIMARY KEY,
    job_id bigint NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    deadline_at timestamptz
);

-- Begin and end of each run, each in a transaction of its own.
CREATE TABLE chaos_events (
    run uuid NOT NULL,
    what text NOT NULL CHECK (what IN ('begin', 'end')),
    job_id bigint NOT NULL,
    kind text NOT NULL,
    attempt smallint NOT NULL,
    session bigint NOT NULL,
    -- With the job and the session it names the claim.
    claimed_at timestamptz NOT NULL,
    -- Which claim of the job it is; NULL when its lease was lost before this was written. Only this
    -- tells the order of claims: `claimed_at` is the beginning of a transaction, which may claim long
    -- after that what another one has claimed and given back meanwhile.
    claim integer,
    outcome text,
    -- The worker's own clock, which faults step.
    wall_at timestamptz NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run, what, job_id)
);
CREATE INDEX ON chaos_events (job_id);

-- What a job was for, written in the handler's fenced transaction. No constraint keeps a second
-- one out: the fence has to.
CREATE TABLE chaos_effects (
    job_id bigint NOT NULL,
    session bigint NOT NULL,
    claimed_at timestamptz NOT NULL,
    -- Only the first is an effect; the others passed the fence and found that it was there.
    is_first boolean NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON chaos_effects (job_id);

CREATE TABLE chaos_cancels (
    job_id bigint PRIMARY KEY,
    -- What the job was doing; NULL while nobody knows whether the cancel was committed.
    state smallint,
    -- Read after the commit.
    committed_at timestamptz
);

CREATE TABLE chaos_poison (
    job_id bigint PRIMARY KEY,
    is_known_kind boolean NOT NULL
);

CREATE TABLE chaos_ticks (
    schedule text NOT NULL,
    period_ms bigint NOT NULL,
    due_at timestamptz NOT NULL,
    job_id bigint NOT NULL
);

-- The jobs of ticks are enqueued by the engine itself: this writes them down in its transaction.
CREATE FUNCTION chaos_note_tick() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_ticks (schedule, period_ms, due_at, job_id)
    VALUES ('every-second', 1000, NEW.run_at, NEW.id);
    INSERT INTO chaos_enqueued (n, job_id, kind, payload)
    VALUES (-NEW.id, NEW.id, NEW.kind, NEW.payload);
    RETURN NEW;
END
$$;
CREATE TRIGGER chaos_note_tick AFTER INSERT ON jobs
    FOR EACH ROW WHEN (NEW.kind = 'chaos-beat') EXECUTE FUNCTION chaos_note_tick();

-- Until when the schedule was let go on.
CREATE TABLE chaos_schedule_ends (
    schedule text PRIMARY KEY,
    at timestamptz NOT NULL
);

CREATE TABLE chaos_pauses (
    key text NOT NULL,
    -- Read after the commit of the pause.
    paused_at timestamptz NOT NULL,
    -- Read before it was lifted.
    resumed_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON chaos_enqueued, chaos_events, chaos_effects, chaos_cancels,
    chaos_poison, chaos_ticks TO metachat_app, metachat_system;

INSERT INTO job_limits (key, concurrency) VALUES
    ('kind:chaos-narrow', 4), ('endpoint:a', 2), ('endpoint:b', 3);
INSERT INTO job_limits (key, rate_per_second, burst, tokens) VALUES ('kind:chaos-rated', 20, 8, 8);
