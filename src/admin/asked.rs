//! An administrator's request as the gate hands it over, and what comes back. Chooses no status
//! code: a [`Refusal`] becomes one at the gate, like every other.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use crate::answer::{Body, BodyError, EventSource};
use crate::authorize::AdminPermit;
use crate::domain::{Actor, Language};
use crate::operate::InForce;
use crate::pages::view::Common;
use crate::pages::{AdminReason, Response};
use crate::request::Head;

/// The largest form or JSON that is read, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// A request below the admin path by somebody who may make it.
pub struct Asked<'r> {
    /// Its head.
    pub head: &'r Head<'r>,
    /// Its path behind the admin path: empty, or with its leading slash.
    pub rest: &'r str,
    /// The proof that an administrator asks.
    pub permit: &'r AdminPermit,
    /// The configuration that it is answered by.
    pub in_force: &'r Arc<InForce>,
    /// The language of the answer.
    pub language: Language,
    /// What every page shows around its own content; has the token of forms.
    pub common: Common,
    /// Whether a form's token was made for this person.
    pub is_token: &'r (dyn Fn(&str) -> bool + Sync),
}

/// What an administrator gets.
pub enum Outcome {
    /// A page.
    Page(Box<Response>),
    /// JSON with its status.
    Json(u16, Bytes),
    /// A file to keep: its name and its content type.
    File {
        /// The name that it is kept under.
        name: String,
        /// The content type.
        content_type: &'static str,
        /// The content.
        content: Bytes,
    },
    /// See this path of the site instead (303).
    See(String),
    /// The same page is at this path (308).
    Moved(String),
    /// Server-sent events.
    Events(Box<dyn EventSource>),
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is nothing at this path.
    NotFound,
    /// The path is for these methods.
    Method(&'static str),
    /// The body did not come, or is too large.
    Body(BodyError, usize),
    /// The form's token is missing or old.
    FormExpired,
    /// Anything that is about what administrators do.
    Reason(AdminReason),
}

impl From<AdminReason> for Refusal {
    fn from(reason: AdminReason) -> Self {
        Refusal::Reason(reason)
    }
}

/// The fields of a form.
pub(super) struct Form(Bytes);

impl Form {
    /// The first field of this name; empty if there is none.
    pub(super) fn field(&self, name: &str) -> String {
        form_urlencoded::parse(&self.0)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }
}

impl Asked<'_> {
    /// The administrator who asks, as whoever caused what happens.
    pub(super) fn actor(&self) -> Actor {
        Actor::Admin(self.permit.person().name.clone())
    }

    /// A path of the administrators' pages.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.common.admin_path)
    }

    /// The query as it was sent; empty without one.
    pub(super) fn query(&self) -> &str {
        self.head.parts.uri.query().unwrap_or_default()
    }

    /// The value of a parameter; `None` if it is absent or empty, as forms send what was not
    /// filled in.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query().as_bytes())
            .find(|(key, value)| key == name && !value.trim().is_empty())
            .map(|(_, value)| value.trim().to_owned())
    }

    /// Reads a form that changes something: it has to carry its token.
    pub(super) async fn form(&self, body: &mut dyn Body) -> Result<Form, Refusal> {
        let form = Form(read(body).await?);
        if self.is_call() || (self.is_token)(&form.field("csrf")) {
            Ok(form)
        } else {
            Err(Refusal::FormExpired)
        }
    }

    /// Passes a call of the API that changes something: another site cannot send its header.
    pub(super) fn check_call(&self) -> Result<(), Refusal> {
        if self.is_call() { Ok(()) } else { Err(AdminReason::HeaderMissing.into()) }
    }

    fn is_call(&self) -> bool {
        let headers = &self.head.parts.headers;
        headers.get("x-usher-request").is_some_and(|value| value == "1")
    }

    pub(super) fn method(&self) -> &Method {
        &self.head.parts.method
    }
}

/// The whole body.
pub(super) async fn read(body: &mut dyn Body) -> Result<Bytes, Refusal> {
    body.read(BODY_BYTES_MAX).await.map_err(|error| Refusal::Body(error, BODY_BYTES_MAX))
}

/// A document of the API.
pub(super) fn json(status: u16, document: &impl Serialize) -> Outcome {
    // What is serialised here are plain structs of our own, which cannot fail.
    Outcome::Json(status, serde_json::to_vec(document).unwrap_or_default().into())
}
