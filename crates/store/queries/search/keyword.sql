-- BM25, k1 1.2 and b 0.75, over the live chunks of one tenant. Any term will do.
WITH live AS MATERIALIZED (
    SELECT text_config, chunk_count, term_count
    FROM documents
    WHERE tenant_id = $1 AND enabled AND live_version IS NOT NULL
), terms AS MATERIALIZED (
    -- A document is found by the lexemes that its own language makes of the question.
    SELECT lexemes.lexeme AS term
    FROM (SELECT DISTINCT text_config FROM live) AS configs
    CROSS JOIN LATERAL unnest(to_tsvector(configs.text_config::regconfig, $2)) AS lexemes
    UNION
    SELECT unnest($3::text[])
), collection AS MATERIALIZED (
    SELECT sum(chunk_count)::float8 AS chunks,
        greatest(sum(term_count), 1)::float8 / greatest(sum(chunk_count), 1) AS average_terms
    FROM live
), postings AS MATERIALIZED (
    SELECT chunk_terms.term, chunk_terms.frequency::float8 AS frequency,
        chunks.id, chunks.document_id, chunks.term_count::float8 AS term_count
    FROM terms
    JOIN chunk_terms ON chunk_terms.tenant_id = $1 AND chunk_terms.term = terms.term
    JOIN chunks ON chunks.tenant_id = $1 AND chunks.id = chunk_terms.chunk_id
    JOIN documents ON documents.tenant_id = $1 AND documents.id = chunks.document_id
        AND documents.live_version = chunks.version AND documents.enabled
), weights AS MATERIALIZED (
    SELECT term,
        ln(1 + (greatest(collection.chunks, frequency) - frequency + 0.5) / (frequency + 0.5))
            AS weight
    FROM (SELECT term, count(*)::float8 AS frequency FROM postings GROUP BY term) AS found
    CROSS JOIN collection
)
SELECT postings.id AS "chunk_id!: ChunkId",
    postings.document_id AS "document_id!: DocumentId",
    sum(
        weights.weight * postings.frequency * 2.2 / (
            postings.frequency
            + 1.2 * (0.25 + 0.75 * postings.term_count / collection.average_terms)
        )
    ) AS "score!"
FROM postings
JOIN weights USING (term)
CROSS JOIN collection
-- Here, and not among the postings: how rare a term is does not depend on where one looks.
WHERE $5::uuid[] IS NULL OR postings.document_id = ANY ($5)
GROUP BY postings.id, postings.document_id
ORDER BY 3 DESC, postings.id
LIMIT $4
