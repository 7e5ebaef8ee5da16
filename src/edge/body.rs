//! The bodies of the few requests that usher answers itself.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header;
use pingora_proxy::Session;

use super::link::Link;
use super::patience::{Phase, UPLOAD_STALL_MS};
use crate::answer::{Body, BodyError};

/// A request without a body.
pub(crate) struct NoBody;

#[async_trait]
impl Body for NoBody {
    async fn read(&mut self, _limit_bytes: usize) -> Result<Bytes, BodyError> {
        Ok(Bytes::new())
    }
}

/// The body that comes on a session.
pub(crate) struct SessionBody<'s> {
    session: &'s mut Session,
    link: &'s Link,
}

impl<'s> SessionBody<'s> {
    pub(crate) fn new(session: &'s mut Session, link: &'s Link) -> Self {
        Self { session, link }
    }

    fn declared_bytes(&self) -> Option<usize> {
        let length = self.session.req_header().headers.get(header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        let is_http2 = self.session.is_http2();
        let piece = self.session.read_request_body();
        let piece = if is_http2 {
            // `patience` looks at connections, and this is one of many requests on it.
            let stall = Duration::from_millis(UPLOAD_STALL_MS);
            tokio::time::timeout(stall, piece).await.map_err(|_| BodyError::Broken)?
        } else {
            piece.await
        };
        piece.map_err(|_| BodyError::Broken)
    }

    async fn read_up_to(&mut self, limit_bytes: usize) -> Result<Bytes, BodyError> {
        let mut whole = BytesMut::new();
        loop {
            let piece = self.next_piece().await?;
            let Some(piece) = piece else { return Ok(whole.freeze()) };
            if whole.len() + piece.len() > limit_bytes {
                return Err(BodyError::TooLarge);
            }
            whole.extend_from_slice(&piece);
        }
    }
}

#[async_trait]
impl Body for SessionBody<'_> {
    async fn read(&mut self, limit_bytes: usize) -> Result<Bytes, BodyError> {
        if self.declared_bytes().is_some_and(|declared| declared > limit_bytes) {
            return Err(BodyError::TooLarge);
        }
        if self.session.req_header().headers.contains_key(header::EXPECT) {
            self.session.write_continue_response().await.map_err(|_| BodyError::Broken)?;
            // Pingora takes any answer before the body's end for the last on its connection.
            if !self.session.is_process_shutting_down() {
                self.session.set_keepalive(Some(0));
            }
        }
        self.link.enter(Phase::Uploading);
        let whole = self.read_up_to(limit_bytes).await;
        self.link.enter(Phase::Serving);
        whole
    }
}
