-- Later wordings and deletions that came before the message they speak of, kept until it comes.
CREATE TABLE parked_changes (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    contact_id uuid NOT NULL REFERENCES contacts ON DELETE CASCADE,
    -- Which way the message goes.
    direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    -- The channel's id of the message.
    external_id text NOT NULL,
    -- The normalised edit or deletion.
    content jsonb NOT NULL CHECK (content ->> 'type' IN ('edit', 'revoke')),
    -- When it was made, by the channel's clock.
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- The one that counts in the end.
    CONSTRAINT parked_changes_once_key UNIQUE (contact_id, direction, external_id)
);
CREATE INDEX parked_changes_channel_id_idx ON parked_changes (channel_id, created_at);
SELECT protect_table('parked_changes', 'tenant_id');
