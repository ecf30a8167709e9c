CREATE TABLE documents (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 500),
    media_type text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    -- Where `files` keeps the bytes.
    file_key text NOT NULL,
    status text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'processing', 'ready', 'failed')),
    error text,
    enabled boolean NOT NULL DEFAULT true,
    -- The version that searches see; NULL until the first one is whole.
    live_version integer,
    -- The newest version asked for, whole or not.
    latest_version integer NOT NULL DEFAULT 1 CHECK (latest_version >= 1),
    title text,
    page_count integer,
    -- Postgres text search configuration of its language.
    text_config text NOT NULL DEFAULT 'simple',
    -- Of the live version: BM25's collection size and average length are sums of these.
    chunk_count integer NOT NULL DEFAULT 0,
    term_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((status = 'failed') = (error IS NOT NULL)),
    CHECK (status <> 'ready' OR live_version IS NOT NULL),
    CHECK (live_version <= latest_version)
);
CREATE INDEX documents_tenant_id_idx ON documents (tenant_id, id);
SELECT protect_table('documents', 'tenant_id');

CREATE TABLE chunks (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    -- Searches meet a chunk only while this is its document's live_version.
    version integer NOT NULL,
    ordinal integer NOT NULL,
    text text NOT NULL,
    token_count integer NOT NULL CHECK (token_count > 0),
    -- Terms in the keyword index, BM25's document length.
    term_count integer NOT NULL DEFAULT 0,
    page integer,
    heading text,
    -- Character range in the extracted text.
    char_start integer NOT NULL,
    char_end integer NOT NULL CHECK (char_end > char_start),
    -- Which embedder and dimension made `embedding`; vectors of different makers never meet.
    embedding_model text,
    embedding vector,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT chunks_document_id_version_ordinal_key UNIQUE (document_id, version, ordinal),
    CHECK ((embedding IS NULL) = (embedding_model IS NULL))
);
CREATE INDEX chunks_tenant_id_idx ON chunks (tenant_id, document_id, version);
SELECT protect_table('chunks', 'tenant_id');

-- The keyword index: which term stands how often in which chunk. Keyed by text, whose equality is
-- leakproof: a tsvector's `@@` is not, and would lose its index under row-level security.
CREATE TABLE chunk_terms (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    term text NOT NULL,
    chunk_id uuid NOT NULL REFERENCES chunks ON DELETE CASCADE,
    frequency smallint NOT NULL CHECK (frequency > 0),
    PRIMARY KEY (tenant_id, term, chunk_id)
);
CREATE INDEX chunk_terms_chunk_id_idx ON chunk_terms (chunk_id);
SELECT protect_table('chunk_terms', 'tenant_id');
