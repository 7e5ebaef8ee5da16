//! The decision for a request to a ready seat: the stages alone, which make nothing on the heap, and
//! the gate as a whole, with what goes on with the request.

use std::hint::black_box;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use http::request::Parts;
use usher::answer::{Body, BodyError};
use usher::authorize::{Permit, authorize};
use usher::gate::Verdict;
use usher::request::{Client, Connection, Door, Head, Target, head_is_bounded, path_is_sound};
use usher::supervise::Lease;

use crate::count;
use crate::house::House;
use crate::timing::{Pace, nanoseconds, spread};

pub(crate) fn measure(quick: bool) {
    let pace = Pace { rounds: if quick { 20 } else { 200 }, each: 2_000 };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
    for users in [1, 10_000] {
        let house = runtime.block_on(House::new(users));
        let _inside = runtime.enter();
        print_rows(&house, users, &pace);
    }
}

fn print_rows(house: &House, users: usize, pace: &Pace) {
    let parts = request();
    let connection = Connection {
        peer: ([127, 0, 0, 1], 50_000).into(),
        local: None,
        tls: false,
        door: Door::Main,
        from_seat: false,
    };
    let head = Head { parts: &parts, connection: &connection };
    let ns = nanoseconds(pace, |_| drop(black_box(stages(house, &head))));
    let made = count::allocations(|| drop(black_box(stages(house, &head))));
    println!(
        "| request → identify → authorize → lease, {users} users: ns; allocations | {}; {made} | 1,000; 0 |",
        spread(ns)
    );
    let ns = nanoseconds(pace, |_| admit(house, &head));
    let made = count::allocations(|| admit(house, &head));
    println!(
        "| the gate as a whole, with plan and passage, {users} users: ns; allocations | {}; {made} | 1,000 |",
        spread(ns)
    );
}

/// What `Gate::admit` decides, without what it hands on.
fn stages(house: &House, head: &Head<'_>) -> Lease {
    let in_force = house.operations.in_force();
    let snapshot = &in_force.snapshot;
    let path = head.parts.uri.path();
    assert!(head_is_bounded(head) && path_is_sound(path));
    let client = Client::of(head, &snapshot.trusted_proxies).expect("a client");
    let target = Target::of(path, &snapshot.admin.path);
    let identity = snapshot.directory.identify(&client, None, None);
    let permit = authorize(&snapshot.policy, &identity, &target, Door::Main);
    let Ok(Permit::Seat(permit)) = permit else { panic!("no permit") };
    house.operations.supervisor().ready(&permit).expect("a ready seat")
}

fn admit(house: &House, head: &Head<'_>) {
    let admission = house.gate.admit(head, &mut NoBody).now_or_never();
    let verdict = admission.expect("nothing is waited for").verdict;
    assert!(matches!(verdict, Verdict::Forward(_)), "the request goes on");
}

fn request() -> Parts {
    let request = http::Request::get("/app/bench/small")
        .header("host", "127.0.0.1:8000")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0 Safari/537.36")
        .header("accept", "*/*")
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .header("accept-language", "ko,en;q=0.8")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", "_streamlit_xsrf=2|58a1f0c2|1f2e3d4c5b6a79881f2e3d4c5b6a7988|1795654800");
    request.body(()).expect("a request").into_parts().0
}

/// A request without one.
struct NoBody;

#[async_trait]
impl Body for NoBody {
    async fn read(&mut self, _: usize) -> Result<Bytes, BodyError> {
        panic!("nobody reads it")
    }
}
