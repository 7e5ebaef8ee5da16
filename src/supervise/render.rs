//! From the configuration to what the machine and the launcher need: the limits, a seat's rules,
//! a launch. Pure but for what it is given.

use std::path::PathBuf;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::rules::{Limits, SeatRules};
use crate::config::{App, Snapshot, User};
use crate::domain::{Generation, SeatKey, UserName};
use crate::launch::{Allowance, Launch};

/// What usher's own secret is made of, in bytes.
pub const SECRET_BYTES: usize = 32;
/// A key of HMAC with SHA-256, in bytes.
const HMAC_KEY_BYTES: usize = 64;

/// The limits of all seats.
pub(super) fn limits(snapshot: &Snapshot) -> Limits {
    let limits = &snapshot.limits;
    Limits {
        seats_max: limits.seats_max,
        starts_at_once_max: limits.starts_at_once_max,
        waiting_per_seat_max: limits.waiting_per_seat_max,
    }
}

/// The user and the app of a seat, if there is such a seat.
fn parts<'s>(snapshot: &'s Snapshot, key: &SeatKey) -> Option<(&'s Arc<User>, &'s Arc<App>)> {
    let user = snapshot.user(key.user.as_str())?;
    let app = snapshot.app(key.app.as_str())?;
    user.apps.contains(&app.slug).then_some((user, app))
}

/// The rules of a seat; `None` if its user or app is not in the configuration, or the user may
/// not use the app.
pub(super) fn rules(snapshot: &Snapshot, key: &SeatKey) -> Option<Arc<SeatRules>> {
    let (user, app) = parts(snapshot, key)?;
    Some(Arc::new(SeatRules {
        role: user.role,
        fingerprint: snapshot.fingerprint(key)?,
        start_timeout_ms: app.start_timeout_ms,
        idle_timeout_ms: app.idle_timeout_ms,
        untouched_timeout_ms: app.untouched_timeout_ms,
        lifetime_max_ms: app.lifetime_max_ms,
        allowance: Allowance {
            cpu_max_millicores: app.cpu_max_millicores,
            memory_max_bytes: app.memory_max_bytes,
        },
        stop_grace_ms: app.stop_grace_ms,
        restart_attempts_max: app.restart_attempts_max,
        restart_within_ms: app.restart_within_ms,
    }))
}

/// A launch of a seat; `None` as for [`rules`].
pub(super) fn launch(
    snapshot: &Snapshot,
    secret: &[u8; SECRET_BYTES],
    key: &SeatKey,
    generation: Generation,
) -> Option<Launch> {
    let (user, app) = parts(snapshot, key)?;
    let base_path = if app.strip_prefix { String::new() } else { format!("/app/{}", app.slug) };
    let state_dir = &snapshot.fixed.state_dir;
    Some(Launch {
        key: key.clone(),
        generation,
        role: user.role,
        app: Arc::clone(app),
        own_port: snapshot.own_port(user, app),
        reserved_ports: snapshot.reserved_ports(),
        own_upstream: snapshot.own_upstream(user, app),
        base_path,
        log_file: log_file(snapshot, key),
        data_dir: state_dir.join("data").join(key.user.as_str()).join(key.app.as_str()),
        state_dir: state_dir.clone(),
        cookie_secret: cookie_secret(secret, &key.user),
        upload_max_bytes: snapshot.limits.upload_max_bytes,
        fingerprint: snapshot.fingerprint(key)?,
    })
}

fn log_file(snapshot: &Snapshot, key: &SeatKey) -> PathBuf {
    snapshot.logs.apps.join(key.user.as_str()).join(format!("{}.log", key.app))
}

/// Signs the cookies of all of a user's apps, which share one origin: the same over restarts of
/// seats and of usher, different between users, and nothing about one user's tells another's.
fn cookie_secret(secret: &[u8; SECRET_BYTES], user: &UserName) -> String {
    use std::fmt::Write;
    // HMAC fills a shorter key up with zeros; so does this, and cannot fail.
    let mut key = [0; HMAC_KEY_BYTES];
    key[..SECRET_BYTES].copy_from_slice(secret);
    let mut mac = Hmac::<Sha256>::new(&key.into());
    mac.update(b"cookies of ");
    mac.update(user.as_str().as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::Role;
    use crate::supervise::machine::tests::key;

    const FILE: &str = "\
directory: /srv
apps:
  main: { script: main.py, idle_timeout: 5m, memory_max: 2GiB, cpu_max: 0.5, restart: { attempts: 2, within: 1m } }
  lab: { command: [run, '{port}'], strip_prefix: true }
users:
  - { name: kim, role: admin, addresses: [127.0.0.2], port: 8500 }
  - { name: 박, role: user, addresses: [127.0.0.3], apps: [main] }
limits: { seats: 7, starts_at_once: 3, waiting_per_seat: 9 }
";

    fn snapshot() -> Snapshot {
        Snapshot::parse(Path::new("/srv/conf/usher.yaml"), FILE).expect("a good file")
    }

    #[test]
    fn rules_are_the_file_s() {
        let snapshot = snapshot();
        let rules = rules(&snapshot, &key("kim", "main")).expect("granted");
        assert_eq!(rules.role, Role::Admin);
        assert_eq!(rules.idle_timeout_ms, Some(300_000));
        assert_eq!(rules.untouched_timeout_ms, Some(8 * 3_600_000));
        assert_eq!(rules.allowance.memory_max_bytes, Some(2 << 30));
        assert_eq!(rules.allowance.cpu_max_millicores, Some(500));
        assert_eq!((rules.restart_attempts_max, rules.restart_within_ms), (2, 60_000));
        assert!(super::rules(&snapshot, &key("박", "lab")).is_none(), "not granted");
        assert!(super::rules(&snapshot, &key("lee", "main")).is_none(), "nobody");
        let limits = limits(&snapshot);
        assert_eq!((limits.seats_max, limits.starts_at_once_max), (7, 3));
        assert_eq!(limits.waiting_per_seat_max, 9);
    }

    #[test]
    fn a_launch_has_everything() {
        let snapshot = snapshot();
        let of = |user, app| {
            launch(&snapshot, &[7; SECRET_BYTES], &key(user, app), Generation(3)).expect("granted")
        };
        let (kim, park, lab) = (of("kim", "main"), of("박", "main"), of("kim", "lab"));
        assert_eq!(kim.base_path, "/app/main");
        assert_eq!(lab.base_path, "");
        assert_eq!((kim.own_port, lab.own_port, park.own_port), (Some(8500), None, None));
        assert_eq!(&*park.reserved_ports, &[8500]);
        assert_eq!(park.data_dir, Path::new("/srv/var/data/박/main"));
        assert_eq!(park.log_file, Path::new("/srv/var/log/apps/박/main.log"));
        assert_eq!(park.generation, Generation(3));
        assert_eq!(kim.fingerprint, rules(&snapshot, &key("kim", "main")).unwrap().fingerprint);
    }

    #[test]
    fn cookies_are_the_user_s_own_and_stay() {
        let of = |secret: u8, user| {
            cookie_secret(&[secret; SECRET_BYTES], &UserName::new(user).expect("a name"))
        };
        assert_eq!(of(1, "kim"), of(1, "kim"));
        assert_ne!(of(1, "kim"), of(1, "lee"));
        assert_ne!(of(1, "kim"), of(2, "kim"), "another secret");
        assert_eq!(of(1, "kim").len(), 64);
    }
}
