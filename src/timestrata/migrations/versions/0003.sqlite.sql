-- Schema 0003 for SQLite.

CREATE TABLE ts_template_version (
    template_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    ticket_type_id INTEGER NOT NULL,
    estimated_seconds INTEGER,
    steps TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (template_id, version)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_workflow (
    user_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    state INTEGER NOT NULL,
    ticket_key TEXT NOT NULL,
    template_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    timezone TEXT NOT NULL,
    estimated_seconds INTEGER,
    attributes TEXT,
    started_at INTEGER NOT NULL,
    worked_until INTEGER,
    PRIMARY KEY (user_id, number),
    UNIQUE (user_id, workflow_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_open_workflow (
    user_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    running_since INTEGER,
    forgotten INTEGER NOT NULL,
    PRIMARY KEY (user_id, number)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_workflow_event (
    user_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    step_index INTEGER,
    session INTEGER,
    request_key TEXT,
    request_digest BLOB,
    PRIMARY KEY (user_id, number, position),
    UNIQUE (user_id, request_key)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_token (
    token_id TEXT NOT NULL,
    name TEXT NOT NULL,
    for_user TEXT,
    scopes TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (token_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_login (
    secret_hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (secret_hash)
) WITHOUT ROWID, STRICT;

CREATE TABLE ts_request (
    owner TEXT NOT NULL,
    request_key TEXT NOT NULL,
    digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    answer TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (owner, request_key)
) WITHOUT ROWID, STRICT;
