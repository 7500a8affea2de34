-- Schema 0002 for PostgreSQL: the steps of a completion in one column of it.
-- The table itself stays, because a new one would come without the rights that were granted on it.

ALTER TABLE ts_completion ADD COLUMN steps TEXT COLLATE "C";

UPDATE ts_completion AS c SET steps = (
    SELECT '[' || coalesce(string_agg(
        '[' || s.step_id || ',' || s.active_seconds || ',' || s.paused_seconds || ',' || s.visits || ','
        || coalesce(s.estimated_seconds::text, 'null') || ']', ','
    ), '') || ']'
    FROM ts_completion_step AS s WHERE s.user_id = c.user_id AND s.day = c.day AND s.number = c.number
);

ALTER TABLE ts_completion ALTER COLUMN steps SET NOT NULL;

DROP TABLE ts_completion_step;
