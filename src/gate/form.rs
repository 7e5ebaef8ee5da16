//! The forms of usher's own pages: their fields, and the token that each carries.

use bytes::Bytes;

use super::refuse::Turned;
use super::token::Owner;
use super::{Asking, Gate};
use crate::answer::{Body, BodyError};
use crate::request::Malformed;

/// The largest form of usher's own, in bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// What was sent with a form.
pub(super) struct Form(Bytes);

impl Form {
    /// Reads a form.
    pub(super) async fn read(body: &mut dyn Body) -> Result<Self, Turned> {
        body.read(FORM_BYTES_MAX).await.map(Self).map_err(|error| match error {
            BodyError::TooLarge => Turned::TooLarge { limit_bytes: FORM_BYTES_MAX as u64 },
            BodyError::Broken => Turned::Malformed(Malformed::Body),
        })
    }

    /// The first field of this name; empty if there is none.
    pub(super) fn field(&self, name: &str) -> String {
        form_urlencoded::parse(&self.0)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }
}

impl Gate {
    /// Whether a form was made for this person here; a script says `X-Usher-Request: 1` instead,
    /// which a page of another site cannot.
    pub(super) fn is_own_form(&self, asking: &Asking<'_>, form: &Form) -> bool {
        let headers = &asking.head.parts.headers;
        headers.get("x-usher-request").is_some_and(|value| value == "1")
            || self.tokens.is_valid(asking.owner(), &form.field("csrf"))
    }
}

impl Asking<'_> {
    /// For whom forms are made.
    pub(super) fn owner(&self) -> Owner<'_> {
        match self.person.as_deref() {
            Some(person) => Owner::Person(&person.name, self.session),
            None => Owner::Stranger(self.address),
        }
    }
}
