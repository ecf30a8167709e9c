-- When the schedule last looked at a tenant's providers.
CREATE TABLE provider_checks (
    tenant_id uuid PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
    checked_at timestamptz NOT NULL
);
SELECT protect_table('provider_checks', 'tenant_id');

-- Accounts that the tenant was told are dead, and not yet that they are alive again. Kept apart from
-- their health, which is forgotten when the tenant changes whom it calls.
CREATE TABLE provider_reports (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    account text NOT NULL,
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account)
);
SELECT protect_table('provider_reports', 'tenant_id');
