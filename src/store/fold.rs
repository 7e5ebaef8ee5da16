//! The arithmetic of statistics: days are folded into sums per day, week, user, app and hour. Pure.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::calendar::{DayRange, instant};
use super::digest::{Digest, DigestShare};
use super::names::Names;
use super::{Amounts, Day, HourLoad, ROWS_MAX, SLOT_MS, Share, Statistics, StatisticsQuery, Week};
use crate::clock::Timestamp;

/// Sums of a group while days are added.
#[derive(Default)]
struct Sum {
    amounts: Amounts,
    people: HashSet<u32>,
    dwells_ms: Vec<u64>,
}

impl Sum {
    /// Everything of a share; `dwell_ms` and `active_ms` are those of its slots.
    fn add(&mut self, user: u32, share: &DigestShare, dwell_ms: u64, active_ms: u64) {
        self.people.insert(user);
        let amounts = &mut self.amounts;
        amounts.visits += share.dwells_ms.len() as u64;
        amounts.requests = amounts.requests.saturating_add(share.requests);
        amounts.in_bytes = amounts.in_bytes.saturating_add(share.in_bytes);
        amounts.out_bytes = amounts.out_bytes.saturating_add(share.out_bytes);
        amounts.dwell_ms += dwell_ms;
        amounts.active_ms += active_ms;
        self.dwells_ms.extend_from_slice(&share.dwells_ms);
    }

    fn finish(mut self) -> Amounts {
        self.amounts.people = self.people.len() as u64;
        self.amounts.dwell_mean_ms = mean(&self.dwells_ms);
        self.amounts.dwell_median_ms = median(&mut self.dwells_ms);
        self.amounts
    }
}

fn mean(values: &[u64]) -> Option<u64> {
    let sum: u128 = values.iter().map(|value| u128::from(*value)).sum();
    u64::try_from(sum.checked_div(values.len() as u128)?).ok()
}

/// The value in the middle; of an even number of values, the mean of the two in the middle.
fn median(values: &mut [u64]) -> Option<u64> {
    if values.is_empty() {
        return None;
    }
    let half = values.len() / 2;
    let odd = !values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable(half);
    let upper = *upper;
    if odd {
        return Some(upper);
    }
    let lower = below.iter().max().copied().unwrap_or(upper);
    Some(lower.midpoint(upper))
}

/// A fold under way. Days are added in order.
pub(super) struct Fold<'a> {
    query: &'a StatisticsQuery,
    users: Names,
    apps: Names,
    seats: HashMap<(u32, u32), Sum>,
    days: Vec<Day>,
    weeks: Vec<Week>,
    week: Option<(Date, Sum)>,
    hours: [[HourLoad; 24]; 7],
}

impl<'a> Fold<'a> {
    pub(super) fn new(query: &'a StatisticsQuery) -> Self {
        Self {
            query,
            users: Names::default(),
            apps: Names::default(),
            seats: HashMap::new(),
            days: Vec::new(),
            weeks: Vec::new(),
            week: None,
            hours: [[HourLoad::default(); 24]; 7],
        }
    }

    /// Adds the day that follows.
    pub(super) fn day(&mut self, range: &DayRange, digest: &Digest) {
        self.enter_week(range.date);
        let places = places(&self.query.zone, range);
        self.lengths(range, &places);
        let mut day = Sum::default();
        for share in digest.shares.iter().filter(|share| wanted(self.query, share)) {
            let user = self.users.number(&share.user);
            let app = self.apps.number(&share.app);
            let seat = self.seats.entry((user, app)).or_default();
            let week = self.week.as_mut().map(|(_, sum)| sum);
            let (dwell_ms, active_ms) = share.slots.iter().fold((0, 0), |(dwell, active), slot| {
                (dwell + slot.dwell_ms, active + slot.active_ms)
            });
            for sum in [Some(seat), Some(&mut day), week].into_iter().flatten() {
                sum.add(user, share, dwell_ms, active_ms);
            }
            self.add_hours(share, &places);
        }
        self.days.push(Day { date: range.date, amounts: day.finish() });
    }

    fn enter_week(&mut self, date: Date) {
        let monday = monday_of(date);
        if self.week.as_ref().is_none_or(|(current, _)| *current != monday) {
            self.finish_week();
            self.week = Some((monday, Sum::default()));
        }
    }

    fn finish_week(&mut self) {
        if let Some((monday, sum)) = self.week.take() {
            let iso = monday.iso_week_date();
            let amounts = sum.finish();
            self.weeks.push(Week { year: iso.year(), week: iso.week(), monday, amounts });
        }
    }

    /// How long each hour of the week was, as far as it has passed.
    fn lengths(&mut self, range: &DayRange, places: &[(usize, usize)]) {
        let end = range.to_at.min(self.query.now.0);
        for (from_at, (weekday, hour)) in (range.from_at..).step_by(SLOT_MS as usize).zip(places) {
            let length_ms = (from_at + SLOT_MS).min(end) - from_at;
            self.hours[*weekday][*hour].length_ms += u64::try_from(length_ms).unwrap_or(0);
        }
    }

    fn add_hours(&mut self, share: &DigestShare, places: &[(usize, usize)]) {
        for slot in &share.slots {
            let Some((weekday, hour)) = places.get(slot.index as usize) else { continue };
            let load = &mut self.hours[*weekday][*hour];
            load.visits += slot.visits;
            load.dwell_ms += slot.dwell_ms;
            load.active_ms += slot.active_ms;
        }
    }

    /// The answer.
    pub(super) fn finish(mut self) -> Statistics {
        self.finish_week();
        let first = self.days.first().map_or(self.query.from, |day| day.date);
        let last = self.days.last().map_or(self.query.to, |day| day.date);
        let totals = self.merged(|_, _| Some(())).remove(&()).map(Sum::finish).unwrap_or_default();
        let users = self.merged(|user, _| Some(user));
        let apps = self.merged(|_, app| Some(app));
        let users = shares(users, |user| (self.users.name(user), None));
        let apps = shares(apps, |app| (None, self.apps.name(app)));
        let seats = std::mem::take(&mut self.seats);
        let seats = shares(seats, |(user, app)| (self.users.name(user), self.apps.name(app)));
        Statistics {
            from: first,
            to: last,
            totals,
            days: self.days,
            weeks: self.weeks,
            users,
            apps,
            seats,
            hours: self.hours,
        }
    }

    /// The seats' sums, put together by what they have in common.
    fn merged<K: std::hash::Hash + Eq>(
        &self,
        group: impl Fn(u32, u32) -> Option<K>,
    ) -> HashMap<K, Sum> {
        let mut sums: HashMap<K, Sum> = HashMap::new();
        for ((user, app), seat) in &self.seats {
            let Some(key) = group(*user, *app) else { continue };
            let sum = sums.entry(key).or_default();
            sum.people.insert(*user);
            sum.dwells_ms.extend_from_slice(&seat.dwells_ms);
            let (all, one) = (&mut sum.amounts, &seat.amounts);
            all.visits += one.visits;
            all.dwell_ms += one.dwell_ms;
            all.active_ms += one.active_ms;
            all.requests = all.requests.saturating_add(one.requests);
            all.in_bytes = all.in_bytes.saturating_add(one.in_bytes);
            all.out_bytes = all.out_bytes.saturating_add(one.out_bytes);
        }
        sums
    }
}

fn wanted(query: &StatisticsQuery, share: &DigestShare) -> bool {
    query.user.as_ref().is_none_or(|user| *user == share.user)
        && query.app.as_ref().is_none_or(|app| *app == share.app)
}

/// Longest dwell first; of equals by name.
fn shares<K>(
    sums: HashMap<K, Sum>,
    names: impl Fn(K) -> (Option<String>, Option<String>),
) -> Vec<Share> {
    let mut shares: Vec<Share> = sums
        .into_iter()
        .map(|(key, sum)| {
            let (user, app) = names(key);
            Share { user, app, amounts: sum.finish() }
        })
        .collect();
    shares.sort_by(|one, other| {
        let by_dwell = other.amounts.dwell_ms.cmp(&one.amounts.dwell_ms);
        by_dwell.then_with(|| (&one.user, &one.app).cmp(&(&other.user, &other.app)))
    });
    shares.truncate(ROWS_MAX);
    shares
}

fn monday_of(date: Date) -> Date {
    let since_monday = i64::from(date.weekday().to_monday_zero_offset());
    date.checked_sub(jiff::Span::new().days(since_monday)).unwrap_or(date)
}

/// The hour of the week of each slot of a day.
fn places(zone: &TimeZone, range: &DayRange) -> Vec<(usize, usize)> {
    let weekday = usize::try_from(range.date.weekday().to_monday_zero_offset()).unwrap_or(0);
    let hour = |at: i64| {
        let time = zone.to_datetime(instant(Timestamp(at)));
        usize::try_from(time.hour()).unwrap_or(0).min(23)
    };
    let slots = (range.from_at..range.to_at).step_by(SLOT_MS as usize);
    // Most days change no clock, and asking the zone a hundred times a day is most of the work.
    if range.to_at - range.from_at == 24 * 3_600_000 && hour(range.from_at) == 0 {
        let hour = |(index, _): (usize, i64)| (weekday, (index / 4).min(23));
        return slots.enumerate().map(hour).collect();
    }
    slots.map(|at| (weekday, hour(at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_middles() {
        for (mut values, expected) in [
            (vec![], None),
            (vec![7], Some(7)),
            (vec![9, 1], Some(5)),
            (vec![5, 1, 9], Some(5)),
            (vec![1, 2, 4, 100], Some(3)),
            (vec![u64::MAX, u64::MAX], Some(u64::MAX)),
        ] {
            assert_eq!(median(&mut values), expected, "{values:?}");
        }
        assert_eq!(mean(&[1, 2, 6]), Some(3));
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn weeks_begin_on_monday_and_belong_to_the_year_of_their_thursday() {
        use jiff::civil::date;
        for (day, monday, year, week) in [
            (date(2026, 1, 1), date(2025, 12, 29), 2026, 1),
            (date(2027, 1, 3), date(2026, 12, 28), 2026, 53),
            (date(2027, 1, 4), date(2027, 1, 4), 2027, 1),
            (date(2024, 12, 30), date(2024, 12, 30), 2025, 1),
            (date(2021, 1, 3), date(2020, 12, 28), 2020, 53),
            (date(2028, 2, 29), date(2028, 2, 28), 2028, 9),
        ] {
            assert_eq!(monday_of(day), monday);
            let iso = monday.iso_week_date();
            assert_eq!((iso.year(), iso.week()), (year, week));
        }
    }
}
