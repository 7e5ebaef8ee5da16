//! Why an administrator's request was not carried out: the closed list, its codes and statuses.

use super::reason::{Reason, text};
use super::texts::{Parameter, Parameters};

/// Why an administrator's page, question or order was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminReason {
    /// 400: a parameter that cannot be read.
    BadParameter {
        /// Its name.
        name: &'static str,
        /// What was sent.
        value: String,
        /// A value that would be right.
        example: &'static str,
    },
    /// 400: a body that is not the JSON that was expected.
    BadBody,
    /// 400: a notice without a text.
    NoticeEmpty,
    /// 400: a notice longer than may be.
    NoticeTooLong {
        /// The limit.
        limit_bytes: u64,
    },
    /// 403: a call that changes something lacks `X-Usher-Request: 1`.
    HeaderMissing,
    /// 404: nobody of this name is configured.
    NoSuchUser {
        /// The name.
        user: String,
    },
    /// 404: no app of this name is configured.
    NoSuchApp {
        /// The slug.
        app: String,
    },
    /// 404: the user may not use this app.
    NoSuchSeat {
        /// The user.
        user: String,
        /// The slug.
        app: String,
    },
    /// 409: there is no process to act on.
    NothingRuns {
        /// The user.
        user: String,
        /// The slug.
        app: String,
    },
    /// 409: the seat cannot be started now.
    CannotStart {
        /// Why, in English.
        cause: String,
    },
    /// 409: the configuration file is wrong; nothing was changed.
    ConfigurationRefused {
        /// Every problem with its place, one a line, in English.
        problems: String,
    },
    /// 503: the database cannot be read now.
    RecordsUnreadable {
        /// What it said, in English.
        cause: String,
    },
}

impl AdminReason {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            AdminReason::BadParameter { .. }
            | AdminReason::BadBody
            | AdminReason::NoticeEmpty
            | AdminReason::NoticeTooLong { .. } => 400,
            AdminReason::HeaderMissing => 403,
            AdminReason::NoSuchUser { .. }
            | AdminReason::NoSuchApp { .. }
            | AdminReason::NoSuchSeat { .. } => 404,
            AdminReason::NothingRuns { .. }
            | AdminReason::CannotStart { .. }
            | AdminReason::ConfigurationRefused { .. } => 409,
            AdminReason::RecordsUnreadable { .. } => 503,
        }
    }

    /// Whole seconds after which the same request may well succeed.
    pub const fn retry_after_s(&self) -> Option<u32> {
        if self.status() == 503 { Some(10) } else { None }
    }
}

impl Reason for AdminReason {
    const FAMILY: &'static str = "admin_error";

    fn code(&self) -> &'static str {
        match self {
            AdminReason::BadParameter { .. } => "bad_parameter",
            AdminReason::BadBody => "bad_body",
            AdminReason::NoticeEmpty => "notice_empty",
            AdminReason::NoticeTooLong { .. } => "notice_too_long",
            AdminReason::HeaderMissing => "header_missing",
            AdminReason::NoSuchUser { .. } => "no_such_user",
            AdminReason::NoSuchApp { .. } => "no_such_app",
            AdminReason::NoSuchSeat { .. } => "no_such_seat",
            AdminReason::NothingRuns { .. } => "nothing_runs",
            AdminReason::CannotStart { .. } => "cannot_start",
            AdminReason::ConfigurationRefused { .. } => "configuration_refused",
            AdminReason::RecordsUnreadable { .. } => "records_unreadable",
        }
    }

    fn parameters(&self) -> Parameters {
        match self {
            AdminReason::BadParameter { name, value, example } => {
                vec![text("name", name), text("value", value), text("example", example)]
            }
            AdminReason::NoticeTooLong { limit_bytes } => {
                vec![("limit", Parameter::Count(*limit_bytes))]
            }
            AdminReason::NoSuchUser { user } => vec![text("user", user)],
            AdminReason::NoSuchApp { app } => vec![text("app", app)],
            AdminReason::NoSuchSeat { user, app } | AdminReason::NothingRuns { user, app } => {
                vec![text("user", user), text("app", app)]
            }
            AdminReason::CannotStart { cause } | AdminReason::RecordsUnreadable { cause } => {
                vec![text("cause", cause)]
            }
            AdminReason::ConfigurationRefused { problems } => vec![text("problems", problems)],
            AdminReason::BadBody | AdminReason::NoticeEmpty | AdminReason::HeaderMissing => {
                Vec::new()
            }
        }
    }
}
