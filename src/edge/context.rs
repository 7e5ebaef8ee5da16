//! What is known of one request on its way through Pingora's hooks.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;

use super::insertion::Insertion;
use super::link::Link;
use super::seam::ToSeat;
use crate::account::AccessFact;
use crate::answer::Answer;
use crate::clock::{Clock, Moment, Timestamp};
use crate::domain::UserName;
#[cfg(target_os = "linux")]
use crate::platform::streams;

tokio::task_local! {
    /// The connection that the request of this task came on. Pingora has no place for it that
    /// HTTP/1.1 and HTTP/2 share.
    static LINK: Arc<Link>;
    /// The seat's socket, while a part of its answer has come that nobody has acknowledged.
    static UNACKNOWLEDGED: Cell<Option<i32>>;
}

/// Runs what Pingora does for one request, on this connection. Whenever that has to wait although
/// a part of an answer has come, the part is acknowledged: the seat may hold the next one back for
/// it. An answer that came whole is not, for the next request on the connection does that, and an
/// acknowledgement of its own would cost as much as a small answer.
pub(crate) async fn of_link<T>(link: Arc<Link>, request: impl Future<Output = T>) -> T {
    let request = async {
        let mut request = std::pin::pin!(request);
        std::future::poll_fn(|cx| {
            let polled = request.as_mut().poll(cx);
            if polled.is_pending() {
                acknowledge();
            }
            polled
        })
        .await
    };
    LINK.scope(link, UNACKNOWLEDGED.scope(Cell::new(None), request)).await
}

fn acknowledge() {
    #[cfg(target_os = "linux")]
    if let Some(socket) = UNACKNOWLEDGED.with(Cell::take) {
        streams::acknowledge_at_once_by_number(socket);
    }
}

/// One request.
pub(crate) struct Context<F> {
    pub link: Option<Arc<Link>>,
    pub began: Moment,
    pub began_at: Timestamp,
    pub user: Option<UserName>,
    pub address: Option<IpAddr>,
    pub forward: Option<Box<F>>,
    /// Written instead of what a failure would get.
    pub answer: Option<Answer>,
    pub incident: Option<u32>,
    /// Nobody was at the seat's endpoint: the next try goes to the seat that follows.
    pub refused: bool,
    pub tries: u8,
    /// The page that is on its way, if something is put into it.
    pub insertion: Option<Insertion>,
    /// On a connection that was never used.
    pub fresh: bool,
    /// The seat's socket, if what comes from it is to be acknowledged at once.
    #[cfg(unix)]
    pub seat_socket: Option<i32>,
    /// The session is somebody else's now, and what is left of it means nothing.
    pub taken: bool,
}

impl<F: ToSeat> Context<F> {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self {
            link: LINK.try_with(Arc::clone).ok(),
            began: clock.now(),
            began_at: clock.wall(),
            user: None,
            address: None,
            forward: None,
            answer: None,
            incident: None,
            refused: false,
            tries: 0,
            insertion: None,
            fresh: false,
            #[cfg(unix)]
            seat_socket: None,
            taken: false,
        }
    }

    pub(crate) fn link(&self) -> Result<Arc<Link>> {
        match &self.link {
            Some(link) => Ok(Arc::clone(link)),
            None => Error::e_explain(ErrorType::InternalError, "a request without a connection"),
        }
    }

    /// The line of the access log, as far as it is known.
    pub(crate) fn line(&self, session: &Session, link: &Link, clock: &dyn Clock) -> AccessFact {
        let request = session.req_header();
        let took_ms = clock.now().since_ms(self.began);
        AccessFact {
            at: self.began_at,
            address: self.address.unwrap_or(link.connection().peer.ip()),
            user: self.user.clone(),
            method: request.method.clone(),
            path: String::from_utf8_lossy(without_codes(request.raw_path())).into(),
            status: session.response_written().map_or(0, |head| head.status.as_u16()),
            took_us: took_ms.saturating_mul(1000),
            in_bytes: session.body_bytes_read() as u64,
            out_bytes: session.body_bytes_sent() as u64,
            incident: self.incident,
        }
    }

    /// A part of the seat's answer has come; `ends`: the last one.
    pub(crate) fn heard(&self, ends: bool) {
        #[cfg(unix)]
        if let Some(socket) = self.seat_socket {
            let _ = UNACKNOWLEDGED.try_with(|part| part.set((!ends).then_some(socket)));
        }
        #[cfg(not(unix))]
        let _ = ends;
    }
}

/// A target without what the provider sends through the browser: a code that vouches for somebody
/// is nobody's to read in a log.
fn without_codes(target: &[u8]) -> &[u8] {
    if !target.starts_with(b"/_usher/oidc/") {
        return target;
    }
    target.split(|byte| *byte == b'?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_provider_are_not_logged() {
        for (target, logged) in [
            ("/_usher/oidc/return?code=secret&state=secret", "/_usher/oidc/return"),
            ("/_usher/oidc/start", "/_usher/oidc/start"),
            ("/app/main/?code=1", "/app/main/?code=1"),
        ] {
            assert_eq!(without_codes(target.as_bytes()), logged.as_bytes());
        }
    }
}
