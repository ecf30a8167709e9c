-- Where a document's content comes from: an uploaded file, an address that is fetched, a text that was sent.
-- A document whose address was not fetched yet has no file: `file_key` is empty.
ALTER TABLE documents
    ADD COLUMN source text NOT NULL DEFAULT 'file' CHECK (source IN ('file', 'url', 'text')),
    -- How far the newest version has come while it is being made.
    ADD COLUMN stage text CHECK (stage IN ('fetching', 'reading', 'embedding')),
    ADD COLUMN stage_done bigint CHECK (stage_done >= 0),
    ADD COLUMN stage_total bigint CHECK (stage_total >= stage_done);

-- The address of a document that comes from one.
CREATE TABLE document_sources (
    document_id uuid PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    url text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    -- NULL: fetched when asked for, and never else.
    refresh_seconds integer CHECK (refresh_seconds >= 3600),
    -- What the address said of the content that is stored, to ask for it only if it changed.
    etag text,
    last_modified text,
    -- When it last gave the content, or said that it is unchanged.
    fetched_at timestamptz,
    -- When it is due; NULL without a refresh.
    next_fetch_at timestamptz,
    -- Why the last fetch failed.
    error text
);
CREATE INDEX document_sources_next_fetch_at_idx ON document_sources (next_fetch_at)
    WHERE next_fetch_at IS NOT NULL;
CREATE INDEX document_sources_tenant_id_idx ON document_sources (tenant_id);
SELECT protect_table('document_sources', 'tenant_id');

-- What became of each version that was asked for.
CREATE TABLE document_versions (
    document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    version integer NOT NULL CHECK (version >= 1),
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    state text NOT NULL
        CHECK (state IN ('queued', 'processing', 'live', 'failed', 'replaced', 'superseded')),
    chunk_count integer CHECK (chunk_count >= 0),
    error text,
    requested_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    -- When searches began to see it.
    live_at timestamptz,
    -- When it failed, or another one took its place.
    ended_at timestamptz,
    PRIMARY KEY (document_id, version),
    CHECK ((state = 'failed') = (error IS NOT NULL))
);
CREATE INDEX document_versions_tenant_id_idx ON document_versions (tenant_id);
SELECT protect_table('document_versions', 'tenant_id');

-- What is known of the versions there are. By the role that crosses tenants: the owner of the tables may
-- meet no rows.
SET LOCAL ROLE metachat_system;
INSERT INTO document_versions (
    document_id, version, tenant_id, state, chunk_count, error, requested_at, live_at, ended_at
)
SELECT id, live_version, tenant_id, 'live', chunk_count, NULL, created_at, updated_at, NULL
FROM documents
WHERE live_version IS NOT NULL
UNION ALL
SELECT id, latest_version, tenant_id,
    CASE status WHEN 'failed' THEN 'failed' WHEN 'processing' THEN 'processing' ELSE 'queued' END,
    NULL, error, updated_at, NULL, CASE status WHEN 'failed' THEN updated_at END
FROM documents
WHERE latest_version IS DISTINCT FROM live_version;
RESET ROLE;

-- What a tenant's documents are expected to answer.
CREATE TABLE eval_questions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    question text NOT NULL CHECK (length(question) BETWEEN 1 AND 2000),
    -- [{"document_id": …, "text": …}], either of both or both.
    expected_sources jsonb NOT NULL CHECK (jsonb_typeof(expected_sources) = 'array'),
    -- What a right answer says, word for word.
    expected_phrases text[] NOT NULL,
    tags text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (jsonb_array_length(expected_sources) + cardinality(expected_phrases) > 0)
);
CREATE INDEX eval_questions_tenant_id_idx ON eval_questions (tenant_id, id);
SELECT protect_table('eval_questions', 'tenant_id');

-- One asking of all questions, or of those with a tag.
CREATE TABLE eval_runs (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) <= 200),
    tag text,
    status text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'done', 'failed')),
    error text,
    -- How passages are found and ranked in it, as `RetrievalSettings`.
    retrieval jsonb NOT NULL,
    -- Whether the tenant's model answers, too.
    answers boolean NOT NULL,
    -- The run it is compared with; NULL: the one before.
    compare_with uuid REFERENCES eval_runs ON DELETE SET NULL,
    question_count integer NOT NULL DEFAULT 0 CHECK (question_count >= 0),
    -- Over all questions, from 0 to 1; NULL until it is done.
    hit_rate float8,
    mrr float8,
    ndcg float8,
    -- Over the questions with phrases; NULL where no model answered.
    answer_score float8,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    CHECK ((status = 'failed') = (error IS NOT NULL)),
    CHECK ((status = 'done') = (hit_rate IS NOT NULL AND mrr IS NOT NULL AND ndcg IS NOT NULL))
);
CREATE INDEX eval_runs_tenant_id_idx ON eval_runs (tenant_id, id);
CREATE INDEX eval_runs_compare_with_idx ON eval_runs (compare_with)
    WHERE compare_with IS NOT NULL;
SELECT protect_table('eval_runs', 'tenant_id');

-- The questions of a run as they were when it began, each with what came of it.
CREATE TABLE eval_results (
    run_id uuid NOT NULL REFERENCES eval_runs ON DELETE CASCADE,
    question_id uuid NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    question text NOT NULL,
    expected_sources jsonb NOT NULL,
    expected_phrases text[] NOT NULL,
    -- NULL while it waits.
    graded_at timestamptz,
    hit boolean,
    reciprocal_rank float8,
    ndcg float8,
    -- The share of the phrases that the answer holds; NULL without answer or phrases.
    answer_score float8,
    answer text,
    -- What was found, best first.
    found jsonb,
    PRIMARY KEY (run_id, question_id),
    CHECK ((graded_at IS NULL) = (hit IS NULL))
);
CREATE INDEX eval_results_tenant_id_idx ON eval_results (tenant_id);
SELECT protect_table('eval_results', 'tenant_id');
