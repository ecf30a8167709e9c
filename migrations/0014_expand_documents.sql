-- The newest version whose chunks are all written, which are written run by run: only such a one can
-- become whole by its vectors.
ALTER TABLE documents ADD COLUMN written_version integer;

-- Until now a version was written by one transaction.
SET LOCAL ROLE metachat_system;
UPDATE documents SET written_version = latest_version
WHERE EXISTS (
    SELECT FROM chunks
    WHERE chunks.tenant_id = documents.tenant_id
        AND chunks.document_id = documents.id
        AND chunks.version = documents.latest_version
);
RESET ROLE;
