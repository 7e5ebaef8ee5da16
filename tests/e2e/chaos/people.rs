//! People who come, work, leave and vanish, and who look whose app it is that answers them.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;

use super::random::Random;
use super::stage::Stage;
use super::{GUESTS, STAYING, address, name};
use crate::rig::{Caller, Door, Session, Widget};

/// Longer than anything that one of them does may take: then they give up, as people do.
const GIVES_UP: Duration = Duration::from_secs(25);
/// Refusals that the chaos explains.
const EXPLAINED: [u16; 3] = [200, 502, 503];

/// Somebody at one address. Each guest is there twice, with two browsers.
pub(super) struct Person {
    caller: Caller,
    name: String,
    is_staying: bool,
    random: Random,
}

#[derive(Clone, Copy)]
enum Act {
    Ask,
    Leave,
    Upload,
    Talk,
    Vanish,
    Stay,
    Look,
    Work,
}

const ACTS: [Act; 11] = [
    Act::Ask,
    Act::Ask,
    Act::Ask,
    Act::Leave,
    Act::Upload,
    Act::Talk,
    Act::Vanish,
    Act::Stay,
    Act::Look,
    Act::Work,
    Act::Work,
];

impl Person {
    pub(super) fn new(door: &Door, number: usize, random: Random) -> Self {
        let guest = number % GUESTS;
        let caller = door.caller(&address(guest));
        Self { caller, name: name(guest), is_staying: guest < STAYING, random }
    }

    pub(super) async fn live(mut self, stage: Arc<Stage>) {
        while !stage.is_calm() {
            let act = self.random.pick(&ACTS);
            if tokio::time::timeout(GIVES_UP, self.act(act, &stage)).await.is_err() {
                stage.count("people who gave up");
            }
            self.rest(5, 200).await;
        }
    }

    async fn act(&mut self, act: Act, stage: &Stage) {
        match act {
            Act::Ask => self.ask(stage).await,
            Act::Leave => self.leave(stage).await,
            Act::Upload => self.upload(stage).await,
            Act::Talk => self.talk(stage, 5, 50, true).await,
            Act::Vanish => self.talk(stage, 2, 20, false).await,
            Act::Stay => self.talk(stage, 8, 600, true).await,
            Act::Look => self.look(stage).await,
            Act::Work => self.work(stage).await,
        }
    }

    async fn rest(&mut self, from_ms: u64, to_ms: u64) {
        let ms = from_ms + self.random.below(to_ms - from_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn belongs(&self, stage: &Stage, how: &str, user: &str) {
        stage.count(how);
        if user != self.name {
            stage.broken(format!("{how}: {} was answered by the app of {user}", self.name));
        }
    }

    /// Whether an app answered; what else there is must be explained.
    fn is_answer(&self, stage: &Stage, answer: &crate::rig::Answer) -> bool {
        let status = answer.status;
        stage.count(&format!("answers with {status}"));
        if !EXPLAINED.contains(&status) && (status != 403 || self.is_staying) {
            stage.broken(format!("{} got {status}: {}", self.name, answer.text()));
        }
        status == 200 && answer.page().is_none()
    }

    async fn ask(&mut self, stage: &Stage) {
        let request = self.caller.request(Method::GET, "/app/tool/echo");
        match self.caller.try_send(request).await {
            Ok(answer) if self.is_answer(stage, &answer) => {
                let told = answer.json();
                self.belongs(stage, "answers of the own app", told["user"].as_str().unwrap_or("?"));
            }
            Ok(_) => {}
            Err(_) => stage.count("requests without an answer"),
        }
    }

    /// Goes away in the middle of a request.
    async fn leave(&mut self, stage: &Stage) {
        let request = self.caller.request(Method::GET, "/app/tool/hold?gate=never");
        let leaves = Duration::from_millis(self.random.below(300));
        let _ = tokio::time::timeout(leaves, self.caller.try_send(request)).await;
        stage.count("requests left in the middle");
    }

    async fn upload(&mut self, stage: &Stage) {
        const BYTES: usize = 300_000;
        let request = self.caller.request(Method::POST, "/app/tool/upload").body(vec![7; BYTES]);
        match self.caller.try_send(request).await {
            Ok(answer) if self.is_answer(stage, &answer) => {
                stage.count("uploads");
                if answer.json()["bytes"] != BYTES {
                    stage.broken(format!("an upload came in part: {}", answer.text()));
                }
            }
            Ok(_) => {}
            Err(_) => stage.count("requests without an answer"),
        }
    }

    /// Talks over a WebSocket, then closes it, or vanishes without a word.
    async fn talk(&mut self, stage: &Stage, times: u64, rests_ms: u64, closes: bool) {
        let origin = self.caller.origin();
        let opened = self.caller.attempt_socket("/app/tool/ws", &[("Origin", &origin)]).await;
        let Ok(mut socket) = opened else { return stage.count("WebSockets refused") };
        for _ in 0..times {
            match socket.try_ask("!user").await {
                Ok(user) => self.belongs(stage, "WebSockets of the own app", &user),
                Err(closed) => return stage.count(&format!("WebSockets ended: {closed:?}")),
            }
            self.rest(1, rests_ms + 1).await;
        }
        stage.count(if closes { "WebSockets closed" } else { "WebSockets dropped" });
        if closes {
            let _ = socket.try_ask("!close 1000").await;
        }
    }

    /// Opens Streamlit's page, whatever comes.
    async fn look(&mut self, stage: &Stage) {
        let request = self.caller.request(Method::GET, "/app/main/");
        match self.caller.try_send(request.header("Accept", "text/html")).await {
            Ok(answer) => {
                self.is_answer(stage, &answer);
            }
            Err(_) => stage.count("requests without an answer"),
        }
    }

    /// Works in Streamlit for a while.
    async fn work(&mut self, stage: &Stage) {
        let Ok(mut session) = Session::attempt(&self.caller, "/app/main/").await else {
            return stage.count("Streamlit sessions refused or cut");
        };
        self.belongs(stage, "Streamlit runs", session.value("user"));
        for _ in 0..self.random.below(6) {
            self.rest(10, 900).await;
            if session.try_touch(Widget::Press("Count")).await.is_err() {
                return stage.count("Streamlit sessions refused or cut");
            }
            self.belongs(stage, "Streamlit runs", session.value("user"));
        }
    }
}
