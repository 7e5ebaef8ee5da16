//! "Did you mean …?": the known word that a mistyped one is closest to.

/// Longer words are not compared; no key is so long.
const WORD_CHARACTERS_MAX: usize = 48;

/// The known word with the fewest typing errors from `word`, if they are few for its length.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let length = word.chars().count();
    if length > WORD_CHARACTERS_MAX {
        return None;
    }
    let errors_max = (length / 3).max(1);
    known
        .map(|candidate| {
            (errors_between(&word.to_lowercase().replace('-', "_"), candidate), candidate)
        })
        .filter(|(errors, _)| *errors <= errors_max)
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other.
fn errors_between(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut two_above: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(two_above[j - 2] + 1);
            }
            row.push(best);
        }
        two_above = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_only_if_it_is_near() {
        let known = ["idle_timeout", "untouched_timeout", "apps", "users", "ports", "port"];
        for (word, expected) in [
            ("idle_timout", Some("idle_timeout")),
            ("idel_timeout", Some("idle_timeout")),
            ("Idle-Timeout", Some("idle_timeout")),
            ("user", Some("users")),
            ("app", Some("apps")),
            ("prot", Some("port")),
            ("timeout", None),
            ("", None),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), expected, "{word}");
        }
        assert_eq!(errors_between("kitten", "sitting"), 3);
    }
}
