//! A library over small packages in temporary folders.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderName};
use tempfile::TempDir;

use super::*;
use crate::clock::Timestamp;
use crate::config::Snapshot;

const INDEX: &str = "<head><script src='./static/js/a.js'></script></head>";

/// A clock that is moved by hand.
#[derive(Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> Timestamp {
        Timestamp(0)
    }
}

struct House {
    library: Library,
    clock: Arc<HandClock>,
    asked: Arc<AtomicUsize>,
    /// What is said when somebody asks.
    package: Arc<Mutex<Option<PathBuf>>>,
    apps: Vec<Arc<App>>,
    folder: TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "main.py", "st.title('x')");
        write(folder.path(), "own.py", "app = st.App('main.py')");
        package(&folder.path().join("one"), INDEX);
        let package = Arc::new(Mutex::new(Some(folder.path().join("one"))));
        let (says, asked) = (Arc::clone(&package), Arc::new(AtomicUsize::new(0)));
        let counts = Arc::clone(&asked);
        let ask: Ask = Arc::new(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
            let package = says.lock().clone();
            Box::pin(async move { package })
        });
        let clock = Arc::new(HandClock::default());
        let apps = apps(folder.path());
        Self {
            library: Library::new(ask, Arc::clone(&clock) as _),
            clock,
            asked,
            package,
            apps,
            folder,
        }
    }

    /// One whose front ends are known.
    async fn known() -> Self {
        let house = Self::new();
        for app in &house.apps[..3] {
            house.known_app(app).await;
        }
        house
    }

    async fn known_app(&self, app: &Arc<App>) {
        self.library.look_up(app);
        soon(async || self.library.inner.known(app)).await;
    }

    async fn page(&self, app: usize, headers: &[(HeaderName, &str)]) -> Option<Answer> {
        let element = Element::new("<x>".to_owned());
        self.library.page(&self.apps[app], Some(&element), &lines(headers)).await
    }

    async fn file(&self, app: usize, path: &str, headers: &[(HeaderName, &str)]) -> Found {
        self.library.file(&self.apps[app], path, &lines(headers)).await
    }

    async fn answer(&self, path: &str, headers: &[(HeaderName, &str)]) -> Answer {
        match self.file(0, path, headers).await {
            Found::Answer(answer) => answer,
            other @ (Found::Missing | Found::Unknown) => panic!("no answer but {other:?}"),
        }
    }
}

/// `plain` and `other` have a plain script, `own` has an application of its own.
fn apps(folder: &Path) -> Vec<Arc<App>> {
    let text = "
apps:
  plain: { script: main.py }
  other: { script: main.py }
  own: { script: own.py }
  tool: { command: [tool, '{port}'] }
users: [{ name: kim, role: admin, addresses: [127.0.0.1] }]
";
    let snapshot = Snapshot::parse(&folder.join("usher.yaml"), text).expect("a configuration");
    snapshot.apps.clone()
}

fn package(folder: &Path, index: &str) {
    write(folder, "static/index.html", index);
    write(folder, "static/favicon.png", "png");
    write(folder, "static/manifest.json", "{}");
    write(folder, "static/static/js/a.js", &script());
}

/// Few words in no order, as scripts are.
fn script() -> String {
    let words = ["const ", "return ", "(e)=>", "function ", "this.", "props", ";\n", "{", "}"];
    let place = |at: u32| (at.wrapping_mul(2_654_435_761) >> 11) as usize % words.len();
    (0..5_000).map(|at| words[place(at)]).collect()
}

/// Writes a file in the place of an earlier one, as installers do.
fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let part = path.with_extension("part");
    std::fs::write(&part, content).expect("written");
    std::fs::rename(part, path).expect("renamed");
}

fn lines(headers: &[(HeaderName, &str)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
}

async fn soon<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = attempt().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("it did not happen")
}

fn text(answer: &Answer, name: HeaderName) -> &str {
    answer.headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn an_app_is_asked_about_once_and_its_page_is_known_then() {
    let house = House::new();
    assert!(house.page(0, &[]).await.is_none());
    assert!(house.page(0, &[]).await.is_none() || house.asked.load(Ordering::SeqCst) == 1);
    let page = soon(async || house.page(0, &[]).await).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(&page.body[..], INDEX.replace("</head>", "<x></head>").as_bytes());
    assert_eq!(text(&page, header::CONTENT_TYPE), "text/html; charset=utf-8");
    assert_eq!(text(&page, header::CACHE_CONTROL), "no-cache");
    assert_eq!(house.asked.load(Ordering::SeqCst), 1);
    let tag = text(&page, header::ETAG).to_owned();
    let again = house.page(0, &[(header::IF_NONE_MATCH, &tag)]).await.unwrap();
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    let plain = house.library.page(&house.apps[0], None, &HeaderMap::new()).await.unwrap();
    assert_eq!(&plain.body[..], INDEX.as_bytes());
    assert_ne!(text(&plain, header::ETAG), tag);
}

#[tokio::test]
async fn only_streamlit_apps_with_plain_scripts_have_a_page_here() {
    let house = House::new();
    house.known_app(&house.apps[0]).await;
    house.known_app(&house.apps[2]).await;
    assert!(house.page(0, &[]).await.is_some());
    assert!(house.page(2, &[]).await.is_none(), "it may have a page of its own");
    assert!(matches!(house.file(2, "static/js/a.js", &[]).await, Found::Answer(_)));
    let asked = house.asked.load(Ordering::SeqCst);
    assert!(house.page(3, &[]).await.is_none());
    assert!(matches!(house.file(3, "static/js/a.js", &[]).await, Found::Unknown));
    assert_eq!(house.asked.load(Ordering::SeqCst), asked, "there is nothing to ask");
}

#[tokio::test]
async fn files_are_read_once_for_all_apps_of_an_environment() {
    let house = House::known().await;
    let first = house.answer("static/js/a.js", &[]).await;
    assert_eq!(&first.body[..], script().as_bytes());
    assert_eq!(text(&first, header::CACHE_CONTROL), "public, immutable, max-age=31536000");
    assert_eq!(text(&first, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    std::fs::remove_file(house.folder.path().join("one/static/static/js/a.js")).unwrap();
    let Found::Answer(other) = house.file(1, "static/js/a.js", &[]).await else {
        panic!("no file")
    };
    assert_eq!(first.body.as_ptr(), other.body.as_ptr(), "one copy");
    assert_eq!(text(&house.answer("favicon.png", &[]).await, header::CONTENT_TYPE), "image/png");
    let manifest = house.answer("manifest.json", &[]).await;
    assert_eq!(text(&manifest, header::CACHE_CONTROL), "no-cache");
}

#[tokio::test]
async fn what_is_not_there_is_missing_unless_the_app_may_have_it() {
    let house = House::known().await;
    assert!(matches!(house.file(0, "static/js/gone.js", &[]).await, Found::Missing));
    assert!(matches!(house.file(0, "static/js", &[]).await, Found::Missing), "a folder is no file");
    assert!(matches!(house.file(2, "static/js/gone.js", &[]).await, Found::Unknown));
    let large = house.folder.path().join("one/static/static/js/large.js");
    std::fs::File::create(large).unwrap().set_len(17 * 1024 * 1024).unwrap();
    assert!(matches!(house.file(2, "static/js/large.js", &[]).await, Found::Unknown));
}

#[tokio::test]
async fn a_file_is_packed_quickly_at_first_and_well_soon_after() {
    let house = House::known().await;
    let accepts = [(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd")];
    let quick = house.answer("static/js/a.js", &accepts).await;
    assert_eq!(text(&quick, header::CONTENT_ENCODING), "zstd");
    let best = soon(async || {
        let answer = house.answer("static/js/a.js", &accepts).await;
        (text(&answer, header::CONTENT_ENCODING) == "br").then_some(answer)
    });
    let best = best.await;
    assert!(best.body.len() < quick.body.len() && quick.body.len() < script().len());
    assert_eq!(text(&best, header::VARY), "Accept-Encoding");
    let old = [(header::ACCEPT_ENCODING, "gzip, deflate")];
    assert_eq!(text(&house.answer("static/js/a.js", &old).await, header::CONTENT_ENCODING), "gzip");
    let tag = text(&best, header::ETAG).to_owned();
    let again = house.answer("static/js/a.js", &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let part = [(header::RANGE, "bytes=4-8"), accepts[0].clone()];
    let part = house.answer("static/js/a.js", &part).await;
    assert_eq!(
        (part.status, &part.body[..]),
        (StatusCode::PARTIAL_CONTENT, &script().as_bytes()[4..=8])
    );
}

#[tokio::test]
async fn an_environment_that_changed_is_read_anew() {
    let house = House::known().await;
    let old = house.answer("static/js/a.js", &[]).await;
    let one = house.folder.path().join("one");
    write(&one, "static/static/js/a.js", "let a = 'new';");
    assert_eq!(house.answer("static/js/a.js", &[]).await.body, old.body, "names have hashes");
    package(&one, &format!("{INDEX}<body>new</body>"));
    write(&one, "static/static/js/a.js", "let a = 'new';");
    let page = house.page(0, &[]).await.expect("a page at once");
    assert!(page.body.ends_with(b"<body>new</body>"));
    assert_eq!(&house.answer("static/js/a.js", &[]).await.body[..], b"let a = 'new';");
    house.known_app(&house.apps[1]).await;
    let page = house.page(1, &[]).await.expect("a page");
    assert!(page.body.ends_with(b"<body>new</body>"));
}

#[tokio::test]
async fn an_environment_that_moved_is_found_again() {
    let house = House::known().await;
    let two = house.folder.path().join("two");
    std::fs::rename(house.folder.path().join("one"), &two).unwrap();
    *house.package.lock() = Some(two);
    assert!(house.page(0, &[]).await.is_none());
    soon(async || house.page(0, &[]).await).await;
}

#[tokio::test]
async fn where_nobody_can_tell_it_is_asked_again_only_after_a_while() {
    let house = House::new();
    *house.package.lock() = None;
    let asked = || house.asked.load(Ordering::SeqCst);
    house.library.look_up(&house.apps[0]);
    soon(async || {
        (house.library.inner.asked.lock().values().all(|one| !one.is_under_way)).then_some(())
    })
    .await;
    assert_eq!(asked(), 1);
    assert!(house.page(0, &[]).await.is_none());
    tokio::task::yield_now().await;
    assert_eq!(asked(), 1);
    house.clock.0.store(ASK_AGAIN_AFTER_MS, Ordering::SeqCst);
    *house.package.lock() = Some(house.folder.path().join("one"));
    soon(async || house.page(0, &[]).await).await;
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn other_pages_than_streamlits_are_the_apps_own() {
    let house = House::new();
    package(&house.folder.path().join("one"), "<head></head><body>mine</body>");
    house.library.look_up(&house.apps[0]);
    soon(async || {
        (house.library.inner.asked.lock().values().all(|one| !one.is_under_way)).then_some(())
    })
    .await;
    assert!(house.page(0, &[]).await.is_none());
    assert!(matches!(house.file(0, "favicon.png", &[]).await, Found::Unknown));
}
