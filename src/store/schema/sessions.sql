-- Who is signed in. Times are UTC milliseconds.

CREATE TABLE sessions (
    hash BLOB PRIMARY KEY, -- of the secret in the cookie
    user TEXT NOT NULL,
    password INTEGER NOT NULL, -- proven
    oidc INTEGER NOT NULL, -- proven
    credential BLOB NOT NULL, -- what it rests on
    began_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    address TEXT NOT NULL,
    browser TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The last thirty-second step of each user whose one-time code was used.
CREATE TABLE used_steps (
    user TEXT PRIMARY KEY,
    step INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
