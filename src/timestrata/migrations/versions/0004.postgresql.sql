-- Schema 0004 for PostgreSQL.

ALTER TABLE ts_receipt ADD COLUMN changed BIGINT;

CREATE TABLE ts_archive_file (
    file_id TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    state SMALLINT NOT NULL,
    completions INTEGER NOT NULL,
    bytes BIGINT NOT NULL,
    digest BYTEA,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (file_id)
);

CREATE TABLE ts_archive_part (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    file_id TEXT COLLATE "C" NOT NULL,
    state SMALLINT NOT NULL,
    completions INTEGER NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (user_id, day, file_id)
);

CREATE TABLE ts_day_seal (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    sealed_at BIGINT NOT NULL,
    cells_digest BYTEA NOT NULL,
    PRIMARY KEY (user_id, day)
);

CREATE TABLE ts_archived_worked (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    ticket_type_id INTEGER NOT NULL,
    template_id INTEGER NOT NULL,
    worked_seconds BIGINT NOT NULL,
    sessions INTEGER NOT NULL,
    PRIMARY KEY (user_id, day, ticket_type_id, template_id)
) WITH (fillfactor = 85);

CREATE TABLE ts_job (
    name TEXT COLLATE "C" NOT NULL,
    next_run_at BIGINT,
    holder TEXT COLLATE "C",
    held_until BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    outcome TEXT COLLATE "C",
    result TEXT COLLATE "C",
    PRIMARY KEY (name)
);
