//! Every sequence of moves up to a small length. What a few moves can break is found here, not
//! by luck.

use crate::moves::{Move, make, possible};
use crate::world::World;
use std::sync::Arc;
use usher::supervise::rules::SeatRules;
use usher::supervise::{Drain, Order};

/// The moves of the first test, besides those of processes, which are always possible.
fn is_tried(this: &Move) -> bool {
    match this {
        Move::Acquire(_)
        | Move::Begin(_)
        | Move::LaunchSucceeds(_)
        | Move::LaunchFails(_)
        | Move::ProbeSucceeds(_)
        | Move::ProbeFails(_)
        | Move::Exits(_)
        | Move::Cleaned(_)
        | Move::Refused(_)
        | Move::Remove(_)
        | Move::Grant(_)
        | Move::ChangeLaunch(_)
        | Move::Deadline
        | Move::OldNews
        | Move::Abandon
        | Move::Cancel(_, 1)
        | Move::Orders(_, Order::Stop | Order::Restart | Order::Start)
        | Move::Drain(Drain::StopSeats | Drain::KeepSeats) => true,
        Move::Cancel(..)
        | Move::Orders(_, Order::Retry)
        | Move::WeighsLittle(_)
        | Move::WeighsMuch(_)
        | Move::Request(_)
        | Move::RequestBegins(_)
        | Move::RequestEnds(_)
        | Move::SocketOpens(_)
        | Move::SocketCloses(_)
        | Move::Act(_)
        | Move::AppData(_)
        | Move::Keep(_)
        | Move::ChangeRole(_)
        | Move::SmallLimits
        | Move::LargeLimits
        | Move::Adopt(_)
        | Move::AdoptionOver
        | Move::Seconds(_) => false,
    }
}

/// Tries everything that can follow; returns how many worlds there were.
fn try_all(world: &World, length: usize, tried: fn(&Move) -> bool) -> u64 {
    if length == 0 {
        return 1;
    }
    let mut worlds = 1;
    for this in possible(world).into_iter().filter(tried) {
        let mut next = Told(world.clone());
        make(&mut next.0, this);
        worlds += try_all(&next.0, length - 1, tried);
    }
    worlds
}

/// Prints how a world came to be if it breaks a promise.
struct Told(World);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("after {:?}", self.0.trace);
        }
    }
}

fn length(default: usize) -> usize {
    std::env::var("LENGTH").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn open_world(seats: usize) -> World {
    let mut world = World::new(seats);
    make(&mut world, Move::AdoptionOver);
    world
}

#[test]
fn every_short_life_of_one_seat() {
    let worlds = try_all(&open_world(1), length(5), is_tried);
    assert!(worlds > 10_000, "{worlds} worlds");
}

/// From a ready seat with somebody at it.
#[test]
fn every_short_life_of_a_ready_seat() {
    let mut world = open_world(1);
    let rules = SeatRules::clone(&world.plain_rules(0));
    let (idle, untouched) = (Some(2_000), Some(4_000));
    let rules = SeatRules { idle_timeout_ms: idle, untouched_timeout_ms: untouched, ..rules };
    world.rules[0] = Some(Arc::new(rules));
    make(&mut world, Move::Acquire(0));
    let launch = *world.launching.keys().next().expect("a launch");
    make(&mut world, Move::LaunchSucceeds(launch));
    make(&mut world, Move::ProbeSucceeds(launch));
    let worlds = try_all(&world, length(4), |this| {
        is_tried(this)
            || matches!(
                this,
                Move::RequestEnds(_)
                    | Move::SocketOpens(_)
                    | Move::SocketCloses(_)
                    | Move::Keep(_)
                    | Move::WeighsMuch(_)
                    | Move::ChangeRole(_)
                    | Move::Seconds(1 | 20)
            )
    });
    assert!(worlds > 10_000, "{worlds} worlds");
}

#[test]
fn every_short_life_of_two_seats() {
    let worlds = try_all(&open_world(2), length(3), |this| {
        is_tried(this) || matches!(this, Move::SmallLimits | Move::LargeLimits)
    });
    assert!(worlds > 1_000, "{worlds} worlds");
}
