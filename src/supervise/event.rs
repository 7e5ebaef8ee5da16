//! The machine's vocabulary: what it is told ([`Event`], [`News`]) and what it wants done
//! ([`Action`]). Closed and plain: nothing here does anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::activity::Activity;
use super::rules::{Limits, SeatRules};
use super::{Drain, Happening, Order, OrderRefused, Refusal};
use crate::domain::{Actor, CloseCode, Exit, Failure, Generation, SeatKey};
use crate::launch::{Allowance, Started, Usage};

/// The number of one request that waits. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// What the machine is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody wants the seat. Answered by one [`Action::Grant`] or [`Action::Refuse`] for the
    /// waiter, or, without one, by [`Action::Reply`].
    Acquire {
        /// Which seat.
        key: Arc<SeatKey>,
        /// Its rules, if it is not known yet.
        rules: Arc<SeatRules>,
        /// Who waits; `None`: start it, nobody waits here.
        waiter: Option<WaiterId>,
    },
    /// A waiter has left.
    Abandon {
        /// For which seat it waited.
        key: Arc<SeatKey>,
        /// Who.
        waiter: WaiterId,
    },
    /// News of a launch.
    Of {
        /// Of which seat.
        key: Arc<SeatKey>,
        /// Of which launch.
        generation: Generation,
        /// What.
        news: News,
    },
    /// An order. Answered by [`Action::Reply`].
    Order {
        /// For which seat.
        key: Arc<SeatKey>,
        /// Its rules; `None`: not in the configuration.
        rules: Option<Arc<SeatRules>>,
        /// What.
        order: Order,
        /// By whom.
        actor: Actor,
    },
    /// The person cancels the start that they wait for. Answered by [`Action::Reply`].
    Cancel {
        /// Which seat.
        key: Arc<SeatKey>,
        /// How many waiting pages follow the start, the canceller's own among them.
        watchers: usize,
    },
    /// The person wants the seat to go on. Answered by [`Action::Reply`].
    Keep {
        /// Which seat.
        key: Arc<SeatKey>,
        /// By whom.
        actor: Actor,
    },
    /// A new configuration. A seat without rules is no longer in it.
    Configured {
        /// The new limits.
        limits: Limits,
        /// The rules of the seats that the machine knows.
        rules: BTreeMap<Arc<SeatKey>, Arc<SeatRules>>,
    },
    /// How long a start took before this usher, told newest first.
    Recall {
        /// Of which seat.
        key: Arc<SeatKey>,
        /// From the launch.
        start_ms: u64,
    },
    /// An earlier usher left this process.
    Adopt {
        /// What runs.
        started: Arc<Started>,
        /// For how long.
        age_ms: u64,
        /// Its seat's rules; `None`: it belongs to nobody.
        rules: Option<Arc<SeatRules>>,
    },
    /// All processes of earlier ushers are known: new ones may be started.
    AdoptionOver,
    /// Usher leaves.
    Drain(Drain),
    /// Time has passed.
    Tick,
}

/// What happened to a launch.
#[derive(Clone, Debug)]
pub enum News {
    /// There is a process.
    Launched(Arc<Started>),
    /// There is none, and there will be none.
    LaunchFailed(Failure),
    /// It answers.
    Healthy,
    /// Somebody else answers, or it never will.
    Unhealthy(Failure),
    /// The process has ended.
    Exited(Exit),
    /// Nothing of it is left.
    Cleaned,
    /// It refused a connection.
    Suspected,
    /// The answer to [`Action::Observe`].
    Observed(Activity),
    /// The answer to [`Action::SealIfUnused`]: it is sealed.
    Sealed,
    /// The answer to [`Action::SealIfUnused`]: somebody has a lease.
    Busy(Activity),
    /// The answer to [`Action::Weigh`].
    Weighed(Option<Usage>),
}

/// What the machine wants done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Launch; answered by [`News::Launched`] or [`News::LaunchFailed`].
    Launch {
        /// Which seat.
        key: Arc<SeatKey>,
        /// The launch's number.
        generation: Generation,
    },
    /// Give the launch up; answered as [`Action::Launch`] is, once.
    AbortLaunch {
        /// Which seat.
        key: Arc<SeatKey>,
        /// Which launch.
        generation: Generation,
    },
    /// Say when the process has ended: [`News::Exited`].
    Watch(Arc<Started>),
    /// Say when it answers: [`News::Healthy`] or [`News::Unhealthy`].
    Probe(Arc<Started>),
    /// No longer of interest: whether it answers.
    EndProbe {
        /// Which seat.
        key: Arc<SeatKey>,
        /// Which launch.
        generation: Generation,
    },
    /// Give out leases, until it is suspended or retired.
    Publish(Arc<Started>),
    /// Give out no lease until it is published again; those who have one go on.
    Suspend {
        /// Which seat.
        key: Arc<SeatKey>,
        /// Which launch.
        generation: Generation,
    },
    /// Seal it if nobody has a lease; answered at once by [`News::Sealed`] or [`News::Busy`].
    SealIfUnused {
        /// Which seat.
        key: Arc<SeatKey>,
        /// Which launch.
        generation: Generation,
    },
    /// Seal it for good and close its WebSockets.
    Retire {
        /// Which seat.
        key: Arc<SeatKey>,
        /// Which launch.
        generation: Generation,
        /// The close code.
        code: CloseCode,
    },
    /// Say at once what happened at it: [`News::Observed`].
    Observe {
        /// Which seat.
        key: Arc<SeatKey>,
        /// Which launch.
        generation: Generation,
    },
    /// Measure it, and hold it to what it may use: [`News::Weighed`].
    Weigh {
        /// What runs.
        started: Arc<Started>,
        /// What it may use.
        allowance: Allowance,
    },
    /// Ask it to end (TERM).
    Stop(Arc<Started>),
    /// End whatever is left of it (KILL) and forget it: [`News::Cleaned`].
    Clean(Arc<Started>),
    /// The waiter gets a lease.
    Grant {
        /// Who.
        waiter: WaiterId,
        /// Of which seat.
        key: Arc<SeatKey>,
        /// Of which launch.
        generation: Generation,
    },
    /// The waiter gets none.
    Refuse {
        /// Who.
        waiter: WaiterId,
        /// Why.
        refusal: Refusal,
    },
    /// The answer to the event that asks for one.
    Reply(Result<(), OrderRefused>),
    /// Record it.
    Note {
        /// Of which seat.
        key: Arc<SeatKey>,
        /// Of which launch.
        generation: Option<Generation>,
        /// What.
        what: Happening,
        /// Who caused it.
        actor: Actor,
    },
    /// Nothing is left to be done.
    Drained,
}
