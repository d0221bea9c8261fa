-- How registries are reached, and as whom. A secret is sealed with the key in the
-- data directory: the database alone signs in nowhere.

CREATE TABLE registries (
    host        TEXT PRIMARY KEY,
    username    TEXT,
    -- 'password' or 'identity', a token that stands for a login made before.
    secret_kind TEXT CHECK (secret_kind IN ('password', 'identity')),
    secret      BLOB,
    -- NULL: checked, and plain for this host's own addresses.
    tls         TEXT CHECK (tls IN ('unchecked', 'off')),
    -- Certificates in PEM.
    authorities TEXT,
    -- A JSON list of addresses that are asked first.
    mirrors     TEXT NOT NULL DEFAULT '[]',
    used_ns     INTEGER
) STRICT;

-- Digests an image was brought by: of the index a name led to, and of its manifest.
CREATE TABLE image_digests (
    -- Complete: `docker.io/library/busybox@sha256:…`.
    reference TEXT PRIMARY KEY,
    image_id  TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX image_digests_by_image ON image_digests (image_id);
