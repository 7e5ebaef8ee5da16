//! Usher's own pages: `(Page, View) → Response`. Pure: no socket, no process, no clock; what a page
//! shows was given to it. Reading the operator's folder of templates, at load, is its only I/O.
//!
//! A page is a minijinja template with a plain view struct; its sentences come from one table of
//! texts per language. All files are built in, and each can be replaced by one of the same name in
//! the folder that `templates:` names. A broken replacement is found at load: every template is
//! compiled, and rendered with sample views in both languages.

mod admin_reason;
mod amounts;
mod assets;
mod calendar;
mod detail;
mod engine;
mod failure;
mod files;
mod forms;
mod language;
mod log_tail;
mod problem;
mod reason;
mod response;
pub mod sample;
mod texts;
pub mod view;
pub mod words;

pub use admin_reason::AdminReason;
pub use assets::ASSETS_PATH;
pub use failure::{FailureReason, PortHolder};
pub use files::TemplateProblem;
pub use language::{Language, choose_language};
pub use log_tail::{LOG_LINE_MAX_CHARS, LOG_LINES_MAX, log_tail};
pub use reason::{
    ErrorReason, FullReason, Reason, RestrictedReason, StoppedReason, Told, TooManyReason,
};
pub use response::{PageKind, Response};
pub use texts::{Parameter, Parameters};

use assets::Assets;
use bytes::Bytes;
use engine::Engine;
use files::Files;
use minijinja::Value;
use minijinja::value::Serde;
use problem::ToldView;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use view::{Common, Page, Problem};

/// All pages, ready to be rendered; immutable. A reload makes another.
pub struct Pages {
    built_in: Engine,
    replaced: Option<Replaced>,
    assets: Arc<Assets>,
    unknown: Vec<PathBuf>,
}

/// The pages with the operator's files among them.
struct Replaced {
    engine: Engine,
    files: Files,
}

/// What a page is apart from its content.
#[derive(Debug, Clone, Copy)]
pub struct Sheet {
    /// The template's name.
    pub template: &'static str,
    /// The value of `X-Usher-Page`.
    pub kind: PageKind,
    /// The HTTP status.
    pub status: u16,
}

/// What every template sees.
#[derive(Serialize)]
struct Context<'a, V: Serialize> {
    language: &'static str,
    template: &'a str,
    status: u16,
    common: &'a Common,
    view: V,
}

impl Pages {
    /// Reads the built-in files and those of `folder`, which replace the built-in ones of the same
    /// name.
    ///
    /// # Errors
    /// Every problem of every replacement, at its file and line.
    pub fn load(folder: Option<&Path>) -> Result<Pages, Vec<TemplateProblem>> {
        let mut files = files::built_in();
        let assets = Arc::new(Assets::from_files(&files));
        let built_in = Engine::build(&files, None, &assets)?;
        let Some(folder) = folder else {
            return Ok(Pages { built_in, replaced: None, assets, unknown: Vec::new() });
        };
        let replacements = files::replacements(folder, &files)?;
        files.extend(replacements.files);
        let assets = Arc::new(Assets::from_files(&files));
        let engine = Engine::build(&files, Some(&built_in), &assets)?;
        let replaced = Some(Replaced { engine, files });
        let pages = Pages { built_in, replaced, assets, unknown: replacements.unknown };
        let problems = pages.try_samples();
        if problems.is_empty() { Ok(pages) } else { Err(problems) }
    }

    /// Files of the operator's folder that replace nothing: a warning should name them.
    pub fn unknown_files(&self) -> &[PathBuf] {
        &self.unknown
    }

    /// A page as HTML.
    pub fn render(&self, page: &Page, language: Language, common: &Common) -> Response {
        let sheet = |template, kind| Sheet { template, kind, status: 200 };
        match page {
            Page::Home(home) => {
                self.render_view(sheet("home.html", PageKind::Home), language, common, home)
            }
            Page::Sessions(sessions) => {
                self.render_view(sheet("sessions.html", PageKind::Home), language, common, sessions)
            }
            Page::SignIn(sign_in) => {
                self.render_view(sheet("login.html", PageKind::Login), language, common, sign_in)
            }
            Page::Waiting(waiting) => {
                let sheet = sheet("waiting.html", PageKind::Waiting);
                self.render_view(sheet, language, common, waiting)
            }
            Page::Stopped(stopped) => {
                let told = self.tell(&stopped.reason, language);
                let view = ToldView { app: Some(&stopped.app), ..ToldView::new(told) };
                self.render_view(sheet("stopped.html", PageKind::Home), language, common, view)
            }
            Page::Problem(problem) => self.render_problem(problem, language, common),
        }
    }

    /// A problem as JSON, for whoever does not navigate:
    /// `{"error": {"code", "message", "hint"}}`.
    pub fn render_json(&self, problem: &Problem, language: Language, common: &Common) -> Response {
        let told = self.tell_problem(problem, language);
        let mut response = response::json(problem.status(), language, common);
        problem.set_headers(&mut response);
        let error = serde_json::json!({
            "error": { "code": told.code, "message": told.what, "hint": told.hint }
        });
        response.body = Bytes::from(error.to_string());
        response
    }

    /// A page of somebody else's view, such as the administrators', with a template of these files.
    /// What the template sees is `common`, `view`, `language`, `template` and `status`.
    pub fn render_view<V: Serialize>(
        &self,
        sheet: Sheet,
        language: Language,
        common: &Common,
        view: V,
    ) -> Response {
        let mut response = response::html(sheet.status, sheet.kind, language, common);
        let context = context(sheet, language, common, view);
        let (body, problem) = self.body(sheet.template, language, &context);
        response.body = Bytes::from(body);
        response.problem = problem;
        response
    }

    /// Renders a template as [`Pages::render_view`] would and says what is wrong with it: for those
    /// who add templates and have samples of their own.
    ///
    /// # Errors
    /// The problem at its file and line.
    pub fn try_view<V: Serialize>(
        &self,
        sheet: Sheet,
        language: Language,
        common: &Common,
        view: V,
    ) -> Result<(), TemplateProblem> {
        let engine = self.replaced.as_ref().map_or(&self.built_in, |replaced| &replaced.engine);
        let context = context(sheet, language, common, view);
        match engine.render(language, sheet.template, &context) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.problem(sheet.template, &error)),
        }
    }

    /// A reason in the words of `language`: for logs, JSON and other pages.
    pub fn tell<R: Reason>(&self, reason: &R, language: Language) -> Told {
        let replaced = self.replaced.as_ref().map(|replaced| &replaced.engine);
        replaced
            .and_then(|engine| reason::tell(reason, engine.texts(language)).ok())
            .or_else(|| reason::tell(reason, self.built_in.texts(language)).ok())
            .unwrap_or_else(|| wordless(reason.code()))
    }

    /// The answer to a request for `/_usher/assets/NAME?v=VERSION`; `None` if there is none.
    pub fn asset(
        &self,
        name: &str,
        version: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Option<Response> {
        self.assets.answer(name, version, if_none_match)
    }

    /// The script element that goes before `</head>` of an app's index page. Without a configured
    /// language it carries the texts of both, because the same index page serves everybody.
    pub fn in_app_element(&self, slug: &str, configured: Option<Language>) -> String {
        let engine = self.replaced.as_ref().map_or(&self.built_in, |replaced| &replaced.engine);
        let texts: serde_json::Map<String, serde_json::Value> = Language::ALL
            .into_iter()
            .filter(|language| configured.is_none_or(|only| only == *language))
            .map(|language| {
                let texts = engine.texts(language).section("in_app");
                (language.tag().to_owned(), serde_json::json!(texts))
            })
            .collect();
        let texts = serde_json::Value::Object(texts);
        let address = self.assets.address("in_app.js").unwrap_or_default();
        format!(
            r#"<script src="{address}" data-app="{}" data-texts="{}" defer></script>"#,
            engine::escape(slug),
            engine::escape(&texts.to_string()),
        )
    }

    fn render_problem(&self, problem: &Problem, language: Language, common: &Common) -> Response {
        let told = self.tell_problem(problem, language);
        let view = problem.view(told);
        let mut response = self.render_view(problem.sheet(), language, common, view);
        problem.set_headers(&mut response);
        response
    }

    fn tell_problem(&self, problem: &Problem, language: Language) -> Told {
        match problem {
            Problem::Restricted(restricted) => self.tell(&restricted.reason, language),
            Problem::Failed(failed) => self.tell(&failed.reason, language),
            Problem::Full(full) => self.tell(&full.reason, language),
            Problem::TooMany(too_many) => self.tell(&too_many.reason, language),
            Problem::Error(reason) => self.tell(reason, language),
            Problem::Admin(reason) => self.tell(reason, language),
        }
    }

    /// The rendered page. Where an operator's template fails after all, the built-in one takes its
    /// place; where that fails too, the status stands alone rather than no answer.
    fn body(
        &self,
        template: &str,
        language: Language,
        context: &Value,
    ) -> (String, Option<TemplateProblem>) {
        let mut problem = None;
        if let Some(replaced) = &self.replaced {
            match replaced.engine.render(language, template, context) {
                Ok(body) => return (body, None),
                Err(error) => problem = Some(self.problem(template, &error)),
            }
        }
        match self.built_in.render(language, template, context) {
            Ok(body) => (body, problem),
            Err(error) => {
                let problem = problem.unwrap_or_else(|| self.problem(template, &error));
                ("<!doctype html><title>usher</title>".to_owned(), Some(problem))
            }
        }
    }

    fn try_samples(&self) -> Vec<TemplateProblem> {
        let mut problems = Vec::new();
        for sample in sample::samples() {
            for language in Language::ALL {
                let response = self.render(&sample.page, language, &sample.common);
                problems.extend(response.problem.filter(|new| !problems.contains(new)));
            }
        }
        problems
    }

    /// An error names the template it happened in, which need not be the one that was asked for;
    /// that of an included template is inside the one about including it.
    fn problem(&self, template: &str, error: &minijinja::Error) -> TemplateProblem {
        let mut error = error;
        while let Some(inner) = std::error::Error::source(error)
            .and_then(|source| source.downcast_ref::<minijinja::Error>())
        {
            error = inner;
        }
        let files = self.replaced.as_ref().map(|replaced| &replaced.files);
        let file = |name: &str| files.and_then(|files| files.get(name));
        let file = error.name().and_then(file).or_else(|| file(template));
        match file {
            Some(file) => engine::problem(error, &file.path),
            None => engine::problem(error, &files::built_in_path(template)),
        }
    }
}

fn context<V: Serialize>(sheet: Sheet, language: Language, common: &Common, view: V) -> Value {
    let context = Context {
        language: language.tag(),
        template: sheet.template,
        status: sheet.status,
        common,
        view,
    };
    Value::from(Serde(&context))
}

/// What is left to say when a table lacks a text, which the tests rule out for the built-in ones.
fn wordless(code: &'static str) -> Told {
    let code_alone = code.to_owned();
    Told { code, title: code_alone.clone(), what: code_alone, hint: String::new(), remedy: None }
}

#[cfg(test)]
mod tests;
