-- Who has a conversation, since when, why, and until when.
ALTER TABLE conversations
    ADD COLUMN assigned_at timestamptz,
    -- Who has it, in the tenant's own words; NULL: nobody in particular.
    ADD COLUMN assigned_to text CHECK (length(assigned_to) <= 200),
    ADD COLUMN assign_reason text CHECK (assign_reason IN
        ('asked', 'model', 'unanswered', 'unknown', 'taken', 'echo')),
    -- When the machine answers again unless a person writes before.
    ADD COLUMN release_at timestamptz,
    -- The `seq` up to which people have read.
    ADD COLUMN read_seq bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT conversations_release_check
        CHECK (release_at IS NULL OR status = 'assigned_human');
CREATE INDEX conversations_release_at_idx ON conversations (release_at)
    WHERE release_at IS NOT NULL;
CREATE INDEX conversations_tenant_id_last_message_at_idx
    ON conversations (tenant_id, last_message_at);

-- Since when the person wants no messages.
ALTER TABLE contacts ADD COLUMN opted_out_at timestamptz;

ALTER TABLE messages
    -- Why the machine does not answer what the contact wrote; NULL where it does, or needs not.
    ADD COLUMN unanswered_reason text CHECK (unanswered_reason IN
        ('opted_out', 'opt_word', 'asked_for_person', 'with_person', 'blocked', 'late',
         'switched_off')),
    -- How often a person had it sent again after it had failed.
    ADD COLUMN retry_count smallint NOT NULL DEFAULT 0,
    -- The channel's ids of the sends before that: their reports count no more.
    ADD COLUMN earlier_external_ids text[] NOT NULL DEFAULT '{}';
CREATE INDEX messages_tenant_id_created_at_idx ON messages (tenant_id, created_at);

-- Proof of what was erased: numbers and times, and nothing about the person.
CREATE TABLE contact_erasures (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    -- The contact's id, which leads nowhere once the erasure is done.
    contact_id uuid NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    -- How many rows of each sort were deleted or emptied.
    counts jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(counts) = 'object')
);
CREATE INDEX contact_erasures_tenant_id_idx ON contact_erasures (tenant_id, id);
-- One at a time.
CREATE UNIQUE INDEX contact_erasures_pending_key ON contact_erasures (contact_id)
    WHERE finished_at IS NULL;
SELECT protect_table('contact_erasures', 'tenant_id');
