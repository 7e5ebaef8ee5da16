//! Keys that are read and checked but that this version does not carry out yet. Using one is a
//! problem: nobody shall believe that a setting works when it does not.

/// Rows of `(section, key)`, sections as [`super::scope::Section::pattern`] writes them.
pub(super) type NotYet = &'static [(&'static str, &'static str)];

/// The keys without effect. A row is removed by whoever makes the key work.
pub(super) const NOT_YET: NotYet = &[("apps.*", "cpu_max")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Snapshot;

    #[test]
    fn using_one_is_a_problem() {
        let text = "
apps: {main: {script: s.py, cpu_max: null, memory_max: 1GiB}}
users: [{name: a, addresses: [10.0.0.1]}]
admin: {path: /x, listen: []}
limits: {seats: 5, upload: 1MiB}
";
        let not_yet: NotYet = &[
            ("apps.*", "memory_max"),
            ("apps.*", "cpu_max"),
            ("admin", "listen"),
            ("limits", "seats"),
            ("users[]", "port"),
        ];
        let file = std::path::Path::new("/nowhere/usher.yaml");
        let problems = Snapshot::parse_without(not_yet, file, text).err().unwrap_or_default();
        let told: Vec<_> = problems.iter().map(|p| (&*p.path, p.line, p.column)).collect();
        // A key at its default promises nothing.
        assert_eq!(told, [("apps.main.memory_max", 2, 44), ("limits.seats", 5, 10)]);
    }

    #[test]
    fn every_row_names_a_key() {
        for (pattern, key) in NOT_YET {
            let known = super::super::keys::sections()
                .iter()
                .any(|s| s.pattern == *pattern && s.keys.iter().any(|k| k.name() == *key));
            assert!(known, "{pattern} {key}");
        }
    }
}
