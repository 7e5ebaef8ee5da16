//! The front end of one installed Streamlit: its folder of static files. Reads the disk; every call
//! says whether it may take long.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::asset::{Asset, Keeping};
use super::element::{Element, Place};
use super::shelf::FrontId;
use crate::domain::AppSlug;
use crate::platform::files::{self, Stamp};

/// The longest index page, in bytes; Streamlit's has 8 KB.
const INDEX_BYTES_MAX: u64 = 1024 * 1024;
/// The largest file that is held in memory; larger ones are the app's to send.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Index pages with the elements of so many apps are held; beyond, all are made anew.
const PAGES_MAX: usize = 256;
/// Streamlit's own word for a file that may change under its name.
const CHANGING: [&str; 2] = ["manifest.json", "asset-manifest.json"];

/// The front end of an installed Streamlit, as it was when it was opened.
pub(super) struct FrontEnd {
    pub(super) id: FrontId,
    folder: PathBuf,
    stamp: Option<Stamp>,
    index: Bytes,
    pages: Mutex<HashMap<AppSlug, Page>>,
}

/// An index page with an element.
struct Page {
    element: Option<Element>,
    asset: Arc<Asset>,
}

impl FrontEnd {
    /// Opens the front end of a package. Reads one small file.
    ///
    /// # Errors
    /// There is none, or none that is known to be Streamlit's.
    pub(super) fn open(package: &Path, id: FrontId) -> io::Result<Self> {
        let folder = package.join("static");
        let path = folder.join("index.html");
        // Before the content: what changes meanwhile is noticed the next time.
        let stamp = files::stamp(&path);
        let index = read_whole(&path, INDEX_BYTES_MAX)?
            .ok_or_else(|| io::Error::other("the index page is too long"))?;
        match Element::new(String::new()).place(&index) {
            Place::Before(_) => {
                Ok(Self { id, folder, stamp, index: index.into(), pages: Mutex::default() })
            }
            Place::NotYet | Place::Nowhere => {
                Err(io::Error::other("the index page is not as Streamlit's are"))
            }
        }
    }

    /// Whether this is the front end of that package.
    pub(super) fn is_of(&self, package: &Path) -> bool {
        self.folder.parent() == Some(package)
    }

    /// The package that it belongs to.
    pub(super) fn package(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    /// Whether the index page on the disk is still the one that was read. One system call.
    pub(super) fn is_current(&self) -> bool {
        self.stamp.is_some() && files::stamp(&self.folder.join("index.html")) == self.stamp
    }

    /// The index page of an app, with the element.
    pub(super) fn page(&self, app: &AppSlug, element: Option<&Element>) -> Arc<Asset> {
        let mut pages = self.pages.lock();
        if let Some(page) = pages.get(app)
            && page.element.as_ref() == element
        {
            return Arc::clone(&page.asset);
        }
        let content = match element {
            Some(element) => element.put_into(&self.index),
            None => self.index.clone(),
        };
        let asset = Arc::new(Asset::new(content, "index.html", Keeping::Ask));
        if pages.len() >= PAGES_MAX {
            pages.clear();
        }
        let page = Page { element: element.cloned(), asset: Arc::clone(&asset) };
        pages.insert(app.clone(), page);
        asset
    }

    /// Reads a file; `None` if it is not there, or too large. `path` is as of
    /// [`super::FrontPath`]. May take long.
    pub(super) fn read(&self, path: &str) -> Option<Asset> {
        let content = match read_whole(&self.folder.join(path), FILE_BYTES_MAX) {
            Ok(content) => content?,
            Err(error) => {
                log::debug!("{}: {path}: {error}", self.folder.display());
                return None;
            }
        };
        let keeping = if CHANGING.contains(&path) { Keeping::Ask } else { Keeping::ForEver };
        Some(Asset::new(content.into(), path, keeping))
    }
}

/// A whole file; `None` if it is longer than `bytes_max`, or no file.
fn read_whole(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > bytes_max {
        return Ok(None);
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(bytes_max).read_to_end(&mut content)?;
    Ok(Some(content))
}
