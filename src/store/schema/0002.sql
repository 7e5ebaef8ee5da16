-- What statistics need of a day that is over, in one row that is read at once: a year would else be
-- a million visits and two million slots. Derived from visits and presence, and made anew whenever
-- it is missing. The key is the day's begin and end, so that days of several zones do not mix.
CREATE TABLE digests (
    from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (from_at, to_at)
) STRICT;
