CREATE TABLE conversations (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    contact_id uuid NOT NULL REFERENCES contacts ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'open'
        CHECK (status IN ('open', 'waiting', 'assigned_human', 'resolved', 'closed')),
    -- The `seq` of the newest message; given out under this row's lock.
    message_seq bigint NOT NULL DEFAULT 0,
    -- Raised by every inbound message that the machine is to answer: an answer commits only if it
    -- is still what it was.
    turn_seq bigint NOT NULL DEFAULT 0,
    -- The newest turn that has an answer.
    answered_turn bigint NOT NULL DEFAULT 0 CHECK (answered_turn <= turn_seq),
    -- The channel's own time of the newest inbound message: WhatsApp's 24-hour window counts from it.
    last_inbound_at timestamptz,
    last_message_at timestamptz,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
-- One conversation at a time with one contact.
CREATE UNIQUE INDEX conversations_one_open_key ON conversations (channel_id, contact_id)
    WHERE status IN ('open', 'waiting', 'assigned_human');
CREATE INDEX conversations_tenant_id_idx ON conversations (tenant_id, id);
CREATE INDEX conversations_contact_id_idx ON conversations (contact_id, created_at);
SELECT protect_table('conversations', 'tenant_id');

CREATE TABLE messages (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    conversation_id uuid NOT NULL REFERENCES conversations ON DELETE CASCADE,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    -- Position in the conversation, from 1, without gaps.
    seq bigint NOT NULL,
    direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    author text NOT NULL CHECK (author IN ('contact', 'assistant', 'agent', 'system')),
    -- The turn an inbound message belongs to, or an answer answers; NULL for what needs no answer.
    turn bigint,
    text text NOT NULL DEFAULT '',
    -- The normalised message as decoded, for what `text` cannot hold.
    content jsonb NOT NULL DEFAULT '{}',
    sources jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(sources) = 'array'),
    status text NOT NULL CHECK (status IN
        ('received', 'queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'unknown')),
    error text,
    -- The channel's id of the message; for web chat the visitor's `client_id` within the session.
    external_id text,
    send_attempts smallint NOT NULL DEFAULT 0,
    sending_at timestamptz,
    -- Since when nobody knows whether it was sent.
    unknown_at timestamptz,
    sent_at timestamptz,
    -- When it happened, by the channel's clock where there is one.
    occurred_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT messages_conversation_id_seq_key UNIQUE (conversation_id, seq),
    -- A redelivered message is the same message.
    CONSTRAINT messages_channel_id_external_id_key UNIQUE (channel_id, external_id),
    CHECK ((direction = 'inbound') = (author = 'contact')),
    CHECK (direction = 'outbound' OR status = 'received')
);
-- One turn, one answer.
CREATE UNIQUE INDEX messages_one_answer_key ON messages (conversation_id, turn)
    WHERE author = 'assistant';
CREATE INDEX messages_tenant_id_idx ON messages (tenant_id, id);
SELECT protect_table('messages', 'tenant_id');

-- Statuses that came before the message they speak of, kept until it is known.
CREATE TABLE parked_statuses (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    external_id text NOT NULL,
    status text NOT NULL,
    error text,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT parked_statuses_once_key UNIQUE (channel_id, external_id, status)
);
SELECT protect_table('parked_statuses', 'tenant_id');

-- What a channel posted, one row per item, before anybody tried to understand it. Written across
-- tenants, because one post may concern several; a tenant's jobs meet the items of its channels.
CREATE TABLE raw_items (
    id uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    channel_kind text NOT NULL,
    tenant_id uuid,
    channel_id uuid,
    payload jsonb,
    -- The body as received where it is not JSON.
    body bytea,
    outcome text NOT NULL DEFAULT 'pending'
        CHECK (outcome IN ('pending', 'done', 'ignored', 'unroutable', 'unreadable', 'failed')),
    error text,
    PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);
CREATE TABLE raw_items_default PARTITION OF raw_items DEFAULT;
CREATE INDEX raw_items_outcome_idx ON raw_items (outcome, id)
    WHERE outcome IN ('unroutable', 'unreadable', 'failed');
ALTER TABLE raw_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE raw_items FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON raw_items TO metachat_app
    USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());
CREATE POLICY system_access ON raw_items TO metachat_system USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE ON raw_items TO metachat_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON raw_items TO metachat_system;
SELECT ensure_daily_partitions('raw_items', 7);
