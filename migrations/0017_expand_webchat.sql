-- What a tenant's own server vouches for its logged-in users with. The current one has no end; the one
-- before it still counts until its own.
CREATE TABLE webchat_identity_secrets (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    sealed_secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE UNIQUE INDEX webchat_identity_secrets_current_key ON webchat_identity_secrets (channel_id)
    WHERE expires_at IS NULL;
SELECT protect_table('webchat_identity_secrets', 'tenant_id');

-- Known where the tenant's own server vouches for it.
ALTER TABLE contacts ADD COLUMN email text;

-- Files that visitors sent, or are about to.
CREATE TABLE webchat_attachments (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    -- Counts against its session; a visitor's later session may still read it.
    session_id uuid NOT NULL,
    visitor_id text NOT NULL,
    file_key text NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    created_at timestamptz NOT NULL,
    -- When it went with a message; what never does is deleted after a day.
    sent_at timestamptz
);
CREATE INDEX webchat_attachments_session_idx ON webchat_attachments (tenant_id, session_id);
CREATE INDEX webchat_attachments_channel_idx ON webchat_attachments (channel_id);
CREATE INDEX webchat_attachments_unsent_idx ON webchat_attachments (created_at) WHERE sent_at IS NULL;
SELECT protect_table('webchat_attachments', 'tenant_id');

-- Who has a conversation open: the contact's connections, each by its id, and agents by their names.
-- A row that is not renewed stops counting.
CREATE TABLE presences (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    conversation_id uuid NOT NULL REFERENCES conversations ON DELETE CASCADE,
    party text NOT NULL CHECK (party IN ('agent', 'contact')),
    holder text NOT NULL CHECK (length(holder) BETWEEN 1 AND 200),
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (conversation_id, party, holder)
);
CREATE INDEX presences_seen_at_idx ON presences (seen_at);
SELECT protect_table('presences', 'tenant_id');
