//! Chaos: seats, their template and usher itself are ended, stopped and gone on with at random,
//! while the configuration changes and people come, work, leave and vanish. Whatever happens:
//!
//! * nobody is ever answered by another person's app, over HTTP or WebSocket;
//! * there are never two processes for one seat;
//! * no process stays that usher does not know, and no socket listens that is no seat's;
//! * every start has an end with a reason in the account.
//!
//! `people` come and go, `monkey` breaks things, `watch` looks on all the time, `books` reads the
//! account when it is over. `USHER_CHAOS_S` is how long it lasts, `USHER_CHAOS_SEED` what is drawn:
//! the same seed draws the same deeds, though never at quite the same moments.

mod books;
mod monkey;
mod people;
#[path = "../simulation/random.rs"]
mod random;
mod stage;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use random::Random;
use rustix::process::Signal;

use crate::rig::{Door, Session, until};
use monkey::Monkey;
use people::Person;
use stage::Stage;

/// How long it lasts if nobody says otherwise.
const LASTS_S: u64 = 75;

/// Those who may always use both apps, and after them those whom a reload takes away.
const STAYING: usize = 4;
const GUESTS: usize = 6;
/// Each guest's seats: one app is a Streamlit that is forked, the other a program of its own.
const SEATS: usize = 2 * GUESTS;

/// A configuration: whether those who may go are in it, whether seats stay when nobody comes, and
/// what makes them outdated.
#[derive(Clone, Copy, Default)]
struct Plan {
    without_some: bool,
    stays: bool,
    change: u64,
}

impl Plan {
    /// There are just as many ports as seats: one that is lost is missed.
    fn text(self, door: &Door) -> String {
        let first = door.seat_ports().0;
        let last = first + u16::try_from(SEATS).expect("few") - 1;
        let keys = format!(
            "ports: {first}-{last}, start_timeout: 20s, stop_grace: 1s, \
            restart: {{ attempts: 1000, within: 2s }}, environment: {{ CHANGE: \"{}\" }}",
            self.change
        );
        let (idle, untouched) = if self.stays { ("10m", "10m") } else { ("3s", "6s") };
        let guests = if self.without_some { STAYING } else { GUESTS };
        let guest = |number| {
            format!("  - {{ name: guest{number}, role: user, addresses: [{}] }}\n", address(number))
        };
        let guests: String = (0..guests).map(guest).collect();
        format!(
            "
apps:
  main: {{ script: $APPS/who.py, python: $PYTHON167, untouched_timeout: {untouched}, idle_timeout: {idle}, {keys} }}
  tool: {{ command: $PLAIN, idle_timeout: {idle}, {keys} }}
limits: {{ starts_at_once: 3 }}
users:
  - {{ name: minsu, role: admin, addresses: [127.0.0.1] }}
{guests}"
        )
    }
}

fn name(guest: usize) -> String {
    format!("guest{guest}")
}

fn address(guest: usize) -> String {
    format!("127.0.0.{}", 11 + guest)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_nobody_gets_anothers_seat_and_nothing_is_left() {
    let drawn = || SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() % 1_000_000;
    let seed = number("USHER_CHAOS_SEED").unwrap_or_else(drawn);
    let lasts = Duration::from_secs(number("USHER_CHAOS_S").unwrap_or(LASTS_S));
    eprintln!("USHER_CHAOS_SEED={seed} USHER_CHAOS_S={}", lasts.as_secs());
    let mut door = Door::closed("");
    door.write(&Plan::default().text(&door));
    door.start().await;
    let stage = Arc::new(Stage::of(&door));
    let begun = Instant::now();
    let people: Vec<_> = (0..2 * GUESTS)
        .map(|number| Person::new(&door, number, Random::new(seed + 1 + number as u64)))
        .map(|person| tokio::spawn(person.live(Arc::clone(&stage))))
        .collect();
    let watching = tokio::spawn(watch::watch(door.minsu(), Arc::clone(&stage)));
    let mut monkey = Monkey::new(Random::new(seed), Arc::clone(&stage));
    while begun.elapsed() < lasts && !stage.is_over() {
        monkey.do_something(&mut door).await;
    }
    monkey.make_good(&mut door).await;
    stage.calm_down();
    for person in people {
        person.await.expect("a person's task");
    }
    stage.assert_unbroken();
    // A port that one usher loses is back at the next: this one starts everything twice.
    everybody_is_served(&door, &stage).await;
    for guest in 0..GUESTS {
        door.run(&["seat", "restart", &name(guest)]).await.expect(0);
    }
    everybody_is_served(&door, &stage).await;
    stage.end();
    watching.await.expect("the watch");
    eprintln!("{}", stage.told());
    stage.assert_well();
    nothing_is_left(&mut door).await;
    door.start().await;
    let problems = books::problems(&door.minsu(), &stage.kills()).await;
    assert!(problems.is_empty(), "in the account: {problems:#?}");
}

/// Once nobody breaks anything any more, all seats run at the same time, each with a port.
async fn everybody_is_served(door: &Door, stage: &Stage) {
    let served = (0..GUESTS).map(|guest| async move {
        let caller = door.caller(&address(guest));
        let told = until("the plain app of a guest", async || {
            let answer = caller.get("/app/tool/echo").await;
            (answer.status == 200).then(|| answer.json())
        });
        let session = until("the Streamlit of a guest", async || {
            Session::attempt(&caller, "/app/main/").await.ok()
        });
        let (told, session) = tokio::join!(told, session);
        assert_eq!((&told["user"], session.value("user")), (&name(guest).into(), &*name(guest)));
        session
    });
    let sessions = futures_util::future::join_all(served).await;
    until("every seat to be ready at once, each with its process and its port", async || {
        for guest in 0..GUESTS {
            door.caller(&address(guest)).get("/app/tool/pid").await;
        }
        let known = watch::known(&door.minsu()).await?;
        let mut living = watch::marked(stage.folder());
        living.retain(watch::Marked::is_seat);
        let is_known = |one: &watch::Marked| known.get(&one.key) == Some(&one.pid);
        let complete = known.len() == SEATS && living.len() == SEATS;
        let complete = complete && living.iter().all(is_known);
        (complete && watch::listening(stage.ports()) == SEATS).then_some(())
    })
    .await;
    drop(sessions);
}

async fn nothing_is_left(door: &mut Door) {
    crate::rig::signal(door.serving_pid(), Signal::TERM);
    until("usher to leave, and all that is its", async || {
        door.processes().is_empty().then_some(())
    })
    .await;
    let (first, _) = door.seat_ports();
    assert_eq!(watch::listening((first, first + 79)), 0, "somebody listens still");
}
