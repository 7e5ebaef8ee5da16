//! What happened at a seat.

use crate::clock::Moment;

/// What happened at a ready seat until now, as the proxy saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Requests being forwarded and WebSockets open.
    pub leases: u32,
    /// WebSockets open.
    pub websockets: u32,
    /// When a request began or ended last.
    pub last_request_at: Option<Moment>,
    /// When a WebSocket was opened or closed last.
    pub last_socket_at: Option<Moment>,
    /// When the person did something last.
    pub last_act_at: Option<Moment>,
    /// When the app sent a data frame last.
    pub last_app_data_at: Option<Moment>,
}
