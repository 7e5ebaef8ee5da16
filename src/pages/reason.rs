//! Why a page says no: closed enums with a stable code each, and how a reason becomes sentences.
//!
//! The sentences stand in the tables of texts under `FAMILY.CODE.title`, `.what` and `.hint`. Here
//! are only codes and parameters, so that a reason can also be logged, counted and sent as JSON.

use super::texts::{Parameter, Parameters, TextError, Texts};
use serde::Serialize;

/// A reason that can be put into words.
pub trait Reason {
    /// The section of the table of texts.
    const FAMILY: &'static str;
    /// The stable name of this reason: in the log, in JSON, in the table of texts.
    fn code(&self) -> &'static str;
    /// What its sentences mention.
    fn parameters(&self) -> Parameters;
    /// The key of the headline.
    fn title_key(&self) -> String {
        format!("{}.{}.title", Self::FAMILY, self.code())
    }
    /// The key of the sentence that says what the person can do.
    fn hint_key(&self) -> String {
        format!("{}.{}.hint", Self::FAMILY, self.code())
    }
    /// The key of the sentence for the administrator, if there is one.
    fn remedy_key(&self) -> Option<String> {
        None
    }
}

/// A reason in the words of one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The stable name of the reason.
    pub code: &'static str,
    /// A headline.
    pub title: String,
    /// What happened, in a sentence or two.
    pub what: String,
    /// What the person can do.
    pub hint: String,
    /// What the administrator can do, where that is something else.
    pub remedy: Option<String>,
}

/// Puts `reason` into the words of `texts`.
pub(super) fn tell<R: Reason>(reason: &R, texts: &Texts) -> Result<Told, TextError> {
    let parameters = reason.parameters();
    let say = |key: &str| texts.say(key, &parameters);
    let code = reason.code();
    Ok(Told {
        code,
        title: say(&reason.title_key())?,
        what: say(&format!("{}.{code}.what", R::FAMILY))?,
        hint: say(&reason.hint_key())?,
        remedy: reason.remedy_key().map(|key| say(&key)).transpose()?,
    })
}

pub(super) fn text(name: &'static str, value: &str) -> (&'static str, Parameter) {
    (name, Parameter::Text(value.to_owned()))
}

/// Why the door did not let a request in (403).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestrictedReason {
    /// The address belongs to no user.
    Stranger,
    /// The user exists, but may not use this app; the same for an app that does not exist.
    NotGranted {
        /// The slug that was asked for.
        app: String,
    },
    /// A loopback connection that says it was forwarded, from no trusted proxy.
    UntrustedProxy,
    /// The other end of the connection is a seat's own process.
    SeatProcess,
    /// `admin.password_required` is true and this administrator has no password.
    PasswordNotSet,
    /// The outside provider has to vouch for them, and nobody here can ask it.
    NotVouched,
    /// `Origin` or `Sec-Fetch-Site` says that another site sent the request.
    CrossSite,
    /// The form's token is missing or too old.
    FormExpired,
}

impl Reason for RestrictedReason {
    const FAMILY: &'static str = "restricted";

    fn code(&self) -> &'static str {
        match self {
            RestrictedReason::Stranger => "stranger",
            RestrictedReason::NotGranted { .. } => "not_granted",
            RestrictedReason::UntrustedProxy => "untrusted_proxy",
            RestrictedReason::SeatProcess => "seat_process",
            RestrictedReason::PasswordNotSet => "password_not_set",
            RestrictedReason::NotVouched => "not_vouched",
            RestrictedReason::CrossSite => "cross_site",
            RestrictedReason::FormExpired => "form_expired",
        }
    }

    fn parameters(&self) -> Parameters {
        match self {
            RestrictedReason::NotGranted { app } => vec![text("app", app)],
            RestrictedReason::Stranger
            | RestrictedReason::UntrustedProxy
            | RestrictedReason::SeatProcess
            | RestrictedReason::PasswordNotSet
            | RestrictedReason::NotVouched
            | RestrictedReason::CrossSite
            | RestrictedReason::FormExpired => Vec::new(),
        }
    }
}

/// Why there is no seat right now, though there may be one later (503).
#[derive(Debug, Clone, PartialEq)]
pub enum FullReason {
    /// `limits.seats` are taken.
    Seats {
        /// The limit.
        limit: u64,
    },
    /// `limits.waiting_per_seat` requests already wait for this seat.
    Waiting {
        /// The limit.
        limit: u64,
    },
    /// The seat stopped shortly after it was started and is left alone for a while.
    StartingTooOften {
        /// Failures in a row.
        failures: u64,
    },
    /// No port of the app's range is free.
    NoPortLeft {
        /// The range as the configuration has it.
        ports: String,
    },
    /// The request was held as long as one may be held.
    StartingTooSlowly {
        /// How long it was held, seconds.
        waited_s: f64,
    },
}

impl Reason for FullReason {
    const FAMILY: &'static str = "full";

    fn code(&self) -> &'static str {
        match self {
            FullReason::Seats { .. } => "seats_taken",
            FullReason::Waiting { .. } => "too_many_waiting",
            FullReason::StartingTooOften { .. } => "starting_too_often",
            FullReason::NoPortLeft { .. } => "no_port_left",
            FullReason::StartingTooSlowly { .. } => "starting_too_slowly",
        }
    }

    fn parameters(&self) -> Parameters {
        match self {
            FullReason::Seats { limit } | FullReason::Waiting { limit } => {
                vec![("limit", Parameter::Count(*limit))]
            }
            FullReason::StartingTooOften { failures } => {
                vec![("failures", Parameter::Count(*failures))]
            }
            FullReason::NoPortLeft { ports } => vec![text("ports", ports)],
            FullReason::StartingTooSlowly { waited_s } => {
                vec![("waited", Parameter::Seconds(*waited_s))]
            }
        }
    }

    fn remedy_key(&self) -> Option<String> {
        Some(format!("full.{}.remedy", self.code()))
    }
}

/// What somebody did too often or too much of (429).
#[derive(Debug, Clone, PartialEq)]
pub enum TooManyReason {
    /// Wrong passwords or codes.
    SignIns {
        /// Seconds until the next attempt is taken.
        wait_s: f64,
    },
    /// Open connections from one address.
    Connections {
        /// `limits.connections_per_address`.
        limit: u64,
    },
    /// Requests in a short time.
    Requests {
        /// `limits.requests_per_second`.
        limit: u64,
    },
}

impl Reason for TooManyReason {
    const FAMILY: &'static str = "too_many";

    fn code(&self) -> &'static str {
        match self {
            TooManyReason::SignIns { .. } => "too_many_sign_ins",
            TooManyReason::Connections { .. } => "too_many_connections",
            TooManyReason::Requests { .. } => "too_many_requests",
        }
    }

    fn parameters(&self) -> Parameters {
        match self {
            TooManyReason::SignIns { wait_s } => vec![("wait", Parameter::Seconds(*wait_s))],
            TooManyReason::Connections { limit } | TooManyReason::Requests { limit } => {
                vec![("limit", Parameter::Count(*limit))]
            }
        }
    }
}

/// Why a seat is no longer there, when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoppedReason {
    /// The person cancelled the start.
    Cancelled,
    /// Nobody had it open: `idle_timeout`.
    Idle,
    /// It was open but nobody touched it: `untouched_timeout`.
    Untouched,
    /// `lifetime_max`.
    Lifetime,
    /// An administrator stopped it.
    Operator,
    /// The configuration changed, and the old seat had to go.
    Replaced,
}

impl Reason for StoppedReason {
    const FAMILY: &'static str = "stopped";

    fn code(&self) -> &'static str {
        match self {
            StoppedReason::Cancelled => "cancelled",
            StoppedReason::Idle => "idle",
            StoppedReason::Untouched => "untouched",
            StoppedReason::Lifetime => "lifetime",
            StoppedReason::Operator => "operator",
            StoppedReason::Replaced => "replaced",
        }
    }

    fn parameters(&self) -> Parameters {
        Vec::new()
    }
}

/// What is wrong with a request, or with usher's state, apart from the reasons above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorReason {
    /// 400: not valid HTTP, or a parameter that makes no sense.
    Malformed,
    /// 401, for what is not a navigation: navigations are sent to the sign-in page.
    SignInNeeded,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed {
        /// The methods that are, as in the header `Allow`.
        allowed: &'static str,
    },
    /// 409: others wait for the same seat, so its start cannot be cancelled.
    OthersWait,
    /// 413: over `limits.upload`.
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// 421: a name the door does not answer to.
    UnknownHost {
        /// The name that was asked for.
        host: String,
    },
    /// 431.
    HeadersTooLarge,
    /// 500: a fault of usher's own.
    Internal,
    /// 502: a seat that was ready did not answer this one request.
    NoAnswer,
    /// 503: the seat was stopped, and a page that was left open does not start it again.
    Rests,
    /// 503: usher is going down.
    ShuttingDown,
    /// 503: usher is coming back in a moment.
    Restarting,
}

impl ErrorReason {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            ErrorReason::Malformed => 400,
            ErrorReason::SignInNeeded => 401,
            ErrorReason::NotFound => 404,
            ErrorReason::MethodNotAllowed { .. } => 405,
            ErrorReason::OthersWait => 409,
            ErrorReason::TooLarge { .. } => 413,
            ErrorReason::UnknownHost { .. } => 421,
            ErrorReason::HeadersTooLarge => 431,
            ErrorReason::Internal => 500,
            ErrorReason::NoAnswer => 502,
            ErrorReason::Rests | ErrorReason::ShuttingDown | ErrorReason::Restarting => 503,
        }
    }

    /// Whole seconds after which the same request may well succeed.
    pub const fn retry_after_s(&self) -> Option<u32> {
        match self {
            ErrorReason::Restarting => Some(3),
            ErrorReason::ShuttingDown => Some(30),
            ErrorReason::Rests => Some(60),
            ErrorReason::Malformed
            | ErrorReason::SignInNeeded
            | ErrorReason::NotFound
            | ErrorReason::MethodNotAllowed { .. }
            | ErrorReason::OthersWait
            | ErrorReason::TooLarge { .. }
            | ErrorReason::UnknownHost { .. }
            | ErrorReason::HeadersTooLarge
            | ErrorReason::Internal
            | ErrorReason::NoAnswer => None,
        }
    }
}

impl Reason for ErrorReason {
    const FAMILY: &'static str = "error";

    fn code(&self) -> &'static str {
        match self {
            ErrorReason::Malformed => "malformed",
            ErrorReason::SignInNeeded => "sign_in_needed",
            ErrorReason::NotFound => "not_found",
            ErrorReason::MethodNotAllowed { .. } => "method_not_allowed",
            ErrorReason::OthersWait => "others_wait",
            ErrorReason::TooLarge { .. } => "too_large",
            ErrorReason::UnknownHost { .. } => "unknown_host",
            ErrorReason::HeadersTooLarge => "headers_too_large",
            ErrorReason::Internal => "internal",
            ErrorReason::NoAnswer => "no_answer",
            ErrorReason::Rests => "rests",
            ErrorReason::ShuttingDown => "shutting_down",
            ErrorReason::Restarting => "restarting",
        }
    }

    fn parameters(&self) -> Parameters {
        match self {
            ErrorReason::MethodNotAllowed { allowed } => vec![text("allowed", allowed)],
            ErrorReason::TooLarge { limit_bytes } => {
                vec![("limit", Parameter::Bytes(*limit_bytes))]
            }
            ErrorReason::UnknownHost { host } => vec![text("host", host)],
            ErrorReason::Malformed
            | ErrorReason::SignInNeeded
            | ErrorReason::NotFound
            | ErrorReason::OthersWait
            | ErrorReason::HeadersTooLarge
            | ErrorReason::Internal
            | ErrorReason::NoAnswer
            | ErrorReason::Rests
            | ErrorReason::ShuttingDown
            | ErrorReason::Restarting => Vec::new(),
        }
    }
}
