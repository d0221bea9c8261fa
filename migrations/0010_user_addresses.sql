-- Addresses that a user signed in from. The guesses of others hold nobody up at one of their
-- own, so they outlive the sessions that began there.

CREATE TABLE user_addresses (
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- An IPv4 address, or the first 64 bits of an IPv6 address.
    address      TEXT NOT NULL,
    last_used_ns INTEGER NOT NULL,
    PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;
