//! Makes the documents of the API out of what usher knows. The pages show the same documents, so
//! that both say the same.

use std::collections::HashMap;

use super::Admin;
use super::described::{Date, Time};
use super::json;
use crate::account::{Counters, Presence, StatusClass};
use crate::certificates::Chain;
use crate::clock::Timestamp;
use crate::config::{self, Proof, Snapshot};
use crate::domain::{Actor, Value};
use crate::notice;
use crate::observe::MachineSample;
use crate::operate::{InForce, rfc3339};
use crate::store::{Amounts, ClauseRow, EventRow, LastSeen, Share, Statistics, Storage, VisitRow};

/// A time of the configured zone.
pub(super) fn time(at: Timestamp, snapshot: &Snapshot) -> Time {
    Time(rfc3339(at, snapshot))
}

/// Milliseconds as seconds.
pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

pub(super) fn visit(row: &VisitRow, snapshot: &Snapshot) -> json::Visit {
    json::Visit {
        id: row.id.0,
        user: row.user.clone(),
        role: row.role.as_str(),
        app: row.app.clone(),
        address: row.address.clone(),
        browser: row.browser.clone(),
        started_at: time(row.started_at, snapshot),
        ended_at: row.ended_at.map(|at| time(at, snapshot)),
        dwell_s: seconds(row.dwell_ms),
        active_s: seconds(row.active_ms),
        requests: row.requests,
        in_bytes: row.in_bytes,
        out_bytes: row.out_bytes,
        ended_because: row.ended_because.clone(),
    }
}

pub(super) fn event(row: &EventRow, snapshot: &Snapshot) -> json::Event {
    json::Event {
        id: row.id,
        at: time(row.at, snapshot),
        kind: row.kind.clone(),
        actor: row.actor.clone(),
        actor_name: row.actor_name.clone(),
        user: row.user.clone(),
        app: row.app.clone(),
        address: row.address.clone(),
        detail: row.detail.clone(),
        clauses: row.clauses.iter().map(clause).collect(),
    }
}

pub(super) fn clause(row: &ClauseRow) -> json::Clause {
    let value = |(name, value): &(String, Value)| {
        let name = name.clone();
        let text = |kind, text: &str| (kind, Some(text.to_owned()), None);
        let (kind, text, number) = match value {
            Value::Text(said) => text("text", said),
            Value::Word(word) => text("word", word.key()),
            Value::Count(count) => ("count", None, Some(*count as f64)),
            Value::Milliseconds(ms) => ("seconds", None, Some(seconds(*ms))),
            Value::Bytes(bytes) => ("bytes", None, Some(*bytes as f64)),
        };
        json::ClauseValue { name, kind, text, number }
    };
    json::Clause { code: row.code.clone(), values: row.values.iter().map(value).collect() }
}

/// Who is here now: by user, how many WebSockets and since when.
pub(super) struct Here(HashMap<String, (u32, Timestamp)>);

impl Here {
    /// Out of those who have an app open.
    pub(super) fn of(present: &[Presence]) -> Self {
        let mut here = HashMap::new();
        for one in present {
            let entry = here.entry(one.key.user.to_string()).or_insert((0, one.since));
            entry.0 += u32::try_from(one.websockets).unwrap_or(u32::MAX);
            entry.1 = entry.1.min(one.since);
        }
        Self(here)
    }

    /// A user's WebSockets and the begin of the oldest.
    pub(super) fn user(&self, name: &str) -> Option<(u32, Timestamp)> {
        self.0.get(name).copied()
    }
}

pub(super) fn user(
    user: &config::User,
    here: &Here,
    last: Option<&LastSeen>,
    snapshot: &Snapshot,
) -> json::User {
    let here = here.user(user.name.as_str());
    json::User {
        name: user.name.to_string(),
        role: user.role.as_str(),
        addresses: user.addresses.iter().map(network).collect(),
        apps: user.apps.iter().map(ToString::to_string).collect(),
        proofs: user.proofs.iter().map(|proof| proof_word(*proof)).collect(),
        has_code: user.totp.is_some(),
        websockets: here.map_or(0, |(websockets, _)| websockets),
        here_since: here.map(|(_, since)| time(since, snapshot)),
        last_seen_at: last.map(|last| time(last.at, snapshot)),
        last_address: last.map(|last| last.address.clone()),
        last_browser: last.map(|last| last.browser.clone()),
        last_app: last.map(|last| last.app.clone()),
    }
}

/// An address alone, or a network with its prefix length.
fn network((address, prefix): &(std::net::IpAddr, u8)) -> String {
    let whole = if address.is_ipv4() { 32 } else { 128 };
    if *prefix == whole { address.to_string() } else { format!("{address}/{prefix}") }
}

fn proof_word(proof: Proof) -> &'static str {
    match proof {
        Proof::Address => "address",
        Proof::Password => "password",
        Proof::Oidc => "oidc",
    }
}

pub(super) fn amounts(amounts: &Amounts) -> json::Amounts {
    json::Amounts {
        visits: amounts.visits,
        people: amounts.people,
        dwell_s: seconds(amounts.dwell_ms),
        active_s: seconds(amounts.active_ms),
        dwell_mean_s: amounts.dwell_mean_ms.map(seconds),
        dwell_median_s: amounts.dwell_median_ms.map(seconds),
        requests: amounts.requests,
        in_bytes: amounts.in_bytes,
        out_bytes: amounts.out_bytes,
    }
}

fn share(share: &Share) -> json::Share {
    json::Share {
        user: share.user.clone(),
        app: share.app.clone(),
        amounts: amounts(&share.amounts),
    }
}

pub(super) fn statistics(found: &Statistics, snapshot: &Snapshot) -> json::Statistics {
    let date = |date: jiff::civil::Date| Date(date.to_string());
    let day = |day: &crate::store::Day| json::Day {
        date: date(day.date),
        amounts: amounts(&day.amounts),
    };
    let week = |week: &crate::store::Week| json::Week {
        week: format!("{:04}-W{:02}", week.year, week.week),
        monday: date(week.monday),
        amounts: amounts(&week.amounts),
    };
    let mut hours = Vec::with_capacity(7 * 24);
    for (weekday, loads) in (1..).zip(&found.hours) {
        for (hour, load) in (0..).zip(loads) {
            hours.push(json::Hour {
                weekday,
                hour,
                visits: load.visits,
                dwell_s: seconds(load.dwell_ms),
                active_s: seconds(load.active_ms),
                people_mean: (load.length_ms > 0)
                    .then(|| load.dwell_ms as f64 / load.length_ms as f64),
            });
        }
    }
    json::Statistics {
        from: date(found.from),
        to: date(found.to),
        timezone: snapshot.timezone.iana_name().map(str::to_owned),
        totals: amounts(&found.totals),
        days: found.days.iter().map(day).collect(),
        weeks: found.weeks.iter().map(week).collect(),
        users: found.users.iter().map(share).collect(),
        apps: found.apps.iter().map(share).collect(),
        seats: found.seats.iter().map(share).collect(),
        hours,
    }
}

pub(super) fn machine(sample: &MachineSample) -> json::Machine {
    json::Machine {
        cpu_cores: sample.cpu_cores,
        cpu_cores_total: sample.cpu_cores_total,
        load_1m: sample.load_1m,
        memory_bytes: sample.memory_bytes,
        memory_total_bytes: sample.memory_total_bytes,
        swap_bytes: sample.swap_bytes,
        swap_total_bytes: sample.swap_total_bytes,
        disk_bytes: sample.disk_bytes,
        disk_total_bytes: sample.disk_total_bytes,
        network_in_bytes_per_s: sample.network_in_bytes_per_s,
        network_out_bytes_per_s: sample.network_out_bytes_per_s,
    }
}

pub(super) fn database(storage: &Storage, snapshot: &Snapshot) -> json::Database {
    json::Database {
        path: storage.path.display().to_string(),
        size_bytes: storage.bytes,
        visits: storage.visits,
        events: storage.events,
        oldest_visit_at: storage.oldest_visit_at.map(|at| time(at, snapshot)),
    }
}

pub(super) fn counts(counters: &Counters) -> json::Counts {
    json::Counts {
        answers_1xx: counters.answers(StatusClass::Informational),
        answers_2xx: counters.answers(StatusClass::Success),
        answers_3xx: counters.answers(StatusClass::Redirection),
        answers_4xx: counters.answers(StatusClass::ClientError),
        answers_5xx: counters.answers(StatusClass::ServerError),
        unanswered: counters.answers(StatusClass::Unanswered),
        websockets_opened: counters.websockets_opened(),
        websockets_open: counters.websockets_open(),
        in_bytes: counters.in_bytes(),
        out_bytes: counters.out_bytes(),
        facts_dropped: counters.facts_dropped(),
        records_lost: counters.lost(),
    }
}

fn problem(problem: &config::Problem) -> json::Problem {
    json::Problem {
        file: problem.file.display().to_string(),
        line: problem.line,
        column: problem.column,
        path: problem.path.clone(),
        sentence: problem.sentence.clone(),
        hint: problem.hint.clone(),
    }
}

/// Who caused something, as one word or two.
pub(super) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::User(name) | Actor::Admin(name) => name.to_string(),
        Actor::Operator => "operator".to_owned(),
        Actor::Usher => "usher".to_owned(),
    }
}

pub(super) fn notice(notice: &notice::Notice, snapshot: &Snapshot) -> json::Notice {
    json::Notice {
        id: notice.id,
        at: time(notice.at, snapshot),
        by: actor(&notice.by),
        text: notice.text.to_string(),
    }
}

impl Admin {
    /// Usher's own process.
    pub(super) fn process(&self, snapshot: &Snapshot) -> json::Process {
        let own = self.operations.process();
        json::Process {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            state: self.operations.phase().as_str(),
            started_at: time(self.operations.started_at(), snapshot),
            cpu_s: own.map(|own| own.cpu_s),
            memory_bytes: own.map(|own| own.memory_bytes),
            threads: own.map(|own| own.threads),
            open_files: own.map(|own| own.open_files),
            open_files_max: own.and_then(|own| own.open_files_max),
        }
    }

    /// Scheduled copies of the database.
    pub(super) fn backups(&self, snapshot: &Snapshot) -> json::Backups {
        let backups = self.operations.books().backups();
        json::Backups {
            newest_at: backups.newest_at.map(|at| time(at, snapshot)),
            newest: backups.newest.as_ref().map(|path| path.display().to_string()),
            next_at: backups.next_at.map(|at| time(at, snapshot)),
            problem: backups.problem.clone(),
        }
    }

    /// The certificates that the file names, as they are on the disk. Blocks for a moment.
    pub(super) fn certificates(snapshot: &Snapshot, now: Timestamp) -> Vec<json::Certificate> {
        let files = snapshot.tls.iter().flat_map(|tls| &tls.certificates);
        let certificate = |files: &config::CertificateFiles| {
            let path = &files.certificate;
            let loaded = Chain::load(path, &files.key);
            let problem = match &loaded {
                Ok(chain) => match chain.check_time(path, now) {
                    Ok(()) => chain.expires_soon(path, now),
                    Err(fault) => Some(fault.to_string()),
                },
                Err(fault) => Some(fault.to_string()),
            };
            let chain = loaded.ok();
            json::Certificate {
                file: path.display().to_string(),
                names: chain.as_ref().map(|chain| chain.names().to_vec()).unwrap_or_default(),
                until: chain.as_ref().map(|chain| time(chain.until(), snapshot)),
                problem,
            }
        };
        files.map(certificate).collect()
    }

    /// What is in force, and what is wrong with the file.
    pub(super) fn configuration(&self, in_force: &InForce) -> json::Configuration {
        let snapshot = &in_force.snapshot;
        let setting = |setting: &config::Setting| json::Setting {
            path: setting.path.clone(),
            value: setting.value.clone(),
        };
        json::Configuration {
            file: snapshot.file.display().to_string(),
            loaded_at: time(in_force.loaded_at, snapshot),
            problems: self.operations.problems().iter().map(problem).collect(),
            warnings: snapshot.warnings.iter().map(problem).collect(),
            settings: snapshot.in_force.iter().map(setting).collect(),
        }
    }

    /// The notices, newest first.
    pub(super) fn notices(&self, snapshot: &Snapshot) -> json::Notices {
        let notices = self.operations.board().notices();
        json::Notices { notices: notices.iter().rev().map(|one| notice(one, snapshot)).collect() }
    }
}
