-- What searches read: vectors in sets, one for each model, and the keyword index in segments.

-- The vectors of a tenant by one model. Searches read the live set; a set for another model is
-- built beside it and takes its place at once.
CREATE TABLE embedding_sets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    provider text NOT NULL,
    model text NOT NULL,
    dimensions integer NOT NULL CHECK (dimensions BETWEEN 1 AND 16000),
    status text NOT NULL DEFAULT 'building' CHECK (status IN ('building', 'live', 'retired')),
    -- Chunks that searches see, as they were last counted; decides over `index_status`.
    chunk_count bigint NOT NULL DEFAULT 0 CHECK (chunk_count >= 0),
    -- Whether its vectors stand in the index of their dimension: `filling` means that new ones do.
    index_status text NOT NULL DEFAULT 'absent'
        CHECK (index_status IN ('absent', 'filling', 'ready')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX embedding_sets_live_key ON embedding_sets (tenant_id) WHERE status = 'live';
CREATE UNIQUE INDEX embedding_sets_building_key ON embedding_sets (tenant_id)
    WHERE status = 'building';
CREATE INDEX embedding_sets_tenant_id_idx ON embedding_sets (tenant_id, status);
SELECT protect_table('embedding_sets', 'tenant_id');

CREATE TABLE chunk_embeddings (
    set_id bigint NOT NULL REFERENCES embedding_sets ON DELETE CASCADE,
    chunk_id uuid NOT NULL REFERENCES chunks ON DELETE CASCADE,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    -- Its dimension while the set is large; NULL: measured one by one, and in no index of vectors.
    indexed_dimensions integer,
    embedding vector NOT NULL,
    -- Exact searches walk it from document to document.
    PRIMARY KEY (set_id, document_id, version, chunk_id),
    CHECK (indexed_dimensions = vector_dims(embedding))
);
-- Vectors up to 2,000 numbers stay in the row: measuring one that is kept apart costs several times
-- as much.
ALTER TABLE chunk_embeddings SET (toast_tuple_target = 8160);
CREATE INDEX chunk_embeddings_chunk_id_idx ON chunk_embeddings (chunk_id);
SELECT protect_table('chunk_embeddings', 'tenant_id');

-- Half the size of whole vectors, and as good for finding candidates. Sets of other dimensions are
-- measured one by one.
CREATE INDEX chunk_embeddings_256_idx ON chunk_embeddings
    USING hnsw ((embedding::halfvec(256)) halfvec_cosine_ops) WHERE indexed_dimensions = 256;
CREATE INDEX chunk_embeddings_384_idx ON chunk_embeddings
    USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops) WHERE indexed_dimensions = 384;
CREATE INDEX chunk_embeddings_512_idx ON chunk_embeddings
    USING hnsw ((embedding::halfvec(512)) halfvec_cosine_ops) WHERE indexed_dimensions = 512;
CREATE INDEX chunk_embeddings_768_idx ON chunk_embeddings
    USING hnsw ((embedding::halfvec(768)) halfvec_cosine_ops) WHERE indexed_dimensions = 768;
CREATE INDEX chunk_embeddings_1024_idx ON chunk_embeddings
    USING hnsw ((embedding::halfvec(1024)) halfvec_cosine_ops) WHERE indexed_dimensions = 1024;
CREATE INDEX chunk_embeddings_1536_idx ON chunk_embeddings
    USING hnsw ((embedding::halfvec(1536)) halfvec_cosine_ops) WHERE indexed_dimensions = 1536;
CREATE INDEX chunk_embeddings_3072_idx ON chunk_embeddings
    USING hnsw ((embedding::halfvec(3072)) halfvec_cosine_ops) WHERE indexed_dimensions = 3072;

-- The keyword index: segments that never change, each with the postings of some chunks. A version
-- comes as segments of its own; small ones are merged into larger ones. What is in the columns of
-- bytes is told by `rag::keyword`.
CREATE TABLE keyword_segments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    -- The version it was made of; NULL: merged from several.
    document_id uuid,
    version integer,
    -- Whether searches read it: not before its version is switched to.
    live boolean NOT NULL DEFAULT false,
    chunk_count integer NOT NULL CHECK (chunk_count > 0),
    -- With repeats: BM25's average length is a quotient of sums of these.
    term_count bigint NOT NULL CHECK (term_count >= 0),
    -- Text search configurations of its documents.
    text_configs text[] NOT NULL,
    -- Postings stand in 2^bucket_bits rows, by the hash of their term.
    bucket_bits smallint NOT NULL CHECK (bucket_bits BETWEEN 0 AND 24),
    -- Which chunks it has, 28 bytes for each run of them, and the terms of each, in 2 bytes.
    directory bytea NOT NULL,
    lengths bytea NOT NULL CHECK (length(lengths) = 2 * chunk_count),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((document_id IS NULL) = (version IS NULL)),
    CHECK (live OR document_id IS NOT NULL)
);
CREATE INDEX keyword_segments_tenant_id_idx ON keyword_segments (tenant_id, document_id, version);
SELECT protect_table('keyword_segments', 'tenant_id');

CREATE TABLE keyword_postings (
    segment_id bigint NOT NULL REFERENCES keyword_segments ON DELETE CASCADE,
    bucket integer NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    terms bytea NOT NULL,
    PRIMARY KEY (segment_id, bucket)
);
SELECT protect_table('keyword_postings', 'tenant_id');

-- Packed already: compressing them again costs time on every search.
ALTER TABLE keyword_segments ALTER directory SET STORAGE EXTERNAL, ALTER lengths SET STORAGE EXTERNAL;
ALTER TABLE keyword_postings ALTER terms SET STORAGE EXTERNAL;

-- Versions in live segments that count no more: replaced, deleted, or of a disabled document. The
-- sums over segments less the sums over these are the collection that BM25 knows.
CREATE TABLE keyword_removals (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    chunk_count integer NOT NULL,
    term_count bigint NOT NULL,
    PRIMARY KEY (tenant_id, document_id, version)
);
SELECT protect_table('keyword_removals', 'tenant_id');

-- What is there already moves into the new tables; the old ones stay for the version before this.
SET LOCAL ROLE metachat_system;

INSERT INTO embedding_sets (tenant_id, provider, model, dimensions, status)
SELECT DISTINCT ON (documents.tenant_id) documents.tenant_id,
    CASE WHEN chunks.embedding_model LIKE 'hashed-ngrams-%' THEN 'builtin' ELSE 'openai' END,
    chunks.embedding_model, vector_dims(chunks.embedding), 'live'
FROM documents
JOIN chunks ON chunks.document_id = documents.id AND chunks.version = documents.live_version
WHERE chunks.embedding IS NOT NULL
GROUP BY documents.tenant_id, chunks.embedding_model, vector_dims(chunks.embedding)
ORDER BY documents.tenant_id, count(*) DESC;

INSERT INTO chunk_embeddings (set_id, chunk_id, tenant_id, document_id, version, embedding)
SELECT embedding_sets.id, chunks.id, chunks.tenant_id, chunks.document_id, chunks.version,
    chunks.embedding
FROM embedding_sets
JOIN chunks ON chunks.tenant_id = embedding_sets.tenant_id
    AND chunks.embedding_model = embedding_sets.model
    AND vector_dims(chunks.embedding) = embedding_sets.dimensions;

INSERT INTO keyword_segments (
    tenant_id, document_id, version, live, chunk_count, term_count, text_configs, bucket_bits,
    directory, lengths
)
SELECT documents.tenant_id, documents.id, chunks.version,
    chunks.version IS NOT DISTINCT FROM documents.live_version, count(*),
    sum(chunks.term_count), ARRAY[documents.text_config], 0,
    uuid_send(documents.id) || int4send(chunks.version) || int4send(0)
        || int4send(count(*)::integer),
    string_agg(
        int2send(least(chunks.term_count, 32767)::smallint), ''::bytea ORDER BY chunks.ordinal
    )
FROM documents
JOIN chunks ON chunks.document_id = documents.id
    AND chunks.version >= coalesce(documents.live_version, 0)
GROUP BY documents.id, chunks.version;

-- In the plain form that `rag::keyword` reads too: no packing in SQL.
INSERT INTO keyword_postings (segment_id, bucket, tenant_id, terms)
SELECT keyword_segments.id, 0, keyword_segments.tenant_id,
    '\x00'::bytea || string_agg(
        int2send(octet_length(found.term)::smallint) || convert_to(found.term, 'UTF8')
            || int4send(found.chunk_count) || found.postings,
        ''::bytea ORDER BY found.term COLLATE "C"
    )
FROM keyword_segments
CROSS JOIN LATERAL (
    SELECT chunk_terms.term, count(*)::integer AS chunk_count,
        string_agg(
            int4send(chunks.ordinal) || int2send(chunk_terms.frequency), ''::bytea
            ORDER BY chunks.ordinal
        ) AS postings
    FROM chunks
    JOIN chunk_terms ON chunk_terms.chunk_id = chunks.id
    WHERE chunks.document_id = keyword_segments.document_id
        AND chunks.version = keyword_segments.version
    GROUP BY chunk_terms.term
) AS found
GROUP BY keyword_segments.id;

INSERT INTO keyword_removals (tenant_id, document_id, version, chunk_count, term_count)
SELECT documents.tenant_id, documents.id, documents.live_version, keyword_segments.chunk_count,
    keyword_segments.term_count
FROM documents
JOIN keyword_segments ON keyword_segments.document_id = documents.id AND keyword_segments.live
WHERE NOT documents.enabled;

RESET ROLE;
