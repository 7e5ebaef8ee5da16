//! What stays open ends with the session that opened it: usher's own WebSockets and streams of
//! events. WebSockets of seats are closed by the supervisor.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use super::refuse::Turned;
use super::{Gate, Verdict};
use crate::answer::{EventSource, OwnFrame, OwnWebSocket};
use crate::clock::Clock;
use crate::domain::CloseCode;
use crate::identify::SessionId;
use crate::trust::sessions::Session;

impl Gate {
    /// These events, for as long as the session lasts.
    pub(super) fn events_in_session(
        &self,
        session: Option<SessionId>,
        events: Box<dyn EventSource>,
    ) -> Result<Verdict, Turned> {
        match session {
            Some(id) => Ok(Verdict::Events(Box::new(self.until_end(id, events)?))),
            None => Ok(Verdict::Events(events)),
        }
    }

    /// This WebSocket, for as long as the session lasts.
    pub(super) fn socket_in_session(
        &self,
        session: Option<SessionId>,
        socket: Box<dyn OwnWebSocket>,
    ) -> Result<Verdict, Turned> {
        match session {
            Some(id) => Ok(Verdict::Own(Box::new(self.until_end(id, socket)?))),
            None => Ok(Verdict::Own(socket)),
        }
    }

    fn until_end<T>(&self, id: SessionId, inner: T) -> Result<Until<T>, Turned> {
        let session = self.operations.trust().sessions.get(id).ok_or(Turned::SignIn)?;
        let over = session.watch_end();
        Ok(Until { inner, session, over, clock: Arc::clone(self.operations.clock()) })
    }
}

/// Something that ends with a session.
struct Until<T> {
    inner: T,
    session: Arc<Session>,
    over: watch::Receiver<bool>,
    clock: Arc<dyn Clock>,
}

/// Returns when the session has ended.
async fn ended(over: &mut watch::Receiver<bool>) {
    // Without a sender the session is gone too.
    let _ = over.wait_for(|over| *over).await;
}

#[async_trait]
impl EventSource for Until<Box<dyn EventSource>> {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            () = ended(&mut self.over) => None,
            next = self.inner.next() => next,
        }
    }
}

#[async_trait]
impl OwnWebSocket for Until<Box<dyn OwnWebSocket>> {
    fn receive(&mut self, text: &str) {
        // All that the script in an app's page has to say is that the person did something.
        self.session.used(self.clock.wall());
        self.inner.receive(text);
    }

    async fn next(&mut self) -> OwnFrame {
        tokio::select! {
            biased;
            () = ended(&mut self.over) => OwnFrame::Close(CloseCode::SessionEnded),
            next = self.inner.next() => next,
        }
    }
}
