//! Who breaks things: one deed after the other, drawn from a seed.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinHandle;

use super::random::Random;
use super::stage::Stage;
use super::{GUESTS, Plan, name, watch};
use crate::rig::{Door, lives, signal, until};

/// For what is stopped to go on, at the latest.
const STOPPED_MS: u64 = 2_500;

pub(super) struct Monkey {
    random: Random,
    stage: Arc<Stage>,
    plan: Plan,
    /// The deeds to come, in the order that was drawn: each has its turn.
    deck: Vec<Deed>,
    /// Those that were done, for who has to find out what went wrong.
    done: Vec<String>,
    /// What will go on by itself.
    stopped: Vec<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    EndSeat,
    EndTemplate,
    KillUsher,
    TermUsher,
    ReplaceUsher,
    StopUsher,
    Upgrade,
    UpgradeToNothing,
    Reload,
    ReloadNothing,
    Order,
    Kick,
    Wait,
}

/// The likely ones more than once.
const DEEDS: [Deed; 21] = [
    Deed::EndSeat,
    Deed::EndSeat,
    Deed::EndSeat,
    Deed::EndSeat,
    Deed::EndSeat,
    Deed::EndTemplate,
    Deed::EndTemplate,
    Deed::KillUsher,
    Deed::KillUsher,
    Deed::TermUsher,
    Deed::ReplaceUsher,
    Deed::StopUsher,
    Deed::Upgrade,
    Deed::UpgradeToNothing,
    Deed::Reload,
    Deed::Reload,
    Deed::ReloadNothing,
    Deed::Order,
    Deed::Order,
    Deed::Kick,
    Deed::Wait,
];

impl Monkey {
    pub(super) fn new(random: Random, stage: Arc<Stage>) -> Self {
        Self {
            random,
            stage,
            plan: Plan::default(),
            deck: Vec::new(),
            done: Vec::new(),
            stopped: Vec::new(),
        }
    }

    pub(super) async fn do_something(&mut self, door: &mut Door) {
        let deed = self.draw();
        self.stage.count(&format!("deed {deed:?}"));
        self.done.push(format!("{} {deed:?}", jiff::Timestamp::now()));
        match deed {
            Deed::EndSeat => self.end_one(watch::Marked::is_seat),
            Deed::EndTemplate => self.end_one(|found| !found.is_seat()),
            Deed::KillUsher => self.kill_usher(door).await,
            Deed::TermUsher => self.term_usher(door).await,
            Deed::ReplaceUsher => self.replace_usher(door).await,
            Deed::StopUsher => self.stop_usher(door).await,
            Deed::Upgrade => self.upgrade(door).await,
            Deed::UpgradeToNothing => self.upgrade_to_nothing(door).await,
            Deed::Reload => self.reload(door).await,
            Deed::ReloadNothing => self.reload_nothing(door).await,
            Deed::Order => self.order(door).await,
            Deed::Kick => {
                let guest = self.guest();
                let _ = door.run(&["kick", &guest]).await;
            }
            // Long enough for all promises with a time in them.
            Deed::Wait => tokio::time::sleep(Duration::from_secs(9)).await,
        }
        let pause_ms = 20 + self.random.below(700);
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }

    fn draw(&mut self) -> Deed {
        if self.deck.is_empty() {
            self.deck.extend_from_slice(&DEEDS);
        }
        let at = self.random.below(self.deck.len() as u64);
        self.deck.swap_remove(usize::try_from(at).expect("small"))
    }

    /// Everything that is stopped goes on, everybody may come, usher serves and stops no
    /// seat by itself.
    pub(super) async fn make_good(&mut self, door: &mut Door) {
        for stopped in self.stopped.drain(..) {
            stopped.await.expect("it goes on");
        }
        self.plan = Plan { stays: true, ..Plan::default() };
        door.write(&self.plan.text(door));
        door.run(&["reload"]).await.expect(0);
    }

    fn guest(&mut self) -> String {
        name(usize::try_from(self.random.below(GUESTS as u64)).expect("small"))
    }

    /// Ends or stops one process of those that carry usher's mark.
    fn end_one(&mut self, which: impl Fn(&watch::Marked) -> bool) {
        let found = watch::marked(self.stage.folder());
        let found: Vec<u32> = found.iter().filter(|one| which(one)).map(|one| one.pid).collect();
        let drawn = self.random.next();
        let how = self.random.pick(&[Signal::KILL, Signal::KILL, Signal::TERM, Signal::STOP]);
        if found.is_empty() {
            return;
        }
        let pid = found[usize::try_from(drawn % found.len() as u64).expect("small")];
        self.stage.count(&format!("seats and templates: {how:?}"));
        signal(pid, how);
        if how == Signal::STOP {
            self.goes_on(pid);
        }
    }

    fn goes_on(&mut self, pid: u32) {
        let after = Duration::from_millis(200 + self.random.below(STOPPED_MS));
        self.stopped.push(tokio::spawn(async move {
            tokio::time::sleep(after).await;
            signal(pid, Signal::CONT);
        }));
    }

    async fn gone(&self, pid: u32) {
        until("usher to leave", async || (!lives(pid)).then_some(())).await;
    }

    async fn start(&mut self, door: &mut Door) {
        door.start().await;
        self.stage.left_alone();
    }

    async fn kill_usher(&mut self, door: &mut Door) {
        let pid = door.serving_pid();
        self.stage.disturbed();
        self.stage.killed();
        signal(pid, Signal::KILL);
        self.gone(pid).await;
        if self.random.chance(40) {
            self.end_one(watch::Marked::is_seat);
        }
        self.start(door).await;
    }

    async fn term_usher(&mut self, door: &mut Door) {
        let pid = door.serving_pid();
        self.stage.disturbed();
        signal(pid, Signal::TERM);
        self.gone(pid).await;
        let left = door.processes();
        if !left.is_empty() {
            self.stage.broken(format!("left behind after SIGTERM: {left:?}"));
        }
        self.start(door).await;
    }

    async fn replace_usher(&mut self, door: &mut Door) {
        let pid = door.serving_pid();
        self.stage.disturbed();
        signal(pid, Signal::USR1);
        self.gone(pid).await;
        if self.random.chance(40) {
            self.end_one(watch::Marked::is_seat);
        }
        self.start(door).await;
    }

    async fn stop_usher(&mut self, door: &mut Door) {
        let pid = door.serving_pid();
        self.stage.disturbed();
        signal(pid, Signal::STOP);
        tokio::time::sleep(Duration::from_millis(100 + self.random.below(1_500))).await;
        signal(pid, Signal::CONT);
        self.stage.left_alone();
    }

    async fn upgrade(&mut self, door: &mut Door) {
        let before = door.serving_pid();
        self.stage.disturbed();
        let ran = door.run(&["upgrade"]).await;
        if ran.code != Some(0) || door.serving_pid() == before {
            self.stage.broken(format!("an upgrade failed: {ran:?}"));
        }
        self.stage.left_alone();
    }

    async fn upgrade_to_nothing(&mut self, door: &mut Door) {
        let before = door.serving_pid();
        door.write(&self.plan.text(door).replace("users:", "usres:"));
        self.stage.disturbed();
        let ran = door.run(&["upgrade"]).await;
        if ran.code == Some(0) || door.serving_pid() != before {
            self.stage.broken(format!("an upgrade to a bad configuration was done: {ran:?}"));
        }
        door.write(&self.plan.text(door));
        self.stage.left_alone();
    }

    async fn reload(&mut self, door: &mut Door) {
        self.plan.without_some = self.random.chance(40);
        self.plan.change = self.random.below(2);
        door.write(&self.plan.text(door));
        let ran = door.run(&["reload"]).await;
        if ran.code != Some(0) {
            self.stage.broken(format!("a reload failed: {ran:?}"));
        }
    }

    async fn reload_nothing(&mut self, door: &mut Door) {
        door.write(&self.plan.text(door).replace("apps:", "appz:"));
        let ran = door.run(&["reload"]).await;
        if ran.code != Some(78) {
            self.stage.broken(format!("a bad configuration was not refused: {ran:?}"));
        }
        door.write(&self.plan.text(door));
    }

    async fn order(&mut self, door: &mut Door) {
        let guest = self.guest();
        let order = self.random.pick(&["start", "stop", "restart"]);
        let app = self.random.pick(&["main", "tool"]);
        let _ = door.run(&["seat", order, &guest, app]).await;
    }
}

impl Drop for Monkey {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the last deeds: {:#?}", &self.done[self.done.len().saturating_sub(8)..]);
        }
    }
}
