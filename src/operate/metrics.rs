//! `/metrics`: what usher knows, in OpenMetrics. `conf/grafana.json` shows it.

use super::Operations;
use super::exposition::{Exposition, Kind};
use crate::account::{START_BUCKETS_MS, StatusClass};
use crate::domain::SeatState;
use crate::supervise::SeatStatus;

impl Operations {
    /// The exposition.
    pub fn metrics(&self) -> String {
        let mut text = Exposition::new();
        self.own_metrics(&mut text);
        self.traffic_metrics(&mut text);
        self.event_metrics(&mut text);
        let seats = self.supervisor.seats();
        self.seat_metrics(&mut text, &seats);
        use_metrics(&mut text, &seats);
        self.trust_metrics(&mut text);
        self.machine_metrics(&mut text);
        text.end()
    }

    fn own_metrics(&self, text: &mut Exposition) {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        text.family("usher_build", Kind::Info, "", "This usher.").sample(&version, 1.0);
        let started_s = self.started_at.0 as f64 / 1000.0;
        text.single(
            "process_start_time_seconds",
            Kind::Gauge,
            "seconds",
            "When this process started, since 1970.",
            started_s,
        );
        let Some(own) = self.process() else { return };
        let mut single = |name, kind, unit, help, value| text.single(name, kind, unit, help, value);
        single(
            "process_cpu_seconds",
            Kind::Counter,
            "seconds",
            "CPU time of this process, user and system.",
            own.cpu_s,
        );
        single(
            "process_resident_memory_bytes",
            Kind::Gauge,
            "bytes",
            "Resident memory of this process.",
            own.memory_bytes as f64,
        );
        single("process_threads", Kind::Gauge, "", "Threads.", f64::from(own.threads));
        single(
            "process_open_fds",
            Kind::Gauge,
            "",
            "Files and sockets that this process has open.",
            own.open_files as f64,
        );
        if let Some(max) = own.open_files_max {
            single("process_max_fds", Kind::Gauge, "", "How many it may have open.", max as f64);
        }
    }

    fn traffic_metrics(&self, text: &mut Exposition) {
        let counters = self.account.counters();
        let mut family =
            text.family("usher_requests", Kind::Counter, "", "Requests by class of status.");
        for class in StatusClass::ALL {
            family.sample(&[("status", class.as_str())], counters.answers(class) as f64);
        }
        let mut single = |name, kind, unit, help, value: u64| {
            text.single(name, kind, unit, help, value as f64);
        };
        let (counter, gauge) = (Kind::Counter, Kind::Gauge);
        let (received, sent) = (counters.in_bytes(), counters.out_bytes());
        single("usher_received_bytes", counter, "bytes", "Bytes from browsers.", received);
        single("usher_sent_bytes", counter, "bytes", "Bytes to browsers.", sent);
        let (opened, open) = (counters.websockets_opened(), counters.websockets_open());
        single("usher_websockets_opened", counter, "", "WebSockets of seats, opened.", opened);
        single("usher_websockets", gauge, "", "WebSockets of seats, open now.", open);
        single(
            "usher_facts_dropped",
            counter,
            "",
            "Facts that the account could not take in time.",
            counters.facts_dropped(),
        );
        single(
            "usher_records_lost",
            counter,
            "",
            "Records that the database did not take.",
            counters.lost(),
        );
    }

    fn event_metrics(&self, text: &mut Exposition) {
        let counters = self.account.counters();
        let mut family = text.family("usher_events", Kind::Counter, "", "Events by kind.");
        for (kind, count) in counters.events() {
            family.sample(&[("kind", kind)], count as f64);
        }
        let crashes = counters.events_of("seat_crashed") as f64;
        text.single("usher_crashes", Kind::Counter, "", "Ready seats that failed.", crashes);
        let failures = counters.events_of("seat_start_failed") as f64;
        text.single("usher_start_failures", Kind::Counter, "", "Starts that failed.", failures);
        let (applied, refused) = counters.reloads();
        let help = "Readings of the configuration by outcome.";
        let mut family = text.family("usher_reloads", Kind::Counter, "", help);
        family.sample(&[("outcome", "applied")], applied as f64);
        family.sample(&[("outcome", "refused")], refused as f64);
        let help = "From the launch of a seat to its first healthy answer.";
        let mut family =
            text.family("usher_start_duration_seconds", Kind::Histogram, "seconds", help);
        for times in counters.start_times() {
            let edges = START_BUCKETS_MS.map(|edge_ms| edge_ms as f64 / 1000.0);
            let at_most: Vec<(f64, u64)> = edges.into_iter().zip(times.at_most).collect();
            let launch = [("launch", times.kind.as_str())];
            family.histogram(&launch, &at_most, times.count, times.sum_ms as f64 / 1000.0);
        }
    }

    fn seat_metrics(&self, text: &mut Exposition, seats: &[SeatStatus]) {
        let mut family = text.family("usher_seats", Kind::Gauge, "", "Seats by state.");
        for state in SeatState::ALL {
            let count = seats.iter().filter(|seat| seat.state == state).count();
            family.sample(&[("state", state.as_str())], count as f64);
        }
        let limit = self.in_force().snapshot.limits.seats_max;
        text.single("usher_seats_limit", Kind::Gauge, "", "limits.seats.", limit.into());
        let mut people: Vec<_> =
            self.account.present().into_iter().map(|one| one.key.user.clone()).collect();
        people.sort_unstable();
        people.dedup();
        let people = people.len() as f64;
        text.single("usher_people", Kind::Gauge, "", "People who have an app open.", people);
        let faults = self.supervisor.violations() as f64;
        text.single("usher_faults", Kind::Counter, "", "Broken rules of the machine.", faults);
    }

    fn trust_metrics(&self, text: &mut Exposition) {
        let sessions = self.trust.sessions.count() as f64;
        text.single("usher_sessions", Kind::Gauge, "", "Cookie sessions.", sessions);
        // Without TLS the family stands there empty, so that the dashboard's question is known.
        let mut family = text.family(
            "usher_certificate_expires_timestamp_seconds",
            Kind::Gauge,
            "seconds",
            "When each certificate expires, since 1970.",
        );
        for certificate in self.certificates() {
            let file = certificate.file.display().to_string();
            family.sample(&[("certificate", &file)], certificate.until.0 as f64 / 1000.0);
        }
    }

    fn machine_metrics(&self, text: &mut Exposition) {
        let machine = self.machine();
        let mut gauge = |name, unit, help, value| {
            text.single(name, Kind::Gauge, unit, help, value);
        };
        gauge("usher_machine_cpu_cores", "cores", "Cores in use.", machine.cpu_cores);
        gauge(
            "usher_machine_cpu_total_cores",
            "cores",
            "Cores there are.",
            machine.cpu_cores_total,
        );
        gauge("usher_machine_load1", "", "Load average of a minute.", machine.load_1m);
        for (name, help, value) in [
            ("usher_machine_memory_bytes", "Memory in use.", machine.memory_bytes),
            ("usher_machine_memory_total_bytes", "Memory there is.", machine.memory_total_bytes),
            ("usher_machine_swap_bytes", "Swap in use.", machine.swap_bytes),
            ("usher_machine_swap_total_bytes", "Swap there is.", machine.swap_total_bytes),
            ("usher_machine_disk_bytes", "Used where state_dir is.", machine.disk_bytes),
            ("usher_machine_disk_total_bytes", "Size of that.", machine.disk_total_bytes),
        ] {
            gauge(name, "bytes", help, value as f64);
        }
        let (received, sent) = (machine.network_in_bytes_per_s, machine.network_out_bytes_per_s);
        gauge("usher_machine_network_received_per_second", "", "Bytes received.", received);
        gauge("usher_machine_network_sent_per_second", "", "Bytes sent.", sent);
    }
}

/// What each seat uses.
fn use_metrics(text: &mut Exposition, seats: &[SeatStatus]) {
    let mut family = |name, unit, help, value: &dyn Fn(&SeatStatus) -> Option<f64>| {
        let mut family = text.family(name, Kind::Gauge, unit, help);
        for seat in seats {
            let Some(value) = value(seat) else { continue };
            let labels = [("user", seat.key.user.as_str()), ("app", seat.key.app.as_str())];
            family.sample(&labels, value);
        }
    };
    family("usher_seat_cpu_cores", "cores", "Cores that a seat uses.", &|seat| seat.cpu_cores);
    family("usher_seat_memory_bytes", "bytes", "Memory that a seat uses.", &|seat| {
        seat.memory_bytes.map(|bytes| bytes as f64)
    });
    family("usher_seat_websockets", "", "WebSockets of a seat, open now.", &|seat| {
        seat.pid.map(|_| f64::from(seat.websockets))
    });
}
