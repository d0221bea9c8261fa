-- The first shape of what is wanted and what was. What runs now is asked of the
-- shims and the kernel. Times are nanoseconds since 1970 in UTC (`_ns`), sizes
-- bytes (`_bytes`); JSON columns hold forms that the `store` crate owns.

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE containers (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    image_id        TEXT NOT NULL,
    spec            TEXT NOT NULL,
    created_ns      INTEGER NOT NULL,
    -- 'making' until complete, 'ready', 'removing' once begun to be removed:
    -- a row found in the first or last is unmade or removed at the next start.
    phase           TEXT NOT NULL CHECK (phase IN ('making', 'ready', 'removing')),
    state           TEXT NOT NULL CHECK (state IN ('created', 'running', 'paused', 'exited', 'failed', 'lost')),
    -- Counts starts; 0 before the first.
    run             INTEGER NOT NULL DEFAULT 0,
    init_pid        INTEGER,
    init_ticks      INTEGER,
    started_ns      INTEGER,
    ended_ns        INTEGER,
    exit_code       INTEGER,
    exit_signal     INTEGER,
    oom_killed      INTEGER NOT NULL DEFAULT 0,
    reason          TEXT,
    restart_count   INTEGER NOT NULL DEFAULT 0,
    stopped_by_hand INTEGER NOT NULL DEFAULT 0,
    endpoint        TEXT,
    -- Port mappings in force, with the host ports chosen at the start.
    ports           TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX containers_by_image ON containers (image_id);

-- One row a start: where its log begins and how it ended.
CREATE TABLE runs (
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    run          INTEGER NOT NULL,
    first_line   INTEGER NOT NULL,
    started_ns   INTEGER NOT NULL,
    ended_ns     INTEGER,
    exit_code    INTEGER,
    oom_killed   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (container_id, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
    id          TEXT PRIMARY KEY,
    manifest    TEXT NOT NULL,
    created_ns  INTEGER,
    added_ns    INTEGER NOT NULL,
    size_bytes  INTEGER NOT NULL
) STRICT;

CREATE TABLE image_layers (
    image_id       TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position       INTEGER NOT NULL,
    digest         TEXT NOT NULL,
    diff_id        TEXT NOT NULL,
    chain_id       TEXT NOT NULL,
    size_bytes     INTEGER NOT NULL,
    unpacked_bytes INTEGER NOT NULL,
    PRIMARY KEY (image_id, position)
) STRICT, WITHOUT ROWID;

-- Complete references: `docker.io/library/busybox:latest`.
CREATE TABLE tags (
    reference  TEXT PRIMARY KEY,
    image_id   TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    updated_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX tags_by_image ON tags (image_id);

CREATE TABLE volumes (
    name       TEXT PRIMARY KEY,
    created_ns INTEGER NOT NULL,
    -- Made for one container without a name of its own; goes with it when asked.
    anonymous  INTEGER NOT NULL,
    labels     TEXT NOT NULL DEFAULT '[]'
) STRICT;

-- Written in the transaction of the change they tell. AUTOINCREMENT, so that a
-- number is never used again.
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns    INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    action     TEXT NOT NULL,
    attributes TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_subject ON events (subject, seq);

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    created_ns    INTEGER NOT NULL
) STRICT;

-- Secrets are kept as their SHA-256 only.
CREATE TABLE sessions (
    secret_hash  TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_ns   INTEGER NOT NULL,
    expires_ns   INTEGER NOT NULL,
    last_used_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    secret_hash  TEXT NOT NULL UNIQUE,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    role         TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    created_ns   INTEGER NOT NULL,
    expires_ns   INTEGER,
    last_used_ns INTEGER
) STRICT;
