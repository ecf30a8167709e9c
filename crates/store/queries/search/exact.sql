-- Every vector of the tenant's set is measured: walked document by document along the primary key.
WITH measured AS MATERIALIZED (
    SELECT chunk_embeddings.chunk_id, chunk_embeddings.document_id,
           1 - (chunk_embeddings.embedding <=> $3) AS score
    FROM documents
    JOIN chunk_embeddings ON chunk_embeddings.tenant_id = $1
        AND chunk_embeddings.set_id = $2
        AND chunk_embeddings.document_id = documents.id
        AND chunk_embeddings.version = documents.live_version
    WHERE documents.tenant_id = $1
      AND documents.enabled
      AND ($5::uuid[] IS NULL OR documents.id = ANY ($5))
)
SELECT chunk_id AS "chunk_id: ChunkId", document_id AS "document_id: DocumentId",
       score AS "score!"
FROM measured
WHERE score <> 'NaN'
ORDER BY score DESC, chunk_id
LIMIT $4
