//! Which paths of an app are closed to people, because they have no authentication of their own:
//! Streamlit's metrics and its agents' API.

use percent_encoding::percent_decode_str;

/// Whether a path below an app's root is closed. It is read as the app's server reads it: decoded,
/// and for good measure with doubled slashes taken for one.
pub(super) fn is_closed(rest: &str) -> bool {
    let plain = percent_decode_str(rest).decode_utf8_lossy();
    let mut segments = plain.split('/').filter(|segment| !segment.is_empty());
    match segments.next() {
        Some("_stcore") => matches!(segments.next(), Some("metrics" | "agent")),
        // Its name in older versions.
        Some("st-metrics") => true,
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_paths_in_any_spelling() {
        for (rest, closed) in [
            ("/_stcore/metrics", true),
            ("/_stcore/metrics/", true),
            ("/_stcore/agent", true),
            ("/_stcore/agent/openapi.json", true),
            ("/_stcore//metrics", true),
            ("//_stcore/metrics", true),
            ("/_stcore/%6detrics", true),
            ("/%5fstcore%2Fagent%2Fmcp", true),
            ("/st-metrics", true),
            ("/%73t-metrics/", true),
            ("/st-metrics-page", false),
            ("/_stcore/health", false),
            ("/_stcore/stream", false),
            ("/_stcore/metricsandmore", false),
            ("/_stcore/upload_file/metrics", false),
            ("/metrics", false),
            ("/", false),
            ("", false),
        ] {
            assert_eq!(is_closed(rest), closed, "{rest}");
        }
    }
}
