//! Leases: counted, sealed, marked, closed.

use std::mem::size_of;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::clock::{OsClock, Timestamp};
use crate::config::Snapshot;
use crate::supervise::machine::tests::key;

fn seat() -> Arc<ReadySeat> {
    let file = "apps: { main: { script: a.py } }\nusers: [{ name: kim, role: user, addresses: [127.0.0.2] }]\n";
    let snapshot = Snapshot::parse(Path::new("/srv/usher.yaml"), file).expect("a good file");
    let key = key("kim", "main");
    let started = Started {
        key: SeatKey::clone(&key),
        generation: Generation(1),
        kind: LaunchKind::Fork,
        pid: Some(1),
        process_started_ticks: Some(1),
        endpoint: Endpoint::Tcp(([127, 0, 0, 1], 8501).into()),
        launched_at: Timestamp(0),
        fingerprint: 1,
    };
    let app = Arc::clone(&snapshot.apps[0]);
    Arc::new(ReadySeat::new(key, app, Arc::new(started), 1, Arc::new(OsClock)))
}

fn websocket(seat: &Arc<ReadySeat>) -> WebSocketLease {
    Lease { hold: seat.hold().expect("not sealed"), session: None }.into_websocket()
}

#[test]
fn a_seat_in_use_is_not_sealed_and_a_sealed_one_not_used() {
    let seat = seat();
    let hold = seat.hold().expect("not sealed");
    assert!(!seat.seal_if_unused());
    assert_eq!(seat.activity().leases, 1);
    drop(hold);
    assert!(seat.seal_if_unused());
    assert!(seat.hold().is_none());
    assert_eq!(seat.activity().leases, 0);
}

/// Four threads use a seat while another tries to seal it: nobody has a lease once it is
/// sealed, and every lease is given back.
#[test]
fn use_and_seal_exclude_each_other() {
    for _ in 0..20 {
        let seat = seat();
        let using = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let Some(hold) = seat.hold() else { return };
                        using.fetch_add(1, Ordering::SeqCst);
                        using.fetch_sub(1, Ordering::SeqCst);
                        drop(hold);
                    }
                });
            }
            while !seat.seal_if_unused() {
                std::thread::yield_now();
            }
            assert_eq!(using.load(Ordering::SeqCst), 0, "sealed while it was used");
        });
        assert_eq!(seat.activity().leases, 0);
    }
}

#[test]
fn a_websocket_of_an_ended_seat_closes_at_once() {
    let seat = seat();
    let lease = Lease { hold: seat.hold().expect("not sealed"), session: None };
    let before = websocket(&seat);
    seat.end(CloseCode::Kicked);
    assert_eq!(before.closing(), Some(CloseCode::Kicked));
    assert_eq!(lease.into_websocket().closing(), Some(CloseCode::Kicked));
    seat.end(CloseCode::SeatEnded);
    assert_eq!(before.closing(), Some(CloseCode::Kicked), "the first reason stands");
}

#[test]
fn what_happens_is_marked() {
    let seat = seat();
    let websocket = websocket(&seat);
    let (later, last) = (Moment(u64::MAX / 4), Moment(u64::MAX / 2));
    websocket.app_data(later);
    websocket.browser_data(later);
    assert_eq!(seat.activity().last_act_at, Some(later), "a data frame is an act");
    assert_eq!(seat.activity().last_app_data_at, Some(later));
    websocket.act(later);
    websocket.browser_data(last);
    assert_eq!(seat.activity().last_act_at, Some(later), "the script reports acts");
    websocket.act(last);
    websocket.act(later);
    assert_eq!(seat.activity().last_act_at, Some(last), "time does not go back");
    assert_eq!((seat.activity().websockets, seat.activity().leases), (1, 1));
    drop(websocket);
    assert_eq!((seat.activity().websockets, seat.activity().leases), (0, 0));
    assert!(seat.sockets.lock().open.is_empty());
}

/// Thousands of idle WebSockets: what one costs here, beside its buffers and its task.
#[test]
fn a_websocket_is_small() {
    let bytes = size_of::<WebSocketLease>() + size_of::<Socket>() + 3 * size_of::<usize>();
    assert!(bytes <= 192, "{bytes} bytes");
}
