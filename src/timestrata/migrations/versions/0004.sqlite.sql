-- Schema 0004 for SQLite.

ALTER TABLE ts_receipt ADD COLUMN changed INTEGER;

CREATE TABLE ts_archive_file (
    file_id TEXT NOT NULL,
    path TEXT NOT NULL,
    state INTEGER NOT NULL,
    completions INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    digest BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (file_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_archive_part (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    file_id TEXT NOT NULL,
    state INTEGER NOT NULL,
    completions INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (user_id, day, file_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_day_seal (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    sealed_at INTEGER NOT NULL,
    cells_digest BLOB NOT NULL,
    PRIMARY KEY (user_id, day)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_archived_worked (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    ticket_type_id INTEGER NOT NULL,
    template_id INTEGER NOT NULL,
    worked_seconds INTEGER NOT NULL,
    sessions INTEGER NOT NULL,
    PRIMARY KEY (user_id, day, ticket_type_id, template_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_job (
    name TEXT NOT NULL,
    next_run_at INTEGER,
    holder TEXT,
    held_until INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    outcome TEXT,
    result TEXT,
    PRIMARY KEY (name)
) WITHOUT ROWID, STRICT;
