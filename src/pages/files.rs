//! The files of the pages: built in, and replaced one by one from the operator's folder.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

#[derive(rust_embed::Embed)]
#[folder = "templates/"]
struct BuiltIn;

/// A replacement larger than this is refused: pages are small.
const FILE_LENGTH_MAX_BYTES: u64 = 1 << 20;
/// A folder with more files than this is not a folder of templates.
const FILES_MAX: usize = 500;
/// `assets/` and `texts/` are the deepest there is.
const DEPTH_MAX: usize = 3;

/// What is wrong with a file of the pages, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateProblem {
    /// The file.
    pub file: PathBuf,
    /// The line, if the problem has one.
    pub line: Option<usize>,
    /// A sentence.
    pub message: String,
}

impl TemplateProblem {
    pub(super) fn of(file: &Path, line: Option<usize>, message: impl Into<String>) -> Self {
        TemplateProblem { file: file.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(out, "{line}:")?;
        }
        write!(out, " {}", self.message)
    }
}

/// One file and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) bytes: Cow<'static, [u8]>,
    pub(super) path: PathBuf,
}

impl File {
    /// The file as text.
    pub(super) fn text(&self) -> Result<&str, TemplateProblem> {
        std::str::from_utf8(&self.bytes).map_err(|error| {
            let line = self.bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n');
            TemplateProblem::of(&self.path, Some(line.count() + 1), "this is not UTF-8")
        })
    }
}

/// Files by their name relative to `templates/`.
pub(super) type Files = BTreeMap<String, File>;

/// The built-in files.
pub(super) fn built_in() -> Files {
    BuiltIn::iter()
        .filter_map(|name| {
            let bytes = BuiltIn::get(&name)?.data;
            let path = built_in_path(&name);
            Some((name.into_owned(), File { bytes, path }))
        })
        .collect()
}

/// How a built-in file is named in messages.
pub(super) fn built_in_path(name: &str) -> PathBuf {
    PathBuf::from("templates").join(name)
}

/// The operator's files, and the names of those that replace nothing.
pub(super) struct Replacements {
    pub(super) files: Files,
    pub(super) unknown: Vec<PathBuf>,
}

/// Reads the operator's folder. Hidden files are passed over: editors leave them.
pub(super) fn replacements(
    folder: &Path,
    known: &Files,
) -> Result<Replacements, Vec<TemplateProblem>> {
    let mut found = Vec::new();
    list(folder, DEPTH_MAX, &mut found).map_err(|problem| vec![problem])?;
    found.sort();
    let mut replacements = Replacements { files: Files::new(), unknown: Vec::new() };
    let mut problems = Vec::new();
    for path in found {
        let name = name_within(folder, &path);
        if !known.contains_key(&name) {
            replacements.unknown.push(path);
            continue;
        }
        match read(&path) {
            Ok(bytes) => {
                replacements.files.insert(name, File { bytes: Cow::Owned(bytes), path });
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(replacements) } else { Err(problems) }
}

fn list(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), TemplateProblem> {
    let unreadable = |error: std::io::Error| {
        TemplateProblem::of(folder, None, format!("the folder cannot be read: {error}"))
    };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if is_hidden {
            continue;
        }
        if path.is_dir() && depth > 1 {
            list(&path, depth - 1, found)?;
        } else if found.len() < FILES_MAX {
            found.push(path);
        } else {
            let message = format!("more than {FILES_MAX} files: is this the folder of templates?");
            return Err(TemplateProblem::of(folder, None, message));
        }
    }
    Ok(())
}

/// The name with `/` on every system.
fn name_within(folder: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(folder).unwrap_or(path);
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn read(path: &Path) -> Result<Vec<u8>, TemplateProblem> {
    let unreadable = |error: std::io::Error| {
        TemplateProblem::of(path, None, format!("the file cannot be read: {error}"))
    };
    let length_bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if length_bytes > FILE_LENGTH_MAX_BYTES {
        let message = format!("{length_bytes} bytes are more than {FILE_LENGTH_MAX_BYTES}");
        return Err(TemplateProblem::of(path, None, message));
    }
    std::fs::read(path).map_err(unreadable)
}
