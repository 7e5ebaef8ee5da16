//! What a problem is as an answer: its status, its headers, its template and what that sees.

use super::Sheet;
use super::reason::{ErrorReason, Reason, Told};
use super::response::{PageKind, Response};
use super::view::{App, Problem};
use serde::Serialize;

/// What a template about a reason sees as `view`; what does not apply is none.
#[derive(Serialize)]
pub(super) struct ToldView<'a> {
    pub(super) told: Told,
    pub(super) app: Option<&'a App>,
    pub(super) address: Option<&'a str>,
    pub(super) sign_in_path: Option<&'a str>,
    pub(super) log_lines: &'a [String],
    pub(super) may_retry: bool,
    pub(super) retry_may_help: bool,
    pub(super) retry_after_s: Option<u32>,
}

impl ToldView<'_> {
    pub(super) const fn new(told: Told) -> Self {
        ToldView {
            told,
            app: None,
            address: None,
            sign_in_path: None,
            log_lines: &[],
            may_retry: false,
            retry_may_help: false,
            retry_after_s: None,
        }
    }
}

impl Problem {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Problem::Restricted(_) => 403,
            Problem::Failed(_) => 502,
            Problem::Full(_) => 503,
            Problem::TooMany(_) => 429,
            Problem::Error(reason) => reason.status(),
            Problem::Admin(reason) => reason.status(),
        }
    }

    /// The stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Problem::Restricted(restricted) => restricted.reason.code(),
            Problem::Failed(failed) => failed.reason.code(),
            Problem::Full(full) => full.reason.code(),
            Problem::TooMany(too_many) => too_many.reason.code(),
            Problem::Error(reason) => reason.code(),
            Problem::Admin(reason) => reason.code(),
        }
    }

    /// The key of its headline in the table of texts.
    pub fn title_key(&self) -> String {
        match self {
            Problem::Restricted(restricted) => restricted.reason.title_key(),
            Problem::Failed(failed) => failed.reason.title_key(),
            Problem::Full(full) => full.reason.title_key(),
            Problem::TooMany(too_many) => too_many.reason.title_key(),
            Problem::Error(reason) => reason.title_key(),
            Problem::Admin(reason) => reason.title_key(),
        }
    }

    /// Whole seconds after which it may be tried again.
    pub const fn retry_after_s(&self) -> Option<u32> {
        match self {
            Problem::Restricted(_) | Problem::Failed(_) => None,
            Problem::Full(full) => Some(full.retry_after_s),
            Problem::TooMany(too_many) => Some(too_many.retry_after_s),
            Problem::Error(reason) => reason.retry_after_s(),
            Problem::Admin(reason) => reason.retry_after_s(),
        }
    }

    pub(super) fn sheet(&self) -> Sheet {
        let status = self.status();
        match self {
            Problem::Restricted(_) => {
                Sheet { template: "restricted.html", kind: PageKind::Restricted, status }
            }
            Problem::Failed(_) => Sheet { template: "failed.html", kind: PageKind::Failed, status },
            Problem::Full(_) => Sheet { template: "full.html", kind: PageKind::Full, status },
            Problem::TooMany(_) => {
                Sheet { template: "too_many.html", kind: PageKind::Full, status }
            }
            Problem::Error(_) => Sheet { template: "error.html", kind: PageKind::Failed, status },
            Problem::Admin(_) => Sheet { template: "error.html", kind: PageKind::Admin, status },
        }
    }

    /// What the template of this problem sees as `view`.
    pub(super) fn view(&self, told: Told) -> ToldView<'_> {
        let view = ToldView { retry_after_s: self.retry_after_s(), ..ToldView::new(told) };
        match self {
            Problem::Restricted(restricted) => ToldView {
                address: Some(&restricted.address),
                sign_in_path: restricted.sign_in_path.as_deref(),
                ..view
            },
            Problem::Failed(failed) => ToldView {
                app: Some(&failed.app),
                log_lines: &failed.log_lines,
                may_retry: failed.may_retry,
                retry_may_help: failed.reason.may_pass(),
                ..view
            },
            Problem::Full(full) => ToldView { app: Some(&full.app), ..view },
            Problem::TooMany(too_many) => ToldView { address: Some(&too_many.address), ..view },
            Problem::Error(_) | Problem::Admin(_) => view,
        }
    }

    pub(super) fn set_headers(&self, response: &mut Response) {
        if let Some(seconds) = self.retry_after_s() {
            response.set("Retry-After", seconds.to_string());
        }
        match self {
            Problem::Error(ErrorReason::MethodNotAllowed { allowed }) => {
                response.set("Allow", *allowed);
            }
            Problem::Error(ErrorReason::SignInNeeded) => {
                response.set("WWW-Authenticate", "Session realm=\"usher\"");
            }
            Problem::Restricted(_)
            | Problem::Failed(_)
            | Problem::Full(_)
            | Problem::TooMany(_)
            | Problem::Error(_)
            | Problem::Admin(_) => {}
        }
    }
}
