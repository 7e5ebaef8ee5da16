//! A browser's name for people, from what it sends as `User-Agent`: `Chrome 128 · Windows`. Pure.
//!
//! Own and small: people want to tell a phone from an office computer, and libraries that know
//! every crawler of the world bring tables of a megabyte.

/// The longest name, in characters.
const NAME_CHARACTERS_MAX: usize = 60;

/// What identifies a browser, in the order of looking: those that also claim to be another one
/// come before it. Each with the name that people know and whether a version follows the mark.
const BROWSERS: [(&str, &str); 18] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("Whale/", "Whale"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("KAKAOTALK ", "KakaoTalk"),
    ("NAVER(inapp", "Naver"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Headless Chrome"),
    ("Chrome/", "Chrome"),
    // Safari puts its version elsewhere.
    ("Version/", "Safari"),
    ("Safari/", "Safari"),
    ("Trident/", "Internet Explorer"),
];

/// What identifies a system; phones before what they are made of.
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("FreeBSD", "FreeBSD"),
    ("Linux", "Linux"),
];

/// The name; empty if nothing was sent.
pub(super) fn name(user_agent: &str) -> String {
    let browser = BROWSERS.iter().find_map(|(mark, name)| {
        let (_, rest) = user_agent.split_once(mark)?;
        Some((*name, version(mark, rest)))
    });
    let system = SYSTEMS.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name);
    let name = match browser {
        // `Version/` is Safari's only where Safari is named too.
        Some(("Safari", _)) if !user_agent.contains("Safari/") => product(user_agent),
        Some((name, "")) => name.to_owned(),
        Some((name, version)) => format!("{name} {version}"),
        None => product(user_agent),
    };
    match system {
        Some(system) if !name.is_empty() => format!("{name} · {system}"),
        Some(system) => system.to_owned(),
        None => name,
    }
}

/// The main version, if the mark is followed by one that says something.
fn version<'a>(mark: &str, rest: &'a str) -> &'a str {
    if !mark.ends_with(['/', ' ']) || mark == "Safari/" || mark == "Trident/" {
        return "";
    }
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    &rest[..end.min(6)]
}

/// The first product of a tool, such as `curl/8.5.0`.
fn product(user_agent: &str) -> String {
    user_agent
        .split_ascii_whitespace()
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARACTERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn browsers_have_the_names_that_people_know() {
        const KIT: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (sent, expected) in [
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KIT} Chrome/128.0.0.0 Safari/537.36"), "Chrome 128 · Windows"),
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KIT} Chrome/128.0.0.0 Safari/537.36 Edg/128.0.2739.42"), "Edge 128 · Windows"),
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KIT} Chrome/126.0.0.0 Whale/3.27.254.15 Safari/537.36"), "Whale 3 · Windows"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1".to_owned(), "Safari 17 · iPhone"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/127.0.6533.77 Mobile/15E148 Safari/604.1".to_owned(), "Chrome 127 · iPhone"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 16_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 NAVER(inapp; search; 1000; 11.19.2; 11PRO)".to_owned(), "Naver · iPhone"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15".to_owned(), "Safari 17 · macOS"),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:129.0) Gecko/20100101 Firefox/129.0".to_owned(), "Firefox 129 · Linux"),
            (format!("Mozilla/5.0 (Linux; Android 14; SM-S928N) {KIT} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36"), "Samsung Internet 25 · Android"),
            (format!("Mozilla/5.0 (Linux; Android 13; SM-A536N; wv) {KIT} Version/4.0 Chrome/127.0.6533.103 Mobile Safari/537.36 KAKAOTALK 10.9.5"), "KakaoTalk 10 · Android"),
            (format!("Mozilla/5.0 (X11; Linux x86_64) {KIT} HeadlessChrome/128.0.0.0 Safari/537.36"), "Headless Chrome 128 · Linux"),
            ("Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko".to_owned(), "Internet Explorer · Windows"),
            ("curl/8.5.0".to_owned(), "curl/8.5.0"),
            ("python-requests/2.32.3".to_owned(), "python-requests/2.32.3"),
            ("Version/9 of something".to_owned(), "Version/9"),
            ("Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X)".to_owned(), "Mozilla/5.0 · iPad"),
            (String::new(), ""),
            ("\u{1b}[31mred".to_owned(), "[31mred"),
            ("가".repeat(300), "가".repeat(60).as_str()),
        ] {
            assert_eq!(name(&sent), expected, "{sent}");
        }
    }
}
