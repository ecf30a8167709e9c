CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    url text NOT NULL CHECK (length(url) <= 2000),
    description text NOT NULL DEFAULT '',
    -- Empty: every event.
    event_types text[] NOT NULL DEFAULT '{}',
    sealed_secret bytea NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text,
    -- The `seq` of the newest delivery; given out under this row's lock.
    delivery_seq bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_endpoints_tenant_id_idx ON webhook_endpoints (tenant_id, id);
SELECT protect_table('webhook_endpoints', 'tenant_id');

CREATE TABLE webhook_deliveries (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    seq bigint NOT NULL,
    -- The same for every endpoint and every attempt: receivers tell duplicates by it.
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    -- Signed and sent as it stands here, byte for byte.
    body text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
    attempt_count integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    CONSTRAINT webhook_deliveries_endpoint_id_seq_key UNIQUE (endpoint_id, seq),
    CONSTRAINT webhook_deliveries_once_key UNIQUE (endpoint_id, event_id)
);
CREATE INDEX webhook_deliveries_tenant_id_idx ON webhook_deliveries (tenant_id, id);
SELECT protect_table('webhook_deliveries', 'tenant_id');

CREATE TABLE webhook_attempts (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    attempted_at timestamptz NOT NULL DEFAULT now(),
    response_status smallint,
    response_body text,
    error text,
    duration_ms integer NOT NULL,
    PRIMARY KEY (id, attempted_at)
) PARTITION BY RANGE (attempted_at);
CREATE TABLE webhook_attempts_default PARTITION OF webhook_attempts DEFAULT;
CREATE INDEX webhook_attempts_delivery_id_idx ON webhook_attempts (delivery_id, attempted_at);
SELECT protect_table('webhook_attempts', 'tenant_id');
SELECT ensure_daily_partitions('webhook_attempts', 7);

-- Answers to writes that carried an Idempotency-Key, for a day.
CREATE TABLE idempotency_keys (
    -- SHA-256 of caller, method, path and key.
    id bytea PRIMARY KEY CHECK (length(id) = 32),
    tenant_id uuid,
    request_hash bytea NOT NULL CHECK (length(request_hash) = 32),
    response_status smallint,
    response_body bytea,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY system_access ON idempotency_keys TO metachat_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO metachat_system;
