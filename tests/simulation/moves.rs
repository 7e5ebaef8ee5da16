//! Everything that can happen in a [`World`]: which moves are possible now, and making one.

use std::sync::Arc;

use usher::domain::{Actor, Exit, Failure, Role, UserName};
use usher::launch::Usage;
use usher::supervise::event::{Event, News};
use usher::supervise::rules::SeatRules;
use usher::supervise::{Drain, Order};

use crate::world::{Launch, World};

/// One move. Small and printable: a sequence of them is a test case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// A request wants the seat and waits.
    Acquire(usize),
    /// A waiting page wants the seat and does not wait.
    Begin(usize),
    /// The oldest waiting request leaves.
    Abandon,
    /// A launch under way gets a process, or none.
    LaunchSucceeds(Launch),
    LaunchFails(Launch),
    /// A probe under way is answered.
    ProbeSucceeds(Launch),
    ProbeFails(Launch),
    /// A process ends, asked or not, and its end is seen.
    Exits(Launch),
    /// What was being killed and forgotten is.
    Cleaned(Launch),
    /// A measurement comes back.
    WeighsLittle(Launch),
    WeighsMuch(Launch),
    /// The proxy: a request is forwarded and answered; begins; ends; finds nobody.
    Request(usize),
    RequestBegins(usize),
    RequestEnds(usize),
    Refused(usize),
    SocketOpens(usize),
    SocketCloses(usize),
    Act(usize),
    AppData(usize),
    /// People.
    Orders(usize, Order),
    Cancel(usize, usize),
    Keep(usize),
    /// The configuration.
    Remove(usize),
    Grant(usize),
    ChangeLaunch(usize),
    ChangeRole(usize),
    SmallLimits,
    LargeLimits,
    /// A process of an earlier usher turns up; all have.
    Adopt(usize),
    AdoptionOver,
    /// Usher leaves.
    Drain(Drain),
    /// Time passes until the machine's next deadline, or so many seconds.
    Deadline,
    Seconds(u64),
    /// Old news comes again.
    OldNews,
}

/// The kinds of moves, for weights: faults and wishes are as likely as the seed says.
pub(crate) const KINDS: usize = 18;

impl Move {
    /// The move's kind, below [`KINDS`].
    pub(crate) fn kind(self) -> usize {
        match self {
            Move::Acquire(_) | Move::Begin(_) => 0,
            Move::Abandon => 1,
            Move::LaunchSucceeds(_) => 2,
            Move::LaunchFails(_) => 3,
            Move::ProbeSucceeds(_) => 4,
            Move::ProbeFails(_) => 5,
            Move::Exits(_) => 6,
            Move::Cleaned(_) => 7,
            Move::WeighsLittle(_) => 8,
            Move::WeighsMuch(_) => 9,
            Move::Request(_) | Move::RequestBegins(_) | Move::RequestEnds(_) => 10,
            Move::SocketOpens(_) | Move::SocketCloses(_) | Move::Act(_) | Move::AppData(_) => 11,
            Move::Refused(_) => 12,
            Move::Orders(..) | Move::Cancel(..) | Move::Keep(_) => 13,
            Move::Remove(_) | Move::Grant(_) | Move::ChangeLaunch(_) | Move::ChangeRole(_) => 14,
            Move::SmallLimits | Move::LargeLimits => 14,
            Move::Adopt(_) | Move::AdoptionOver => 15,
            Move::Deadline | Move::Seconds(_) => 16,
            Move::Drain(_) | Move::OldNews => 17,
        }
    }
}

/// All moves that are possible now.
pub(crate) fn possible(world: &World) -> Vec<Move> {
    let mut moves = Vec::new();
    for seat in 0..world.keys.len() {
        of_person(world, seat, &mut moves);
        of_proxy(world, seat, &mut moves);
        of_configuration(world, seat, &mut moves);
    }
    of_processes(world, &mut moves);
    if !world.promises.waiting.is_empty() {
        moves.push(Move::Abandon);
    }
    moves.extend((0..world.survivors.len()).map(Move::Adopt));
    if world.adopting && world.survivors.is_empty() {
        moves.push(Move::AdoptionOver);
    }
    if world.machine.deadline().is_some() {
        moves.push(Move::Deadline);
    }
    if !world.old_news.is_empty() {
        moves.push(Move::OldNews);
    }
    moves.extend([Move::SmallLimits, Move::LargeLimits].into_iter().filter(|_| world.reloads));
    moves.extend([1, 20, 4_000].map(Move::Seconds));
    moves.extend([Drain::StopSeats, Drain::KeepSeats].map(Move::Drain));
    moves
}

fn of_person(world: &World, seat: usize, moves: &mut Vec<Move>) {
    if world.rules[seat].is_some() {
        moves.extend([Move::Acquire(seat), Move::Begin(seat)]);
    }
    let orders = [Order::Start, Order::Stop, Order::Restart, Order::Retry];
    moves.extend(orders.map(|order| Move::Orders(seat, order)));
    moves.extend([Move::Cancel(seat, 1), Move::Cancel(seat, 2), Move::Keep(seat)]);
}

fn of_proxy(world: &World, seat: usize, moves: &mut Vec<Move>) {
    let Some(ready) = world.ready.get(&seat) else { return };
    if !ready.sealed && !ready.suspended {
        moves.extend([Move::Request(seat), Move::RequestBegins(seat), Move::SocketOpens(seat)]);
        moves.push(Move::Refused(seat));
    }
    if ready.requests > 0 {
        moves.push(Move::RequestEnds(seat));
    }
    if ready.sockets > 0 {
        moves.extend([Move::SocketCloses(seat), Move::Act(seat), Move::AppData(seat)]);
    }
}

fn of_configuration(world: &World, seat: usize, moves: &mut Vec<Move>) {
    match &world.rules[seat] {
        _ if !world.reloads => {}
        Some(_) => {
            let changes = [Move::Remove(seat), Move::ChangeLaunch(seat), Move::ChangeRole(seat)];
            moves.extend(changes);
        }
        None => moves.push(Move::Grant(seat)),
    }
}

fn of_processes(world: &World, moves: &mut Vec<Move>) {
    for launch in world.launching.keys() {
        moves.extend([Move::LaunchSucceeds(*launch), Move::LaunchFails(*launch)]);
    }
    for (launch, process) in &world.processes {
        if process.probing && process.alive {
            moves.extend([Move::ProbeSucceeds(*launch), Move::ProbeFails(*launch)]);
        }
        if process.watching {
            moves.push(Move::Exits(*launch));
        }
        if process.cleaning {
            moves.push(Move::Cleaned(*launch));
        }
        if process.weighing {
            moves.extend([Move::WeighsLittle(*launch), Move::WeighsMuch(*launch)]);
        }
    }
}

/// Makes a move.
pub(crate) fn make(world: &mut World, this: Move) {
    world.trace.push(this);
    match this {
        Move::Acquire(seat) => world.acquire(seat),
        Move::Begin(seat) => world.begin(seat),
        Move::Abandon => world.abandon(),
        Move::LaunchSucceeds(launch) => world.launch_succeeds(launch),
        Move::LaunchFails(launch) => {
            let given_up = world.launching.remove(&launch).expect("a launch under way");
            world.news(launch, News::LaunchFailed(missing()));
            if !given_up {
                world.promises.nobody_waits_after_a_failed_start(launch.seat);
            }
        }
        Move::ProbeSucceeds(launch) => world.probe_ends(launch, News::Healthy),
        Move::ProbeFails(launch) => world.probe_ends(launch, News::Unhealthy(missing())),
        Move::Exits(launch) => world.exits(launch, Exit::Signal(9)),
        Move::Cleaned(launch) => world.cleaned(launch),
        Move::WeighsLittle(launch) => world.weighs(launch, usage(world, 1)),
        Move::WeighsMuch(launch) => world.weighs(launch, usage(world, 1 << 40)),
        Move::Request(seat) => world.request(seat),
        Move::RequestBegins(seat) => world.request_begins(seat),
        Move::RequestEnds(seat) => world.request_ends(seat),
        Move::Refused(seat) => world.suspect(seat),
        Move::SocketOpens(seat) => world.socket_opens(seat),
        Move::SocketCloses(seat) => world.socket_closes(seat),
        Move::Act(seat) => world.act(seat),
        Move::AppData(seat) => world.app_data(seat),
        Move::Orders(seat, order) => {
            let (key, rules) = (Arc::clone(&world.keys[seat]), world.rules[seat].clone());
            world.step(Event::Order { key, rules, order, actor: Actor::Operator });
        }
        Move::Cancel(seat, watchers) => world.cancel(seat, watchers),
        Move::Keep(seat) => {
            let actor = Actor::User(UserName::new("kim").expect("a name"));
            world.keep(seat, actor);
        }
        Move::Remove(seat) => world.configure(seat, None),
        Move::Grant(seat) => world.configure(seat, Some(world.plain_rules(seat))),
        Move::ChangeLaunch(seat) => world.change(seat, |rules| rules.fingerprint += 1),
        Move::ChangeRole(seat) => world.change(seat, |rules| {
            rules.fingerprint += 1;
            rules.role = if rules.role == Role::Admin { Role::User } else { Role::Admin };
        }),
        Move::SmallLimits => world.limit(2, 1, 1),
        Move::LargeLimits => world.limit(9, 3, 4),
        Move::Adopt(index) => world.adopt(index),
        Move::AdoptionOver => {
            world.adopting = false;
            world.step(Event::AdoptionOver);
        }
        Move::Drain(how) => world.drain(how),
        Move::Deadline => {
            if let Some(at) = world.machine.deadline() {
                world.now = world.now.max(at);
                world.tick();
            }
        }
        Move::Seconds(seconds) => world.pass(seconds * 1_000),
        Move::OldNews => world.hear_old_news(),
    }
}

fn missing() -> Failure {
    Failure::ScriptMissing { path: "/nowhere".to_owned() }
}

fn usage(world: &World, memory_bytes: u64) -> Usage {
    Usage {
        cpu_ms: world.now.0 / 100,
        memory_bytes,
        threads: 1,
        open_files: 1,
        is_slowed_down: false,
    }
}

impl World {
    /// Changes the rules of a seat that has some.
    fn change(&mut self, seat: usize, change: impl FnOnce(&mut SeatRules)) {
        if let Some(rules) = &self.rules[seat] {
            let mut rules = SeatRules::clone(rules);
            change(&mut rules);
            self.configure(seat, Some(Arc::new(rules)));
        }
    }
}
