-- One row for each live segment, with the buckets of the hashes asked for, and one for each version
-- in them that counts no more.
SELECT NULL::uuid AS "document_id?: DocumentId", NULL::integer AS "version?",
    keyword_segments.chunk_count AS "chunk_count!", keyword_segments.term_count AS "term_count!",
    keyword_segments.directory AS "directory?", keyword_segments.lengths AS "lengths?",
    ARRAY(
        SELECT keyword_postings.terms
        FROM keyword_postings
        WHERE keyword_postings.tenant_id = $1
            AND keyword_postings.segment_id = keyword_segments.id
            AND keyword_postings.bucket = ANY (ARRAY(
                SELECT (hash >> (32 - keyword_segments.bucket_bits))::integer
                FROM unnest($2::bigint[]) AS hashes (hash)
            ))
    ) AS "buckets?"
FROM keyword_segments
WHERE keyword_segments.tenant_id = $1 AND keyword_segments.live
UNION ALL
SELECT document_id, version, chunk_count, term_count, NULL, NULL, NULL
FROM keyword_removals
WHERE tenant_id = $1
