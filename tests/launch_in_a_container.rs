//! Where usher is the first process, the orphans of seats become its children, and nobody else waits
//! for them. A process of its own, because this makes it the parent of everybody's orphans.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it stands")]

#[path = "launch/fixture.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod fixture;

use std::path::Path;

use fixture::{Fixture, until, within};
use usher::launch::{Allowance, Launcher};

const ORPHAN: &str = r#"
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        while os.getppid() != int(os.environ["NEW_PARENT"]): time.sleep(0.001)
        with open("orphan.part", "w") as file: file.write(str(os.getpid()))
        os.rename("orphan.part", "orphan")
    os._exit(0)
os.wait()
time.sleep(1000)
"#;

#[tokio::test]
async fn orphans_do_not_stay_zombies() {
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own)).unwrap();
    let fixture = Fixture::new();
    let launch = fixture::with(fixture.python(ORPHAN), |app| {
        app.environment.insert("NEW_PARENT".to_owned(), own.as_raw_nonzero().to_string());
    });
    let started = fixture.launchers.start(&launch).await.unwrap();
    let orphan = fixture.path("orphan");
    until("the orphan has written its number", || orphan.exists()).await;
    let orphan = format!("/proc/{}", std::fs::read_to_string(orphan).unwrap());
    let zombie = || {
        let stat = std::fs::read_to_string(format!("{orphan}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z')
    };
    until("it is a zombie of ours", zombie).await;
    assert!(fixture.launchers.weigh(&started, Allowance::default()).is_some());
    assert!(!Path::new(&orphan).exists(), "looking at the seat was enough");
    within(fixture.launchers.kill(&started)).await;
    within(fixture.launchers.exited(&started)).await;
}
