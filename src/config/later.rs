//! Keys that are read and checked but that this version does not carry out yet. Using one is a
//! problem: nobody shall believe that a setting works when it does not.

/// `(section, key)`, sections as [`super::scope::Section::pattern`] writes them. A row is removed
/// by whoever makes the key work.
const NOT_YET: &[(&str, &str)] = &[
    ("", "tls"),
    ("", "oidc"),
    ("", "trusted_login_header"),
    ("users[]", "login"),
    ("users[]", "totp"),
    ("users[]", "password"),
    ("admin", "listen"),
    ("apps.*", "cpu_max"),
];

/// Whether this key of this section has no effect yet.
pub(super) fn is_not_yet(pattern: &str, key: &str) -> bool {
    NOT_YET.contains(&(pattern, key))
}

#[cfg(test)]
mod tests {
    use super::*;

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
