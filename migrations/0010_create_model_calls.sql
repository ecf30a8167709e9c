-- Every call to a model, as long as it is kept: what it was for, what it took and how it ended.
CREATE TABLE model_calls (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    conversation_id uuid,
    purpose text NOT NULL CHECK (purpose IN ('answer', 'embedding', 'search', 'rerank', 'eval')),
    provider text NOT NULL,
    -- The provider, or `<provider>@<host>` at an address of the tenant's own.
    account text NOT NULL,
    model text NOT NULL,
    -- Whether the tenant's own key paid.
    own_key boolean NOT NULL,
    -- Whether another model than the tenant's choice answered.
    is_fallback boolean NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('completed', 'failed', 'dropped')),
    fault text,
    -- All tokens of the request; the two below are among them.
    input_tokens bigint NOT NULL CHECK (input_tokens >= 0),
    cached_tokens bigint NOT NULL CHECK (cached_tokens >= 0),
    cache_written_tokens bigint NOT NULL CHECK (cache_written_tokens >= 0),
    output_tokens bigint NOT NULL CHECK (output_tokens >= 0),
    -- Whether the provider did not say how many there were.
    is_estimated boolean NOT NULL,
    -- NULL: nobody said what the model costs.
    cost_microdollars bigint CHECK (cost_microdollars >= 0),
    first_event_ms bigint,
    duration_ms bigint NOT NULL,
    CHECK ((outcome = 'failed') = (fault IS NOT NULL)),
    PRIMARY KEY (id, started_at)
) PARTITION BY RANGE (started_at);
CREATE TABLE model_calls_default PARTITION OF model_calls DEFAULT;
CREATE INDEX model_calls_tenant_id_idx ON model_calls (tenant_id, id);
CREATE INDEX model_calls_conversation_id_idx ON model_calls (tenant_id, conversation_id, id)
    WHERE conversation_id IS NOT NULL;
SELECT protect_table('model_calls', 'tenant_id');
SELECT ensure_daily_partitions('model_calls', 7);

-- Sums of calls, by day (UTC) and model. Whoever adds takes the row of its connection's slot, so
-- that calls which end together do not wait for each other; readers add the slots up.
CREATE TABLE model_usage (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    day date NOT NULL,
    account text NOT NULL,
    model text NOT NULL,
    purpose text NOT NULL,
    slot smallint NOT NULL,
    calls bigint NOT NULL,
    failed_calls bigint NOT NULL,
    -- Calls whose cost is not known, and so not in the sum.
    unpriced_calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    cache_written_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cost_microdollars bigint NOT NULL,
    PRIMARY KEY (tenant_id, day, account, model, purpose, slot)
);
-- Almost every change is to numbers alone: room on the page keeps the indexes out of it.
ALTER TABLE model_usage SET (fillfactor = 70);
SELECT protect_table('model_usage', 'tenant_id');

-- What was told of a month's budget: each level once.
CREATE TABLE budget_notices (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    month date NOT NULL,
    level text NOT NULL CHECK (level IN ('warning', 'exhausted')),
    spent_microdollars bigint NOT NULL,
    monthly_microdollars bigint NOT NULL,
    noticed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, month, level)
);
SELECT protect_table('budget_notices', 'tenant_id');

-- How a tenant's accounts at providers do, as the process saw it that last noted a change.
CREATE TABLE provider_health (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    account text NOT NULL,
    health text NOT NULL CHECK (health IN ('healthy', 'degraded', 'down')),
    -- Since when it has this health.
    since timestamptz NOT NULL,
    circuit text NOT NULL CHECK (circuit IN ('closed', 'half_open', 'open')),
    -- When an open circuit lets a call through again.
    retry_at timestamptz,
    -- What went wrong last, and when.
    fault text,
    failed_at timestamptz,
    -- When somebody last looked, by a call or a check.
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account)
);
SELECT protect_table('provider_health', 'tenant_id');
