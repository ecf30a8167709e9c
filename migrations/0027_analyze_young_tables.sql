-- Statements that are planned while a table is all but empty take any index to be as good as another,
-- and a connection keeps such a plan until the table is analyzed. Autovacuum comes for that once a
-- minute on most servers; by then a busy tenant's messages are read by the thousand for each look at
-- one. So tables that have doubled are analyzed until they are large enough for plans to be sound.
CREATE FUNCTION analyze_young_tables() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    young record;
    analyzed integer := 0;
BEGIN
    -- Processes that look at the same time do not stand in each other's way.
    IF NOT pg_try_advisory_xact_lock(hashtext('analyze_young_tables')) THEN
        RETURN 0;
    END IF;
    FOR young IN
        SELECT s.schemaname, s.relname
        FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
        WHERE s.schemaname = 'public' AND c.reltuples < 100000
          AND s.n_live_tup >= 50 + 2 * greatest(c.reltuples, 0)
        ORDER BY s.relname
    LOOP
        EXECUTE format('ANALYZE %I.%I', young.schemaname, young.relname);
        analyzed := analyzed + 1;
    END LOOP;
    RETURN analyzed;
END
$$;
REVOKE ALL ON FUNCTION analyze_young_tables() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analyze_young_tables() TO metachat_system;
