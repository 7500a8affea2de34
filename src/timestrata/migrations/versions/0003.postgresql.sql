-- Schema 0003 for PostgreSQL.

CREATE TABLE ts_template_version (
    template_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    ticket_type_id INTEGER NOT NULL,
    estimated_seconds BIGINT,
    steps TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (template_id, version)
);

CREATE TABLE ts_workflow (
    user_id INTEGER NOT NULL,
    number BIGINT NOT NULL,
    workflow_id TEXT COLLATE "C" NOT NULL,
    state SMALLINT NOT NULL,
    ticket_key TEXT COLLATE "C" NOT NULL,
    template_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    timezone TEXT COLLATE "C" NOT NULL,
    estimated_seconds BIGINT,
    attributes TEXT COLLATE "C",
    started_at BIGINT NOT NULL,
    worked_until BIGINT,
    PRIMARY KEY (user_id, number),
    UNIQUE (user_id, workflow_id)
);

CREATE TABLE ts_open_workflow (
    user_id INTEGER NOT NULL,
    number BIGINT NOT NULL,
    running_since BIGINT,
    forgotten INTEGER NOT NULL,
    PRIMARY KEY (user_id, number)
);

CREATE TABLE ts_workflow_event (
    user_id INTEGER NOT NULL,
    number BIGINT NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    step_index SMALLINT,
    session INTEGER,
    request_key TEXT COLLATE "C",
    request_digest BYTEA,
    PRIMARY KEY (user_id, number, position),
    UNIQUE (user_id, request_key)
);

CREATE TABLE ts_token (
    token_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    for_user TEXT COLLATE "C",
    scopes TEXT COLLATE "C" NOT NULL,
    secret_hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (token_id)
);

CREATE TABLE ts_login (
    secret_hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (secret_hash)
);

CREATE TABLE ts_request (
    owner TEXT COLLATE "C" NOT NULL,
    request_key TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    status SMALLINT NOT NULL,
    answer TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner, request_key)
);
