//! Days, weeks and hours: numbers that were worked out by hand.

use jiff::civil::date;

use super::*;
use crate::store::{Amounts, Reports, Statistics};

const H: u64 = HOUR as u64;

/// (visits, people, dwell) of each day that has any.
fn by_day(statistics: &Statistics) -> Vec<(String, u64, u64, u64)> {
    let amounts = |day: &crate::store::Day| {
        let Amounts { visits, people, dwell_ms, .. } = day.amounts;
        (day.date.to_string(), visits, people, dwell_ms)
    };
    statistics.days.iter().map(amounts).filter(|(_, _, people, _)| *people > 0).collect()
}

#[test]
fn a_visit_over_midnight_counts_on_its_first_day_and_its_time_on_both() {
    let mut store = Store::new();
    let seoul = "Asia/Seoul";
    store.write(vec![
        visit("a", "main", at(seoul, "2026-08-31T23:30"), 2 * HOUR),
        visit("b", "main", at(seoul, "2026-09-01T09:00"), HOUR),
    ]);
    let now = at(seoul, "2026-09-02T12:00");
    let statistics =
        store.reports.statistics(&query(seoul, date(2026, 8, 1), date(2026, 12, 1), now)).unwrap();
    assert_eq!((statistics.from, statistics.to), (date(2026, 8, 31), date(2026, 9, 2)));
    assert_eq!(statistics.days.len(), 3, "a day without anybody is a day");
    assert_eq!(
        by_day(&statistics),
        [("2026-08-31".to_owned(), 1, 1, H / 2), ("2026-09-01".to_owned(), 1, 2, H * 5 / 2)]
    );
    let first = statistics.days[0].amounts;
    assert_eq!(first.dwell_mean_ms, Some(2 * H), "of whole visits");
    assert_eq!(first.active_ms, H / 4);
    assert_eq!((first.requests, first.in_bytes, first.out_bytes), (3, 10, 1000));
    let totals = statistics.totals;
    assert_eq!((totals.visits, totals.people, totals.dwell_ms), (2, 2, 3 * H));
    assert_eq!((totals.dwell_mean_ms, totals.dwell_median_ms), (Some(3 * H / 2), Some(3 * H / 2)));
    // 2026-08-31 is a Monday.
    let [week] = &statistics.weeks[..] else { panic!("one week: {:?}", statistics.weeks) };
    assert_eq!((week.year, week.week, week.monday), (2026, 36, date(2026, 8, 31)));
    assert_eq!(week.amounts, totals);
    // Monday 23:00 had half an hour of one person, Tuesday 00:00 a whole one.
    assert_eq!((statistics.hours[0][23].dwell_ms, statistics.hours[0][23].visits), (H / 2, 1));
    assert_eq!((statistics.hours[1][0].dwell_ms, statistics.hours[1][0].visits), (H, 0));
    assert_eq!(statistics.hours[1][1].dwell_ms, H / 2);
    assert_eq!((statistics.hours[1][9].dwell_ms, statistics.hours[1][9].visits), (H, 1));
    // Wednesday has passed to its noon.
    assert_eq!((statistics.hours[2][11].length_ms, statistics.hours[2][12].length_ms), (H, 0));
}

#[test]
fn the_same_visits_have_other_days_in_another_zone() {
    let mut store = Store::new();
    store.write(vec![visit("a", "main", at("UTC", "2026-06-30T14:30"), HOUR)]);
    let now = at("UTC", "2026-07-05T00:00");
    for (zone, expected) in [
        ("UTC", vec![("2026-06-30".to_owned(), 1, 1, H)]),
        (
            "Asia/Seoul",
            vec![("2026-06-30".to_owned(), 1, 1, H / 2), ("2026-07-01".to_owned(), 0, 1, H / 2)],
        ),
        ("Asia/Kathmandu", vec![("2026-06-30".to_owned(), 1, 1, H)]),
        ("Pacific/Kiritimati", vec![("2026-07-01".to_owned(), 1, 1, H)]),
    ] {
        let query = query(zone, date(2026, 1, 1), date(2026, 12, 31), now);
        assert_eq!(by_day(&store.reports.statistics(&query).unwrap()), expected, "{zone}");
    }
}

#[test]
fn a_visit_over_the_end_of_a_month_or_year_counts_on_both_sides_of_it() {
    let zone = "Asia/Seoul";
    for (last, first) in [
        ("2026-01-31", "2026-02-01"),
        ("2026-02-28", "2026-03-01"),
        ("2028-02-29", "2028-03-01"),
        ("2026-12-31", "2027-01-01"),
    ] {
        let mut store = Store::new();
        let begin = at(zone, &format!("{last}T22:00"));
        store.write(vec![visit("a", "main", begin, 3 * HOUR)]);
        let now = Timestamp(begin.0 + 10 * DAY);
        let (from, to): (Date, Date) = (last.parse().unwrap(), first.parse().unwrap());
        let statistics = store.reports.statistics(&query(zone, from, to, now)).unwrap();
        let days: Vec<_> = statistics
            .days
            .iter()
            .map(|day| (day.date, day.amounts.visits, day.amounts.dwell_ms / H))
            .collect();
        assert_eq!(days, [(from, 1, 2), (to, 0, 1)]);
    }
}

#[test]
fn days_on_which_clocks_change_have_all_their_hours() {
    for (zone, spring, autumn) in [
        ("Europe/Berlin", "2026-03-29", "2026-10-25"),
        ("America/New_York", "2026-03-08", "2026-11-01"),
    ] {
        for (day, hours) in [(spring, 23), (autumn, 25)] {
            let mut store = Store::new();
            // From midnight to midnight, and an hour of the day after.
            let length = hours * HOUR + HOUR;
            store.write(vec![visit("a", "main", at(zone, &format!("{day}T00:00")), length)]);
            let date: Date = day.parse().unwrap();
            let now = Timestamp(at(zone, &format!("{day}T00:00")).0 + 10 * DAY);
            let statistics = store
                .reports
                .statistics(&query(zone, date, date.tomorrow().unwrap(), now))
                .unwrap();
            let dwell: Vec<u64> =
                statistics.days.iter().map(|day| day.amounts.dwell_ms / H).collect();
            assert_eq!(dwell, [hours as u64, 1], "{zone} {day}");
            // Both are Sundays. The hour that was skipped has no length; the one that came twice has two.
            let sunday = &statistics.hours[6];
            let twice_or_never: Vec<u64> = sunday
                .iter()
                .filter(|hour| hour.length_ms != H)
                .map(|hour| {
                    assert_eq!(hour.length_ms, hour.dwell_ms, "somebody was here all day");
                    hour.length_ms / H
                })
                .collect();
            assert_eq!(twice_or_never, [if hours == 23 { 0 } else { 2 }], "{zone} {day}");
        }
    }
}

#[test]
fn shares_are_by_user_app_and_both_and_can_be_asked_for_alone() {
    let mut store = Store::new();
    let morning = at("UTC", "2026-05-04T09:00");
    store.write(vec![
        visit("a", "main", morning, 10 * MINUTE),
        visit("a", "main", Timestamp(morning.0 + HOUR), 20 * MINUTE),
        visit("a", "tool", Timestamp(morning.0 + 2 * HOUR), 5 * MINUTE),
        visit("b", "main", Timestamp(morning.0 + 30 * MINUTE), 60 * MINUTE),
    ]);
    let mut query = query("UTC", date(2026, 5, 1), date(2026, 5, 31), Timestamp(morning.0 + DAY));
    let minutes =
        |shares: &[crate::store::Share]| -> Vec<(Option<String>, Option<String>, u64, u64)> {
            let share = |share: &crate::store::Share| {
                let amounts = share.amounts;
                let minutes = amounts.dwell_ms / MINUTE as u64;
                (share.user.clone(), share.app.clone(), amounts.visits, minutes)
            };
            shares.iter().map(share).collect()
        };
    let name = |name: &str| Some(name.to_owned());
    let all = store.reports.statistics(&query).unwrap();
    assert_eq!(minutes(&all.users), [(name("b"), None, 1, 60), (name("a"), None, 3, 35)]);
    assert_eq!(minutes(&all.apps), [(None, name("main"), 3, 90), (None, name("tool"), 1, 5)]);
    assert_eq!(
        minutes(&all.seats),
        [
            (name("b"), name("main"), 1, 60),
            (name("a"), name("main"), 2, 30),
            (name("a"), name("tool"), 1, 5)
        ]
    );
    assert_eq!(all.users[1].amounts.dwell_median_ms, Some(10 * MINUTE as u64));
    assert_eq!(all.apps[0].amounts.people, 2);
    query.user = name("a");
    let one = store.reports.statistics(&query).unwrap();
    assert_eq!((one.totals.visits, one.totals.people), (3, 1));
    assert_eq!(one.hours[0][9].visits, 1, "b's visit at 9:30 is not a's");
    query.app = name("tool");
    assert_eq!(store.reports.statistics(&query).unwrap().totals.dwell_ms, 5 * MINUTE as u64);
}

#[test]
fn nothing_recorded_is_no_fault_and_a_huge_range_no_burden() {
    let store = Store::new();
    let query =
        query("Asia/Seoul", date(1970, 1, 1), date(2099, 1, 1), at("UTC", "2026-01-01T00:00"));
    let statistics = store.reports.statistics(&query).unwrap();
    assert!(
        statistics.days.is_empty() && statistics.weeks.is_empty() && statistics.users.is_empty()
    );
    assert_eq!(statistics.totals, Amounts::default());
}

/// Digests are a shortcut: with and without them every answer is the same, in every zone, also
/// after records of their days changed.
#[test]
fn prepared_days_say_the_same_as_their_records() {
    let mut store = Store::new();
    let begin = at("Europe/Berlin", "2026-03-20T00:00").0;
    let mut seed = 7_u64;
    let mut next = |below: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(seed >> 33).unwrap() % below
    };
    let visits: Vec<VisitRecord> = (0..400)
        .map(|_| {
            let user = ["a", "b", "c", "d"][next(4) as usize];
            let app = ["main", "tool"][next(2) as usize];
            visit(user, app, Timestamp(begin + next(20 * DAY)), next(6 * HOUR))
        })
        .collect();
    store.write(visits);
    let now = Timestamp(begin + 21 * DAY);
    let mut query = query("Europe/Berlin", date(2026, 3, 1), date(2026, 5, 1), now);
    let ask = |store: &Store, query: &StatisticsQuery| store.reports.statistics(query).unwrap();
    let plain = ask(&store, &query);
    assert!(plain.totals.visits == 400 && plain.days.len() > 20);

    store.tidy_all(now, &upkeep("Europe/Berlin"));
    assert!(store.count("digests") >= 20, "{}", store.count("digests"));
    assert_eq!(ask(&store, &query), plain);
    query.user = Some("b".to_owned());
    let of_b = ask(&store, &query);
    query.zone = zone("Asia/Seoul");
    let in_seoul = ask(&store, &query);

    // Another zone's days take the place of these.
    store.tidy_all(now, &upkeep("Asia/Seoul"));
    assert_eq!(ask(&store, &query), in_seoul);
    query.zone = zone("Europe/Berlin");
    assert_eq!(ask(&store, &query), of_b);
    query.user = None;

    let totals = |store: &Store| {
        let totals = ask(store, &query).totals;
        (totals.dwell_ms, totals.visits)
    };
    // A visit of a prepared day grows: what was prepared is forgotten, and made anew.
    store.tidy_all(now, &upkeep("Europe/Berlin"));
    let mut late = visit("a", "main", Timestamp(begin + 3 * DAY), HOUR);
    late.phase = VisitPhase::Open;
    late.id = Some(store.write(vec![late.clone()])[0]);
    assert_eq!(totals(&store), (plain.totals.dwell_ms + H, 401));
    store.tidy_all(now, &upkeep("Europe/Berlin"));
    assert!(store.count("digests") < 5, "days are not prepared while a visit of them is open");
    late.phase = VisitPhase::Ended("left");
    late.dwell_ms += H;
    let slot_at = Timestamp(begin + 3 * DAY + HOUR);
    late.slots = vec![SlotDelta { slot_at, dwell_ms: H, active_ms: 0 }];
    store.write(vec![late]);
    store.tidy_all(now, &upkeep("Europe/Berlin"));
    assert!(store.count("digests") >= 20);
    assert_eq!(totals(&store), (plain.totals.dwell_ms + 2 * H, 401));
}
