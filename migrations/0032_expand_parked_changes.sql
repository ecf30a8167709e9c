-- The item that told of a change: an operator reads there that its message never came.
ALTER TABLE parked_changes
    ADD COLUMN raw_item_id uuid,
    ADD COLUMN raw_received_at timestamptz;
