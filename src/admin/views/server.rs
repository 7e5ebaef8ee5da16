//! The server: the machine over time, usher's own process, its records, its certificates.

use serde::Serialize;

use super::super::{Admin, json};
use super::Range;
use super::overview::MachineCharts;
use super::parts::{Word, ago_s};
use crate::operate::InForce;
use crate::pages::words;

/// The page.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct ServerPage {
    pub(in crate::admin) server: json::Server,
    pub(in crate::admin) phase: Word,
    /// For how long usher has been running.
    pub(in crate::admin) up_s: f64,
    /// None: the records cannot be read.
    pub(in crate::admin) charts: Option<MachineCharts>,
    pub(in crate::admin) range: Range,
    pub(in crate::admin) ranges: [&'static str; 5],
    /// Answers by class of status, with the class.
    pub(in crate::admin) answers: Vec<(&'static str, u64)>,
}

impl Admin {
    pub(in crate::admin) async fn server_page(
        &self,
        in_force: &InForce,
        range: Range,
    ) -> ServerPage {
        let snapshot = &in_force.snapshot;
        let server = self.server(snapshot).await;
        let counts = &server.counts;
        let answers = vec![
            ("2xx", counts.answers_2xx),
            ("3xx", counts.answers_3xx),
            ("4xx", counts.answers_4xx),
            ("5xx", counts.answers_5xx),
            ("-", counts.unanswered),
        ];
        ServerPage {
            phase: Word::of(words::PHASES, server.process.state),
            up_s: ago_s(self.operations.started_at(), self.operations.clock().wall()),
            charts: self.machine_charts(snapshot, range.span_ms).await,
            range,
            ranges: Range::words(),
            answers,
            server,
        }
    }
}
