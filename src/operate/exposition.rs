//! The text of OpenMetrics 1.0: families with type, unit and help, labels, numbers. Knows no metric
//! by name; what a family is called has to end in its unit.

use std::fmt::Write;

/// What a family counts or shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows; its sample ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, count and sum.
    Histogram,
    /// Words that do not change; its sample ends in `_info`.
    Info,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        }
    }
}

/// A text under way.
pub(super) struct Exposition(String);

/// A family under way: its samples follow its head.
pub(super) struct Family<'e> {
    text: &'e mut String,
    name: &'static str,
    kind: Kind,
}

impl Exposition {
    pub(super) fn new() -> Self {
        Self(String::with_capacity(8192))
    }

    /// Begins a family. `unit` is empty, or the end of its name.
    pub(super) fn family(
        &mut self,
        name: &'static str,
        kind: Kind,
        unit: &str,
        help: &str,
    ) -> Family<'_> {
        debug_assert!(unit.is_empty() || name.ends_with(&format!("_{unit}")), "{name} {unit}");
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# TYPE {name} {}", kind.as_str());
        if !unit.is_empty() {
            let _ = writeln!(self.0, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.0, "# HELP {name} {}", escaped(help));
        Family { text: &mut self.0, name, kind }
    }

    /// A family of one number.
    pub(super) fn single(
        &mut self,
        name: &'static str,
        kind: Kind,
        unit: &str,
        help: &str,
        value: f64,
    ) {
        self.family(name, kind, unit, help).sample(&[], value);
    }

    /// The whole text.
    pub(super) fn end(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }
}

impl Family<'_> {
    /// A number with its labels.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.line(suffix, labels, value);
    }

    /// A histogram: what is at most as large as each edge, all of them, and their sum.
    pub(super) fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        at_most: &[(f64, u64)],
        count: u64,
        sum: f64,
    ) {
        for (edge, number) in at_most {
            let edge = number_text(*edge);
            self.line("_bucket", &[labels, &[("le", edge.as_str())]].concat(), *number as f64);
        }
        self.line("_bucket", &[labels, &[("le", "+Inf")]].concat(), count as f64);
        self.line("_count", labels, count as f64);
        self.line("_sum", labels, sum);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        for (place, (name, value)) in labels.iter().enumerate() {
            let begin = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{begin}{name}=\"{}\"", escaped(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {}", number_text(value));
    }
}

/// `1.0`, `0.25`, `12345.0`: the canonical form of edges, and right for every value.
fn number_text(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => format!("{value:?}"),
    }
}

/// Backslash, quote and line feed have a meaning.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_their_form() {
        let mut text = Exposition::new();
        let help = "A \"quoted\" help\nof two lines.";
        text.single("a_bytes", Kind::Counter, "bytes", help, 1.5e12);
        let mut family = text.family("b", Kind::Gauge, "", "B.");
        family.sample(&[("user", "a\"b\\c"), ("app", "main")], f64::NAN);
        let mut family = text.family("c_seconds", Kind::Histogram, "seconds", "C.");
        family.histogram(&[("kind", "fork")], &[(0.1, 0), (1.0, 2)], 3, 4.25);
        text.family("d", Kind::Info, "", "D.").sample(&[("version", "1")], 1.0);
        assert_eq!(
            text.end(),
            "# TYPE a_bytes counter\n# UNIT a_bytes bytes\n\
             # HELP a_bytes A \\\"quoted\\\" help\\nof two lines.\n\
             a_bytes_total 1500000000000.0\n\
             # TYPE b gauge\n# HELP b B.\nb{user=\"a\\\"b\\\\c\",app=\"main\"} NaN\n\
             # TYPE c_seconds histogram\n# UNIT c_seconds seconds\n# HELP c_seconds C.\n\
             c_seconds_bucket{kind=\"fork\",le=\"0.1\"} 0.0\n\
             c_seconds_bucket{kind=\"fork\",le=\"1.0\"} 2.0\n\
             c_seconds_bucket{kind=\"fork\",le=\"+Inf\"} 3.0\n\
             c_seconds_count{kind=\"fork\"} 3.0\nc_seconds_sum{kind=\"fork\"} 4.25\n\
             # TYPE d info\n# HELP d D.\nd_info{version=\"1\"} 1.0\n# EOF\n"
        );
    }
}
