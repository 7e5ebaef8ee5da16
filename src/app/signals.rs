//! The signals that usher answers to. Registered before anything is started, so that none finds
//! the system's default action.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM, SIGINT: leave, and end the seats.
    Stop,
    /// SIGUSR1: leave, and keep the seats for the next usher.
    Leave,
    /// SIGHUP: reload the configuration.
    Reload,
}

/// Signals as they come.
pub(super) struct Signals {
    came: mpsc::Receiver<Signal>,
}

/// More than this many unanswered signals are the same as this many.
const WAITING_MAX: usize = 8;

impl Signals {
    /// Takes the signals over from the system's default actions.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn register() -> io::Result<Self> {
        let (tell, came) = mpsc::channel(WAITING_MAX);
        for (kind, meaning) in [
            (SignalKind::terminate(), Signal::Stop),
            (SignalKind::interrupt(), Signal::Stop),
            (SignalKind::user_defined1(), Signal::Leave),
            (SignalKind::hangup(), Signal::Reload),
            // Pingora's habit for upgrades; without a successor it would take the service down.
            (SignalKind::quit(), Signal::Stop),
        ] {
            let mut signals = signal(kind)?;
            let tell = tell.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    // A full channel holds the same wish already.
                    let _ = tell.try_send(meaning);
                }
            });
        }
        Ok(Self { came })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        match self.came.recv().await {
            Some(signal) => signal,
            // The senders live as long as the runtime.
            None => std::future::pending().await,
        }
    }
}
