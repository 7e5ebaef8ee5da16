//! The waiting page and its events.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use super::refuse::{answer_of, app_view};
use super::{Asking, Gate};
use crate::answer::{Answer, EventSource};
use crate::authorize::SeatPermit;
use crate::clock::{Clock, Timestamp};
use crate::domain::{SeatKey, SeatState};
use crate::pages::view::{Page, Progress, Step, StepTime, Waiting};
use crate::supervise::{SeatView, Supervisor};

/// The lines of the app's log on the waiting page.
const LOG_LINES: usize = 12;
/// Times and log lines are told again after so long.
const TOLD_EVERY: Duration = Duration::from_secs(1);

impl Gate {
    /// The page for a navigation to a seat that is being made ready.
    pub(super) async fn waiting(&self, asking: &Asking<'_>, permit: &SeatPermit) -> Answer {
        let supervisor = self.operations.supervisor();
        let view = supervisor.view(permit.key());
        let log_lines = supervisor.log_tail(permit.key(), LOG_LINES).await;
        let waiting = Waiting {
            app: app_view(asking.in_force, permit.key()),
            progress: progress(&view, self.operations.clock().wall(), log_lines),
        };
        let common = self.common(asking, None);
        answer_of(asking.in_force.pages.render(&Page::Waiting(waiting), asking.language(), &common))
    }

    /// The events of the waiting page.
    pub(super) fn wait_events(&self, permit: &SeatPermit) -> Box<dyn EventSource> {
        let supervisor = self.operations.supervisor().clone();
        let mut seat = supervisor.watch(permit.key());
        seat.mark_changed();
        Box::new(WaitEvents {
            key: Arc::clone(permit.key()),
            seat,
            supervisor,
            clock: Arc::clone(self.operations.clock()),
            ended: false,
        })
    }
}

struct WaitEvents {
    key: Arc<SeatKey>,
    seat: watch::Receiver<SeatView>,
    supervisor: Supervisor,
    clock: Arc<dyn Clock>,
    ended: bool,
}

#[async_trait]
impl EventSource for WaitEvents {
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        // Either something changed, or a second has passed.
        if let Ok(Err(_)) = tokio::time::timeout(TOLD_EVERY, self.seat.changed()).await {
            return None;
        }
        let view = self.seat.borrow_and_update().clone();
        match view.state {
            SeatState::Ready => {
                self.ended = true;
                Some(Bytes::from_static(b"event: ready\ndata: {}\n\n"))
            }
            SeatState::Failed | SeatState::Backoff | SeatState::Absent => {
                self.ended = true;
                Some(Bytes::from_static(b"event: failed\ndata: {}\n\n"))
            }
            SeatState::Starting | SeatState::Probing | SeatState::Stopping => {
                let log_lines = self.supervisor.log_tail(&self.key, LOG_LINES).await;
                let progress = progress(&view, self.clock.wall(), log_lines);
                let json = serde_json::to_string(&progress).ok()?;
                Some(Bytes::from(format!("event: status\ndata: {json}\n\n")))
            }
        }
    }
}

/// Where a start is, as the page shows it.
fn progress(view: &SeatView, now: Timestamp, log_lines: Vec<String>) -> Progress {
    let seconds = |from: Timestamp, to: Timestamp| (to.0 - from.0).max(0) as f64 / 1000.0;
    let marks = [
        (Step::Queued, view.asked_at),
        (Step::Starting, view.launch_began_at),
        (Step::Probing, view.probing_at),
        (Step::Ready, view.ready_at),
    ];
    let begun: Vec<(Step, Timestamp)> =
        marks.into_iter().filter_map(|(step, at)| Some((step, at?))).collect();
    let steps = begun
        .iter()
        .enumerate()
        .map(|(place, (step, began))| {
            let ended = begun.get(place + 1).map_or(now, |(_, next)| *next);
            StepTime { step: *step, took_s: seconds(*began, ended) }
        })
        .collect();
    Progress {
        step: begun.last().map_or(Step::Queued, |(step, _)| *step),
        steps,
        queue_place: view.queue_place.map(u64::from),
        elapsed_s: view.asked_at.map_or(0.0, |asked| seconds(asked, now)),
        usual_s: view.usual_start_ms.map(|ms| ms as f64 / 1000.0),
        log_lines,
    }
}
