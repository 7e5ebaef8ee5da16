//! Times, as medians with their spread.

use std::time::Instant;

/// So many of these in each round, and so many rounds.
pub(crate) struct Pace {
    pub(crate) rounds: usize,
    pub(crate) each: usize,
}

/// Nanoseconds of one of these, round by round; `work` gets its number. The first round warms up.
pub(crate) fn nanoseconds(pace: &Pace, mut work: impl FnMut(usize)) -> Vec<f64> {
    let mut rounds = Vec::with_capacity(pace.rounds);
    for round in 0..=pace.rounds {
        let ns = seconds(|| (0..pace.each).for_each(&mut work)) * 1e9 / pace.each as f64;
        if round > 0 {
            rounds.push(ns);
        }
    }
    rounds
}

/// How long this took.
#[expect(clippy::disallowed_methods, reason = "time is what is measured")]
pub(crate) fn seconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

/// The median, and in brackets the lowest and the highest.
pub(crate) fn spread(mut figures: Vec<f64>) -> String {
    figures.sort_unstable_by(f64::total_cmp);
    let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
    let last = figures.len().saturating_sub(1);
    format!("{:.0} ({:.0}–{:.0})", at(figures.len() / 2), at(0), at(last))
}
