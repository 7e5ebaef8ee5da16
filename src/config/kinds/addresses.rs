//! Addresses: networks that people call from, and places to listen at or to connect to. Names are
//! never looked up: what a name means can change behind the operator's back.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value as Json, json};

use super::Scalar;
use crate::config::report::{Wrong, quoted, wrong};
use crate::network::{BadNetwork, Network};

/// An address, or a network with its prefix.
pub(in crate::config) struct NetworkText;

impl Scalar for NetworkText {
    type Value = Network;

    fn expected(&self) -> String {
        "an address or a network".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<Network, Wrong> {
        text.parse().map_err(|bad| match bad {
            BadNetwork::HostBits { corrected } => {
                let alone = text.split('/').next().unwrap_or("");
                wrong(
                    format!("{} has bits set behind its prefix", quoted(text)),
                    format!("write {corrected}, or {alone} for this one address"),
                )
            }
            BadNetwork::PrefixTooLong { most_bits } => wrong(
                format!("the prefix of {} is too long", quoted(text)),
                format!("at most /{most_bits}"),
            ),
            BadNetwork::Unreadable => wrong(
                format!("{} is neither an address nor a network", quoted(text)),
                "such as 192.168.1.20, 10.20.0.0/24 or \"fd00::/8\"; names are not looked up",
            ),
        })
    }

    fn show(&self, value: &Network) -> String {
        value.to_string()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" })
    }
}

/// An address with a port.
pub(in crate::config) struct SocketAddress;

impl Scalar for SocketAddress {
    type Value = SocketAddr;

    fn expected(&self) -> String {
        "an address with a port".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<SocketAddr, Wrong> {
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() == 0 => {
                Err(wrong(format!("{} has port 0, which nobody can call", quoted(text)), ""))
            }
            Ok(address) => Ok(address),
            Err(_) => {
                let sentence = format!("must be {}, not {}", Scalar::expected(self), quoted(text));
                Err(wrong(sentence, hint(text)))
            }
        }
    }

    fn meant(&self, text: &str) -> Option<String> {
        meant(text).map(|address| address.to_string())
    }

    fn show(&self, value: &SocketAddr) -> String {
        value.to_string()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}$" })
    }
}

/// The address that was probably meant.
fn meant(text: &str) -> Option<SocketAddr> {
    if let Some(port) = port_alone(text) {
        return Some(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    if let Some((host, Ok(port))) = text.rsplit_once(':').map(|(h, p)| (h, p.parse::<u16>())) {
        match host.parse() {
            Ok(address @ IpAddr::V6(_)) => return Some(SocketAddr::new(address, port)),
            Ok(IpAddr::V4(_)) | Err(_) if host == "localhost" => {
                return Some(SocketAddr::from(([127, 0, 0, 1], port)));
            }
            Ok(IpAddr::V4(_)) | Err(_) => {}
        }
    }
    text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 8000))
}

/// The port of a text that has no address.
fn port_alone(text: &str) -> Option<u16> {
    text.trim_start_matches([':', '*']).parse().ok()
}

/// What to write instead.
fn hint(text: &str) -> String {
    let examples = "such as 0.0.0.0:8000, 127.0.0.1:8000 or \"[::]:8000\"";
    match (port_alone(text), meant(text)) {
        (Some(port), _) => {
            format!("write 0.0.0.0:{port} for all addresses or 127.0.0.1:{port} for this machine")
        }
        (None, Some(address)) if text.parse() == Ok(address.ip()) => {
            format!("it needs a port, such as {address}")
        }
        (None, Some(address @ SocketAddr::V6(_))) => format!("write \"{address}\""),
        (None, Some(address @ SocketAddr::V4(_))) => format!("write {address}"),
        (None, None) => format!("names are not looked up; {examples}"),
    }
}
