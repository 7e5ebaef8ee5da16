//! The JSON of the contract (DESIGN section 4): what usher knows of itself and of its seats.

use serde::Serialize;
use serde_json::{Value, json};

use super::Operations;
use crate::clock::Timestamp;
use crate::config::Snapshot;
use crate::supervise::SeatStatus;

/// A seat, as `usher status --json` and `GET ADMIN/api/seats` show it: these keys and no others,
/// because programs of others read them.
#[derive(Clone, Debug, Serialize)]
pub struct SeatJson {
    user: String,
    app: String,
    state: &'static str,
    generation: Option<u64>,
    pid: Option<u32>,
    endpoint: Option<String>,
    launch: Option<&'static str>,
    since: String,
    websockets: u32,
    last_act_at: Option<String>,
    cpu_cores: Option<f64>,
    memory_bytes: Option<u64>,
    runs_because: Option<&'static str>,
    stops_at: Option<String>,
    stops_because: Option<&'static str>,
}

impl SeatJson {
    /// A seat with its times in the zone of the configuration.
    pub fn of(seat: &SeatStatus, snapshot: &Snapshot) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| rfc3339(at, snapshot));
        Self {
            user: seat.key.user.to_string(),
            app: seat.key.app.to_string(),
            state: seat.state.as_str(),
            generation: seat.generation.map(|generation| generation.0),
            pid: seat.pid,
            endpoint: seat.endpoint.as_ref().map(ToString::to_string),
            launch: seat.launch.map(crate::domain::LaunchKind::as_str),
            since: rfc3339(seat.since, snapshot),
            websockets: seat.websockets,
            last_act_at: time(seat.last_act_at),
            cpu_cores: seat.cpu_cores,
            memory_bytes: seat.memory_bytes,
            runs_because: seat.runs_because.map(crate::supervise::RunsBecause::as_str),
            stops_at: time(seat.stops_at),
            stops_because: seat.stops_because.as_ref().map(crate::domain::StopReason::as_str),
        }
    }
}

/// RFC 3339 with the zone's offset and milliseconds.
pub fn rfc3339(at: Timestamp, snapshot: &Snapshot) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(timestamp) => timestamp
            .to_zoned_datetime(snapshot.timezone.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%.3f%:z")
            .to_string(),
        // Only a clock that is thousands of years off gets here.
        Err(_) => at.0.to_string(),
    }
}

impl Operations {
    /// `{"usher": {…}, "seats": […]}`
    pub fn status(&self) -> Value {
        let in_force = self.in_force();
        let snapshot = &in_force.snapshot;
        let problems: Vec<String> = self.problems().iter().map(ToString::to_string).collect();
        json!({
            "usher": {
                "version": env!("CARGO_PKG_VERSION"),
                "pid": std::process::id(),
                "state": self.phase().as_str(),
                "started_at": rfc3339(self.started_at(), snapshot),
                "configuration": {
                    "file": snapshot.file.display().to_string(),
                    "loaded_at": rfc3339(in_force.loaded_at, snapshot),
                    "problems": problems,
                },
            },
            "seats": self.seats_json(snapshot),
        })
    }

    /// How limits are kept, and who is at one: for people. Nothing if no app has a limit.
    pub fn limits(&self) -> Vec<String> {
        let in_force = self.in_force();
        let snapshot = &in_force.snapshot;
        if !snapshot.apps.iter().any(|app| app.has_limit()) {
            return Vec::new();
        }
        let slowed_down = self.supervisor().seats().into_iter().filter_map(|seat| {
            let millicores = snapshot.app(seat.key.app.as_str())?.cpu_max_millicores?;
            let cores = f64::from(millicores) / 1000.0;
            seat.is_slowed_down
                .then(|| format!("{} is slowed down: it wants more than {cores} cores", seat.key))
        });
        std::iter::once(self.supervisor().keeping().to_string()).chain(slowed_down).collect()
    }

    /// All seats that there are.
    pub fn seats_json(&self, snapshot: &Snapshot) -> Vec<SeatJson> {
        self.supervisor().seats().iter().map(|seat| SeatJson::of(seat, snapshot)).collect()
    }
}
