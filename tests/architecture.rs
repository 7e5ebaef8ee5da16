//! Executes what ARCHITECTURE.md says: who may import whom, which crates stay behind which fence,
//! and the habits that can be checked by reading the text of the sources.
#![allow(clippy::expect_used, reason = "a test that cannot read the sources has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A row of the import table.
struct Row {
    module: String,
    may_import: BTreeSet<String>,
    fenced: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the table in ARCHITECTURE.md, "all above" resolved.
fn table() -> Vec<Row> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with("| module | owns | may import |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut above = BTreeSet::new();
    let mut rows = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [module, _owns, imports, fenced] = cells[..] else { panic!("a row of four: {line}") };
        let module = module.trim_matches('`').to_owned();
        let may_import = match imports {
            "-" | "" => BTreeSet::new(),
            "all above" => above.clone(),
            _ => imports.split(',').map(|name| name.trim().to_owned()).collect(),
        };
        for import in &may_import {
            assert!(above.contains(import), "{module} imports {import}, which is not above it");
        }
        let fenced =
            fenced.split('`').skip(1).step_by(2).map(|name| name.replace('-', "_")).collect();
        above.insert(module.clone());
        rows.push(Row { module, may_import, fenced });
    }
    assert!(rows.len() > 10, "the table of ARCHITECTURE.md was not found");
    rows
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source below `src`, by its top-level module; `lib.rs` is nobody's.
fn by_module() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files.sort();
    let mut modules: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(&src).expect("below src");
        let first = inside.iter().next().expect("a name").to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        let text = read(&file);
        if module != "lib" {
            modules.entry(module).or_default().push((file, text));
        }
    }
    modules
}

/// The code of a source without its comments.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The modules that a source names as `crate::x` or `usher::x`, groups included.
fn imports(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut found = BTreeSet::new();
    for prefix in ["crate::", "usher::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(group) => group
                    .split('}')
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .map(|name| name.split("::").next().unwrap_or_default())
                    .collect(),
                None => vec![rest],
            };
            for name in names {
                let name: String = name
                    .trim()
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                    found.insert(name);
                }
            }
        }
    }
    found
}

#[test]
fn imports_point_one_way() {
    let rows = table();
    let mut wrong = Vec::new();
    for (module, files) in by_module() {
        let Some(row) = rows.iter().find(|row| row.module == module) else {
            wrong.push(format!("src/{module} has no row in ARCHITECTURE.md"));
            continue;
        };
        for (file, text) in &files {
            for import in imports(text) {
                if import != module && !row.may_import.contains(&import) {
                    wrong.push(format!("{}: {module} may not import {import}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_is_a_module() {
    let modules = by_module();
    let missing: Vec<String> = table()
        .into_iter()
        .map(|row| row.module)
        .filter(|module| !modules.contains_key(module))
        .collect();
    assert!(missing.is_empty(), "rows without a module: {missing:?}");
}

#[test]
fn crates_stay_behind_their_fence() {
    let rows = table();
    let mut wrong = Vec::new();
    for (module, files) in by_module() {
        for (file, text) in &files {
            let code = code(text);
            for row in rows.iter().filter(|row| row.module != module) {
                for fenced in &row.fenced {
                    if code.contains(&format!("{fenced}::")) {
                        let owner = &row.module;
                        wrong.push(format!("{}: {fenced} belongs to {owner}", file.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_source_says_what_it_is() {
    let silent: Vec<String> = by_module()
        .into_values()
        .flatten()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(file, _)| file.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no //! at the top of {silent:?}");
}

#[test]
fn nothing_is_left_for_later_in_the_sources() {
    // Written in two parts, so that this file does not accuse itself.
    let marks = [["FIX", "ME"], ["TO", "DO"], ["#[ign", "ore"], ["unimple", "mented!"]];
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        let folder = root().join(folder);
        if folder.is_dir() {
            sources(&folder, &mut files);
        }
    }
    let mut wrong = Vec::new();
    for file in files {
        let text = read(&file);
        for mark in &marks {
            if text.contains(&mark.concat()) {
                wrong.push(format!("{}: {}", file.display(), mark.concat()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The literals of a text.
fn quoted(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('"').skip(1).step_by(2).map(str::to_owned)
}

#[test]
fn every_kind_of_event_that_is_recorded_has_a_text_and_no_other() {
    let mut recorded = BTreeSet::new();
    for (file, text) in by_module().into_values().flatten() {
        if file.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().expect("a begin");
        let dense: String = text.split_whitespace().collect();
        // What a note of a seat is called.
        if file.ends_with("supervise/note.rs") {
            recorded.extend(quoted(&dense).filter(|word| word.starts_with("seat_")));
        }
        for fact in dense.split("EventFact{").skip(1) {
            let kind = fact.split("kind:").nth(1).and_then(|kind| kind.split(',').next());
            recorded.extend(kind.iter().flat_map(|kind| quoted(kind)));
        }
        for call in ["self.record(", "self.event(", "note_sign_in("] {
            for kind in dense.split(call).skip(1).filter_map(|call| call.strip_prefix('"')) {
                recorded.insert(kind.split('"').next().expect("a begin").to_owned());
            }
        }
    }
    let known: BTreeSet<String> =
        usher::pages::words::EVENT_KINDS.iter().map(|kind| (*kind).to_owned()).collect();
    assert_eq!(recorded, known);
}
