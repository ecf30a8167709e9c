-- What a tenant asks of its jobs must cost what its own jobs weigh, not what everybody's do. Running
-- jobs are left out: the slots of the workers bound them, and a claim is spared an entry. So are the
-- platform's own, which nobody asks for by tenant.
CREATE INDEX jobs_tenant_id_idx ON jobs (tenant_id, id)
    WHERE state <> 3 AND tenant_id IS NOT NULL;
CREATE INDEX job_history_tenant_id_idx ON job_history (tenant_id, id) WHERE tenant_id IS NOT NULL;

-- Who is at the head of an ordering key and does not run: tells a held job what it waits for.
CREATE INDEX jobs_head_idx ON jobs (kind, ordering_key)
    WHERE ordering_key IS NOT NULL AND state IN (0, 1);
