//! Worlds with faults drawn from a seed. First anything may happen, and no promise is broken;
//! then the faults stop, and everything that is pending comes to an end, everybody who asks gets
//! a seat, and usher can leave.

use std::collections::BTreeSet;
use std::sync::Arc;

use usher::domain::{Actor, Exit};
use usher::domain::{SeatState, UserName};
use usher::launch::Usage;
use usher::supervise::event::{Event, News};
use usher::supervise::{Drain, Order};

use crate::moves::{KINDS, Move, make, possible};
use crate::random::Random;
use crate::world::{Launch, World};

/// Every seed that ever failed, one a line.
const FAILED_ONCE: &str = include_str!("seeds.txt");
const SEEDS: u64 = 1_000;
/// The kind of move that ends everything: rare, or nothing else would happen.
const ENDING: usize = 17;

/// Prints what is needed to see a failure again.
struct Replay {
    seed: u64,
    world: World,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let moves = &self.world.trace;
            let latest = &moves[moves.len().saturating_sub(20)..];
            eprintln!("SEED={} failed at move {}; the last moves:", self.seed, moves.len());
            latest.iter().for_each(|this| eprintln!("  {this:?}"));
            for status in self.world.machine.status(self.world.now) {
                eprintln!("  {status:?}");
            }
        }
    }
}

#[test]
fn a_thousand_seeds() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        run(seed);
        return;
    }
    let failed = FAILED_ONCE.lines().filter(|line| !line.starts_with('#'));
    let failed = failed.map(|line| line.trim().parse().expect("a seed"));
    let seeds = failed.chain(0..number("SEEDS").unwrap_or(SEEDS));
    let seen: BTreeSet<_> = seeds.flat_map(run).collect();
    for happening in EVERYTHING {
        assert!(seen.contains(happening), "in all these worlds there was no {happening}");
    }
}

/// What has to happen at least once in all the worlds together.
const EVERYTHING: [&str; 28] = [
    "seat_launching",
    "seat_ready",
    "seat_adopted",
    "seat_start_failed",
    "seat_crashed",
    "seat_stopping",
    "seat_stopped",
    "seat_lingers",
    "seat_refused",
    "seat_ordered",
    "seat_kept",
    "seat_outdated",
    "idle",
    "untouched",
    "lifetime",
    "memory",
    "ordered",
    "cancelled",
    "removed",
    "replaced",
    "shutdown",
    "start_timeout",
    "full",
    "too_many_waiting",
    "failed",
    "backing_off",
    "too_slow",
    "draining",
];

/// Runs one world; returns what happened in it.
fn run(seed: u64) -> BTreeSet<&'static str> {
    let mut random = Random::new(seed);
    let mut replay = Replay { seed, world: begin(&mut random) };
    let mut weights = [0; KINDS];
    weights.iter_mut().for_each(|weight| *weight = random.pick(&[0, 1, 2, 5, 10]));
    weights[ENDING] = random.pick(&[0, 0, 1]);
    let moves = 50 + random.below(250);
    for _ in 0..moves {
        if let Some(this) = choose(&mut random, &weights, &replay.world) {
            make(&mut replay.world, this);
        }
    }
    live(&mut replay.world);
    std::mem::take(&mut replay.world.promises.seen)
}

/// A world to begin with: some have processes of an earlier usher.
fn begin(random: &mut Random) -> World {
    let seats = 1 + usize::try_from(random.below(3)).expect("small");
    let mut world = World::new(seats);
    world.lifetime_max_ms = random.pick(&[None, Some(1_000_000), Some(10_000_000)]);
    world.rules = (0..seats).map(|seat| Some(world.plain_rules(seat))).collect();
    for generation in 0..random.below(4) {
        let seat = usize::try_from(random.below(seats as u64)).expect("small");
        let fingerprint = world.plain_rules(seat).fingerprint + random.below(2);
        // Younger ones may have higher numbers than this usher's clock gives.
        let generation = 90 + generation * random.pick(&[1, 20]);
        world.survivors.push(world.process(seat, generation, fingerprint));
    }
    if random.chance(20) {
        let seat = usize::try_from(random.below(seats as u64)).expect("small");
        world.rules[seat] = None;
    }
    world
}

fn choose(random: &mut Random, weights: &[u64; KINDS], world: &World) -> Option<Move> {
    let moves = possible(world);
    // The kind first, then the move: what has many variants is not more likely for it.
    let mut kinds: Vec<usize> = moves.iter().map(|this| this.kind()).collect();
    kinds.dedup();
    kinds.sort_unstable();
    kinds.dedup();
    let total: u64 = kinds.iter().map(|kind| weights[*kind]).sum();
    let mut drawn = random.below(total.max(1));
    let kind = kinds.into_iter().find(|kind| {
        let hit = drawn < weights[*kind];
        drawn = drawn.saturating_sub(weights[*kind]);
        hit
    })?;
    let of_kind: Vec<Move> = moves.into_iter().filter(|this| this.kind() == kind).collect();
    Some(random.pick(&of_kind))
}

/// The faults stop.
fn live(world: &mut World) {
    finish_adoption(world);
    if world.promises.draining.is_none() {
        for seat in 0..world.keys.len() {
            world.configure(seat, Some(world.plain_rules(seat)));
        }
        world.limit(9, 3, 9);
        settle(world);
        assert!(world.promises.waiting.is_empty(), "everybody who waited has an answer");
        (0..world.keys.len()).for_each(|seat| everybody_gets_a_seat(world, seat));
    }
    world.drain(Drain::StopSeats);
    settle(world);
    assert!(world.promises.drained, "everything has ended");
    assert!(world.processes.is_empty(), "and nothing is left");
    assert!(
        world.machine.status(world.now).iter().all(|status| status.started.is_none()),
        "no seat has a process"
    );
}

fn finish_adoption(world: &mut World) {
    while !world.survivors.is_empty() {
        make(world, Move::Adopt(0));
    }
    if world.adopting {
        make(world, Move::AdoptionOver);
    }
}

/// Everything that is under way comes to its end, well.
fn settle(world: &mut World) {
    for _ in 0..2_000 {
        if !proceed(world) {
            let moving = |state| match state {
                SeatState::Starting | SeatState::Probing | SeatState::Stopping => true,
                SeatState::Absent | SeatState::Ready | SeatState::Backoff | SeatState::Failed => {
                    false
                }
            };
            let status = world.machine.status(world.now);
            let draining = world.promises.draining.is_some() && !world.promises.drained;
            if !draining && !status.iter().any(|status| moving(status.state)) {
                return;
            }
            let deadline = world.machine.deadline();
            assert!(deadline.is_some(), "stuck: {status:?}");
            make(world, Move::Deadline);
        }
    }
    panic!("it does not come to an end");
}

/// Brings one thing that is under way to a good end; whether there was one.
fn proceed(world: &mut World) -> bool {
    let launching = world.launching.iter().next().map(|(launch, given_up)| (*launch, *given_up));
    if let Some((launch, given_up)) = launching {
        make(
            world,
            if given_up { Move::LaunchFails(launch) } else { Move::LaunchSucceeds(launch) },
        );
        return true;
    }
    let next = |(launch, process): (&Launch, &crate::world::Process)| match process {
        process if process.cleaning => Some(Move::Cleaned(*launch)),
        process if process.probing && process.alive => Some(Move::ProbeSucceeds(*launch)),
        process if process.weighing => Some(Move::WeighsLittle(*launch)),
        _ => None,
    };
    let Some(this) = world.processes.iter().find_map(next) else { return false };
    make(world, this);
    true
}

fn everybody_gets_a_seat(world: &mut World, seat: usize) {
    let is_ready = |world: &World| world.ready.get(&seat).is_some_and(|ready| !ready.sealed);
    for _ in 0..10 {
        if is_ready(world) {
            return;
        }
        make(world, Move::Acquire(seat));
        if world.promises.waiting.is_empty() && !is_ready(world) {
            // Refused: after the back-off it works, or after the person's own retry.
            make(world, Move::Seconds(20));
            make(world, Move::Acquire(seat));
            if world.promises.waiting.is_empty() && !is_ready(world) {
                make(world, Move::Orders(seat, Order::Retry));
            }
        }
        settle(world);
    }
    panic!("{} never gets a seat", world.keys[seat]);
}

/// A person who does something every ten minutes is never stopped by an idle time of thirty, nor
/// by an untouched time of two hours; whoever leaves is.
#[test]
fn who_types_every_ten_minutes_stays() {
    let mut world = one_ready_seat();
    make(&mut world, Move::SocketOpens(0));
    for _ in 0..60 {
        make(&mut world, Move::Seconds(600));
        make(&mut world, Move::Act(0));
        assert!(!world.ready[&0].sealed, "stopped after {} moves", world.trace.len());
    }
    make(&mut world, Move::SocketCloses(0));
    make(&mut world, Move::Seconds(1_799));
    assert!(!world.ready[&0].sealed);
    make(&mut world, Move::Seconds(2));
    assert!(world.ready[&0].sealed, "idle for half an hour");
}

/// A script that computes for hours with nobody at the keyboard is not stopped; a tab that is
/// only open is.
#[test]
fn who_computes_stays() {
    for (computes, stays) in [(true, true), (false, false)] {
        let mut world = one_ready_seat();
        make(&mut world, Move::SocketOpens(0));
        let launch = Launch { seat: 0, generation: world.ready[&0].generation };
        let mut cpu_ms = 0;
        for _ in 0..3 * 720 {
            let at = world.now.plus_ms(5_000);
            while let Some(due) = world.machine.deadline().filter(|due| *due <= at) {
                world.now = due;
                world.tick();
                if world.processes.get(&launch).is_some_and(|process| process.weighing) {
                    let usage = Usage { cpu_ms, memory_bytes: 1, ..Usage::default() };
                    world.weighs(launch, usage);
                }
            }
            world.now = at;
            cpu_ms += if computes { 5_000 } else { 100 };
        }
        assert_eq!(!world.ready[&0].sealed, stays, "computes: {computes}");
    }
}

fn one_ready_seat() -> World {
    let mut world = World::new(1);
    make(&mut world, Move::AdoptionOver);
    make(&mut world, Move::Acquire(0));
    settle(&mut world);
    make(&mut world, Move::RequestEnds(0));
    world
}

/// A launch whose end is seen late never ends the next one.
#[test]
fn a_late_exit_does_not_touch_the_next_launch() {
    let mut world = one_ready_seat();
    let old = Launch { seat: 0, generation: world.ready[&0].generation };
    make(&mut world, Move::Orders(0, Order::Restart));
    make(&mut world, Move::Deadline);
    while world.ready.get(&0).is_none_or(|ready| ready.generation == old.generation) {
        assert!(proceed(&mut world) || world.machine.deadline().is_some());
    }
    let actor = Actor::User(UserName::new("kim").expect("a name"));
    let key = Arc::clone(&world.keys[0]);
    world.step(Event::Keep { key, actor });
    world.news(old, News::Exited(Exit::Code(0)));
    assert!(!world.ready[&0].sealed);
}
