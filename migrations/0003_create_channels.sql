CREATE TABLE channels (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('whatsapp', 'webchat')),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    enabled boolean NOT NULL DEFAULT true,
    config jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
    sealed_secrets bytea,
    -- How the outside names it (WhatsApp: phone_number_id); NULL where we name it ourselves.
    external_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT channels_kind_external_id_key UNIQUE (kind, external_id)
);
CREATE INDEX channels_tenant_id_idx ON channels (tenant_id, id);
SELECT protect_table('channels', 'tenant_id');

CREATE TABLE contacts (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    -- The channel's lasting name of the person (WhatsApp: the business-scoped user id, or the
    -- phone number where there is none; web chat: the visitor id).
    external_id text NOT NULL,
    -- Where to send to, which may change while `external_id` stays.
    address text,
    display_name text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT contacts_channel_id_external_id_key UNIQUE (channel_id, external_id)
);
CREATE INDEX contacts_tenant_id_idx ON contacts (tenant_id, id);
SELECT protect_table('contacts', 'tenant_id');

CREATE TABLE webchat_sessions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    visitor_id text NOT NULL,
    address inet,
    message_count integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT webchat_sessions_token_hash_key UNIQUE (token_hash)
);
CREATE INDEX webchat_sessions_address_idx ON webchat_sessions (address, created_at);
CREATE INDEX webchat_sessions_tenant_id_idx ON webchat_sessions (tenant_id, created_at);
SELECT protect_table('webchat_sessions', 'tenant_id');
