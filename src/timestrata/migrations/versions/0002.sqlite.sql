-- Schema 0002 for SQLite: the steps of a completion in one column of it.
-- A new table, because SQLite cannot add a column that is NOT NULL and has no default.

ALTER TABLE ts_completion RENAME TO ts_completion_0001;

CREATE TABLE ts_completion (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    number INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    ticket_key TEXT NOT NULL,
    ticket_type_id INTEGER NOT NULL,
    template_id INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    completed_at INTEGER NOT NULL,
    timezone TEXT NOT NULL,
    active_seconds INTEGER NOT NULL,
    paused_seconds INTEGER NOT NULL,
    estimated_seconds INTEGER,
    attributes TEXT,
    steps TEXT NOT NULL,
    PRIMARY KEY (user_id, day, number)
) WITHOUT ROWID, STRICT;

INSERT INTO ts_completion
SELECT c.user_id, c.day, c.number, c.workflow_id, c.ticket_key, c.ticket_type_id, c.template_id, c.started_at,
    c.completed_at, c.timezone, c.active_seconds, c.paused_seconds, c.estimated_seconds, c.attributes,
    (SELECT '[' || coalesce(group_concat(
        '[' || s.step_id || ',' || s.active_seconds || ',' || s.paused_seconds || ',' || s.visits || ','
        || coalesce(s.estimated_seconds, 'null') || ']', ','
    ), '') || ']'
    FROM ts_completion_step AS s WHERE s.user_id = c.user_id AND s.day = c.day AND s.number = c.number)
FROM ts_completion_0001 AS c;

DROP TABLE ts_completion_0001;

DROP TABLE ts_completion_step;
