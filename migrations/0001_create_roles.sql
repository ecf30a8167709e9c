-- Two roles that own nothing and bypass nothing. Every transaction of the product takes one of
-- them: `metachat_app` sees one tenant, `metachat_system` crosses tenants (intake, look-ups,
-- retention). Roles belong to the whole server, so another database may be creating them at this
-- very moment: losing that race is as good as winning it.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['metachat_app', 'metachat_system'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, role_name, 'SET') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER WITH SET TRUE, INHERIT TRUE', role_name);
        END IF;
    END LOOP;
END
$$;

CREATE EXTENSION IF NOT EXISTS vector;

-- The tenant of the current transaction, NULL outside of one.
CREATE FUNCTION current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('metachat.tenant_id', true), '')::uuid;

-- Puts a tenant table under row-level security: `metachat_app` meets only rows whose
-- `tenant_column` is the transaction's tenant, `metachat_system` meets all.
CREATE FUNCTION protect_table(target regclass, tenant_column name) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format(
        'CREATE POLICY tenant_isolation ON %s TO metachat_app
             USING (%I = current_tenant()) WITH CHECK (%I = current_tenant())',
        target, tenant_column, tenant_column);
    EXECUTE format(
        'CREATE POLICY system_access ON %s TO metachat_system USING (true) WITH CHECK (true)',
        target);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO metachat_app, metachat_system', target);
END
$$;

-- Makes the daily partitions of `parent` from today up to `days_ahead`, as the owner of the
-- schema: the roles above may not create tables. A DEFAULT partition catches what no daily one does.
CREATE FUNCTION ensure_daily_partitions(parent regclass, days_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first_day date := (now() AT TIME ZONE 'UTC')::date;
    day date;
    child text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_daily_partitions'));
    FOR offset_days IN 0..days_ahead LOOP
        day := first_day + offset_days;
        child := format('%s_%s', parent::text, to_char(day, 'YYYYMMDD'));
        IF to_regclass(child) IS NULL THEN
            BEGIN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)',
                    child, parent,
                    day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                -- Rows of that day are in the DEFAULT partition already: they stay there, and the
                -- other days are made all the same.
                RAISE WARNING 'no partition % was made: its rows are in the default one', child;
            END;
        END IF;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION ensure_daily_partitions(regclass, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_daily_partitions(regclass, integer) TO metachat_system;
