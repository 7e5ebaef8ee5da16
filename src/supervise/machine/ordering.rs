//! What people order. Every order that is taken is noted with who gave it.

use std::sync::Arc;

use super::Machine;
use super::seat::{Seat, State};
use crate::clock::Moment;
use crate::domain::{Actor, CloseCode, SeatKey, StopReason};
use crate::supervise::rules::SeatRules;
use crate::supervise::{Happening, Order, OrderRefused, Refusal};

/// How many waiting pages make a cancellation somebody else's business: the canceller has one.
const WATCHERS_OF_CANCELLER: usize = 1;

impl Machine {
    /// An order of an administrator, an operator, or, for a retry, of the person.
    pub(super) fn order(
        &mut self,
        now: Moment,
        key: &Arc<SeatKey>,
        rules: Option<Arc<SeatRules>>,
        order: Order,
        actor: Actor,
    ) {
        // What is no longer configured can still be stopped.
        if rules.is_none() && order != Order::Stop {
            return self.reply(Err(OrderRefused::Refused(Refusal::Removed)));
        }
        self.with_seat(key, rules.as_ref(), |machine, seat| {
            let result = match order {
                Order::Start | Order::Retry => machine.start_by(now, seat, &actor),
                Order::Stop => {
                    machine.stop_by(now, seat, &actor);
                    Ok(())
                }
                Order::Restart => machine.restart_by(now, seat, &actor),
            };
            if result.is_ok() {
                machine.note(seat, Happening::Ordered(order), actor);
            }
            machine.reply(result.map_err(OrderRefused::Refused));
        });
    }

    fn start_by(&mut self, now: Moment, seat: &mut Seat, actor: &Actor) -> Result<(), Refusal> {
        if self.draining.is_some() {
            return Err(Refusal::Draining);
        }
        match &mut seat.state {
            State::Absent | State::Backoff { .. } | State::Failed { .. } => {
                self.has_place()?;
                seat.failures.clear();
                self.enqueue(now, seat, actor.clone());
            }
            State::Stopping(stopping) => {
                stopping.fault = None;
                seat.failures.clear();
                seat.start_again = true;
                seat.asked_by = actor.clone();
            }
            State::Queued | State::Launching { .. } | State::Probing(_) | State::Ready(_) => {}
        }
        Ok(())
    }

    fn stop_by(&mut self, now: Moment, seat: &mut Seat, actor: &Actor) {
        seat.failures.clear();
        let reason = StopReason::Ordered(actor.clone());
        self.stop(now, seat, reason, CloseCode::SeatEnded, actor);
    }

    fn restart_by(&mut self, now: Moment, seat: &mut Seat, actor: &Actor) -> Result<(), Refusal> {
        match seat.state {
            State::Launching { .. } | State::Probing(_) | State::Ready(_)
                if self.draining.is_none() =>
            {
                // Who waits gets the next launch: their requests are kept over the stop.
                let waiters = std::mem::take(&mut seat.waiters);
                self.stop_by(now, seat, actor);
                seat.waiters = waiters;
                seat.start_again = true;
                seat.asked_by = actor.clone();
                Ok(())
            }
            State::Absent
            | State::Queued
            | State::Launching { .. }
            | State::Probing(_)
            | State::Ready(_)
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Failed { .. } => self.start_by(now, seat, actor),
        }
    }

    /// The person cancels the start that they wait for, unless others wait for it too.
    pub(super) fn cancel(&mut self, now: Moment, seat: &mut Seat, watchers: usize) {
        let others_wait = !seat.waiters.is_empty() || watchers > WATCHERS_OF_CANCELLER;
        let result = match seat.state {
            State::Absent | State::Ready(_) | State::Backoff { .. } | State::Failed { .. } => {
                Err(OrderRefused::NothingThere)
            }
            State::Stopping(_) if !seat.is_wanted() => Err(OrderRefused::NothingThere),
            State::Queued | State::Launching { .. } | State::Probing(_) | State::Stopping(_)
                if others_wait =>
            {
                Err(OrderRefused::OthersWait)
            }
            State::Stopping(_) => {
                seat.start_again = false;
                Ok(())
            }
            State::Queued | State::Launching { .. } | State::Probing(_) => {
                let actor = Actor::User(seat.key.user.clone());
                self.stop(now, seat, StopReason::Cancelled, CloseCode::SeatEnded, &actor);
                Ok(())
            }
        };
        self.reply(result);
    }

    /// The person wants the seat to go on.
    pub(super) fn keep(&mut self, now: Moment, seat: &mut Seat, actor: Actor) {
        let State::Ready(ready) = &mut seat.state else {
            return self.reply(Err(OrderRefused::NothingThere));
        };
        ready.kept_at = Some(now);
        self.note(seat, Happening::Kept, actor);
        self.reply(Ok(()));
    }
}
