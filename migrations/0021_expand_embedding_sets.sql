-- A server at another address may serve anything under a well-known name: what makes a set's vectors
-- is more than provider, model and dimension. NULL: nobody has kept it; whoever tends the tenant's
-- indexes next does.
ALTER TABLE embedding_sets
    ADD COLUMN embedder text CHECK (length(embedder) BETWEEN 1 AND 4000),
    -- The address that the tenant set; NULL: the provider's own, or the platform's.
    ADD COLUMN base_url text;

-- What tenants' settings say today. The platform's address is not known here.
UPDATE embedding_sets
SET base_url = tenants.settings #>> '{embedding,base_url}',
    embedder = format(
        '%s/%s/%s@%s', embedding_sets.provider, embedding_sets.model, embedding_sets.dimensions,
        tenants.settings #>> '{embedding,base_url}'
    )
FROM tenants
WHERE tenants.id = embedding_sets.tenant_id
  AND embedding_sets.provider IN ('openai', 'ollama')
  AND tenants.settings #>> '{embedding,provider}' = embedding_sets.provider
  AND tenants.settings #>> '{embedding,model}' IN ('', embedding_sets.model)
  AND tenants.settings #>> '{embedding,base_url}' IS NOT NULL
  -- OpenAI at its own address goes without it.
  AND tenants.settings #>> '{embedding,base_url}' NOT LIKE 'http%://api.openai.com/%'
  AND (
      embedding_sets.status = 'building'
      OR (
          embedding_sets.status = 'live'
          AND NOT EXISTS (
              SELECT FROM embedding_sets AS other
              WHERE other.tenant_id = embedding_sets.tenant_id
                AND other.status = 'building'
          )
      )
  );

-- Why the newest version waits, for its owner, and who wrote the document.
ALTER TABLE documents
    ADD COLUMN waiting_because text,
    ADD COLUMN author text;
