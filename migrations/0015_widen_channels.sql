ALTER TABLE channels
    DROP CONSTRAINT channels_kind_check,
    ADD CONSTRAINT channels_kind_check CHECK (kind IN ('whatsapp', 'webchat', 'messenger', 'http')),
    -- How the channel was last found to be: by a send, by a look, by what its operator told.
    ADD COLUMN health text NOT NULL DEFAULT 'unknown' CHECK (health IN
        ('unknown', 'working', 'warned', 'token_dead', 'restricted', 'unsubscribed', 'misconfigured')),
    -- A sentence for people.
    ADD COLUMN health_note text,
    -- Since when it is so.
    ADD COLUMN health_at timestamptz,
    -- When it was last looked at.
    ADD COLUMN checked_at timestamptz;

-- Events of an account concern every number of it.
CREATE INDEX channels_account_idx ON channels (kind, (config ->> 'business_account_id'))
    WHERE config ? 'business_account_id';
CREATE INDEX channels_checked_at_idx ON channels (checked_at NULLS FIRST)
    WHERE enabled AND kind <> 'webchat';

-- When the contact last did what allows a free answer, by the channel's clock: reactions and taps
-- may, system notices do not.
ALTER TABLE conversations ADD COLUMN window_opened_at timestamptz;
UPDATE conversations SET window_opened_at = last_inbound_at;

ALTER TABLE messages
    -- When the contact changed it, or took it back; its words are those that stand.
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN revoked_at timestamptz,
    -- The operator's number for the failure.
    ADD COLUMN error_code bigint,
    -- What the operator charges for it, in its words.
    ADD COLUMN pricing jsonb;

-- Finds what a watermark covers.
CREATE INDEX messages_underway_idx ON messages (conversation_id, seq)
    WHERE direction = 'outbound' AND status IN ('sent', 'delivered');
ALTER TABLE parked_statuses ADD COLUMN error_code bigint;

-- Files that contacts sent by channels whose operators keep them for a while only.
CREATE TABLE message_files (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    message_id uuid NOT NULL REFERENCES messages ON DELETE CASCADE,
    -- Its place among the files of its message, from 0.
    nth smallint NOT NULL,
    media_kind text NOT NULL,
    -- As the contact's app named it.
    name text,
    -- What it was recognised as.
    media_type text,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'stored', 'failed')),
    -- Why it could not be had.
    error text,
    file_key text,
    size_bytes bigint CHECK (size_bytes >= 0),
    sha256 bytea CHECK (length(sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    stored_at timestamptz,
    CONSTRAINT message_files_once_key UNIQUE (message_id, nth),
    CHECK ((state = 'stored') = (file_key IS NOT NULL))
);
SELECT protect_table('message_files', 'tenant_id');
