-- Images are built here: what was built and how it ended, and what steps made, so
-- that the same step need not be done twice.

-- One row a build that is over; its log lies beside, as a file of this name.
CREATE TABLE builds (
    id         TEXT PRIMARY KEY,
    owner      TEXT,
    -- 'done', 'failed', 'cancelled', or 'lost' when the server went away meanwhile.
    state      TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled', 'lost')),
    image_id   TEXT,
    started_ns INTEGER NOT NULL,
    ended_ns   INTEGER,
    -- File, tags, target, steps, warnings and what went wrong.
    details    TEXT NOT NULL
) STRICT;
CREATE INDEX builds_by_time ON builds (started_ns);

-- What a step made, by the key of all it depends on.
CREATE TABLE build_cache (
    key            TEXT PRIMARY KEY,
    -- The step, for people.
    title          TEXT NOT NULL,
    created_ns     INTEGER NOT NULL,
    used_ns        INTEGER NOT NULL,
    uses           INTEGER NOT NULL DEFAULT 0,
    -- Of its own layer, unpacked; 0 when it made none.
    size_bytes     INTEGER NOT NULL,
    -- Whether it made a layer: the topmost of those below.
    has_layer      INTEGER NOT NULL
) STRICT;

-- All layers that a remembered layer stands on, itself included: the collector keeps them.
CREATE TABLE build_cache_layers (
    key            TEXT NOT NULL REFERENCES build_cache (key) ON DELETE CASCADE,
    position       INTEGER NOT NULL,
    digest         TEXT NOT NULL,
    diff_id        TEXT NOT NULL,
    chain_id       TEXT NOT NULL,
    size_bytes     INTEGER NOT NULL,
    unpacked_bytes INTEGER NOT NULL,
    PRIMARY KEY (key, position)
) STRICT, WITHOUT ROWID;
