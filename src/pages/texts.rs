//! The table of texts of one language: parsing, and filling in the parameters.
//!
//! A file has `[section]` lines, `key = text` lines and `#` comments. A text may hold `{name}`, and
//! `{name:A/B}`: in Korean the particle that fits the value (`{app:을/를}`), in English singular and
//! plural (`{count:seat/seats}`). Texts are plain text: whoever prints them escapes them.

use super::forms;
use super::language::Language;
use std::collections::BTreeMap;
use std::fmt;

/// A value for a `{name}` in a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// Shown as it is.
    Text(String),
    /// A number of things.
    Count(u64),
    /// Seconds, shown with the language's units.
    Seconds(f64),
    /// Bytes, shown as KiB, MiB or GiB.
    Bytes(u64),
    /// The text of this key, which has no parameters itself.
    Word(String),
}

/// Parameters by name.
pub type Parameters = Vec<(&'static str, Parameter)>;

/// Why a text could not be said. Never a person's fault: a template or a table is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextError {
    NoSuchText { key: String },
    ParameterMissing { key: String, name: String },
}

impl fmt::Display for TextError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextError::NoSuchText { key } => write!(out, "there is no text `{key}`"),
            TextError::ParameterMissing { key, name } => {
                write!(out, "the text `{key}` needs the parameter `{name}`")
            }
        }
    }
}

/// What is wrong with one line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineError {
    pub(super) line: usize,
    pub(super) message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Parameter { name: String, forms: Option<(String, String)> },
}

#[derive(Debug, Clone)]
struct Text {
    pieces: Vec<Piece>,
    line: usize,
}

/// All texts of one language.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    language: Language,
    texts: BTreeMap<String, Text>,
}

impl Texts {
    /// Reads a table; every bad line is reported.
    pub(super) fn parse(language: Language, source: &str) -> Result<Texts, Vec<LineError>> {
        let mut texts = Texts { language, texts: BTreeMap::new() };
        let mut section = String::new();
        let mut errors = Vec::new();
        for (index, line) in source.lines().enumerate() {
            let line_number = index + 1;
            if let Err(message) = texts.take_line(line.trim(), line_number, &mut section) {
                errors.push(LineError { line: line_number, message });
            }
        }
        if errors.is_empty() { Ok(texts) } else { Err(errors) }
    }

    fn take_line(&mut self, line: &str, number: usize, section: &mut String) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            *section = name.trim().to_owned();
            return Ok(());
        }
        let (key, text) = line.split_once('=').ok_or("expected `key = text` or `[section]`")?;
        let key = format!("{section}.{}", key.trim());
        let text = Text { pieces: pieces(text.trim())?, line: number };
        match self.texts.insert(key.clone(), text) {
            None => Ok(()),
            Some(earlier) => Err(format!("`{key}` already stands in line {}", earlier.line)),
        }
    }

    /// Lays an operator's table over this one. A key this table lacks, or a parameter that the
    /// pages do not give, is reported: it would never be shown.
    pub(super) fn overlay(&mut self, other: Texts) -> Result<(), Vec<LineError>> {
        let mut errors = Vec::new();
        for (key, text) in other.texts {
            match self.texts.get(&key) {
                None => errors.push(LineError {
                    line: text.line,
                    message: format!("there is no text `{key}`"),
                }),
                Some(known) => errors.extend(unknown_parameters(&key, known, &text)),
            }
            self.texts.insert(key, text);
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The text of `key` with its parameters filled in.
    pub(super) fn say(
        &self,
        key: &str,
        parameters: &[(&str, Parameter)],
    ) -> Result<String, TextError> {
        let text =
            self.texts.get(key).ok_or_else(|| TextError::NoSuchText { key: key.to_owned() })?;
        let mut said = String::new();
        for piece in &text.pieces {
            match piece {
                Piece::Literal(literal) => said.push_str(literal),
                Piece::Parameter { name, forms } => {
                    let value = parameters.iter().find(|(given, _)| given == name);
                    let (_, value) = value.ok_or_else(|| TextError::ParameterMissing {
                        key: key.to_owned(),
                        name: name.clone(),
                    })?;
                    self.append(&mut said, value, forms.as_ref())?;
                }
            }
        }
        Ok(said)
    }

    fn append(
        &self,
        said: &mut String,
        value: &Parameter,
        forms: Option<&(String, String)>,
    ) -> Result<(), TextError> {
        let shown = match value {
            Parameter::Text(text) => text.clone(),
            Parameter::Count(count) => count.to_string(),
            Parameter::Seconds(seconds) => self.duration(*seconds)?,
            Parameter::Bytes(bytes) => super::amounts::bytes(*bytes),
            Parameter::Word(key) => self.word(key, said.is_empty() || said.ends_with('“'))?,
        };
        said.push_str(&shown);
        let Some((first, second)) = forms else { return Ok(()) };
        match self.language {
            Language::Korean => said.push_str(forms::particle(&shown, first, second)),
            Language::English => {
                let one = *value == Parameter::Count(1);
                said.push(' ');
                said.push_str(if one { first } else { second });
            }
        }
        Ok(())
    }

    /// A text as a part of another one. In the middle of a sentence English has no capital where it
    /// begins, unless that is a name's.
    fn word(&self, key: &str, is_first: bool) -> Result<String, TextError> {
        let word = self.say(key, &[])?;
        let mut letters = word.chars();
        match (letters.next(), self.language) {
            (Some(first), Language::English) if !is_first && !is_upper(letters.clone().next()) => {
                Ok(first.to_lowercase().chain(letters).collect())
            }
            (Some(_), Language::English | Language::Korean) | (None, _) => Ok(word),
        }
    }

    /// Whether a text is a sentence, so that another may follow it; the other ones are labels with
    /// their values. `None`: there is no such text.
    pub(super) fn is_sentence(&self, key: &str) -> Option<bool> {
        let end = self.texts.get(key)?.pieces.last();
        Some(matches!(end, Some(Piece::Literal(end)) if end.ends_with(['.', ')', '’', '”'])))
    }

    /// Seconds in words of this language: `4.2초`, `1분 20초`, `3 h 5 min`.
    pub(super) fn duration(&self, seconds: f64) -> Result<String, TextError> {
        let mut words = Vec::with_capacity(2);
        for (amount, unit) in super::amounts::duration_parts(seconds) {
            let parameters = [("n", Parameter::Text(amount))];
            words.push(self.say(unit.text_key(), &parameters)?);
        }
        Ok(words.join(" "))
    }

    /// All texts of one section without parameters filled in, by key: for scripts in the browser.
    pub(super) fn section(&self, section: &str) -> BTreeMap<&str, String> {
        let prefix = format!("{section}.");
        self.texts
            .iter()
            .filter_map(|(key, text)| Some((key.strip_prefix(&prefix)?, text.source())))
            .collect()
    }

    /// The names of the parameters of each text.
    #[cfg(test)]
    pub(super) fn parameters(&self) -> BTreeMap<&str, Vec<&str>> {
        self.texts.iter().map(|(key, text)| (key.as_str(), text.names())).collect()
    }
}

impl Text {
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Literal(_) => None,
                Piece::Parameter { name, .. } => Some(name.as_str()),
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn source(&self) -> String {
        let mut source = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => source.push_str(literal),
                Piece::Parameter { name, forms: None } => source.push_str(&format!("{{{name}}}")),
                Piece::Parameter { name, forms: Some((first, second)) } => {
                    source.push_str(&format!("{{{name}:{first}/{second}}}"));
                }
            }
        }
        source
    }
}

fn is_upper(letter: Option<char>) -> bool {
    letter.is_some_and(char::is_uppercase)
}

fn unknown_parameters(key: &str, known: &Text, text: &Text) -> Vec<LineError> {
    let allowed = known.names();
    text.names()
        .into_iter()
        .filter(|name| !allowed.contains(name))
        .map(|name| LineError {
            line: text.line,
            message: format!("`{key}` has no parameter `{name}`; it has [{}]", allowed.join(", ")),
        })
        .collect()
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.to_owned()));
        }
        let (inside, after) = after.split_once('}').ok_or("a `{` without its `}`")?;
        pieces.push(parameter(inside)?);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    if pieces.is_empty() { Err("the text is empty".to_owned()) } else { Ok(pieces) }
}

fn parameter(inside: &str) -> Result<Piece, String> {
    let (name, forms) = match inside.split_once(':') {
        None => (inside, None),
        Some((name, pair)) => {
            let (first, second) = pair.split_once('/').ok_or_else(|| {
                format!("`{{{inside}}}` needs two forms, like `{{count:one/many}}`")
            })?;
            (name, Some((first.to_owned(), second.to_owned())))
        }
    };
    let plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!("`{{{inside}}}` is not the name of a parameter"));
    }
    Ok(Piece::Parameter { name: name.to_owned(), forms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(language: Language, text: &str, parameters: &[(&str, Parameter)]) -> String {
        let source = format!("[unit]\nseconds = {{n}} s\nminutes = {{n}} min\n[a]\nb = {text}");
        Texts::parse(language, &source).unwrap().say("a.b", parameters).unwrap()
    }

    #[test]
    fn parameters_and_forms_are_filled_in() {
        let app = [("app", Parameter::Text("매출 현황".into()))];
        assert_eq!(say(Language::Korean, "{app:을/를} 엽니다", &app), "매출 현황을 엽니다");
        for (count, expected) in [(0, "0 seats."), (1, "1 seat."), (7, "7 seats.")] {
            let seats = [("n", Parameter::Count(count))];
            assert_eq!(say(Language::English, "{n:seat/seats}.", &seats), expected);
        }
        let mixed = [("t", Parameter::Seconds(80.0)), ("m", Parameter::Bytes(3 << 29))];
        assert_eq!(say(Language::English, "{t}, {m}", &mixed), "1 min 20 s, 1.5 GiB");
    }

    #[test]
    fn bad_lines_are_all_reported_with_their_numbers() {
        let source =
            "[a]\nno equals sign\nb = {open\nc = fine\nc = twice\nd =\ne = {x:one}\nf = {X}";
        let errors = Texts::parse(Language::English, source).unwrap_err();
        let lines: Vec<usize> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 3, 5, 6, 7, 8]);
        assert!(errors[2].message.contains("line 4"), "{}", errors[2].message);
    }

    #[test]
    fn what_is_missing_is_an_error() {
        let texts = Texts::parse(Language::English, "[a]\nb = {x}").unwrap();
        assert!(matches!(texts.say("a.c", &[]), Err(TextError::NoSuchText { .. })));
        assert!(matches!(texts.say("a.b", &[]), Err(TextError::ParameterMissing { .. })));
    }

    #[test]
    fn an_overlay_may_only_replace_what_exists() {
        let parse = |source: &str| Texts::parse(Language::English, source).unwrap();
        let mut texts = parse("[a]\nb = old {x}\nc = kept");
        texts.overlay(parse("[a]\nb = new")).unwrap();
        assert_eq!(texts.say("a.b", &[]).unwrap(), "new");
        assert_eq!(texts.say("a.c", &[]).unwrap(), "kept");
        let errors = parse("[a]\nb = {x}").overlay(parse("[a]\nz = 1\nb = {y}")).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn a_word_stands_in_a_sentence() {
        let source = "[w]\nfork = A process\nram = RAM\n[a]\nb = {x}\nc = By {x}.\nq = “{x}”";
        let word = |key: &str| [("x", Parameter::Word(key.into()))];
        for (language, key, word_key, said) in [
            (Language::English, "a.c", "w.fork", "By a process."),
            (Language::English, "a.c", "w.ram", "By RAM."),
            (Language::English, "a.b", "w.fork", "A process"),
            (Language::English, "a.q", "w.fork", "“A process”"),
            (Language::Korean, "a.c", "w.fork", "By A process."),
        ] {
            let texts = Texts::parse(language, source).unwrap();
            assert_eq!(texts.say(key, &word(word_key)).unwrap(), said);
        }
        let texts = Texts::parse(Language::English, source).unwrap();
        assert!(matches!(texts.say("a.c", &word("w.new")), Err(TextError::NoSuchText { .. })));
        let sentences = ["a.b", "a.c", "a.d"].map(|key| texts.is_sentence(key));
        assert_eq!(sentences, [Some(false), Some(true), None]);
    }

    #[test]
    fn a_section_keeps_its_placeholders() {
        let texts = Texts::parse(Language::Korean, "[s]\na = {t:이/가} 온다\n[r]\nb = c").unwrap();
        let section = texts.section("s");
        assert_eq!(section.into_iter().collect::<Vec<_>>(), [("a", "{t:이/가} 온다".to_owned())]);
    }
}
