//! `/metrics`: what usher knows, in OpenMetrics.

use std::fmt::Write;

use super::Operations;
use crate::account::StatusClass;
use crate::domain::SeatState;

/// Builds the text family by family.
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: f64) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(&format!("{name}_total"), "", value as f64);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }
}

/// A label's value as OpenMetrics wants it.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Operations {
    /// The exposition.
    pub fn metrics(&self) -> String {
        let mut text = Exposition(String::with_capacity(4096));
        let counters = self.account.counters();
        text.family("usher_requests", "counter", "Answers by class of status.");
        for class in StatusClass::ALL {
            let labels = format!("status=\"{}\"", class.as_str());
            text.sample("usher_requests_total", &labels, counters.answers(class) as f64);
        }
        text.counter("usher_bytes_in", "Bytes from browsers.", counters.in_bytes());
        text.counter("usher_bytes_out", "Bytes to browsers.", counters.out_bytes());
        text.counter(
            "usher_websockets_opened",
            "WebSockets of seats that were opened.",
            counters.websockets_opened(),
        );
        text.gauge(
            "usher_websockets_open",
            "WebSockets of seats that are open.",
            counters.websockets_open() as f64,
        );
        text.counter(
            "usher_facts_dropped",
            "Facts that the account could not take.",
            counters.facts_dropped(),
        );
        text.counter(
            "usher_records_lost",
            "Records that the database did not take.",
            counters.lost(),
        );
        self.seats_metrics(&mut text);
        self.trust_metrics(&mut text);
        self.machine_metrics(&mut text);
        text.0.push_str("# EOF\n");
        text.0
    }

    fn seats_metrics(&self, text: &mut Exposition) {
        let seats = self.supervisor.seats();
        text.family("usher_seats", "gauge", "Seats by state.");
        for state in SeatState::ALL {
            let labels = format!("state=\"{}\"", state.as_str());
            let count = seats.iter().filter(|seat| seat.state == state).count();
            text.sample("usher_seats", &labels, count as f64);
        }
    }

    fn trust_metrics(&self, text: &mut Exposition) {
        text.gauge("usher_sessions", "Cookie sessions.", self.trust.sessions.count() as f64);
        let certificates = self.certificates();
        if certificates.is_empty() {
            return;
        }
        let name = "usher_certificate_expires_timestamp_seconds";
        text.family(name, "gauge", "When each certificate expires, in seconds since 1970.");
        for certificate in certificates {
            let file = certificate.file.display().to_string();
            let labels = format!("certificate=\"{}\"", escape(&file));
            text.sample(name, &labels, certificate.until.0 as f64 / 1000.0);
        }
    }

    fn machine_metrics(&self, text: &mut Exposition) {
        let machine = self.machine();
        text.gauge("usher_machine_cpu_cores", "Cores in use.", machine.cpu_cores);
        text.gauge("usher_machine_memory_bytes", "Memory in use.", machine.memory_bytes as f64);
        text.gauge(
            "usher_machine_memory_total_bytes",
            "Memory there is.",
            machine.memory_total_bytes as f64,
        );
        text.gauge(
            "usher_start_time_seconds",
            "When this usher started, in seconds since 1970.",
            self.started_at.0 as f64 / 1000.0,
        );
    }
}
