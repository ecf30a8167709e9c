-- Vectors by the text they were made of, so that whoever indexes it again pays only for what
-- changed. Each tenant has its own: whether somebody else has a text is nobody's business.
CREATE TABLE embedding_cache (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    -- Provider, model and dimension; vectors of different makers never meet.
    model text NOT NULL CHECK (length(model) BETWEEN 1 AND 1000),
    -- SHA-256 of the text as the model got it.
    text_hash bytea NOT NULL CHECK (length(text_hash) = 32),
    embedding vector NOT NULL,
    last_used_on date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    PRIMARY KEY (tenant_id, model, text_hash)
);
CREATE INDEX embedding_cache_last_used_on_idx ON embedding_cache (last_used_on);
SELECT protect_table('embedding_cache', 'tenant_id');
