
CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';

CREATE FUNCTION public.analyze_young_tables() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    young record;
    analyzed integer := 0;
BEGIN
    -- Processes that look at the same time do not stand in each other's way.
    IF NOT pg_try_advisory_xact_lock(hashtext('analyze_young_tables')) THEN
        RETURN 0;
    END IF;
    FOR young IN
        SELECT s.schemaname, s.relname
        FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
        WHERE s.schemaname = 'public' AND c.reltuples < 100000
          AND s.n_live_tup >= 50 + 2 * greatest(c.reltuples, 0)
        ORDER BY s.relname
    LOOP
        EXECUTE format('ANALYZE %I.%I', young.schemaname, young.relname);
        analyzed := analyzed + 1;
    END LOOP;
    RETURN analyzed;
END
$$;

CREATE FUNCTION public.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('metachat.tenant_id'::text, true), ''::text))::uuid;

CREATE FUNCTION public.drop_daily_partitions(parent regclass, time_column name, keep_days integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $_$
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
$_$;

CREATE FUNCTION public.drop_file() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF OLD.file_key IS NOT NULL AND OLD.file_key <> '' THEN
        INSERT INTO public.dropped_files (file_key) VALUES (OLD.file_key);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.ensure_daily_partitions(parent regclass, days_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    first_day date := (now() AT TIME ZONE 'UTC')::date;
    day date;
    child text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_daily_partitions'));
    FOR offset_days IN 0..days_ahead LOOP
        day := first_day + offset_days;
        child := format('%s_%s', parent::text, to_char(day, 'YYYYMMDD'));
        IF to_regclass(child) IS NULL THEN
            BEGIN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)',
                    child, parent,
                    day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                -- Rows of that day are in the DEFAULT partition already: they stay there, and the
                -- other days are made all the same.
                RAISE WARNING 'no partition % was made: its rows are in the default one', child;
            END;
        END IF;
    END LOOP;
    RETURN made;
END
$$;

CREATE FUNCTION public.job_flow(kind text, lane smallint, priority smallint, tenant_id uuid, limit_key_1 text, limit_key_2 text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended(((((((((((kind || ''::text) || (lane)::text) || ''::text) || (priority)::text) || ''::text) || COALESCE((tenant_id)::text, ''::text)) || ''::text) || COALESCE(limit_key_1, ''::text)) || ''::text) || COALESCE(limit_key_2, ''::text)), (0)::bigint);

CREATE FUNCTION public.protect_table(target regclass, tenant_column name) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format(
        'CREATE POLICY tenant_isolation ON %s TO metachat_app
             USING (%I = current_tenant()) WITH CHECK (%I = current_tenant())',
        target, tenant_column, tenant_column);
    EXECUTE format(
        'CREATE POLICY system_access ON %s TO metachat_system USING (true) WITH CHECK (true)',
        target);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO metachat_app, metachat_system', target);
END
$$;

CREATE FUNCTION public.set_job_flow() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.flow := job_flow(NEW.kind, NEW.lane, NEW.priority, NEW.tenant_id, NEW.limit_key_1,
                         NEW.limit_key_2);
    RETURN NEW;
END
$$;

CREATE TABLE public.api_keys (
    id uuid NOT NULL,
    tenant_id uuid,
    name text NOT NULL,
    prefix text NOT NULL,
    key_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_key_hash_check CHECK ((length(key_hash) = 32)),
    CONSTRAINT api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200)))
);

ALTER TABLE ONLY public.api_keys FORCE ROW LEVEL SECURITY;

CREATE TABLE public.budget_notices (
    tenant_id uuid NOT NULL,
    month date NOT NULL,
    level text NOT NULL,
    spent_microdollars bigint NOT NULL,
    monthly_microdollars bigint NOT NULL,
    noticed_at timestamp with time zone NOT NULL,
    CONSTRAINT budget_notices_level_check CHECK ((level = ANY (ARRAY['warning'::text, 'exhausted'::text])))
);

ALTER TABLE ONLY public.budget_notices FORCE ROW LEVEL SECURITY;

CREATE TABLE public.channels (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    config jsonb DEFAULT '{}'::jsonb NOT NULL,
    sealed_secrets bytea,
    external_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    health text DEFAULT 'unknown'::text NOT NULL,
    health_note text,
    health_at timestamp with time zone,
    checked_at timestamp with time zone,
    verify_token_hash bytea,
    CONSTRAINT channels_config_check CHECK ((jsonb_typeof(config) = 'object'::text)),
    CONSTRAINT channels_health_check CHECK ((health = ANY (ARRAY['unknown'::text, 'working'::text, 'warned'::text, 'token_dead'::text, 'restricted'::text, 'unsubscribed'::text, 'misconfigured'::text]))),
    CONSTRAINT channels_kind_check CHECK ((kind = ANY (ARRAY['whatsapp'::text, 'webchat'::text, 'messenger'::text, 'http'::text]))),
    CONSTRAINT channels_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200)))
);

ALTER TABLE ONLY public.channels FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_embeddings (
    set_id bigint NOT NULL,
    chunk_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    indexed_dimensions integer,
    embedding public.vector NOT NULL,
    CONSTRAINT chunk_embeddings_check CHECK ((indexed_dimensions = public.vector_dims(embedding)))
)
WITH (toast_tuple_target='8160');

ALTER TABLE ONLY public.chunk_embeddings FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_terms (
    tenant_id uuid NOT NULL,
    term text NOT NULL,
    chunk_id uuid NOT NULL,
    frequency smallint NOT NULL,
    CONSTRAINT chunk_terms_frequency_check CHECK ((frequency > 0))
);

ALTER TABLE ONLY public.chunk_terms FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunks (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    ordinal integer NOT NULL,
    text text NOT NULL,
    token_count integer NOT NULL,
    term_count integer DEFAULT 0 NOT NULL,
    page integer,
    heading text,
    char_start integer NOT NULL,
    char_end integer NOT NULL,
    embedding_model text,
    embedding public.vector,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT chunks_check CHECK ((char_end > char_start)),
    CONSTRAINT chunks_check1 CHECK (((embedding IS NULL) = (embedding_model IS NULL))),
    CONSTRAINT chunks_token_count_check CHECK ((token_count > 0))
);

ALTER TABLE ONLY public.chunks FORCE ROW LEVEL SECURITY;

CREATE TABLE public.contact_erasures (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    counts jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT contact_erasures_counts_check CHECK ((jsonb_typeof(counts) = 'object'::text))
);

ALTER TABLE ONLY public.contact_erasures FORCE ROW LEVEL SECURITY;

CREATE TABLE public.contacts (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    external_id text NOT NULL,
    address text,
    display_name text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    opted_out_at timestamp with time zone,
    email text
);

ALTER TABLE ONLY public.contacts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.conversations (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    status text DEFAULT 'open'::text NOT NULL,
    message_seq bigint DEFAULT 0 NOT NULL,
    turn_seq bigint DEFAULT 0 NOT NULL,
    answered_turn bigint DEFAULT 0 NOT NULL,
    last_inbound_at timestamp with time zone,
    last_message_at timestamp with time zone,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    window_opened_at timestamp with time zone,
    assigned_at timestamp with time zone,
    assigned_to text,
    assign_reason text,
    release_at timestamp with time zone,
    read_seq bigint DEFAULT 0 NOT NULL,
    CONSTRAINT conversations_assign_reason_check CHECK ((assign_reason = ANY (ARRAY['asked'::text, 'model'::text, 'unanswered'::text, 'unknown'::text, 'taken'::text, 'echo'::text]))),
    CONSTRAINT conversations_assigned_to_check CHECK ((length(assigned_to) <= 200)),
    CONSTRAINT conversations_check CHECK ((answered_turn <= turn_seq)),
    CONSTRAINT conversations_release_check CHECK (((release_at IS NULL) OR (status = 'assigned_human'::text))),
    CONSTRAINT conversations_status_check CHECK ((status = ANY (ARRAY['open'::text, 'waiting'::text, 'assigned_human'::text, 'resolved'::text, 'closed'::text])))
);

ALTER TABLE ONLY public.conversations FORCE ROW LEVEL SECURITY;

CREATE TABLE public.dead_jobs (
    id bigint NOT NULL,
    died_at timestamp with time zone DEFAULT now() NOT NULL,
    kind text NOT NULL,
    lane smallint NOT NULL,
    priority smallint NOT NULL,
    tenant_id uuid,
    reason text NOT NULL,
    attempt smallint NOT NULL,
    max_attempts smallint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    claimed_at timestamp with time zone,
    ordering_key text,
    limit_key_1 text,
    limit_key_2 text,
    payload jsonb NOT NULL,
    run_at timestamp with time zone,
    session_id bigint,
    traceparent text
);

CREATE TABLE public.document_sources (
    document_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    url text NOT NULL,
    refresh_seconds integer,
    etag text,
    last_modified text,
    fetched_at timestamp with time zone,
    next_fetch_at timestamp with time zone,
    error text,
    CONSTRAINT document_sources_refresh_seconds_check CHECK ((refresh_seconds >= 3600)),
    CONSTRAINT document_sources_url_check CHECK (((length(url) >= 1) AND (length(url) <= 2000)))
);

ALTER TABLE ONLY public.document_sources FORCE ROW LEVEL SECURITY;

CREATE TABLE public.document_versions (
    document_id uuid NOT NULL,
    version integer NOT NULL,
    tenant_id uuid NOT NULL,
    state text NOT NULL,
    chunk_count integer,
    error text,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    live_at timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT document_versions_check CHECK (((state = 'failed'::text) = (error IS NOT NULL))),
    CONSTRAINT document_versions_chunk_count_check CHECK ((chunk_count >= 0)),
    CONSTRAINT document_versions_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'processing'::text, 'live'::text, 'failed'::text, 'replaced'::text, 'superseded'::text]))),
    CONSTRAINT document_versions_version_check CHECK ((version >= 1))
);

ALTER TABLE ONLY public.document_versions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.documents (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 bytea NOT NULL,
    file_key text NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    error text,
    enabled boolean DEFAULT true NOT NULL,
    live_version integer,
    latest_version integer DEFAULT 1 NOT NULL,
    title text,
    page_count integer,
    text_config text DEFAULT 'simple'::text NOT NULL,
    chunk_count integer DEFAULT 0 NOT NULL,
    term_count bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    source text DEFAULT 'file'::text NOT NULL,
    stage text,
    stage_done bigint,
    stage_total bigint,
    written_version integer,
    waiting_because text,
    author text,
    CONSTRAINT documents_check CHECK (((status = 'failed'::text) = (error IS NOT NULL))),
    CONSTRAINT documents_check1 CHECK (((status <> 'ready'::text) OR (live_version IS NOT NULL))),
    CONSTRAINT documents_check2 CHECK ((live_version <= latest_version)),
    CONSTRAINT documents_check3 CHECK ((stage_total >= stage_done)),
    CONSTRAINT documents_latest_version_check CHECK ((latest_version >= 1)),
    CONSTRAINT documents_name_check CHECK (((length(name) >= 1) AND (length(name) <= 500))),
    CONSTRAINT documents_sha256_check CHECK ((length(sha256) = 32)),
    CONSTRAINT documents_size_bytes_check CHECK ((size_bytes >= 0)),
    CONSTRAINT documents_source_check CHECK ((source = ANY (ARRAY['file'::text, 'url'::text, 'text'::text]))),
    CONSTRAINT documents_stage_check CHECK ((stage = ANY (ARRAY['fetching'::text, 'reading'::text, 'embedding'::text]))),
    CONSTRAINT documents_stage_done_check CHECK ((stage_done >= 0)),
    CONSTRAINT documents_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'processing'::text, 'ready'::text, 'failed'::text])))
);

ALTER TABLE ONLY public.documents FORCE ROW LEVEL SECURITY;

CREATE TABLE public.dropped_files (
    file_key text NOT NULL,
    dropped_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.embedding_cache (
    tenant_id uuid NOT NULL,
    model text NOT NULL,
    text_hash bytea NOT NULL,
    embedding public.vector NOT NULL,
    last_used_on date DEFAULT ((now() AT TIME ZONE 'UTC'::text))::date NOT NULL,
    CONSTRAINT embedding_cache_model_check CHECK (((length(model) >= 1) AND (length(model) <= 1000))),
    CONSTRAINT embedding_cache_text_hash_check CHECK ((length(text_hash) = 32))
);

ALTER TABLE ONLY public.embedding_cache FORCE ROW LEVEL SECURITY;

CREATE TABLE public.embedding_sets (
    id bigint NOT NULL,
    tenant_id uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    dimensions integer NOT NULL,
    status text DEFAULT 'building'::text NOT NULL,
    chunk_count bigint DEFAULT 0 NOT NULL,
    index_status text DEFAULT 'absent'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    embedder text,
    base_url text,
    CONSTRAINT embedding_sets_chunk_count_check CHECK ((chunk_count >= 0)),
    CONSTRAINT embedding_sets_dimensions_check CHECK (((dimensions >= 1) AND (dimensions <= 16000))),
    CONSTRAINT embedding_sets_embedder_check CHECK (((length(embedder) >= 1) AND (length(embedder) <= 4000))),
    CONSTRAINT embedding_sets_index_status_check CHECK ((index_status = ANY (ARRAY['absent'::text, 'filling'::text, 'ready'::text]))),
    CONSTRAINT embedding_sets_status_check CHECK ((status = ANY (ARRAY['building'::text, 'live'::text, 'retired'::text])))
);

ALTER TABLE ONLY public.embedding_sets FORCE ROW LEVEL SECURITY;

ALTER TABLE public.embedding_sets ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.embedding_sets_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.eval_questions (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    question text NOT NULL,
    expected_sources jsonb NOT NULL,
    expected_phrases text[] NOT NULL,
    tags text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT eval_questions_check CHECK (((jsonb_array_length(expected_sources) + cardinality(expected_phrases)) > 0)),
    CONSTRAINT eval_questions_expected_sources_check CHECK ((jsonb_typeof(expected_sources) = 'array'::text)),
    CONSTRAINT eval_questions_question_check CHECK (((length(question) >= 1) AND (length(question) <= 2000)))
);

ALTER TABLE ONLY public.eval_questions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.eval_results (
    run_id uuid NOT NULL,
    question_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    question text NOT NULL,
    expected_sources jsonb NOT NULL,
    expected_phrases text[] NOT NULL,
    graded_at timestamp with time zone,
    hit boolean,
    reciprocal_rank double precision,
    ndcg double precision,
    answer_score double precision,
    answer text,
    found jsonb,
    CONSTRAINT eval_results_check CHECK (((graded_at IS NULL) = (hit IS NULL)))
);

ALTER TABLE ONLY public.eval_results FORCE ROW LEVEL SECURITY;

CREATE TABLE public.eval_runs (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    tag text,
    status text DEFAULT 'queued'::text NOT NULL,
    error text,
    retrieval jsonb NOT NULL,
    answers boolean NOT NULL,
    compare_with uuid,
    question_count integer DEFAULT 0 NOT NULL,
    hit_rate double precision,
    mrr double precision,
    ndcg double precision,
    answer_score double precision,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT eval_runs_check CHECK (((status = 'failed'::text) = (error IS NOT NULL))),
    CONSTRAINT eval_runs_check1 CHECK (((status = 'done'::text) = ((hit_rate IS NOT NULL) AND (mrr IS NOT NULL) AND (ndcg IS NOT NULL)))),
    CONSTRAINT eval_runs_name_check CHECK ((length(name) <= 200)),
    CONSTRAINT eval_runs_question_count_check CHECK ((question_count >= 0)),
    CONSTRAINT eval_runs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text])))
);

ALTER TABLE ONLY public.eval_runs FORCE ROW LEVEL SECURITY;

CREATE TABLE public.idempotency_keys (
    id bytea NOT NULL,
    tenant_id uuid,
    request_hash bytea NOT NULL,
    response_status smallint,
    response_body bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_keys_id_check CHECK ((length(id) = 32)),
    CONSTRAINT idempotency_keys_request_hash_check CHECK ((length(request_hash) = 32))
);

ALTER TABLE ONLY public.idempotency_keys FORCE ROW LEVEL SECURITY;

CREATE TABLE public.job_attempts (
    job_id bigint NOT NULL,
    attempt smallint NOT NULL,
    ended_at timestamp with time zone DEFAULT now() NOT NULL,
    claimed_at timestamp with time zone,
    session_id bigint,
    outcome text NOT NULL,
    error text,
    CONSTRAINT job_attempts_outcome_check CHECK ((outcome = ANY (ARRAY['retry'::text, 'snoozed'::text, 'cancelled'::text, 'dead'::text, 'panicked'::text, 'timed_out'::text, 'crashed'::text, 'expired'::text])))
)
PARTITION BY RANGE (ended_at);

CREATE TABLE public.job_attempts_default (
    job_id bigint CONSTRAINT job_attempts_job_id_not_null NOT NULL,
    attempt smallint CONSTRAINT job_attempts_attempt_not_null NOT NULL,
    ended_at timestamp with time zone DEFAULT now() CONSTRAINT job_attempts_ended_at_not_null NOT NULL,
    claimed_at timestamp with time zone,
    session_id bigint,
    outcome text CONSTRAINT job_attempts_outcome_not_null NOT NULL,
    error text,
    CONSTRAINT job_attempts_outcome_check CHECK ((outcome = ANY (ARRAY['retry'::text, 'snoozed'::text, 'cancelled'::text, 'dead'::text, 'panicked'::text, 'timed_out'::text, 'crashed'::text, 'expired'::text])))
);

CREATE TABLE public.job_depths (
    kind text NOT NULL,
    state smallint NOT NULL,
    jobs bigint NOT NULL,
    CONSTRAINT job_depths_state_check CHECK (((state >= 0) AND (state <= 4)))
)
WITH (fillfactor='50');

CREATE TABLE public.job_history (
    id bigint NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    kind text NOT NULL,
    lane smallint NOT NULL,
    tenant_id uuid,
    outcome text NOT NULL,
    attempt smallint NOT NULL,
    max_attempts smallint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    claimed_at timestamp with time zone,
    ordering_key text,
    payload jsonb NOT NULL,
    run_at timestamp with time zone,
    session_id bigint,
    priority smallint DEFAULT 0 NOT NULL,
    limit_key_1 text,
    limit_key_2 text,
    traceparent text,
    reason text,
    CONSTRAINT job_history_outcome_check CHECK ((outcome = ANY (ARRAY['done'::text, 'cancelled'::text])))
)
PARTITION BY RANGE (finished_at);

CREATE TABLE public.job_history_default (
    id bigint CONSTRAINT job_history_id_not_null NOT NULL,
    finished_at timestamp with time zone DEFAULT now() CONSTRAINT job_history_finished_at_not_null NOT NULL,
    kind text CONSTRAINT job_history_kind_not_null NOT NULL,
    lane smallint CONSTRAINT job_history_lane_not_null NOT NULL,
    tenant_id uuid,
    outcome text CONSTRAINT job_history_outcome_not_null NOT NULL,
    attempt smallint CONSTRAINT job_history_attempt_not_null NOT NULL,
    max_attempts smallint CONSTRAINT job_history_max_attempts_not_null NOT NULL,
    created_at timestamp with time zone CONSTRAINT job_history_created_at_not_null NOT NULL,
    claimed_at timestamp with time zone,
    ordering_key text,
    payload jsonb CONSTRAINT job_history_payload_not_null NOT NULL,
    run_at timestamp with time zone,
    session_id bigint,
    priority smallint DEFAULT 0 CONSTRAINT job_history_priority_not_null NOT NULL,
    limit_key_1 text,
    limit_key_2 text,
    traceparent text,
    reason text,
    CONSTRAINT job_history_outcome_check CHECK ((outcome = ANY (ARRAY['done'::text, 'cancelled'::text])))
);

CREATE TABLE public.job_keys (
    kind text NOT NULL,
    key text NOT NULL,
    last_seq bigint NOT NULL
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.02');

COMMENT ON TABLE public.job_keys IS 'A row for each ordering key with unfinished jobs; its lock gives out last_seq and decides who is at the head.';

CREATE TABLE public.job_limits (
    id bigint NOT NULL,
    key text NOT NULL,
    rate_per_second double precision,
    burst integer,
    concurrency integer,
    paused_until timestamp with time zone,
    weight real,
    tokens double precision DEFAULT 0 NOT NULL,
    refilled_at timestamp with time zone DEFAULT now() NOT NULL,
    running integer DEFAULT 0 NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT job_limits_burst_check CHECK ((burst >= 1)),
    CONSTRAINT job_limits_check CHECK (((rate_per_second IS NULL) = (burst IS NULL))),
    CONSTRAINT job_limits_concurrency_check CHECK ((concurrency >= 1)),
    CONSTRAINT job_limits_key_check CHECK (((key ~~ '%:%'::text) AND (length(key) <= 300))),
    CONSTRAINT job_limits_rate_per_second_check CHECK ((rate_per_second > (0)::double precision)),
    CONSTRAINT job_limits_running_check CHECK ((running >= 0)),
    CONSTRAINT job_limits_weight_check CHECK (((weight > (0)::double precision) AND (weight <= (1000)::double precision)))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.02');

ALTER TABLE public.job_limits ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.job_limits_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.job_minutes (
    minute timestamp with time zone NOT NULL,
    kind text NOT NULL,
    enqueued bigint DEFAULT 0 NOT NULL,
    started bigint DEFAULT 0 NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    cancelled bigint DEFAULT 0 NOT NULL,
    dead bigint DEFAULT 0 NOT NULL,
    wait_ms bigint DEFAULT 0 NOT NULL,
    run_ms bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE public.job_schedules (
    name text NOT NULL,
    kind text NOT NULL,
    spec text NOT NULL,
    catch_up text DEFAULT 'latest'::text NOT NULL,
    payload jsonb NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    next_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT job_schedules_catch_up_check CHECK ((catch_up = ANY (ARRAY['skip'::text, 'latest'::text, 'all'::text])))
);

CREATE TABLE public.jobs (
    id bigint NOT NULL,
    kind text NOT NULL,
    lane smallint NOT NULL,
    state smallint NOT NULL,
    priority smallint DEFAULT 0 NOT NULL,
    attempt smallint DEFAULT 0 NOT NULL,
    claims integer DEFAULT 0 NOT NULL,
    max_attempts smallint NOT NULL,
    tenant_id uuid,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    payload jsonb NOT NULL,
    unique_key text,
    unique_until_started boolean DEFAULT false NOT NULL,
    ordering_key text,
    ordering_seq bigint,
    limit_key_1 text,
    limit_key_2 text,
    session_id bigint,
    lease_until timestamp with time zone,
    claimed_at timestamp with time zone,
    last_error text,
    traceparent text,
    flow bigint NOT NULL,
    deadline_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    permits bigint[],
    CONSTRAINT jobs_check CHECK (((state = 3) = (session_id IS NOT NULL))),
    CONSTRAINT jobs_check1 CHECK (((state = 3) = (lease_until IS NOT NULL))),
    CONSTRAINT jobs_check2 CHECK (((ordering_key IS NULL) = (ordering_seq IS NULL))),
    CONSTRAINT jobs_check3 CHECK (((state <> 2) OR (ordering_key IS NOT NULL))),
    CONSTRAINT jobs_lane_check CHECK ((lane = ANY (ARRAY[0, 1, 2]))),
    CONSTRAINT jobs_max_attempts_check CHECK ((max_attempts > 0)),
    CONSTRAINT jobs_state_check CHECK (((state >= 0) AND (state <= 3)))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_cost_delay='0');

ALTER TABLE public.jobs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.keyword_postings (
    segment_id bigint NOT NULL,
    bucket integer NOT NULL,
    tenant_id uuid NOT NULL,
    terms bytea NOT NULL
);
ALTER TABLE ONLY public.keyword_postings ALTER COLUMN terms SET STORAGE EXTERNAL;

ALTER TABLE ONLY public.keyword_postings FORCE ROW LEVEL SECURITY;

CREATE TABLE public.keyword_removals (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    chunk_count integer NOT NULL,
    term_count bigint NOT NULL
);

ALTER TABLE ONLY public.keyword_removals FORCE ROW LEVEL SECURITY;

CREATE TABLE public.keyword_segments (
    id bigint NOT NULL,
    tenant_id uuid NOT NULL,
    document_id uuid,
    version integer,
    live boolean DEFAULT false NOT NULL,
    chunk_count integer NOT NULL,
    term_count bigint NOT NULL,
    text_configs text[] NOT NULL,
    bucket_bits smallint NOT NULL,
    directory bytea NOT NULL,
    lengths bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT keyword_segments_bucket_bits_check CHECK (((bucket_bits >= 0) AND (bucket_bits <= 24))),
    CONSTRAINT keyword_segments_check CHECK ((length(lengths) = (2 * chunk_count))),
    CONSTRAINT keyword_segments_check1 CHECK (((document_id IS NULL) = (version IS NULL))),
    CONSTRAINT keyword_segments_check2 CHECK ((live OR (document_id IS NOT NULL))),
    CONSTRAINT keyword_segments_chunk_count_check CHECK ((chunk_count > 0)),
    CONSTRAINT keyword_segments_term_count_check CHECK ((term_count >= 0))
);
ALTER TABLE ONLY public.keyword_segments ALTER COLUMN directory SET STORAGE EXTERNAL;
ALTER TABLE ONLY public.keyword_segments ALTER COLUMN lengths SET STORAGE EXTERNAL;

ALTER TABLE ONLY public.keyword_segments FORCE ROW LEVEL SECURITY;

ALTER TABLE public.keyword_segments ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.keyword_segments_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.message_files (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    nth smallint NOT NULL,
    media_kind text NOT NULL,
    name text,
    media_type text,
    state text DEFAULT 'waiting'::text NOT NULL,
    error text,
    file_key text,
    size_bytes bigint,
    sha256 bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    stored_at timestamp with time zone,
    CONSTRAINT message_files_check CHECK (((state = 'stored'::text) = (file_key IS NOT NULL))),
    CONSTRAINT message_files_sha256_check CHECK ((length(sha256) = 32)),
    CONSTRAINT message_files_size_bytes_check CHECK ((size_bytes >= 0)),
    CONSTRAINT message_files_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'stored'::text, 'failed'::text])))
);

ALTER TABLE ONLY public.message_files FORCE ROW LEVEL SECURITY;

CREATE TABLE public.messages (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    seq bigint NOT NULL,
    direction text NOT NULL,
    author text NOT NULL,
    turn bigint,
    text text DEFAULT ''::text NOT NULL,
    content jsonb DEFAULT '{}'::jsonb NOT NULL,
    sources jsonb DEFAULT '[]'::jsonb NOT NULL,
    status text NOT NULL,
    error text,
    external_id text,
    send_attempts smallint DEFAULT 0 NOT NULL,
    sending_at timestamp with time zone,
    unknown_at timestamp with time zone,
    sent_at timestamp with time zone,
    occurred_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    edited_at timestamp with time zone,
    revoked_at timestamp with time zone,
    error_code bigint,
    pricing jsonb,
    unanswered_reason text,
    retry_count smallint DEFAULT 0 NOT NULL,
    earlier_external_ids text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT messages_author_check CHECK ((author = ANY (ARRAY['contact'::text, 'assistant'::text, 'agent'::text, 'system'::text]))),
    CONSTRAINT messages_check CHECK (((direction = 'inbound'::text) = (author = 'contact'::text))),
    CONSTRAINT messages_check1 CHECK (((direction = 'outbound'::text) OR (status = 'received'::text))),
    CONSTRAINT messages_direction_check CHECK ((direction = ANY (ARRAY['inbound'::text, 'outbound'::text]))),
    CONSTRAINT messages_sources_check CHECK ((jsonb_typeof(sources) = 'array'::text)),
    CONSTRAINT messages_status_check CHECK ((status = ANY (ARRAY['received'::text, 'queued'::text, 'sending'::text, 'sent'::text, 'delivered'::text, 'read'::text, 'failed'::text, 'unknown'::text])))
);

ALTER TABLE ONLY public.messages FORCE ROW LEVEL SECURITY;

CREATE TABLE public.model_calls (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    started_at timestamp with time zone NOT NULL,
    conversation_id uuid,
    purpose text NOT NULL,
    provider text NOT NULL,
    account text NOT NULL,
    model text NOT NULL,
    own_key boolean NOT NULL,
    is_fallback boolean NOT NULL,
    outcome text NOT NULL,
    fault text,
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    cache_written_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    is_estimated boolean NOT NULL,
    cost_microdollars bigint,
    first_event_ms bigint,
    duration_ms bigint NOT NULL,
    CONSTRAINT model_calls_cache_written_tokens_check CHECK ((cache_written_tokens >= 0)),
    CONSTRAINT model_calls_cached_tokens_check CHECK ((cached_tokens >= 0)),
    CONSTRAINT model_calls_check CHECK (((outcome = 'failed'::text) = (fault IS NOT NULL))),
    CONSTRAINT model_calls_cost_microdollars_check CHECK ((cost_microdollars >= 0)),
    CONSTRAINT model_calls_input_tokens_check CHECK ((input_tokens >= 0)),
    CONSTRAINT model_calls_outcome_check CHECK ((outcome = ANY (ARRAY['completed'::text, 'failed'::text, 'dropped'::text]))),
    CONSTRAINT model_calls_output_tokens_check CHECK ((output_tokens >= 0)),
    CONSTRAINT model_calls_purpose_check CHECK ((purpose = ANY (ARRAY['answer'::text, 'embedding'::text, 'search'::text, 'rerank'::text, 'eval'::text])))
)
PARTITION BY RANGE (started_at);

ALTER TABLE ONLY public.model_calls FORCE ROW LEVEL SECURITY;

CREATE TABLE public.model_calls_default (
    id uuid CONSTRAINT model_calls_id_not_null NOT NULL,
    tenant_id uuid CONSTRAINT model_calls_tenant_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT model_calls_started_at_not_null NOT NULL,
    conversation_id uuid,
    purpose text CONSTRAINT model_calls_purpose_not_null NOT NULL,
    provider text CONSTRAINT model_calls_provider_not_null NOT NULL,
    account text CONSTRAINT model_calls_account_not_null NOT NULL,
    model text CONSTRAINT model_calls_model_not_null NOT NULL,
    own_key boolean CONSTRAINT model_calls_own_key_not_null NOT NULL,
    is_fallback boolean CONSTRAINT model_calls_is_fallback_not_null NOT NULL,
    outcome text CONSTRAINT model_calls_outcome_not_null NOT NULL,
    fault text,
    input_tokens bigint CONSTRAINT model_calls_input_tokens_not_null NOT NULL,
    cached_tokens bigint CONSTRAINT model_calls_cached_tokens_not_null NOT NULL,
    cache_written_tokens bigint CONSTRAINT model_calls_cache_written_tokens_not_null NOT NULL,
    output_tokens bigint CONSTRAINT model_calls_output_tokens_not_null NOT NULL,
    is_estimated boolean CONSTRAINT model_calls_is_estimated_not_null NOT NULL,
    cost_microdollars bigint,
    first_event_ms bigint,
    duration_ms bigint CONSTRAINT model_calls_duration_ms_not_null NOT NULL,
    CONSTRAINT model_calls_cache_written_tokens_check CHECK ((cache_written_tokens >= 0)),
    CONSTRAINT model_calls_cached_tokens_check CHECK ((cached_tokens >= 0)),
    CONSTRAINT model_calls_check CHECK (((outcome = 'failed'::text) = (fault IS NOT NULL))),
    CONSTRAINT model_calls_cost_microdollars_check CHECK ((cost_microdollars >= 0)),
    CONSTRAINT model_calls_input_tokens_check CHECK ((input_tokens >= 0)),
    CONSTRAINT model_calls_outcome_check CHECK ((outcome = ANY (ARRAY['completed'::text, 'failed'::text, 'dropped'::text]))),
    CONSTRAINT model_calls_output_tokens_check CHECK ((output_tokens >= 0)),
    CONSTRAINT model_calls_purpose_check CHECK ((purpose = ANY (ARRAY['answer'::text, 'embedding'::text, 'search'::text, 'rerank'::text, 'eval'::text])))
);

CREATE TABLE public.model_usage (
    tenant_id uuid NOT NULL,
    day date NOT NULL,
    account text NOT NULL,
    model text NOT NULL,
    purpose text NOT NULL,
    slot smallint NOT NULL,
    calls bigint NOT NULL,
    failed_calls bigint NOT NULL,
    unpriced_calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    cache_written_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cost_microdollars bigint NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.model_usage FORCE ROW LEVEL SECURITY;

CREATE TABLE public.parked_changes (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    direction text NOT NULL,
    external_id text NOT NULL,
    content jsonb NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    raw_item_id uuid,
    raw_received_at timestamp with time zone,
    CONSTRAINT parked_changes_content_check CHECK (((content ->> 'type'::text) = ANY (ARRAY['edit'::text, 'revoke'::text]))),
    CONSTRAINT parked_changes_direction_check CHECK ((direction = ANY (ARRAY['inbound'::text, 'outbound'::text])))
);

ALTER TABLE ONLY public.parked_changes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.parked_statuses (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    external_id text NOT NULL,
    status text NOT NULL,
    error text,
    occurred_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    error_code bigint
);

ALTER TABLE ONLY public.parked_statuses FORCE ROW LEVEL SECURITY;

CREATE TABLE public.presences (
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    party text NOT NULL,
    holder text NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT presences_holder_check CHECK (((length(holder) >= 1) AND (length(holder) <= 200))),
    CONSTRAINT presences_party_check CHECK ((party = ANY (ARRAY['agent'::text, 'contact'::text])))
);

ALTER TABLE ONLY public.presences FORCE ROW LEVEL SECURITY;

CREATE TABLE public.provider_checks (
    tenant_id uuid NOT NULL,
    checked_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.provider_checks FORCE ROW LEVEL SECURITY;

CREATE TABLE public.provider_health (
    tenant_id uuid NOT NULL,
    account text NOT NULL,
    health text NOT NULL,
    since timestamp with time zone NOT NULL,
    circuit text NOT NULL,
    retry_at timestamp with time zone,
    fault text,
    failed_at timestamp with time zone,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT provider_health_circuit_check CHECK ((circuit = ANY (ARRAY['closed'::text, 'half_open'::text, 'open'::text]))),
    CONSTRAINT provider_health_health_check CHECK ((health = ANY (ARRAY['healthy'::text, 'degraded'::text, 'down'::text])))
);

ALTER TABLE ONLY public.provider_health FORCE ROW LEVEL SECURITY;

CREATE TABLE public.provider_reports (
    tenant_id uuid NOT NULL,
    account text NOT NULL,
    reported_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.provider_reports FORCE ROW LEVEL SECURITY;

CREATE TABLE public.raw_items (
    id uuid NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    channel_kind text NOT NULL,
    tenant_id uuid,
    channel_id uuid,
    payload jsonb,
    body bytea,
    outcome text DEFAULT 'pending'::text NOT NULL,
    error text,
    CONSTRAINT raw_items_outcome_check CHECK ((outcome = ANY (ARRAY['pending'::text, 'done'::text, 'ignored'::text, 'unroutable'::text, 'unreadable'::text, 'failed'::text])))
)
PARTITION BY RANGE (received_at);

ALTER TABLE ONLY public.raw_items FORCE ROW LEVEL SECURITY;

CREATE TABLE public.raw_items_default (
    id uuid CONSTRAINT raw_items_id_not_null NOT NULL,
    received_at timestamp with time zone DEFAULT now() CONSTRAINT raw_items_received_at_not_null NOT NULL,
    channel_kind text CONSTRAINT raw_items_channel_kind_not_null NOT NULL,
    tenant_id uuid,
    channel_id uuid,
    payload jsonb,
    body bytea,
    outcome text DEFAULT 'pending'::text CONSTRAINT raw_items_outcome_not_null NOT NULL,
    error text,
    CONSTRAINT raw_items_outcome_check CHECK ((outcome = ANY (ARRAY['pending'::text, 'done'::text, 'ignored'::text, 'unroutable'::text, 'unreadable'::text, 'failed'::text])))
);

CREATE TABLE public.tenants (
    id uuid NOT NULL,
    name text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    sealed_secrets bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT tenants_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT tenants_settings_check CHECK ((jsonb_typeof(settings) = 'object'::text))
);

ALTER TABLE ONLY public.tenants FORCE ROW LEVEL SECURITY;

CREATE TABLE public.webchat_attachments (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    session_id uuid NOT NULL,
    visitor_id text NOT NULL,
    file_key text NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    CONSTRAINT webchat_attachments_sha256_check CHECK ((length(sha256) = 32)),
    CONSTRAINT webchat_attachments_size_bytes_check CHECK ((size_bytes >= 0))
);

ALTER TABLE ONLY public.webchat_attachments FORCE ROW LEVEL SECURITY;

CREATE TABLE public.webchat_identity_secrets (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    sealed_secret bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone
);

ALTER TABLE ONLY public.webchat_identity_secrets FORCE ROW LEVEL SECURITY;

CREATE TABLE public.webchat_sessions (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    visitor_id text NOT NULL,
    address inet,
    message_count integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT webchat_sessions_token_hash_check CHECK ((length(token_hash) = 32))
);

ALTER TABLE ONLY public.webchat_sessions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.webhook_attempts (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    attempted_at timestamp with time zone DEFAULT now() NOT NULL,
    response_status smallint,
    response_body text,
    error text,
    duration_ms integer NOT NULL
)
PARTITION BY RANGE (attempted_at);

ALTER TABLE ONLY public.webhook_attempts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.webhook_attempts_default (
    id uuid CONSTRAINT webhook_attempts_id_not_null NOT NULL,
    tenant_id uuid CONSTRAINT webhook_attempts_tenant_id_not_null NOT NULL,
    delivery_id uuid CONSTRAINT webhook_attempts_delivery_id_not_null NOT NULL,
    attempted_at timestamp with time zone DEFAULT now() CONSTRAINT webhook_attempts_attempted_at_not_null NOT NULL,
    response_status smallint,
    response_body text,
    error text,
    duration_ms integer CONSTRAINT webhook_attempts_duration_ms_not_null NOT NULL
);

CREATE TABLE public.webhook_deliveries (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    seq bigint NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    body text NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    attempt_count integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    delivered_at timestamp with time zone,
    CONSTRAINT webhook_deliveries_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text])))
);

ALTER TABLE ONLY public.webhook_deliveries FORCE ROW LEVEL SECURITY;

CREATE TABLE public.webhook_endpoints (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    url text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    event_types text[] DEFAULT '{}'::text[] NOT NULL,
    sealed_secret bytea NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    disabled_reason text,
    delivery_seq bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT webhook_endpoints_url_check CHECK ((length(url) <= 2000))
);

ALTER TABLE ONLY public.webhook_endpoints FORCE ROW LEVEL SECURITY;

CREATE SEQUENCE public.worker_sessions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.worker_sessions (
    id bigint DEFAULT nextval('public.worker_sessions_id_seq'::regclass) NOT NULL,
    host text NOT NULL,
    process_id integer NOT NULL,
    kinds text[] NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    lost_leases bigint DEFAULT 0 NOT NULL,
    interactive_slots integer DEFAULT 0 NOT NULL,
    interactive_busy integer DEFAULT 0 NOT NULL,
    bulk_slots integer DEFAULT 0 NOT NULL,
    bulk_busy integer DEFAULT 0 NOT NULL,
    answers_slots integer DEFAULT 0 NOT NULL,
    answers_busy integer DEFAULT 0 NOT NULL
);

ALTER TABLE ONLY public.job_attempts ATTACH PARTITION public.job_attempts_default DEFAULT;

ALTER TABLE ONLY public.job_history ATTACH PARTITION public.job_history_default DEFAULT;

ALTER TABLE ONLY public.model_calls ATTACH PARTITION public.model_calls_default DEFAULT;

ALTER TABLE ONLY public.raw_items ATTACH PARTITION public.raw_items_default DEFAULT;

ALTER TABLE ONLY public.webhook_attempts ATTACH PARTITION public.webhook_attempts_default DEFAULT;

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.budget_notices
    ADD CONSTRAINT budget_notices_pkey PRIMARY KEY (tenant_id, month, level);

ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_kind_external_id_key UNIQUE (kind, external_id);

ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.chunk_embeddings
    ADD CONSTRAINT chunk_embeddings_pkey PRIMARY KEY (set_id, document_id, version, chunk_id);

ALTER TABLE ONLY public.chunk_terms
    ADD CONSTRAINT chunk_terms_pkey PRIMARY KEY (tenant_id, term, chunk_id);

ALTER TABLE ONLY public.chunks
    ADD CONSTRAINT chunks_document_id_version_ordinal_key UNIQUE (document_id, version, ordinal);

ALTER TABLE ONLY public.chunks
    ADD CONSTRAINT chunks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.contact_erasures
    ADD CONSTRAINT contact_erasures_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_channel_id_external_id_key UNIQUE (channel_id, external_id);

ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.dead_jobs
    ADD CONSTRAINT dead_jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.document_sources
    ADD CONSTRAINT document_sources_pkey PRIMARY KEY (document_id);

ALTER TABLE ONLY public.document_versions
    ADD CONSTRAINT document_versions_pkey PRIMARY KEY (document_id, version);

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.dropped_files
    ADD CONSTRAINT dropped_files_pkey PRIMARY KEY (file_key);

ALTER TABLE ONLY public.embedding_cache
    ADD CONSTRAINT embedding_cache_pkey PRIMARY KEY (tenant_id, model, text_hash);

ALTER TABLE ONLY public.embedding_sets
    ADD CONSTRAINT embedding_sets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.eval_questions
    ADD CONSTRAINT eval_questions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.eval_results
    ADD CONSTRAINT eval_results_pkey PRIMARY KEY (run_id, question_id);

ALTER TABLE ONLY public.eval_runs
    ADD CONSTRAINT eval_runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.job_depths
    ADD CONSTRAINT job_depths_pkey PRIMARY KEY (kind, state);

ALTER TABLE ONLY public.job_keys
    ADD CONSTRAINT job_keys_pkey PRIMARY KEY (kind, key);

ALTER TABLE ONLY public.job_limits
    ADD CONSTRAINT job_limits_id_key UNIQUE (id);

ALTER TABLE ONLY public.job_limits
    ADD CONSTRAINT job_limits_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.job_minutes
    ADD CONSTRAINT job_minutes_pkey PRIMARY KEY (minute, kind);

ALTER TABLE ONLY public.job_schedules
    ADD CONSTRAINT job_schedules_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.keyword_postings
    ADD CONSTRAINT keyword_postings_pkey PRIMARY KEY (segment_id, bucket);

ALTER TABLE ONLY public.keyword_removals
    ADD CONSTRAINT keyword_removals_pkey PRIMARY KEY (tenant_id, document_id, version);

ALTER TABLE ONLY public.keyword_segments
    ADD CONSTRAINT keyword_segments_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.message_files
    ADD CONSTRAINT message_files_once_key UNIQUE (message_id, nth);

ALTER TABLE ONLY public.message_files
    ADD CONSTRAINT message_files_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_channel_id_external_id_key UNIQUE (channel_id, external_id);

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_conversation_id_seq_key UNIQUE (conversation_id, seq);

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (id);

ALTER TABLE public.messages
    ADD CONSTRAINT messages_unanswered_reason_check CHECK ((unanswered_reason = ANY (ARRAY['opted_out'::text, 'opt_word'::text, 'asked_for_person'::text, 'with_person'::text, 'blocked'::text, 'late'::text, 'switched_off'::text, 'unsupported'::text, 'group'::text, 'standby'::text, 'ended'::text, 'no_answer'::text]))) NOT VALID;

ALTER TABLE ONLY public.model_calls
    ADD CONSTRAINT model_calls_pkey PRIMARY KEY (id, started_at);

ALTER TABLE ONLY public.model_calls_default
    ADD CONSTRAINT model_calls_default_pkey PRIMARY KEY (id, started_at);

ALTER TABLE ONLY public.model_usage
    ADD CONSTRAINT model_usage_pkey PRIMARY KEY (tenant_id, day, account, model, purpose, slot);

ALTER TABLE ONLY public.parked_changes
    ADD CONSTRAINT parked_changes_once_key UNIQUE (contact_id, direction, external_id);

ALTER TABLE ONLY public.parked_changes
    ADD CONSTRAINT parked_changes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.parked_statuses
    ADD CONSTRAINT parked_statuses_once_key UNIQUE (channel_id, external_id, status);

ALTER TABLE ONLY public.parked_statuses
    ADD CONSTRAINT parked_statuses_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.presences
    ADD CONSTRAINT presences_pkey PRIMARY KEY (conversation_id, party, holder);

ALTER TABLE ONLY public.provider_checks
    ADD CONSTRAINT provider_checks_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.provider_health
    ADD CONSTRAINT provider_health_pkey PRIMARY KEY (tenant_id, account);

ALTER TABLE ONLY public.provider_reports
    ADD CONSTRAINT provider_reports_pkey PRIMARY KEY (tenant_id, account);

ALTER TABLE ONLY public.raw_items
    ADD CONSTRAINT raw_items_pkey PRIMARY KEY (id, received_at);

ALTER TABLE ONLY public.raw_items_default
    ADD CONSTRAINT raw_items_default_pkey PRIMARY KEY (id, received_at);

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webchat_attachments
    ADD CONSTRAINT webchat_attachments_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webchat_identity_secrets
    ADD CONSTRAINT webchat_identity_secrets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webchat_sessions
    ADD CONSTRAINT webchat_sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webchat_sessions
    ADD CONSTRAINT webchat_sessions_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.webhook_attempts
    ADD CONSTRAINT webhook_attempts_pkey PRIMARY KEY (id, attempted_at);

ALTER TABLE ONLY public.webhook_attempts_default
    ADD CONSTRAINT webhook_attempts_default_pkey PRIMARY KEY (id, attempted_at);

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_endpoint_id_seq_key UNIQUE (endpoint_id, seq);

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_once_key UNIQUE (endpoint_id, event_id);

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.worker_sessions
    ADD CONSTRAINT worker_sessions_pkey PRIMARY KEY (id);

CREATE INDEX api_keys_tenant_id_idx ON public.api_keys USING btree (tenant_id);

CREATE INDEX channels_account_idx ON public.channels USING btree (kind, ((config ->> 'business_account_id'::text))) WHERE (config ? 'business_account_id'::text);

CREATE INDEX channels_checked_at_idx ON public.channels USING btree (checked_at NULLS FIRST) WHERE (enabled AND (kind <> 'webchat'::text));

CREATE INDEX channels_tenant_id_idx ON public.channels USING btree (tenant_id, id);

CREATE INDEX channels_verify_token_hash_idx ON public.channels USING btree (kind, verify_token_hash);

CREATE INDEX chunk_embeddings_1024_idx ON public.chunk_embeddings USING hnsw (((embedding)::public.halfvec(1024)) public.halfvec_cosine_ops) WHERE (indexed_dimensions = 1024);

CREATE INDEX chunk_embeddings_1536_idx ON public.chunk_embeddings USING hnsw (((embedding)::public.halfvec(1536)) public.halfvec_cosine_ops) WHERE (indexed_dimensions = 1536);

CREATE INDEX chunk_embeddings_256_idx ON public.chunk_embeddings USING hnsw (((embedding)::public.halfvec(256)) public.halfvec_cosine_ops) WHERE (indexed_dimensions = 256);

CREATE INDEX chunk_embeddings_3072_idx ON public.chunk_embeddings USING hnsw (((embedding)::public.halfvec(3072)) public.halfvec_cosine_ops) WHERE (indexed_dimensions = 3072);

CREATE INDEX chunk_embeddings_384_idx ON public.chunk_embeddings USING hnsw (((embedding)::public.halfvec(384)) public.halfvec_cosine_ops) WHERE (indexed_dimensions = 384);

CREATE INDEX chunk_embeddings_512_idx ON public.chunk_embeddings USING hnsw (((embedding)::public.halfvec(512)) public.halfvec_cosine_ops) WHERE (indexed_dimensions = 512);

CREATE INDEX chunk_embeddings_768_idx ON public.chunk_embeddings USING hnsw (((embedding)::public.halfvec(768)) public.halfvec_cosine_ops) WHERE (indexed_dimensions = 768);

CREATE INDEX chunk_embeddings_chunk_id_idx ON public.chunk_embeddings USING btree (chunk_id);

CREATE INDEX chunk_terms_chunk_id_idx ON public.chunk_terms USING btree (chunk_id);

CREATE INDEX chunks_tenant_id_idx ON public.chunks USING btree (tenant_id, document_id, version);

CREATE UNIQUE INDEX contact_erasures_pending_key ON public.contact_erasures USING btree (contact_id) WHERE (finished_at IS NULL);

CREATE INDEX contact_erasures_tenant_id_idx ON public.contact_erasures USING btree (tenant_id, id);

CREATE INDEX contacts_tenant_id_idx ON public.contacts USING btree (tenant_id, id);

CREATE INDEX conversations_contact_id_idx ON public.conversations USING btree (contact_id, created_at);

CREATE INDEX conversations_kept_idx ON public.conversations USING btree (tenant_id, COALESCE(last_message_at, created_at)) WHERE (COALESCE(last_message_at, created_at) > '-infinity'::timestamp with time zone);

CREATE UNIQUE INDEX conversations_one_open_key ON public.conversations USING btree (channel_id, contact_id) WHERE (status = ANY (ARRAY['open'::text, 'waiting'::text, 'assigned_human'::text]));

CREATE INDEX conversations_release_at_idx ON public.conversations USING btree (release_at) WHERE (release_at IS NOT NULL);

CREATE INDEX conversations_tenant_id_idx ON public.conversations USING btree (tenant_id, id);

CREATE INDEX dead_jobs_tenant_id_idx ON public.dead_jobs USING btree (tenant_id, id);

CREATE INDEX document_sources_next_fetch_at_idx ON public.document_sources USING btree (next_fetch_at) WHERE (next_fetch_at IS NOT NULL);

CREATE INDEX document_sources_tenant_id_idx ON public.document_sources USING btree (tenant_id);

CREATE INDEX document_versions_tenant_id_idx ON public.document_versions USING btree (tenant_id);

CREATE INDEX documents_file_key_idx ON public.documents USING btree (file_key);

CREATE INDEX documents_tenant_id_idx ON public.documents USING btree (tenant_id, id);

CREATE INDEX embedding_cache_last_used_on_idx ON public.embedding_cache USING btree (last_used_on);

CREATE UNIQUE INDEX embedding_sets_building_key ON public.embedding_sets USING btree (tenant_id) WHERE (status = 'building'::text);

CREATE UNIQUE INDEX embedding_sets_live_key ON public.embedding_sets USING btree (tenant_id) WHERE (status = 'live'::text);

CREATE INDEX embedding_sets_tenant_id_idx ON public.embedding_sets USING btree (tenant_id, status);

CREATE INDEX eval_questions_tenant_id_idx ON public.eval_questions USING btree (tenant_id, id);

CREATE INDEX eval_results_tenant_id_idx ON public.eval_results USING btree (tenant_id);

CREATE INDEX eval_runs_compare_with_idx ON public.eval_runs USING btree (compare_with) WHERE (compare_with IS NOT NULL);

CREATE INDEX eval_runs_tenant_id_idx ON public.eval_runs USING btree (tenant_id, id);

CREATE INDEX idempotency_keys_created_at_idx ON public.idempotency_keys USING btree (created_at);

CREATE INDEX job_attempts_job_id_idx ON ONLY public.job_attempts USING btree (job_id, attempt);

CREATE INDEX job_attempts_default_job_id_attempt_idx ON public.job_attempts_default USING btree (job_id, attempt);

CREATE INDEX job_history_id_idx ON ONLY public.job_history USING btree (id);

CREATE INDEX job_history_default_id_idx ON public.job_history_default USING btree (id);

CREATE INDEX job_history_tenant_id_idx ON ONLY public.job_history USING btree (tenant_id, id) WHERE (tenant_id IS NOT NULL);

CREATE INDEX job_history_default_tenant_id_id_idx ON public.job_history_default USING btree (tenant_id, id) WHERE (tenant_id IS NOT NULL);

CREATE INDEX job_limits_changed_at_idx ON public.job_limits USING btree (changed_at);

CREATE INDEX jobs_deadline_idx ON public.jobs USING btree (deadline_at) WHERE ((deadline_at IS NOT NULL) AND (state <> 3));

CREATE INDEX jobs_due_idx ON public.jobs USING btree (run_at) WHERE (state = 1);

CREATE INDEX jobs_head_key_idx ON public.jobs USING hash (ordering_key) WHERE ((ordering_key IS NOT NULL) AND (state = ANY (ARRAY[0, 1])));

CREATE INDEX jobs_held_idx ON public.jobs USING btree (kind, ordering_key, ordering_seq) WHERE (state = 2);

CREATE INDEX jobs_lease_idx ON public.jobs USING btree (lease_until) WHERE (state = 3);

CREATE INDEX jobs_ready_idx ON public.jobs USING btree (flow, id) WHERE (state = 0);

CREATE INDEX jobs_tenant_id_idx ON public.jobs USING btree (tenant_id, id) WHERE ((state <> 3) AND (tenant_id IS NOT NULL));

CREATE UNIQUE INDEX jobs_unique_key ON public.jobs USING btree (kind, unique_key) WHERE (unique_key IS NOT NULL);

CREATE INDEX keyword_segments_tenant_id_idx ON public.keyword_segments USING btree (tenant_id, document_id, version);

CREATE INDEX message_files_file_key_idx ON public.message_files USING btree (file_key);

CREATE INDEX messages_kept_idx ON public.messages USING btree (tenant_id, created_at) WHERE (created_at > '-infinity'::timestamp with time zone);

CREATE UNIQUE INDEX messages_one_answer_key ON public.messages USING btree (conversation_id, turn) WHERE (author = 'assistant'::text);

CREATE INDEX messages_tenant_id_idx ON public.messages USING btree (tenant_id, id);

CREATE INDEX messages_underway_idx ON public.messages USING btree (conversation_id, seq) WHERE ((direction = 'outbound'::text) AND (status = ANY (ARRAY['sent'::text, 'delivered'::text])));

CREATE INDEX model_calls_conversation_id_idx ON ONLY public.model_calls USING btree (tenant_id, conversation_id, id) WHERE (conversation_id IS NOT NULL);

CREATE INDEX model_calls_default_tenant_id_conversation_id_id_idx ON public.model_calls_default USING btree (tenant_id, conversation_id, id) WHERE (conversation_id IS NOT NULL);

CREATE INDEX model_calls_tenant_id_idx ON ONLY public.model_calls USING btree (tenant_id, id);

CREATE INDEX model_calls_default_tenant_id_id_idx ON public.model_calls_default USING btree (tenant_id, id);

CREATE INDEX parked_changes_channel_id_idx ON public.parked_changes USING btree (channel_id, created_at);

CREATE INDEX presences_seen_at_idx ON public.presences USING btree (seen_at);

CREATE INDEX raw_items_outcome_idx ON ONLY public.raw_items USING btree (outcome, id) WHERE (outcome = ANY (ARRAY['unroutable'::text, 'unreadable'::text, 'failed'::text]));

CREATE INDEX raw_items_default_outcome_id_idx ON public.raw_items_default USING btree (outcome, id) WHERE (outcome = ANY (ARRAY['unroutable'::text, 'unreadable'::text, 'failed'::text]));

CREATE INDEX webchat_attachments_channel_idx ON public.webchat_attachments USING btree (channel_id);

CREATE INDEX webchat_attachments_file_key_idx ON public.webchat_attachments USING btree (file_key);

CREATE INDEX webchat_attachments_session_idx ON public.webchat_attachments USING btree (tenant_id, session_id);

CREATE INDEX webchat_attachments_unsent_idx ON public.webchat_attachments USING btree (created_at) WHERE (sent_at IS NULL);

CREATE UNIQUE INDEX webchat_identity_secrets_current_key ON public.webchat_identity_secrets USING btree (channel_id) WHERE (expires_at IS NULL);

CREATE INDEX webchat_sessions_address_idx ON public.webchat_sessions USING btree (address, created_at);

CREATE INDEX webchat_sessions_tenant_id_idx ON public.webchat_sessions USING btree (tenant_id, created_at);

CREATE INDEX webhook_attempts_delivery_id_idx ON ONLY public.webhook_attempts USING btree (delivery_id, attempted_at);

CREATE INDEX webhook_attempts_default_delivery_id_attempted_at_idx ON public.webhook_attempts_default USING btree (delivery_id, attempted_at);

CREATE INDEX webhook_deliveries_tenant_id_idx ON public.webhook_deliveries USING btree (tenant_id, id);

CREATE INDEX webhook_endpoints_tenant_id_idx ON public.webhook_endpoints USING btree (tenant_id, id);

ALTER INDEX public.job_attempts_job_id_idx ATTACH PARTITION public.job_attempts_default_job_id_attempt_idx;

ALTER INDEX public.job_history_id_idx ATTACH PARTITION public.job_history_default_id_idx;

ALTER INDEX public.job_history_tenant_id_idx ATTACH PARTITION public.job_history_default_tenant_id_id_idx;

ALTER INDEX public.model_calls_pkey ATTACH PARTITION public.model_calls_default_pkey;

ALTER INDEX public.model_calls_conversation_id_idx ATTACH PARTITION public.model_calls_default_tenant_id_conversation_id_id_idx;

ALTER INDEX public.model_calls_tenant_id_idx ATTACH PARTITION public.model_calls_default_tenant_id_id_idx;

ALTER INDEX public.raw_items_outcome_idx ATTACH PARTITION public.raw_items_default_outcome_id_idx;

ALTER INDEX public.raw_items_pkey ATTACH PARTITION public.raw_items_default_pkey;

ALTER INDEX public.webhook_attempts_delivery_id_idx ATTACH PARTITION public.webhook_attempts_default_delivery_id_attempted_at_idx;

ALTER INDEX public.webhook_attempts_pkey ATTACH PARTITION public.webhook_attempts_default_pkey;

CREATE TRIGGER drop_file AFTER DELETE ON public.message_files FOR EACH ROW EXECUTE FUNCTION public.drop_file();

CREATE TRIGGER drop_file AFTER DELETE ON public.webchat_attachments FOR EACH ROW EXECUTE FUNCTION public.drop_file();

CREATE TRIGGER set_job_flow BEFORE INSERT ON public.jobs FOR EACH ROW WHEN ((new.flow IS NULL)) EXECUTE FUNCTION public.set_job_flow();

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.budget_notices
    ADD CONSTRAINT budget_notices_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.channels
    ADD CONSTRAINT channels_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chunk_embeddings
    ADD CONSTRAINT chunk_embeddings_chunk_id_fkey FOREIGN KEY (chunk_id) REFERENCES public.chunks(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chunk_embeddings
    ADD CONSTRAINT chunk_embeddings_set_id_fkey FOREIGN KEY (set_id) REFERENCES public.embedding_sets(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chunk_embeddings
    ADD CONSTRAINT chunk_embeddings_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chunk_terms
    ADD CONSTRAINT chunk_terms_chunk_id_fkey FOREIGN KEY (chunk_id) REFERENCES public.chunks(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chunk_terms
    ADD CONSTRAINT chunk_terms_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chunks
    ADD CONSTRAINT chunks_document_id_fkey FOREIGN KEY (document_id) REFERENCES public.documents(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chunks
    ADD CONSTRAINT chunks_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.contact_erasures
    ADD CONSTRAINT contact_erasures_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES public.contacts(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.document_sources
    ADD CONSTRAINT document_sources_document_id_fkey FOREIGN KEY (document_id) REFERENCES public.documents(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.document_sources
    ADD CONSTRAINT document_sources_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.document_versions
    ADD CONSTRAINT document_versions_document_id_fkey FOREIGN KEY (document_id) REFERENCES public.documents(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.document_versions
    ADD CONSTRAINT document_versions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.embedding_cache
    ADD CONSTRAINT embedding_cache_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.embedding_sets
    ADD CONSTRAINT embedding_sets_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.eval_questions
    ADD CONSTRAINT eval_questions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.eval_results
    ADD CONSTRAINT eval_results_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.eval_runs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.eval_results
    ADD CONSTRAINT eval_results_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.eval_runs
    ADD CONSTRAINT eval_runs_compare_with_fkey FOREIGN KEY (compare_with) REFERENCES public.eval_runs(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.eval_runs
    ADD CONSTRAINT eval_runs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.keyword_postings
    ADD CONSTRAINT keyword_postings_segment_id_fkey FOREIGN KEY (segment_id) REFERENCES public.keyword_segments(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.keyword_postings
    ADD CONSTRAINT keyword_postings_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.keyword_removals
    ADD CONSTRAINT keyword_removals_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.keyword_segments
    ADD CONSTRAINT keyword_segments_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.message_files
    ADD CONSTRAINT message_files_message_id_fkey FOREIGN KEY (message_id) REFERENCES public.messages(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.message_files
    ADD CONSTRAINT message_files_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES public.conversations(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.model_usage
    ADD CONSTRAINT model_usage_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.parked_changes
    ADD CONSTRAINT parked_changes_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.parked_changes
    ADD CONSTRAINT parked_changes_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES public.contacts(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.parked_changes
    ADD CONSTRAINT parked_changes_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.parked_statuses
    ADD CONSTRAINT parked_statuses_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.parked_statuses
    ADD CONSTRAINT parked_statuses_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.presences
    ADD CONSTRAINT presences_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES public.conversations(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.presences
    ADD CONSTRAINT presences_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.provider_checks
    ADD CONSTRAINT provider_checks_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.provider_health
    ADD CONSTRAINT provider_health_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.provider_reports
    ADD CONSTRAINT provider_reports_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webchat_attachments
    ADD CONSTRAINT webchat_attachments_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webchat_attachments
    ADD CONSTRAINT webchat_attachments_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webchat_identity_secrets
    ADD CONSTRAINT webchat_identity_secrets_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webchat_identity_secrets
    ADD CONSTRAINT webchat_identity_secrets_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webchat_sessions
    ADD CONSTRAINT webchat_sessions_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES public.channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webchat_sessions
    ADD CONSTRAINT webchat_sessions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES public.webhook_endpoints(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE public.api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.budget_notices ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.channels ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_embeddings ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_terms ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunks ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.contact_erasures ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.contacts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.conversations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.document_sources ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.document_versions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.embedding_cache ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.embedding_sets ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.eval_questions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.eval_results ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.eval_runs ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.idempotency_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.keyword_postings ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.keyword_removals ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.keyword_segments ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.message_files ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.messages ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.model_calls ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.model_usage ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.parked_changes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.parked_statuses ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.presences ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.provider_checks ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.provider_health ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.provider_reports ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.raw_items ENABLE ROW LEVEL SECURITY;

CREATE POLICY system_access ON public.api_keys TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.budget_notices TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.channels TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.chunk_embeddings TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.chunk_terms TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.chunks TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.contact_erasures TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.contacts TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.conversations TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.document_sources TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.document_versions TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.documents TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.embedding_cache TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.embedding_sets TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.eval_questions TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.eval_results TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.eval_runs TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.idempotency_keys TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.keyword_postings TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.keyword_removals TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.keyword_segments TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.message_files TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.messages TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.model_calls TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.model_usage TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.parked_changes TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.parked_statuses TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.presences TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.provider_checks TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.provider_health TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.provider_reports TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.raw_items TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.tenants TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.webchat_attachments TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.webchat_identity_secrets TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.webchat_sessions TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.webhook_attempts TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.webhook_deliveries TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY system_access ON public.webhook_endpoints TO metachat_system USING (true) WITH CHECK (true);

CREATE POLICY tenant_isolation ON public.api_keys TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.budget_notices TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.channels TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.chunk_embeddings TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.chunk_terms TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.chunks TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.contact_erasures TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.contacts TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.conversations TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.document_sources TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.document_versions TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.documents TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.embedding_cache TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.embedding_sets TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.eval_questions TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.eval_results TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.eval_runs TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.keyword_postings TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.keyword_removals TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.keyword_segments TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.message_files TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.messages TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.model_calls TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.model_usage TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.parked_changes TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.parked_statuses TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.presences TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.provider_checks TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.provider_health TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.provider_reports TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.raw_items TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.tenants TO metachat_app USING ((id = public.current_tenant())) WITH CHECK ((id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.webchat_attachments TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.webchat_identity_secrets TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.webchat_sessions TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.webhook_attempts TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.webhook_deliveries TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

CREATE POLICY tenant_isolation ON public.webhook_endpoints TO metachat_app USING ((tenant_id = public.current_tenant())) WITH CHECK ((tenant_id = public.current_tenant()));

ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webchat_attachments ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webchat_identity_secrets ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webchat_sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webhook_attempts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webhook_deliveries ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webhook_endpoints ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON FUNCTION public.analyze_young_tables() FROM PUBLIC;
GRANT ALL ON FUNCTION public.analyze_young_tables() TO metachat_system;

REVOKE ALL ON FUNCTION public.drop_daily_partitions(parent regclass, time_column name, keep_days integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.drop_daily_partitions(parent regclass, time_column name, keep_days integer) TO metachat_system;

REVOKE ALL ON FUNCTION public.ensure_daily_partitions(parent regclass, days_ahead integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ensure_daily_partitions(parent regclass, days_ahead integer) TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.api_keys TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.api_keys TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.budget_notices TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.budget_notices TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.channels TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.channels TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.chunk_embeddings TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.chunk_embeddings TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.chunk_terms TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.chunk_terms TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.chunks TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.chunks TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.contact_erasures TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.contact_erasures TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.contacts TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.contacts TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.conversations TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.conversations TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.dead_jobs TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.dead_jobs TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.document_sources TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.document_sources TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.document_versions TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.document_versions TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.documents TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.documents TO metachat_system;

GRANT INSERT ON TABLE public.dropped_files TO metachat_app;
GRANT SELECT,INSERT,DELETE ON TABLE public.dropped_files TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.embedding_cache TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.embedding_cache TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.embedding_sets TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.embedding_sets TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.eval_questions TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.eval_questions TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.eval_results TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.eval_results TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.eval_runs TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.eval_runs TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_keys TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_attempts TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_attempts TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_depths TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_depths TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_history TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_history TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_keys TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_keys TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_limits TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_limits TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_minutes TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_minutes TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_schedules TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job_schedules TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.jobs TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.jobs TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.keyword_postings TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.keyword_postings TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.keyword_removals TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.keyword_removals TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.keyword_segments TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.keyword_segments TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.message_files TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.message_files TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.messages TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.messages TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.model_calls TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.model_calls TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.model_usage TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.model_usage TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.parked_changes TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.parked_changes TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.parked_statuses TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.parked_statuses TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.presences TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.presences TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_checks TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_checks TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_health TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_health TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_reports TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_reports TO metachat_system;

GRANT SELECT,UPDATE ON TABLE public.raw_items TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.raw_items TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.tenants TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.tenants TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webchat_attachments TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webchat_attachments TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webchat_identity_secrets TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webchat_identity_secrets TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webchat_sessions TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webchat_sessions TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_attempts TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_attempts TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_deliveries TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_deliveries TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_endpoints TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_endpoints TO metachat_system;

GRANT USAGE ON SEQUENCE public.worker_sessions_id_seq TO metachat_app;
GRANT USAGE ON SEQUENCE public.worker_sessions_id_seq TO metachat_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.worker_sessions TO metachat_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.worker_sessions TO metachat_system;

