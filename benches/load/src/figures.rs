//! Figures of several rounds as a cell of a table.

pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median, and in brackets the lowest and the highest.
pub(crate) fn spread(figures: &[f64]) -> String {
    let (low, high) =
        figures.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), f| (low.min(*f), high.max(*f)));
    format!("{:.2} ({low:.2}–{high:.2})", median(figures))
}

/// Round by round, the one divided by the other.
pub(crate) fn ratios(these: &[f64], those: &[f64]) -> Vec<f64> {
    these.iter().zip(those).map(|(this, that)| this / that).collect()
}
