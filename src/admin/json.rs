//! The documents of the API, each with its schema (DESIGN section 4: times RFC 3339, durations
//! seconds `_s`, sizes `_bytes`). Plain data: `documents` makes them.

use serde_json::{Value, json};

use super::described::{Date, Described, Schemas, Time, about, described, object};
use crate::domain::SeatState;
use crate::operate::SeatJson;

described! {
    /// Seats that are not absent.
    Seats {
        /// By user and app.
        seats: Vec<SeatJson>,
    }

    /// The end of a seat's log.
    SeatLog {
        /// Of the newest launch, oldest first.
        lines: Vec<String>,
    }

    /// One stay of a user at an app: from the first WebSocket to the last.
    Visit {
        /// Its number.
        id: i64,
        /// Who.
        user: String,
        /// Their role then.
        role: &'static str,
        /// Where.
        app: String,
        /// From which address.
        address: String,
        /// With what.
        browser: String,
        /// When the first WebSocket was opened.
        started_at: Time,
        /// When the last one was closed; null while it goes on.
        ended_at: Option<Time>,
        /// The time with at least one WebSocket open.
        dwell_s: f64,
        /// The part of it in which the person did something.
        active_s: f64,
        /// HTTP requests.
        requests: u64,
        /// Bytes from the browser.
        in_bytes: u64,
        /// Bytes to the browser.
        out_bytes: u64,
        /// Why it ended; null while it goes on.
        ended_because: Option<String>,
    }

    /// Visits, newest first.
    Visits {
        /// At most `limit`.
        visits: Vec<Visit>,
        /// Ask with this as `after` for older ones; null: there are none.
        after: Option<String>,
    }

    /// A value of a clause: a text or a number.
    ClauseValue {
        /// Which place of the text it fills.
        name: String,
        /// text (as it is), word (the key of a text), count, seconds or bytes.
        kind: &'static str,
        /// The text, or the word's key; null: it is a number.
        text: Option<String>,
        /// The number; null: it is a text.
        number: Option<f64>,
    }

    /// A part of what an event says.
    Clause {
        /// The key of its text in texts/ko.ini and texts/en.ini.
        code: String,
        /// What fills the places of the text.
        values: Vec<ClauseValue>,
    }

    /// Something that happened.
    Event {
        /// Its number.
        id: i64,
        /// When.
        at: Time,
        /// A stable word, such as seat_crashed.
        kind: String,
        /// Who caused it: usher, operator, user or admin.
        actor: String,
        /// The name of that user or admin.
        actor_name: Option<String>,
        /// Whose seat it is about.
        user: Option<String>,
        /// Which app's seat.
        app: Option<String>,
        /// From which address it was caused.
        address: Option<String>,
        /// The reason or detail, in English.
        detail: String,
        /// The same as data; empty for events that were recorded without.
        clauses: Vec<Clause>,
    }

    /// Events, newest first.
    Events {
        /// At most `limit`.
        events: Vec<Event>,
        /// Ask with this as `after` for older ones; null: there are none.
        after: Option<String>,
    }

    /// A user of the configuration.
    User {
        /// Their name.
        name: String,
        /// admin or user.
        role: &'static str,
        /// Addresses and networks that they call from.
        addresses: Vec<String>,
        /// The apps that they may use.
        apps: Vec<String>,
        /// What they have to prove: address, password, oidc.
        proofs: Vec<&'static str>,
        /// Whether a code is asked for on top of the password.
        has_code: bool,
        /// WebSockets of theirs that are open now.
        websockets: u32,
        /// Since when one of them is open; null: none is.
        here_since: Option<Time>,
        /// When they were here last; null: never, or it is no longer kept.
        last_seen_at: Option<Time>,
        /// From which address.
        last_address: Option<String>,
        /// With what.
        last_browser: Option<String>,
        /// At which app.
        last_app: Option<String>,
    }

    /// Users in the order of the file.
    Users {
        /// At most `limit`.
        users: Vec<User>,
        /// Ask with this as `after` for the next ones; null: there are none.
        after: Option<String>,
    }

    /// Sums over some visits.
    Amounts {
        /// Visits that began.
        visits: u64,
        /// Different people who were here.
        people: u64,
        /// Dwell that was spent.
        dwell_s: f64,
        /// Active time that was spent.
        active_s: f64,
        /// The mean dwell of the visits that began; null without any.
        dwell_mean_s: Option<f64>,
        /// Its median.
        dwell_median_s: Option<f64>,
        /// HTTP requests.
        requests: u64,
        /// Bytes from browsers.
        in_bytes: u64,
        /// Bytes to browsers.
        out_bytes: u64,
    }

    /// A day.
    Day {
        /// Which, in the configured zone.
        date: Date,
        with amounts: Amounts,
    }

    /// An ISO week.
    Week {
        /// Such as 2026-W48.
        week: String,
        /// Its Monday.
        monday: Date,
        with amounts: Amounts,
    }

    /// What belongs to a user, an app, or a user at an app.
    Share {
        /// The user; null: all of them.
        user: Option<String>,
        /// The app; null: all of them.
        app: Option<String>,
        with amounts: Amounts,
    }

    /// An hour of the week, over all weeks of the range.
    Hour {
        /// 1 is Monday, 7 is Sunday.
        weekday: u32,
        /// 0 to 23.
        hour: u32,
        /// Visits that began in it.
        visits: u64,
        /// Dwell that was spent in it.
        dwell_s: f64,
        /// Active time that was spent in it.
        active_s: f64,
        /// How many were here at once, on average; null: the range has no such hour.
        people_mean: Option<f64>,
    }

    /// Visits, people and times.
    Statistics {
        /// The first day that is counted.
        from: Date,
        /// The last one.
        to: Date,
        /// Whose days and weeks; null: a zone without a name.
        timezone: Option<String>,
        /// All of it.
        totals: Amounts,
        /// Every day.
        days: Vec<Day>,
        /// Every week that has a day in the range.
        weeks: Vec<Week>,
        /// By user, longest dwell first.
        users: Vec<Share>,
        /// By app, longest dwell first.
        apps: Vec<Share>,
        /// By user and app, longest dwell first.
        seats: Vec<Share>,
        /// By hour of the week, Monday first.
        hours: Vec<Hour>,
    }

    /// The machine at this moment.
    Machine {
        /// Cores in use.
        cpu_cores: f64,
        /// Cores there are.
        cpu_cores_total: f64,
        /// The load average of a minute.
        load_1m: f64,
        /// Memory in use.
        memory_bytes: u64,
        /// Memory there is.
        memory_total_bytes: u64,
        /// Swap in use.
        swap_bytes: u64,
        /// Swap there is.
        swap_total_bytes: u64,
        /// Used on the file system of state_dir.
        disk_bytes: u64,
        /// Its size.
        disk_total_bytes: u64,
        /// Received per second.
        network_in_bytes_per_s: f64,
        /// Sent per second.
        network_out_bytes_per_s: f64,
    }

    /// Usher's own process.
    Process {
        /// Its version.
        version: String,
        /// Its number.
        pid: u32,
        /// starting, serving or draining.
        state: &'static str,
        /// When it started.
        started_at: Time,
        /// CPU time since then; null where the system does not say.
        cpu_s: Option<f64>,
        /// Its memory.
        memory_bytes: Option<u64>,
        /// Its threads.
        threads: Option<u32>,
        /// Files and sockets that it has open.
        open_files: Option<u64>,
        /// How many it may have open.
        open_files_max: Option<u64>,
    }

    /// The records.
    Database {
        /// The file.
        path: String,
        /// Its size.
        size_bytes: u64,
        /// Visits, roughly.
        visits: u64,
        /// Events, roughly.
        events: u64,
        /// When the oldest visit began.
        oldest_visit_at: Option<Time>,
    }

    /// Scheduled copies of the database.
    Backups {
        /// When the newest one was made.
        newest_at: Option<Time>,
        /// Where it is.
        newest: Option<String>,
        /// When the next one is due; null: there is no schedule.
        next_at: Option<Time>,
        /// Why the latest try failed.
        problem: Option<String>,
    }

    /// A certificate that the file names.
    Certificate {
        /// The file.
        file: String,
        /// The names that it is for.
        names: Vec<String>,
        /// Until when it is valid; null: it cannot be read.
        until: Option<Time>,
        /// What is wrong with it, or soon will be.
        problem: Option<String>,
    }

    /// Numbers since the start.
    Counts {
        /// Answers with 1xx.
        answers_1xx: u64,
        /// Answers with 2xx.
        answers_2xx: u64,
        /// Answers with 3xx.
        answers_3xx: u64,
        /// Answers with 4xx.
        answers_4xx: u64,
        /// Answers with 5xx.
        answers_5xx: u64,
        /// Requests that were not answered.
        unanswered: u64,
        /// WebSockets of seats that were opened.
        websockets_opened: u64,
        /// WebSockets of seats that are open.
        websockets_open: u64,
        /// Bytes from browsers.
        in_bytes: u64,
        /// Bytes to browsers.
        out_bytes: u64,
        /// Facts that the account could not take in time.
        facts_dropped: u64,
        /// Records that the database did not take.
        records_lost: u64,
    }

    /// The machine, this process and what it keeps.
    Server {
        /// The machine.
        machine: Machine,
        /// Usher.
        process: Process,
        /// The records; null if they cannot be read now.
        database: Option<Database>,
        /// Why records are not written at the moment; null: they are.
        records_problem: Option<String>,
        /// Scheduled copies.
        backups: Backups,
        /// Certificates; empty without TLS.
        certificates: Vec<Certificate>,
        /// Numbers.
        counts: Counts,
    }

    /// Something that is wrong, or worth knowing, in the file.
    Problem {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// The key; empty for the file itself.
        path: String,
        /// What is wrong.
        sentence: String,
        /// What to do; may be empty.
        hint: String,
    }

    /// A setting as it is in force.
    Setting {
        /// Such as apps.main.idle_timeout.
        path: String,
        /// In the notation of the file.
        value: String,
    }

    /// What is in force.
    Configuration {
        /// The file.
        file: String,
        /// When it was loaded.
        loaded_at: Time,
        /// What is wrong with the file as it is now; empty: it is the one in force.
        problems: Vec<Problem>,
        /// What may not be meant.
        warnings: Vec<Problem>,
        /// Every setting but the users', defaults included. Shows no secret.
        settings: Vec<Setting>,
    }

    /// A text to everybody who has an app open.
    Notice {
        /// Grows by one.
        id: u64,
        /// When it was given.
        at: Time,
        /// By whom.
        by: String,
        /// The text.
        text: String,
    }

    /// The notices of this run, newest first.
    Notices {
        /// At most twenty.
        notices: Vec<Notice>,
    }

    /// What an order did to a seat.
    Ordered {
        /// Whose seat.
        user: String,
        /// Of which app.
        app: String,
        /// Its state now; the order may still be under way.
        state: &'static str,
        /// WebSockets that were closed by it.
        websockets_closed: usize,
    }

    /// What a reload changed.
    Reloaded {
        /// In words; empty: nothing.
        changes: Vec<String>,
    }

    /// What went wrong.
    Fault {
        /// A stable word.
        code: String,
        /// What happened.
        message: String,
        /// What can be done.
        hint: String,
    }

    /// An answer that is no.
    Error {
        /// Why.
        error: Fault,
    }
}

impl Described for SeatJson {
    fn schema(schemas: &mut Schemas) -> Value {
        schemas.named("Seat", |schemas| {
            let words = |words: &[&str]| json!({ "type": "string", "enum": words });
            let maybe = |words: &[&str]| {
                let mut all: Vec<Value> = words.iter().map(|word| json!(word)).collect();
                all.push(Value::Null);
                json!({ "type": ["string", "null"], "enum": all })
            };
            let launches = ["fork", "spawn", "command", "upstream"];
            let states = SeatState::ALL.map(SeatState::as_str);
            let time = Option::<Time>::schema(schemas);
            let text = Option::<String>::schema(schemas);
            let number = Option::<u64>::schema(schemas);
            object(
                "One user's own running copy of one app. What does not apply is null.",
                vec![
                    ("user", about(String::schema(schemas), "Whose.")),
                    ("app", about(String::schema(schemas), "Of which app.")),
                    ("state", about(words(&states), "Where it is in its life.")),
                    ("generation", about(number.clone(), "The number of its latest launch.")),
                    ("pid", about(number.clone(), "Its process.")),
                    ("endpoint", about(text.clone(), "Where it listens.")),
                    ("launch", about(maybe(&launches), "How it came to be.")),
                    ("since", about(Time::schema(schemas), "Since when it is in this state.")),
                    ("websockets", about(u32::schema(schemas), "Open WebSockets: tabs.")),
                    ("last_act_at", about(time.clone(), "When the person did something last.")),
                    ("cpu_cores", about(Option::<f64>::schema(schemas), "Cores in use.")),
                    ("memory_bytes", about(number, "Memory in use.")),
                    ("runs_because", about(text.clone(), "Why it runs.")),
                    ("stops_at", about(time, "When it stops if nothing happens.")),
                    ("stops_because", about(text, "Why it stops then, or is stopping.")),
                ],
            )
        })
    }
}
