//! Orders to seats.

use super::{Operations, Report};
use crate::domain::{Actor, SeatKey, SeatState};
use crate::supervise::{Order, OrderRefused, SeatView};

/// The longest time that an order is waited for, in milliseconds.
const ORDER_WAIT_MS: u64 = 130_000;
/// The lines of `usher seat log`.
const LOG_LINES: usize = 200;

/// `usher seat …`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatOrder {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop it and start it again.
    Restart,
    /// Show the end of its log.
    Log,
}

impl Operations {
    /// Gives an order to one seat, and records it.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn order(&self, key: &SeatKey, order: Order, actor: &Actor) -> Result<(), OrderRefused> {
        self.supervisor.order(key, order, actor)
    }

    /// `usher seat ORDER USER [APP]`: without APP all seats of that user that there are; `start`
    /// starts the first app's.
    pub async fn order_seats(&self, order: SeatOrder, user: &str, app: Option<&str>) -> Report {
        let keys = match self.seat_keys(user, app) {
            Ok(keys) => keys,
            Err(report) => return report,
        };
        let order = match order {
            SeatOrder::Log => return self.logs(&keys).await,
            SeatOrder::Start => Order::Start,
            SeatOrder::Stop => Order::Stop,
            SeatOrder::Restart => Order::Restart,
        };
        let mut report = Report { exit: 0, lines: Vec::new() };
        let mut taken = Vec::new();
        for key in keys {
            match self.order(&key, order, &Actor::Operator) {
                Ok(()) => taken.push(key),
                Err(OrderRefused::NothingThere) => {
                    report.lines.push(format!("{key}: nothing runs"));
                }
                Err(refused) => {
                    report.exit = 1;
                    report.lines.push(format!("{key}: {}", refusal(&refused)));
                }
            }
        }
        for key in taken {
            let view = self.supervisor.settled(&key, ORDER_WAIT_MS).await;
            if !fulfils(order, view.state) {
                report.exit = 1;
            }
            report.lines.push(format!("{key}: {}", told(&view)));
        }
        report
    }

    async fn logs(&self, keys: &[SeatKey]) -> Report {
        let mut report = Report { exit: 0, lines: Vec::new() };
        for key in keys {
            if keys.len() > 1 {
                report.lines.push(format!("== {key}"));
            }
            report.lines.extend(self.supervisor.log_tail(key, LOG_LINES).await);
        }
        report
    }
}

fn fulfils(order: Order, state: SeatState) -> bool {
    match order {
        Order::Start | Order::Restart | Order::Retry => state == SeatState::Ready,
        Order::Stop => state == SeatState::Absent,
    }
}

fn told(view: &SeatView) -> String {
    match &view.failure {
        Some(failure) => format!("{}: {failure}", view.state.as_str()),
        None => view.state.as_str().to_owned(),
    }
}

/// Why an order was not taken, as a clause.
fn refusal(refused: &OrderRefused) -> String {
    match refused {
        OrderRefused::Refused(refusal) => refusal.to_string(),
        OrderRefused::OthersWait => "others wait for it too".to_owned(),
        OrderRefused::NothingThere => "nothing runs".to_owned(),
    }
}
