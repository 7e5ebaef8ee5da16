-- The records. Times are UTC milliseconds, lengths milliseconds, sizes bytes.

-- One row for each start of a writer. An open visit belongs to the run that accounts it.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL
) STRICT;

-- One stay of a user at an app. While it is under way, ended_at is NULL and the rest is as of
-- seen_at; in a gap, ended_because says already why the last WebSocket ended.
CREATE TABLE visits (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    user TEXT NOT NULL,
    app TEXT NOT NULL,
    role TEXT NOT NULL,
    address TEXT NOT NULL,
    browser TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ended_at INTEGER,
    dwell_ms INTEGER NOT NULL,
    active_ms INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    in_bytes INTEGER NOT NULL,
    out_bytes INTEGER NOT NULL,
    ended_because TEXT
) STRICT;
CREATE INDEX visits_by_start ON visits (started_at);
CREATE INDEX visits_by_user ON visits (user, started_at);
CREATE INDEX visits_by_app ON visits (app, started_at);
CREATE INDEX visits_open ON visits (started_at) WHERE ended_at IS NULL;

-- How much of each quarter of an hour (of UTC) a user was at an app. The days of every zone are
-- made of these: dwell of a visit over midnight counts on both days.
CREATE TABLE presence (
    slot_at INTEGER NOT NULL,
    user TEXT NOT NULL,
    app TEXT NOT NULL,
    visits INTEGER NOT NULL, -- that began in it
    dwell_ms INTEGER NOT NULL,
    active_ms INTEGER NOT NULL,
    PRIMARY KEY (slot_at, user, app)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL, -- usher, operator, user, admin
    actor_name TEXT,
    user TEXT,
    app TEXT,
    address TEXT,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_time ON events (at);
CREATE INDEX events_by_kind ON events (kind, at);
CREATE INDEX events_by_user ON events (user, at) WHERE user IS NOT NULL;
CREATE INDEX events_by_actor ON events (actor_name, at) WHERE actor_name IS NOT NULL;
CREATE INDEX events_by_app ON events (app, at) WHERE app IS NOT NULL;

-- Starts of seats that succeeded.
CREATE TABLE starts (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    user TEXT NOT NULL,
    app TEXT NOT NULL,
    launch TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    queued_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX starts_by_app ON starts (app, at);
CREATE INDEX starts_by_seat ON starts (user, app, at);

-- Samples, as measured (step_ms 0) or thinned to steps. A step's rows leave when they are thinned,
-- so that each moment is in one row only.
CREATE TABLE machine_samples (
    step_ms INTEGER NOT NULL,
    at INTEGER NOT NULL,
    measured INTEGER NOT NULL, -- how many measurements it is made of
    cpu_cores REAL NOT NULL,
    cpu_cores_max REAL NOT NULL,
    cpu_cores_total REAL NOT NULL,
    memory_bytes INTEGER NOT NULL,
    memory_max_bytes INTEGER NOT NULL,
    memory_total_bytes INTEGER NOT NULL,
    swap_bytes INTEGER NOT NULL,
    swap_total_bytes INTEGER NOT NULL,
    disk_bytes INTEGER NOT NULL,
    disk_total_bytes INTEGER NOT NULL,
    network_in_bytes_per_s REAL NOT NULL,
    network_out_bytes_per_s REAL NOT NULL,
    load_1m REAL NOT NULL,
    PRIMARY KEY (step_ms, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE seat_samples (
    step_ms INTEGER NOT NULL,
    at INTEGER NOT NULL,
    user TEXT NOT NULL,
    app TEXT NOT NULL,
    measured INTEGER NOT NULL,
    cpu_cores REAL NOT NULL,
    cpu_cores_max REAL NOT NULL,
    memory_bytes INTEGER NOT NULL,
    memory_max_bytes INTEGER NOT NULL,
    threads INTEGER,
    open_files INTEGER,
    PRIMARY KEY (step_ms, at, user, app)
) STRICT, WITHOUT ROWID;
CREATE INDEX seat_samples_by_seat ON seat_samples (user, app, at);
