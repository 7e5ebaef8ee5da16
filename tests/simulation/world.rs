//! The machine with everything around it, in one value that can be copied: processes, the proxy's
//! leases, requests that wait. It performs the machine's actions as the driver would, except that
//! whatever takes time happens only when a [`crate::moves::Move`] says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use usher::clock::{Moment, Timestamp};
use usher::domain::{
    Actor, AppSlug, Endpoint, Exit, Generation, LaunchKind, Role, SeatKey, SeatState, UserName,
};
use usher::launch::{Allowance, Started, Usage};
use usher::supervise::activity::Activity;
use usher::supervise::event::{Action, Event, News, WaiterId};
use usher::supervise::machine::Machine;
use usher::supervise::rules::{Limits, SeatRules};
use usher::supervise::{Drain, OrderRefused};

use crate::moves::Move;
use crate::promises::Promises;

/// One launch of one seat (its index in [`World::keys`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Launch {
    pub(crate) seat: usize,
    pub(crate) generation: u64,
}

/// A process, and what the machine wants to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) alive: bool,
    pub(crate) watching: bool,
    pub(crate) probing: bool,
    pub(crate) weighing: bool,
    pub(crate) cleaning: bool,
}

/// A published seat, as the proxy uses it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadySeat {
    pub(crate) generation: u64,
    pub(crate) sealed: bool,
    pub(crate) suspended: bool,
    pub(crate) requests: u32,
    pub(crate) sockets: u32,
    pub(crate) activity: Activity,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) now: Moment,
    pub(crate) keys: Vec<Arc<SeatKey>>,
    pub(crate) rules: Vec<Option<Arc<SeatRules>>>,
    pub(crate) limits: Limits,
    /// Launches under way, and whether they were given up.
    pub(crate) launching: BTreeMap<Launch, bool>,
    /// Processes that are not cleaned up yet.
    pub(crate) processes: BTreeMap<Launch, Process>,
    pub(crate) ready: BTreeMap<usize, ReadySeat>,
    /// Processes of an earlier usher that have not turned up yet.
    pub(crate) survivors: Vec<Arc<Started>>,
    pub(crate) adopting: bool,
    /// Whether the configuration changes in this world.
    pub(crate) reloads: bool,
    /// The lifetime of every seat.
    pub(crate) lifetime_max_ms: Option<u64>,
    pub(crate) old_news: Vec<(Launch, News)>,
    pub(crate) promises: Promises,
    pub(crate) trace: Vec<Move>,
    waiters: u64,
    /// The seats in the queue after the last step, and those launched in this one.
    queue: Vec<usize>,
    launched: Vec<usize>,
    reply: Option<Result<(), OrderRefused>>,
}

/// What was news is remembered for so long, to come again.
const OLD_NEWS_MAX: usize = 4;

impl World {
    /// A world of so many seats, in which nothing has happened.
    pub(crate) fn new(seats: usize) -> Self {
        let limits = Limits { seats_max: 9, starts_at_once_max: 1, waiting_per_seat_max: 4 };
        let people = ["kim", "lee", "park"];
        let key = |seat: usize| {
            Arc::new(SeatKey {
                user: UserName::new(people[seat]).expect("a name"),
                app: AppSlug::new("main").expect("a slug"),
            })
        };
        let mut world = Self {
            machine: Machine::new(limits, Generation(100)),
            now: Moment(1_000_000_000),
            keys: (0..seats).map(key).collect(),
            rules: vec![None; seats],
            limits,
            launching: BTreeMap::new(),
            processes: BTreeMap::new(),
            ready: BTreeMap::new(),
            survivors: Vec::new(),
            adopting: true,
            reloads: true,
            lifetime_max_ms: None,
            old_news: Vec::new(),
            promises: Promises::new(limits),
            trace: Vec::new(),
            waiters: 0,
            queue: Vec::new(),
            launched: Vec::new(),
            reply: None,
        };
        world.rules = (0..seats).map(|seat| Some(world.plain_rules(seat))).collect();
        world
    }

    /// The rules with which every seat begins.
    pub(crate) fn plain_rules(&self, seat: usize) -> Arc<SeatRules> {
        Arc::new(SeatRules {
            role: Role::User,
            fingerprint: 1 + seat as u64 * 1_000,
            start_timeout_ms: 30_000,
            idle_timeout_ms: Some(1_800_000),
            untouched_timeout_ms: Some(7_200_000),
            lifetime_max_ms: self.lifetime_max_ms,
            allowance: Allowance { memory_max_bytes: Some(1 << 30), ..Allowance::default() },
            stop_grace_ms: 3_000,
            restart_attempts_max: 3,
            restart_within_ms: 600_000,
        })
    }

    pub(crate) fn seat_of(&self, key: &SeatKey) -> usize {
        self.keys.iter().position(|other| **other == *key).expect("a key of this world")
    }

    /// A process that could have been started with this generation.
    pub(crate) fn process(&self, seat: usize, generation: u64, fingerprint: u64) -> Arc<Started> {
        Arc::new(Started {
            key: SeatKey::clone(&self.keys[seat]),
            generation: Generation(generation),
            kind: LaunchKind::Spawn,
            pid: Some(u32::try_from(generation).expect("small")),
            process_started_ticks: Some(generation),
            endpoint: Endpoint::Tcp(([127, 0, 0, 1], 8501).into()),
            launched_at: Timestamp(0),
            fingerprint,
        })
    }

    // ------------------------------------------------------------------ the machine

    /// Tells the machine, performs what it wants.
    pub(crate) fn step(&mut self, event: Event) {
        self.reply = None;
        let places = if matches!(event, Event::Adopt { .. }) { None } else { Some(self.taken()) };
        let mut events = vec![event];
        let mut rounds = 0;
        while let Some(event) = events.pop() {
            rounds += 1;
            assert!(rounds < 20, "the machine and its surroundings loop");
            for action in self.machine.step(self.now, event) {
                events.extend(self.perform(action));
            }
        }
        let violation = self.machine.violation();
        assert!(violation.is_none(), "{violation:?}");
        self.first_come_first_served();
        let seats_max = usize::try_from(self.limits.seats_max).expect("small");
        let grew = places.is_some_and(|before| self.taken() > before.max(seats_max));
        assert!(!grew, "more seats than there may be");
    }

    /// Seats that take a place.
    fn taken(&self) -> usize {
        let takes = |state| match state {
            SeatState::Starting | SeatState::Probing | SeatState::Ready | SeatState::Stopping => {
                true
            }
            SeatState::Absent | SeatState::Backoff | SeatState::Failed => false,
        };
        self.machine.status(self.now).iter().filter(|status| takes(status.state)).count()
    }

    /// Nobody was launched past somebody who has been in the queue for longer and could have
    /// been.
    fn first_come_first_served(&mut self) {
        let mut queued: Vec<_> = self
            .machine
            .status(self.now)
            .into_iter()
            .filter_map(|status| Some((status.queue_place?, self.seat_of(&status.key))))
            .collect();
        queued.sort_unstable();
        let queued: Vec<_> = queued.into_iter().map(|(_, seat)| seat).collect();
        let place = |seat: &usize| self.queue.iter().position(|other| other == seat);
        for seat in std::mem::take(&mut self.launched) {
            let before = place(&seat).unwrap_or(self.queue.len());
            let passed = self.queue[..before].iter().find(|other| {
                let is_free = !self.processes.keys().any(|launch| launch.seat == **other);
                queued.contains(other) && is_free
            });
            assert!(passed.is_none(), "{passed:?} was passed over for {seat}");
        }
        // Who is new stands behind everybody else, whatever the machine says.
        self.queue.retain(|seat| queued.contains(seat));
        let new: Vec<_> = queued.into_iter().filter(|seat| !self.queue.contains(seat)).collect();
        self.queue.extend(new);
    }

    pub(crate) fn news(&mut self, launch: Launch, news: News) {
        // A process that turns up twice does not exist; everything else may be told twice.
        if !matches!(news, News::Launched(_)) {
            self.old_news.push((launch, news.clone()));
            if self.old_news.len() > OLD_NEWS_MAX {
                self.old_news.remove(0);
            }
        }
        let key = Arc::clone(&self.keys[launch.seat]);
        self.step(Event::Of { key, generation: Generation(launch.generation), news });
    }

    /// News of a launch that is not the latest of its seat changes nothing.
    pub(crate) fn hear_old_news(&mut self) {
        let (launch, news) = self.old_news.remove(0);
        let key = Arc::clone(&self.keys[launch.seat]);
        if self.machine.generation_of(&key) == Some(Generation(launch.generation)) {
            return;
        }
        let before = format!("{:?}", self.machine.status(self.now));
        let generation = Generation(launch.generation);
        // A second Cleaned of a stray may complete a drain, but does nothing to seats.
        let actions = self.machine.step(self.now, Event::Of { key, generation, news });
        assert!(actions.iter().all(|action| matches!(action, Action::Drained)), "{actions:?}");
        assert_eq!(before, format!("{:?}", self.machine.status(self.now)), "late news did it");
    }

    pub(crate) fn tick(&mut self) {
        self.step(Event::Tick);
    }

    /// Time passes; the machine is asked whenever it wanted to be.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        for _ in 0..100_000 {
            match self.machine.deadline() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.tick();
                    self.weigh_all();
                }
                Some(_) | None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the machine is asked without end");
    }

    /// While time passes, measurements come back at once.
    fn weigh_all(&mut self) {
        let weighing = |(launch, process): (&Launch, &Process)| process.weighing.then_some(*launch);
        for launch in self.processes.iter().filter_map(weighing).collect::<Vec<_>>() {
            self.weighs(launch, Usage { cpu_ms: 1, memory_bytes: 1, ..Usage::default() });
        }
    }

    /// Performs an action; returns what the machine is to be told at once.
    fn perform(&mut self, action: Action) -> Option<Event> {
        self.promises.see(self.now, &action, &self.keys);
        match action {
            Action::Launch { key, generation } => self.launch(&key, generation),
            Action::AbortLaunch { key, generation } => {
                let launch = self.launch_of(&key, generation);
                *self.launching.get_mut(&launch).expect("a launch under way") = true;
            }
            Action::Watch(started) => self.process_of(&started).watching = true,
            Action::Probe(started) => self.process_of(&started).probing = true,
            Action::EndProbe { key, generation } => {
                let launch = self.launch_of(&key, generation);
                self.processes.get_mut(&launch).expect("a process").probing = false;
            }
            Action::Publish(started) => self.publish(&started),
            Action::Suspend { key, generation } => {
                self.ready_of(&key, generation).suspended = true;
            }
            Action::SealIfUnused { key, generation } => {
                return Some(self.seal_if_unused(key, generation));
            }
            Action::Retire { key, generation, code: _ } => {
                let ready = self.ready_of(&key, generation);
                ready.sealed = true;
                ready.sockets = 0;
            }
            Action::Observe { key, generation } => {
                let news = News::Observed(self.ready_of(&key, generation).activity);
                return Some(Event::Of { key, generation, news });
            }
            Action::Weigh { started, .. } => self.process_of(&started).weighing = true,
            Action::Stop(started) => {
                let process = self.process_of(&started);
                assert!(!process.cleaning, "asked to end after it was killed");
            }
            Action::Clean(started) => self.process_of(&started).cleaning = true,
            Action::Grant { waiter, key, generation } => self.grant(waiter, &key, generation),
            Action::Refuse { waiter, refusal } => {
                self.promises.refused(waiter, &refusal);
            }
            Action::Reply(result) => {
                assert!(self.reply.is_none(), "answered twice");
                self.reply = Some(result);
            }
            Action::Note { key, generation, what, actor: _ } => {
                let seat = self.seat_of(&key);
                self.promises.failed_or_forgiven(self.now, seat, &what);
                let rules = self.rules[seat].clone();
                let ready = self.ready.get(&seat).cloned();
                self.promises.noted(self.now, generation, &what, rules.as_deref(), ready.as_ref());
            }
            Action::Drained => {
                let alive = self.processes.values().any(|process| process.alive);
                assert!(self.launching.is_empty(), "drained with a launch under way");
                self.promises.drained(alive);
            }
        }
        None
    }

    fn launch_of(&self, key: &SeatKey, generation: Generation) -> Launch {
        Launch { seat: self.seat_of(key), generation: generation.0 }
    }

    fn process_of(&mut self, started: &Started) -> &mut Process {
        let launch = self.launch_of(&started.key, started.generation);
        self.processes.get_mut(&launch).expect("a process that is not cleaned up")
    }

    fn ready_of(&mut self, key: &SeatKey, generation: Generation) -> &mut ReadySeat {
        let seat = self.seat_of(key);
        let ready = self.ready.get_mut(&seat).expect("a published seat");
        assert_eq!(ready.generation, generation.0, "another launch is published");
        ready
    }

    fn reply(&mut self) -> Result<(), OrderRefused> {
        self.reply.take().expect("an answer")
    }

    // ------------------------------------------------------------------ processes

    fn launch(&mut self, key: &SeatKey, generation: Generation) {
        let launch = self.launch_of(key, generation);
        assert!(!self.adopting, "launched while processes may still turn up");
        assert!(self.rules[launch.seat].is_some(), "launched for somebody who was removed");
        assert!(self.now >= self.promises.next_try_at(launch.seat), "tried again too early");
        let others = |other: &Launch| other.seat == launch.seat;
        assert!(!self.launching.keys().any(others), "two launches of one seat");
        let alive = self.processes.keys().find(|other| others(other));
        assert!(alive.is_none(), "a second process of one seat: {alive:?}");
        let in_flight = self.launching.values().filter(|given_up| !**given_up).count()
            + self.processes.values().filter(|process| process.probing).count();
        // Those being examined are probed too, and limits may have been lowered meanwhile.
        let examined = self.ready.values().filter(|ready| ready.suspended).count();
        let max = usize::try_from(self.limits.starts_at_once_max).expect("small");
        assert!(in_flight <= max + examined, "{in_flight} starts at once");
        self.launching.insert(launch, false);
        self.launched.push(launch.seat);
    }

    pub(crate) fn launch_succeeds(&mut self, launch: Launch) {
        self.launching.remove(&launch);
        let fingerprint = self.rules[launch.seat].as_ref().map_or(0, |rules| rules.fingerprint);
        let started = self.process(launch.seat, launch.generation, fingerprint);
        self.add_process(launch);
        self.news(launch, News::Launched(started));
    }

    fn add_process(&mut self, launch: Launch) {
        let process = Process {
            alive: true,
            watching: false,
            probing: false,
            weighing: false,
            cleaning: false,
        };
        self.processes.insert(launch, process);
    }

    pub(crate) fn probe_ends(&mut self, launch: Launch, news: News) {
        self.processes.get_mut(&launch).expect("a process").probing = false;
        let starting =
            self.ready.get(&launch.seat).is_none_or(|r| r.generation != launch.generation);
        let failed = matches!(news, News::Unhealthy(_));
        self.news(launch, news);
        if failed && starting {
            self.promises.nobody_waits_after_a_failed_start(launch.seat);
        }
    }

    pub(crate) fn exits(&mut self, launch: Launch, exit: Exit) {
        let process = self.processes.get_mut(&launch).expect("a process");
        process.alive = false;
        process.watching = false;
        process.probing = false;
        let status = self.machine.status_of(&self.keys[launch.seat], self.now);
        let was_probing = status.state == SeatState::Probing
            && status.generation == Some(Generation(launch.generation));
        self.news(launch, News::Exited(exit));
        let process = self.processes.get(&launch);
        assert!(process.is_none_or(|process| process.cleaning), "whoever ended is cleaned up");
        if was_probing {
            self.promises.nobody_waits_after_a_failed_start(launch.seat);
        }
    }

    pub(crate) fn cleaned(&mut self, launch: Launch) {
        let process = self.processes.remove(&launch).expect("a process");
        // Its end may be told after everything else.
        if process.watching {
            self.old_news.push((launch, News::Exited(Exit::Signal(9))));
        }
        if self.ready.get(&launch.seat).is_some_and(|r| r.generation == launch.generation) {
            self.ready.remove(&launch.seat);
        }
        self.news(launch, News::Cleaned);
    }

    pub(crate) fn weighs(&mut self, launch: Launch, usage: Usage) {
        self.processes.get_mut(&launch).expect("a process").weighing = false;
        self.promises.weighed(launch.generation, usage);
        self.news(launch, News::Weighed(Some(usage)));
    }

    // ------------------------------------------------------------------ the proxy

    fn publish(&mut self, started: &Started) {
        let seat = self.seat_of(&started.key);
        let generation = started.generation.0;
        match self.ready.get_mut(&seat) {
            Some(ready) if ready.generation == generation => {
                assert!(!ready.sealed, "a sealed seat is published again");
                ready.suspended = false;
            }
            Some(_) | None => {
                let ready = ReadySeat { generation, ..ReadySeat::default() };
                self.ready.insert(seat, ready);
            }
        }
    }

    fn grant(&mut self, waiter: WaiterId, key: &SeatKey, generation: Generation) {
        let now = self.now;
        let seat = self.seat_of(key);
        self.promises.granted(waiter, seat);
        let ready = self.ready_of(key, generation);
        assert!(!ready.sealed && !ready.suspended, "granted a seat that nobody may use");
        ready.requests += 1;
        ready.update(now);
    }

    fn seal_if_unused(&mut self, key: Arc<SeatKey>, generation: Generation) -> Event {
        let ready = self.ready_of(&key, generation);
        assert!(!ready.sealed, "sealed twice");
        let news = if ready.requests + ready.sockets == 0 {
            ready.sealed = true;
            News::Sealed
        } else {
            News::Busy(ready.activity)
        };
        Event::Of { key, generation, news }
    }

    fn at_ready(&mut self, seat: usize, use_it: impl FnOnce(&mut ReadySeat)) {
        let now = self.now;
        if let Some(ready) = self.ready.get_mut(&seat) {
            use_it(ready);
            ready.update(now);
        }
    }

    pub(crate) fn request(&mut self, seat: usize) {
        let now = self.now;
        self.at_ready(seat, |ready| ready.activity.last_request_at = Some(now));
    }

    pub(crate) fn request_begins(&mut self, seat: usize) {
        self.at_ready(seat, |ready| ready.requests += 1);
    }

    pub(crate) fn request_ends(&mut self, seat: usize) {
        let now = self.now;
        self.at_ready(seat, |ready| {
            ready.requests -= 1;
            ready.activity.last_request_at = Some(now);
        });
    }

    pub(crate) fn socket_opens(&mut self, seat: usize) {
        let now = self.now;
        self.at_ready(seat, |ready| {
            ready.sockets += 1;
            ready.activity.last_socket_at = Some(now);
        });
    }

    pub(crate) fn socket_closes(&mut self, seat: usize) {
        let now = self.now;
        self.at_ready(seat, |ready| {
            ready.sockets -= 1;
            ready.activity.last_socket_at = Some(now);
        });
    }

    pub(crate) fn act(&mut self, seat: usize) {
        let now = self.now;
        self.at_ready(seat, |ready| ready.activity.last_act_at = Some(now));
    }

    pub(crate) fn app_data(&mut self, seat: usize) {
        let now = self.now;
        self.at_ready(seat, |ready| ready.activity.last_app_data_at = Some(now));
    }

    pub(crate) fn suspect(&mut self, seat: usize) {
        let generation = self.ready[&seat].generation;
        self.news(Launch { seat, generation }, News::Suspected);
    }

    // ------------------------------------------------------------------ people

    pub(crate) fn acquire(&mut self, seat: usize) {
        let Some(rules) = self.rules[seat].clone() else { return };
        let waiter = WaiterId(self.waiters);
        self.waiters += 1;
        self.promises.waits(waiter, seat);
        let key = Arc::clone(&self.keys[seat]);
        self.step(Event::Acquire { key, rules, waiter: Some(waiter) });
        if self.promises.waiting.contains_key(&waiter) {
            let waiting = self.promises.waiting.values().filter(|other| **other == seat).count();
            let max = usize::try_from(self.limits.waiting_per_seat_max).expect("small");
            assert!(waiting <= max, "{waiting} wait for one seat");
        }
    }

    pub(crate) fn begin(&mut self, seat: usize) {
        let Some(rules) = self.rules[seat].clone() else { return };
        let key = Arc::clone(&self.keys[seat]);
        self.step(Event::Acquire { key, rules, waiter: None });
        let _ = self.reply();
    }

    pub(crate) fn abandon(&mut self) {
        if let Some((waiter, seat)) = self.promises.leaves() {
            let key = Arc::clone(&self.keys[seat]);
            self.step(Event::Abandon { key, waiter });
        }
    }

    pub(crate) fn cancel(&mut self, seat: usize, watchers: usize) {
        let key = Arc::clone(&self.keys[seat]);
        let others = self.promises.waiting.values().any(|waits| *waits == seat);
        self.step(Event::Cancel { key, watchers });
        if self.reply().is_ok() {
            assert!(!others && watchers <= 1, "cancelled what others wait for");
        }
    }

    pub(crate) fn keep(&mut self, seat: usize, actor: Actor) {
        let key = Arc::clone(&self.keys[seat]);
        self.step(Event::Keep { key, actor });
        if self.reply().is_ok() {
            let now = self.now;
            self.promises.kept(self.ready[&seat].generation, now);
        }
    }

    // ------------------------------------------------------------------ usher

    pub(crate) fn configure(&mut self, seat: usize, rules: Option<Arc<SeatRules>>) {
        self.rules[seat] = rules;
        self.promises.forgive(seat);
        self.reload();
        if self.rules[seat].is_none() {
            self.promises.nobody_waits_for_what_was_removed(seat);
        }
    }

    pub(crate) fn limit(
        &mut self,
        seats_max: u32,
        starts_at_once_max: u32,
        waiting_per_seat_max: u32,
    ) {
        self.limits = Limits { seats_max, starts_at_once_max, waiting_per_seat_max };
        self.promises.limits = self.limits;
        self.reload();
    }

    fn reload(&mut self) {
        let known = self.keys.iter().zip(&self.rules);
        let rules = known
            .filter_map(|(key, rules)| Some((Arc::clone(key), Arc::clone(rules.as_ref()?))))
            .collect();
        self.step(Event::Configured { limits: self.limits, rules });
    }

    /// A process of an earlier usher turns up.
    pub(crate) fn adopt(&mut self, index: usize) {
        let started = self.survivors.remove(index);
        let launch = self.launch_of(&started.key, started.generation);
        self.add_process(launch);
        self.promises.adopted(launch);
        let rules = self.rules[launch.seat].clone();
        self.step(Event::Adopt { started, age_ms: 10_000 * launch.generation, rules });
        if self.promises.draining == Some(Drain::KeepSeats) {
            self.processes.remove(&launch);
        }
    }

    pub(crate) fn drain(&mut self, how: Drain) {
        self.promises.drains(how);
        self.step(Event::Drain(how));
        assert!(self.promises.waiting.is_empty(), "somebody waits although usher leaves");
    }
}

impl ReadySeat {
    fn update(&mut self, now: Moment) {
        self.activity.leases = self.requests + self.sockets;
        self.activity.websockets = self.sockets;
        if self.requests > 0 {
            self.activity.last_request_at = Some(now);
        }
    }
}
