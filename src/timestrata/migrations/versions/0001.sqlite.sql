-- Schema 0001 for SQLite.

CREATE TABLE ts_setting (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_user (
    user_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (user_id),
    UNIQUE (name)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_ticket_type (
    ticket_type_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (ticket_type_id),
    UNIQUE (name)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_template (
    template_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (template_id),
    UNIQUE (name)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_step (
    step_id INTEGER NOT NULL,
    template_id INTEGER NOT NULL,
    step_index INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (step_id),
    UNIQUE (template_id, step_index, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_user_state (
    user_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    timezone TEXT,
    sealed_through INTEGER,
    PRIMARY KEY (user_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_receipt (
    user_id INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    state INTEGER NOT NULL,
    day INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    first_fingerprint BLOB,
    PRIMARY KEY (user_id, workflow_id)
) WITHOUT ROWID, STRICT;

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
    PRIMARY KEY (user_id, day, number)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_completion_step (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    number INTEGER NOT NULL,
    step_id INTEGER NOT NULL,
    active_seconds INTEGER NOT NULL,
    paused_seconds INTEGER NOT NULL,
    visits INTEGER NOT NULL,
    estimated_seconds INTEGER,
    PRIMARY KEY (user_id, day, number, step_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_session (
    user_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    step_id INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    active_seconds INTEGER NOT NULL,
    paused_seconds INTEGER NOT NULL,
    PRIMARY KEY (user_id, number, ordinal)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_pause (
    user_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    position INTEGER NOT NULL,
    paused_at INTEGER NOT NULL,
    resumed_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, number, ordinal, position)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_session_part (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    number INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    worked_seconds INTEGER NOT NULL,
    PRIMARY KEY (user_id, day, number, ordinal)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_gap_alert (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    number INTEGER NOT NULL,
    step_id INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    ticket_key TEXT NOT NULL,
    ticket_type_id INTEGER NOT NULL,
    template_id INTEGER NOT NULL,
    completed_at INTEGER NOT NULL,
    actual_seconds INTEGER NOT NULL,
    estimated_seconds INTEGER NOT NULL,
    dismissed_at INTEGER,
    PRIMARY KEY (user_id, day, number, step_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_cell_completion (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    ticket_type_id INTEGER NOT NULL,
    template_id INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    observations INTEGER NOT NULL,
    active_seconds INTEGER NOT NULL,
    active_squared INTEGER NOT NULL,
    min_seconds INTEGER NOT NULL,
    max_seconds INTEGER NOT NULL,
    paused_seconds INTEGER NOT NULL,
    with_estimate INTEGER NOT NULL,
    estimated_seconds INTEGER NOT NULL,
    estimated_active_seconds INTEGER NOT NULL,
    gap_alerts INTEGER NOT NULL,
    reworked INTEGER NOT NULL,
    PRIMARY KEY (user_id, day, ticket_type_id, template_id, bucket)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_cell_step (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    step_id INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    observations INTEGER NOT NULL,
    active_seconds INTEGER NOT NULL,
    active_squared INTEGER NOT NULL,
    min_seconds INTEGER NOT NULL,
    max_seconds INTEGER NOT NULL,
    paused_seconds INTEGER NOT NULL,
    with_estimate INTEGER NOT NULL,
    estimated_seconds INTEGER NOT NULL,
    estimated_active_seconds INTEGER NOT NULL,
    gap_alerts INTEGER NOT NULL,
    reworked INTEGER NOT NULL,
    PRIMARY KEY (user_id, day, step_id, bucket)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_cell_worked (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    ticket_type_id INTEGER NOT NULL,
    template_id INTEGER NOT NULL,
    worked_seconds INTEGER NOT NULL,
    sessions INTEGER NOT NULL,
    PRIMARY KEY (user_id, day, ticket_type_id, template_id)
) WITHOUT ROWID, STRICT;

CREATE VIEW time_daily_aggregates AS
SELECT ts_user.name AS user_id, date(daily.day * 86400, 'unixepoch') AS day, ts_ticket_type.name AS ticket_type, daily.completed, daily.active_seconds, daily.paused_seconds, daily.worked_seconds, daily.sessions, daily.with_estimate, daily.estimated_seconds, daily.estimated_active_seconds, daily.min_seconds, daily.max_seconds, daily.gap_alerts
FROM (SELECT rows.user_id AS user_id, rows.day AS day, rows.ticket_type_id AS ticket_type_id, CAST(sum(rows.completed) AS INTEGER) AS completed, CAST(sum(rows.active_seconds) AS INTEGER) AS active_seconds, CAST(sum(rows.paused_seconds) AS INTEGER) AS paused_seconds, CAST(sum(rows.with_estimate) AS INTEGER) AS with_estimate, CAST(sum(rows.estimated_seconds) AS INTEGER) AS estimated_seconds, CAST(sum(rows.estimated_active_seconds) AS INTEGER) AS estimated_active_seconds, CAST(sum(rows.gap_alerts) AS INTEGER) AS gap_alerts, CAST(sum(rows.worked_seconds) AS INTEGER) AS worked_seconds, CAST(sum(rows.sessions) AS INTEGER) AS sessions, min(rows.min_seconds) AS min_seconds, max(rows.max_seconds) AS max_seconds
FROM (SELECT ts_cell_completion.user_id AS user_id, ts_cell_completion.day AS day, ts_cell_completion.ticket_type_id AS ticket_type_id, ts_cell_completion.observations AS completed, ts_cell_completion.active_seconds AS active_seconds, ts_cell_completion.paused_seconds AS paused_seconds, ts_cell_completion.with_estimate AS with_estimate, ts_cell_completion.estimated_seconds AS estimated_seconds, ts_cell_completion.estimated_active_seconds AS estimated_active_seconds, ts_cell_completion.gap_alerts AS gap_alerts, ts_cell_completion.min_seconds AS min_seconds, ts_cell_completion.max_seconds AS max_seconds, 0 AS worked_seconds, 0 AS sessions
FROM ts_cell_completion UNION ALL SELECT ts_cell_worked.user_id AS user_id, ts_cell_worked.day AS day, ts_cell_worked.ticket_type_id AS ticket_type_id, 0 AS anon_1, 0 AS anon__1, 0 AS anon__2, 0 AS anon__3, 0 AS anon__4, 0 AS anon__5, 0 AS anon__6, NULL AS anon_2, NULL AS anon__7, ts_cell_worked.worked_seconds AS worked_seconds, ts_cell_worked.sessions AS sessions
FROM ts_cell_worked) AS rows GROUP BY rows.user_id, rows.day, rows.ticket_type_id) AS daily JOIN ts_user ON ts_user.user_id = daily.user_id JOIN ts_ticket_type ON ts_ticket_type.ticket_type_id = daily.ticket_type_id;

CREATE VIEW time_step_averages AS
SELECT ts_template.name AS template, ts_step.step_index AS step_index, ts_step.name AS step_name, CAST(sum(ts_cell_step.observations) AS INTEGER) AS observations, CAST(sum(ts_cell_step.active_seconds) AS INTEGER) AS active_seconds, CAST(sum(ts_cell_step.active_seconds) AS FLOAT) / (CAST(nullif(sum(ts_cell_step.observations), 0) AS FLOAT) + 0.0) AS mean_seconds, min(ts_cell_step.min_seconds) AS min_seconds, max(ts_cell_step.max_seconds) AS max_seconds, CAST(sum(ts_cell_step.with_estimate) AS INTEGER) AS with_estimate, CAST(sum(ts_cell_step.estimated_seconds) AS INTEGER) AS estimated_seconds, CAST(sum(ts_cell_step.estimated_active_seconds) AS INTEGER) AS estimated_active_seconds, CAST(sum(ts_cell_step.estimated_active_seconds) AS FLOAT) / (CAST(nullif(sum(ts_cell_step.estimated_seconds), 0) AS FLOAT) + 0.0) AS estimate_ratio, CAST(sum(ts_cell_step.gap_alerts) AS INTEGER) AS gap_alerts, date(min(ts_cell_step.day) * 86400, 'unixepoch') AS first_day, date(max(ts_cell_step.day) * 86400, 'unixepoch') AS last_day
FROM ts_cell_step JOIN ts_step ON ts_step.step_id = ts_cell_step.step_id JOIN ts_template ON ts_template.template_id = ts_step.template_id GROUP BY ts_template.name, ts_step.step_index, ts_step.name;

CREATE VIEW time_user_averages AS
SELECT ts_user.name AS user_id, ts_ticket_type.name AS ticket_type, CAST(sum(ts_cell_completion.observations) AS INTEGER) AS observations, CAST(sum(ts_cell_completion.active_seconds) AS INTEGER) AS active_seconds, CAST(sum(ts_cell_completion.active_seconds) AS FLOAT) / (CAST(nullif(sum(ts_cell_completion.observations), 0) AS FLOAT) + 0.0) AS mean_seconds, min(ts_cell_completion.min_seconds) AS min_seconds, max(ts_cell_completion.max_seconds) AS max_seconds, CAST(sum(ts_cell_completion.with_estimate) AS INTEGER) AS with_estimate, CAST(sum(ts_cell_completion.estimated_seconds) AS INTEGER) AS estimated_seconds, CAST(sum(ts_cell_completion.estimated_active_seconds) AS INTEGER) AS estimated_active_seconds, CAST(sum(ts_cell_completion.estimated_active_seconds) AS FLOAT) / (CAST(nullif(sum(ts_cell_completion.estimated_seconds), 0) AS FLOAT) + 0.0) AS estimate_ratio, CAST(sum(ts_cell_completion.gap_alerts) AS INTEGER) AS gap_alerts, date(min(ts_cell_completion.day) * 86400, 'unixepoch') AS first_day, date(max(ts_cell_completion.day) * 86400, 'unixepoch') AS last_day
FROM ts_cell_completion JOIN ts_user ON ts_user.user_id = ts_cell_completion.user_id JOIN ts_ticket_type ON ts_ticket_type.ticket_type_id = ts_cell_completion.ticket_type_id GROUP BY ts_user.name, ts_ticket_type.name;

CREATE VIEW time_gap_alerts AS
SELECT ts_user.name AS user_id, date(ts_gap_alert.day * 86400, 'unixepoch') AS day, ts_gap_alert.workflow_id, ts_gap_alert.ticket_key, ts_ticket_type.name AS ticket_type, ts_template.name AS template, CASE WHEN (ts_gap_alert.step_id = 0) THEN 'workflow' ELSE 'step' END AS kind, ts_step.step_index, ts_step.name AS step_name, ts_gap_alert.actual_seconds, ts_gap_alert.estimated_seconds, strftime('%Y-%m-%dT%H:%M:%fZ', ts_gap_alert.completed_at / 1000000.0, 'unixepoch') AS completed_at, strftime('%Y-%m-%dT%H:%M:%fZ', ts_gap_alert.dismissed_at / 1000000.0, 'unixepoch') AS dismissed_at
FROM ts_gap_alert JOIN ts_user ON ts_user.user_id = ts_gap_alert.user_id JOIN ts_ticket_type ON ts_ticket_type.ticket_type_id = ts_gap_alert.ticket_type_id JOIN ts_template ON ts_template.template_id = ts_gap_alert.template_id LEFT OUTER JOIN ts_step ON ts_step.step_id = ts_gap_alert.step_id;
