//! minijinja: one environment per language, with the texts and the ways to show amounts.

use super::amounts;
use super::assets::Assets;
use super::files::{Files, TemplateProblem};
use super::language::Language;
use super::texts::{Parameter, TextError, Texts};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::Path;
use std::sync::Arc;

/// Both languages' texts and templates.
pub(super) struct Engine {
    korean: Tongue,
    english: Tongue,
}

/// One language.
struct Tongue {
    texts: Arc<Texts>,
    templates: Environment<'static>,
}

impl Engine {
    /// Reads the tables and compiles every template; all problems at once.
    ///
    /// `base` are the tables that `files` may replace in part.
    pub(super) fn build(
        files: &Files,
        base: Option<&Engine>,
        assets: &Arc<Assets>,
    ) -> Result<Engine, Vec<TemplateProblem>> {
        let mut problems = Vec::new();
        let mut tongue = |language: Language| {
            Tongue::build(files, base, assets, language).map_err(|found| {
                // Both languages compile the same templates: say each problem once.
                problems.extend(
                    found.into_iter().filter(|new| !problems.contains(new)).collect::<Vec<_>>(),
                );
            })
        };
        let (korean, english) = (tongue(Language::Korean), tongue(Language::English));
        match (korean, english) {
            (Ok(korean), Ok(english)) => Ok(Engine { korean, english }),
            (Err(()), _) | (_, Err(())) => Err(problems),
        }
    }

    pub(super) fn texts(&self, language: Language) -> &Texts {
        &self.tongue(language).texts
    }

    /// Renders a template.
    pub(super) fn render(
        &self,
        language: Language,
        template: &str,
        context: &Value,
    ) -> Result<String, Error> {
        self.tongue(language).templates.get_template(template)?.render(context)
    }

    fn tongue(&self, language: Language) -> &Tongue {
        match language {
            Language::Korean => &self.korean,
            Language::English => &self.english,
        }
    }
}

impl Tongue {
    fn build(
        files: &Files,
        base: Option<&Engine>,
        assets: &Arc<Assets>,
        language: Language,
    ) -> Result<Tongue, Vec<TemplateProblem>> {
        let base = base.map(|engine| engine.texts(language));
        let texts = Arc::new(read_texts(files, base, language)?);
        let mut templates = environment(&texts, assets);
        let mut problems = Vec::new();
        for (name, file) in files.iter().filter(|(name, _)| name.ends_with(".html")) {
            let added = file.text().and_then(|source| {
                let added = templates.add_template_owned(name.clone(), source.to_owned());
                added.map_err(|error| problem(&error, &file.path))
            });
            problems.extend(added.err());
        }
        if problems.is_empty() { Ok(Tongue { texts, templates }) } else { Err(problems) }
    }
}

/// What a minijinja error says, at its place.
pub(super) fn problem(error: &Error, path: &Path) -> TemplateProblem {
    let mut message = error.kind().to_string();
    if let Some(detail) = error.detail() {
        message = format!("{message}: {detail}");
    }
    TemplateProblem::of(path, error.line(), message)
}

fn read_texts(
    files: &Files,
    base: Option<&Texts>,
    language: Language,
) -> Result<Texts, Vec<TemplateProblem>> {
    let name = format!("texts/{}.ini", language.tag());
    let Some(file) = files.get(&name) else {
        return Err(vec![TemplateProblem::of(Path::new(&name), None, "the file is missing")]);
    };
    let source = file.text().map_err(|problem| vec![problem])?;
    let read = Texts::parse(language, source).and_then(|texts| match base {
        None => Ok(texts),
        Some(base) => {
            let mut all = base.clone();
            all.overlay(texts)?;
            Ok(all)
        }
    });
    read.map_err(|errors| {
        let at = |line, message| TemplateProblem::of(&file.path, Some(line), message);
        errors.into_iter().map(|error| at(error.line, error.message)).collect()
    })
}

fn environment(texts: &Arc<Texts>, assets: &Arc<Assets>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    environment.set_formatter(print_value);
    let table = Arc::clone(texts);
    environment.add_function("t", move |key: &str, arguments: Kwargs| {
        table.say(key, &parameters(&arguments)?).map_err(text_error)
    });
    let table = Arc::clone(texts);
    environment.add_function("sentences", move |clauses: Value| {
        super::detail::sentences(&table, &clauses)
    });
    let table = Arc::clone(texts);
    environment
        .add_filter("duration", move |seconds: f64| table.duration(seconds).map_err(text_error));
    let table = Arc::clone(texts);
    environment.add_filter("moment", move |time: &str| moment(&table, time).map_err(text_error));
    super::calendar::add_filters(&mut environment, texts);
    environment.add_filter("bytes", amounts::bytes);
    environment.add_function("percent", amounts::percent);
    environment.add_function("progress_share", amounts::progress_share);
    environment.add_filter("encoded", |value: &str| {
        utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
    });
    let assets = Arc::clone(assets);
    environment.add_function("asset", move |name: &str| {
        let unknown = || Error::new(ErrorKind::InvalidOperation, format!("no asset `{name}`"));
        assets.address(name).ok_or_else(unknown)
    });
    environment
}

/// Prints a value into a page. Printing none is a mistake in the template, and of a string only what
/// has a meaning in HTML is replaced: a path stays readable.
fn print_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return Err(Error::new(ErrorKind::UndefinedError, "a value that may be none is printed"));
    }
    match value.as_str() {
        Some(text) if !value.is_safe() => Ok(out.write_str(&escape(text))?),
        Some(_) | None => minijinja::escape_formatter(out, state, value),
    }
}

/// A string for HTML text and for attributes in either kind of quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

pub(super) fn text_error(error: TextError) -> Error {
    Error::new(ErrorKind::InvalidOperation, error.to_string())
}

/// Whole numbers choose between singular and plural; everything else is shown as it is.
fn parameters(arguments: &Kwargs) -> Result<Vec<(&str, Parameter)>, Error> {
    let mut parameters = Vec::new();
    for name in arguments.args() {
        let value: Value = arguments.get(name)?;
        if value.is_undefined() || value.is_none() {
            let message = format!("the parameter `{name}` has no value");
            return Err(Error::new(ErrorKind::UndefinedError, message));
        }
        let count = if value.is_number() { u64::try_from(value.clone()).ok() } else { None };
        let parameter = count.map_or_else(|| Parameter::Text(value.to_string()), Parameter::Count);
        parameters.push((name, parameter));
    }
    Ok(parameters)
}

/// A time that cannot be read is shown as it came.
fn moment(texts: &Texts, time: &str) -> Result<String, TextError> {
    let Some(moment) = amounts::moment(time) else { return Ok(time.to_owned()) };
    let month = texts.say(&format!("month.m{}", moment.month), &[])?;
    let parameters = [
        ("month", Parameter::Text(month)),
        ("day", Parameter::Count(moment.day.into())),
        ("time", Parameter::Text(moment.time.to_owned())),
    ];
    texts.say("moment.in_year", &parameters)
}
