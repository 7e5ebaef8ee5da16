//! Visits against a second, simple way to compute them, and single cases worked out by hand.

use std::collections::BTreeMap;

use super::*;
use crate::domain::{AppSlug, UserName};
use crate::store::{SLOT_MS, VisitPhase};

const WALL: i64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z
const ZERO: u64 = 5_000_000;

fn key(user: &str, app: &str) -> Arc<SeatKey> {
    Arc::new(SeatKey { user: UserName::new(user).unwrap(), app: AppSlug::new(app).unwrap() })
}

/// Visits with a journal that takes everything: the newest record of each, and the slots' sums.
struct Play {
    visits: Visits,
    rows: BTreeMap<i64, VisitRecord>,
    slots: BTreeMap<(Arc<SeatKey>, i64), (u64, u64)>,
}

impl Play {
    fn new(gap_ms: u64) -> Self {
        Self { visits: Visits::new(gap_ms), rows: BTreeMap::new(), slots: BTreeMap::new() }
    }

    fn began(&mut self, id: u64, key: &Arc<SeatKey>, at_ms: u64) {
        let began = Began {
            id: StayId(id),
            key,
            role: Role::User,
            address: [10, 0, 0, 1].into(),
            browser: "curl/8",
            now: Moment(ZERO + at_ms),
            at: Timestamp(WALL + at_ms as i64),
        };
        self.visits.began(&began, None);
    }

    fn acted(&mut self, id: u64, at_ms: u64) {
        let act = Moment(ZERO + at_ms);
        let counted = (0, 0);
        self.visits.read(StayId(id), counted, Some((act, act)));
    }

    fn ended(&mut self, id: u64, end: StayEnd, at_ms: u64) {
        self.visits.ended(StayId(id), end, Moment(ZERO + at_ms));
    }

    fn advance(&mut self, at_ms: u64) {
        self.visits.advance(Moment(ZERO + at_ms));
        self.write();
    }

    fn write(&mut self) {
        let mut ids = Vec::new();
        for record in self.visits.records() {
            let id = record.id.unwrap_or(VisitId(self.rows.len() as i64 + 1));
            for slot in &record.slots {
                let sums = self.slots.entry((Arc::clone(&record.key), slot.slot_at.0)).or_default();
                sums.0 += slot.dwell_ms;
                sums.1 += slot.active_ms;
            }
            self.rows.insert(id.0, record);
            ids.push(Some(id));
        }
        self.visits.written(&ids);
    }

    fn row(&self, id: i64) -> &VisitRecord {
        &self.rows[&id]
    }
}

fn started(record: &VisitRecord) -> i64 {
    record.started_at.0 - WALL
}

fn seen(record: &VisitRecord) -> i64 {
    record.seen_at.0 - WALL
}

#[test]
fn gaps_shorter_than_the_gap_are_bridged_and_not_dwell() {
    let main = key("minsu", "main");
    let mut play = Play::new(120_000);
    play.began(1, &main, 0);
    play.ended(1, StayEnd::Broken, 10_000);
    play.advance(20_000);
    assert_eq!(play.row(1).phase, VisitPhase::Gap("broken"));
    play.began(2, &main, 129_999);
    play.advance(131_000);
    assert_eq!(play.row(1).phase, VisitPhase::Open);
    play.ended(2, StayEnd::Left, 139_999);
    // As long as the gap is a new visit.
    play.began(3, &main, 259_999);
    play.ended(3, StayEnd::Kicked, 260_000);
    play.advance(400_000);
    assert_eq!(play.rows.len(), 2);
    let first = play.row(1);
    assert_eq!((started(first), seen(first), first.dwell_ms), (0, 139_999, 20_000));
    assert_eq!(first.phase, VisitPhase::Ended("left"));
    let second = play.row(2);
    assert_eq!((started(second), seen(second), second.dwell_ms), (259_999, 260_000, 1));
    assert_eq!(second.phase, VisitPhase::Ended("kicked"));
    assert!(play.visits.open.is_empty());
}

#[test]
fn several_tabs_count_once_and_apps_are_apart() {
    let (main, tool) = (key("minsu", "main"), key("minsu", "tool"));
    let mut play = Play::new(1_000);
    play.began(1, &main, 0);
    play.began(2, &main, 5_000);
    play.began(3, &tool, 6_000);
    play.ended(1, StayEnd::Left, 10_000);
    play.advance(12_000);
    play.ended(3, StayEnd::SeatEnded, 14_000);
    play.ended(2, StayEnd::SessionEnded, 20_000);
    play.advance(30_000);
    let by_app: BTreeMap<&str, (u64, VisitPhase)> =
        play.rows.values().map(|row| (row.key.app.as_str(), (row.dwell_ms, row.phase))).collect();
    assert_eq!(by_app["main"], (20_000, VisitPhase::Ended("session_ended")));
    assert_eq!(by_app["tool"], (8_000, VisitPhase::Ended("seat_ended")));
}

#[test]
fn a_minute_after_each_act_is_active_as_far_as_somebody_is_here() {
    let main = key("minsu", "main");
    let mut play = Play::new(120_000);
    play.began(1, &main, 0);
    play.acted(1, 10_000);
    play.acted(1, 40_000);
    play.advance(200_000);
    assert_eq!(play.row(1).active_ms, 90_000, "from 10 s to 100 s");
    play.acted(1, 250_000);
    play.ended(1, StayEnd::Broken, 270_000);
    play.began(2, &main, 290_000);
    play.advance(400_000);
    assert_eq!(play.row(1).active_ms, 90_000 + 20_000 + 20_000, "the gap is not active");
    assert_eq!(play.row(1).dwell_ms, 270_000 + 110_000);
}

#[test]
fn time_is_put_into_its_quarters_of_an_hour() {
    let main = key("minsu", "main");
    let mut play = Play::new(1_000);
    let quarter = SLOT_MS as u64;
    play.began(1, &main, quarter - 1_000);
    play.acted(1, quarter - 500);
    for tick in 0..2_000 {
        play.advance(quarter + tick * 700);
    }
    play.ended(1, StayEnd::Left, 2 * quarter + 600_000);
    play.advance(3 * quarter);
    let slots: Vec<(i64, (u64, u64))> =
        play.slots.iter().map(|((_, at), sums)| ((at - WALL) / SLOT_MS, *sums)).collect();
    assert_eq!(slots, [(0, (1_000, 500)), (1, (900_000, 59_500)), (2, (600_000, 0))]);
    let row = play.row(1);
    assert_eq!((row.dwell_ms, row.active_ms), (1_501_000, 60_000));
}

#[test]
fn requests_before_the_first_websocket_belong_to_the_visit_if_it_begins_within_the_gap() {
    let main = key("minsu", "main");
    let mut play = Play::new(10_000);
    let total = |requests| Carried { requests, in_bytes: 0, out_bytes: 10 * requests };
    let carried = |play: &mut Play, requests: u64, at_ms: u64| {
        play.visits.carried(&main, total(requests), Moment(ZERO + at_ms));
    };
    carried(&mut play, 100, 0);
    carried(&mut play, 105, 15_000);
    play.began(1, &main, 20_000);
    carried(&mut play, 107, 21_000);
    play.ended(1, StayEnd::Left, 25_000);
    carried(&mut play, 108, 30_000);
    play.advance(36_000);
    carried(&mut play, 120, 40_000);
    play.began(2, &main, 50_000);
    play.ended(2, StayEnd::Left, 51_000);
    play.advance(70_000);
    assert_eq!((play.row(1).requests, play.row(1).out_bytes), (8, 80));
    assert_eq!(play.row(2).requests, 0, "twelve came a whole gap before");
}

#[test]
fn bytes_of_every_websocket_are_counted_once() {
    let main = key("minsu", "main");
    let mut play = Play::new(10_000);
    play.began(1, &main, 0);
    play.began(2, &main, 0);
    for _ in 0..3 {
        play.visits.read(StayId(1), (100, 1_000), None);
        play.visits.read(StayId(2), (5, 50), None);
    }
    play.visits.read(StayId(1), (150, 1_000), None);
    play.ended(1, StayEnd::Left, 10);
    play.visits.read(StayId(1), (999, 999), None);
    play.advance(10);
    assert_eq!((play.row(1).in_bytes, play.row(1).out_bytes), (155, 1_050));
}

#[test]
fn a_visit_of_an_earlier_run_goes_on() {
    let main = key("minsu", "main");
    let mut first = Play::new(60_000);
    first.began(1, &main, 0);
    first.advance(30_000);
    let record = first.row(1).clone();
    let row = VisitRow {
        id: VisitId(1),
        user: "minsu".to_owned(),
        role: Role::User,
        app: "main".to_owned(),
        address: record.address.clone(),
        browser: record.browser.clone(),
        started_at: record.started_at,
        ended_at: Some(record.seen_at),
        seen_at: record.seen_at,
        dwell_ms: record.dwell_ms,
        active_ms: 7,
        requests: 3,
        in_bytes: 4,
        out_bytes: 5,
        ended_because: Some("usher_stopped".to_owned()),
    };
    let mut next = Play::new(60_000);
    let began = Began {
        id: StayId(1),
        key: &main,
        role: Role::User,
        address: [10, 0, 0, 9].into(),
        browser: "Other/1",
        now: Moment(77),
        at: Timestamp(WALL + 50_000),
    };
    assert!(next.visits.begins_visit(&main, began.now));
    next.visits.began(&began, Some(row));
    next.visits.advance(Moment(77 + 10_000));
    next.write();
    let row = next.row(1);
    assert_eq!((row.id, started(row), seen(row)), (Some(VisitId(1)), 0, 60_000));
    assert_eq!((row.dwell_ms, row.active_ms, row.requests), (40_000, 7, 3));
    assert_eq!(row.address, "10.0.0.1", "as it began");
    assert_eq!(row.phase, VisitPhase::Open);
}

#[test]
fn setting_the_clock_changes_no_length() {
    let main = key("minsu", "main");
    let mut play = Play::new(60_000);
    play.began(1, &main, 0);
    play.ended(1, StayEnd::Broken, 10_000);
    // An hour back, as the wall shows it.
    let began = Began {
        id: StayId(2),
        key: &main,
        role: Role::User,
        address: [10, 0, 0, 1].into(),
        browser: "",
        now: Moment(ZERO + 20_000),
        at: Timestamp(WALL + 20_000 - 3_600_000),
    };
    play.visits.began(&began, None);
    play.ended(2, StayEnd::Left, 30_000);
    play.advance(100_000);
    assert_eq!((play.row(1).dwell_ms, seen(play.row(1))), (20_000, 30_000));
}

#[test]
fn what_is_not_written_waits_bounded_and_what_is_anothers_is_left_alone() {
    let main = key("minsu", "main");
    let mut visits = Visits::new(0);
    for id in 0..(ENDED_WAITING_MAX as u64 + 5) {
        let began = Began {
            id: StayId(id),
            key: &main,
            role: Role::User,
            address: [10, 0, 0, 1].into(),
            browser: "",
            now: Moment(id * 10),
            at: Timestamp(id as i64 * 10),
        };
        visits.began(&began, None);
        visits.ended(StayId(id), StayEnd::Left, Moment(id * 10 + 5));
    }
    visits.advance(Moment(u64::MAX));
    let records = visits.records();
    assert_eq!((records.len(), visits.take_lost()), (ENDED_WAITING_MAX, 5));
    assert_eq!(records[0].started_at, Timestamp(50), "the oldest went");
    visits.given_up();
    assert_eq!(visits.take_lost(), ENDED_WAITING_MAX as u64);
    assert!(visits.records().is_empty());

    let mut play = Play::new(1_000);
    play.began(1, &main, 0);
    let records = play.visits.records();
    assert_eq!(records.len(), 1);
    play.visits.written(&[None]);
    play.visits.advance(Moment(ZERO + 500));
    play.ended(1, StayEnd::Left, 600);
    play.advance(9_000);
    assert!(play.rows.is_empty());
}

/// A small generator: the tests depend on the seed alone.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One WebSocket of a random life: from, to, acts. Times are in tenths of a second.
struct Life {
    id: u64,
    key: Arc<SeatKey>,
    from: u64,
    to: u64,
    acts: Vec<u64>,
}

const TENTH_MS: u64 = 100;

fn lives(random: &mut Seeded, keys: &[Arc<SeatKey>]) -> Vec<Life> {
    (0..40)
        .map(|id| {
            let from = random.below(20_000);
            let longest = if random.below(4) == 0 { 6_000 } else { 300 };
            let to = from + random.below(longest);
            let mut acts: Vec<u64> =
                (0..random.below(6)).map(|_| from + random.below(to - from + 1)).collect();
            acts.sort_unstable();
            Life {
                id,
                key: Arc::clone(&keys[random.below(keys.len() as u64) as usize]),
                from,
                to,
                acts,
            }
        })
        .collect()
}

/// (started, ended, dwell, active) of each visit, in tenths: every tenth is looked at by itself.
fn expected(lives: &[Life], key: &Arc<SeatKey>, gap: u64) -> Vec<(u64, u64, u64, u64)> {
    let mut mine: Vec<&Life> = lives.iter().filter(|life| life.key == *key).collect();
    mine.sort_by_key(|life| (life.from, life.to));
    let mut visits: Vec<Vec<&Life>> = Vec::new();
    let mut end = 0;
    for life in mine {
        match visits.last_mut() {
            Some(visit) if life.from < end + gap => visit.push(life),
            _ => visits.push(vec![life]),
        }
        end = end.max(life.to);
    }
    visits
        .into_iter()
        .map(|lives| {
            let from = lives.iter().map(|life| life.from).min().unwrap();
            let to = lives.iter().map(|life| life.to).max().unwrap();
            let here = |at: u64| lives.iter().any(|life| life.from <= at && at < life.to);
            let acts: Vec<u64> = lives.iter().flat_map(|life| life.acts.clone()).collect();
            let active = |at: u64| acts.iter().any(|act| *act <= at && at < act + 600);
            let dwell = (from..to).filter(|at| here(*at)).count() as u64;
            let both = (from..to).filter(|at| here(*at) && active(*at)).count() as u64;
            (from, to, dwell, both)
        })
        .collect()
}

/// What happens to visits at one moment; the order of variants is the order within a moment.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Began,
    Acted,
    Ended,
}

#[test]
fn random_lives_give_the_visits_of_the_simple_model() {
    for seed in 0..150 {
        let mut random = Seeded(seed);
        let keys = [key("a", "main"), key("a", "tool"), key("b", "main")];
        let lives = lives(&mut random, &keys);
        let gap = [1, 50, 600, 1_200][random.below(4) as usize];
        let mut play = Play::new(gap * TENTH_MS);
        let mut steps: Vec<(u64, Step, usize)> = Vec::new();
        for (index, life) in lives.iter().enumerate() {
            steps.push((life.from, Step::Began, index));
            steps.extend(life.acts.iter().map(|act| (*act, Step::Acted, index)));
            steps.push((life.to, Step::Ended, index));
        }
        steps.sort();
        let mut tick = 0;
        for (at, step, index) in steps {
            while tick + 20 < at {
                tick += 1 + random.below(15);
                // The writer accounts no further than what it has surely been told of.
                play.advance(tick.min(at) * TENTH_MS);
            }
            let life = &lives[index];
            match step {
                Step::Began => play.began(life.id, &life.key, at * TENTH_MS),
                Step::Acted => play.acted(life.id, at * TENTH_MS),
                Step::Ended => play.ended(life.id, StayEnd::Left, at * TENTH_MS),
            }
        }
        play.advance(100_000 * TENTH_MS);
        for key in &keys {
            let mut found: Vec<(u64, u64, u64, u64)> = play
                .rows
                .values()
                .filter(|row| row.key == *key)
                .map(|row| {
                    let times =
                        [started(row) as u64, seen(row) as u64, row.dwell_ms, row.active_ms];
                    let [from, to, dwell, active] = times.map(|ms| ms / TENTH_MS);
                    (from, to, dwell, active)
                })
                .collect();
            found.sort_unstable();
            assert_eq!(found, expected(&lives, key, gap), "seed {seed}, {key}");
            let sums = play
                .slots
                .iter()
                .filter(|((owner, _), _)| owner == key)
                .fold((0, 0), |sum, (_, slot)| (sum.0 + slot.0, sum.1 + slot.1));
            let totals = play
                .rows
                .values()
                .filter(|row| row.key == *key)
                .fold((0, 0), |sum, row| (sum.0 + row.dwell_ms, sum.1 + row.active_ms));
            assert_eq!(sums, totals, "seed {seed}, {key}: the slots have what the visits have");
        }
    }
}
