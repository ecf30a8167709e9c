-- Those for retention stand in their place.
DROP INDEX messages_tenant_id_created_at_idx, conversations_tenant_id_last_message_at_idx;
