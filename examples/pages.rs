//! Renders every sample page into `target/pages/LANGUAGE/NAME.html`, with its assets beside it, to be
//! looked at in a browser: `cargo run --example pages [FOLDER]`.

use std::error::Error;
use std::path::{Path, PathBuf};
use usher::admin;
use usher::pages::{ASSETS_PATH, Language, Pages, Response, sample};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(|| "target/pages".into(), PathBuf::from);
    let pages = Pages::load(None).map_err(|problems| format!("{problems:?}"))?;
    for language in Language::ALL {
        let folder = folder.join(language.tag());
        std::fs::create_dir_all(folder.join("assets"))?;
        for sample in sample::samples() {
            let response = pages.render(&sample.page, language, &sample.common);
            write(&pages, &response, &folder, &sample.name)?;
        }
        for sample in admin::sample::samples().into_iter().chain(admin::sample::answers()) {
            let response = sample.render(&pages, language);
            write(&pages, &response, &folder, &format!("admin-{}", sample.name))?;
        }
    }
    println!("{}", folder.display());
    Ok(())
}

/// Writes a page with its assets.
fn write(
    pages: &Pages,
    response: &Response,
    folder: &Path,
    name: &str,
) -> Result<(), Box<dyn Error>> {
    if let Some(problem) = &response.problem {
        return Err(format!("{name}: {problem}").into());
    }
    let html = std::str::from_utf8(&response.body)?;
    write_assets(pages, html, folder)?;
    let html = html.replace(ASSETS_PATH, "assets/");
    std::fs::write(folder.join(name).with_extension("html"), html)?;
    Ok(())
}

/// Writes every asset that the page names.
fn write_assets(pages: &Pages, html: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    for address in html.split(ASSETS_PATH).skip(1) {
        let name = address.split(['?', '"']).next().unwrap_or_default();
        let asset = pages.asset(name, None, None).ok_or_else(|| format!("no asset {name}"))?;
        std::fs::write(folder.join("assets").join(name), &asset.body)?;
    }
    Ok(())
}
