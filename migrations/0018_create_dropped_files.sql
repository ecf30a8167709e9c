-- Files whose rows are gone, until they are gone as well: whatever deletes a row, a cascade as well,
-- its file follows. Outside row-level security, for cascades run as the owner of the table; a key
-- says nothing of what was in the file.
CREATE TABLE dropped_files (
    file_key text PRIMARY KEY,
    dropped_at timestamptz NOT NULL DEFAULT now()
);
GRANT INSERT ON dropped_files TO metachat_app;
GRANT SELECT, INSERT, DELETE ON dropped_files TO metachat_system;

CREATE FUNCTION drop_file() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.file_key IS NOT NULL AND OLD.file_key <> '' THEN
        INSERT INTO public.dropped_files (file_key) VALUES (OLD.file_key);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER drop_file AFTER DELETE ON message_files
    FOR EACH ROW EXECUTE FUNCTION drop_file();
CREATE TRIGGER drop_file AFTER DELETE ON webchat_attachments
    FOR EACH ROW EXECUTE FUNCTION drop_file();
