//! Chromium with a new profile, driven through chromedriver, in front of the door as the person
//! whose address it calls from.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::forwarder::Forwarder;
use super::ports::Ports;
use super::{Door, processes, soon, until};

/// Browsers that may run at the same time: they are what two cores are busy with.
static PLACES: Semaphore = Semaphore::const_new(1);

const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
];

/// The text of the page and of each shadow tree in it.
const VISIBLE_TEXT: &str = "\
    const roots = [document.body];\
    for (const root of roots.filter(Boolean))\
        for (const one of root.querySelectorAll('*'))\
            if (one.shadowRoot) roots.push(one.shadowRoot);\
    const text = root => root.innerText ?? [...root.children].map(one => one.innerText).join('\\n');\
    return roots.filter(Boolean).map(text).join('\\n')";

/// Keys that people use pages by.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    Tab,
    Enter,
    Escape,
}

/// One browser. Several people can use it in turn, each through a window of their own: see
/// [`Browser::visit_as`].
pub(crate) struct Browser {
    client: Client,
    driver_url: String,
    /// For what fantoccini does not know.
    driver_client: reqwest::Client,
    folder: TempDir,
    _driver: Child,
    _ports: Ports,
    forwarders: Vec<Forwarder>,
    _place: SemaphorePermit<'static>,
}

impl Browser {
    /// Starts a browser that asks for pages in this language (`ko`, `en`).
    pub(crate) async fn start(language: &str) -> Self {
        let place = PLACES.acquire().await.expect("a place for a browser");
        let folder = tempfile::Builder::new().prefix("usher-browser-").tempdir().expect("a folder");
        let ports = Ports::take();
        let port = ports.spare(0);
        let driver = start_driver(folder.path(), port).await;
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(folder.path(), language));
        let driver_url = format!("http://127.0.0.1:{port}");
        let client = soon("Chromium", builder.connect(&driver_url)).await.expect("Chromium starts");
        // The client wants some cryptography even where nothing is encrypted.
        usher::certificates::install_cryptography();
        let driver_client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Self {
            client,
            driver_url,
            driver_client,
            folder,
            _driver: driver,
            _ports: ports,
            forwarders: Vec::new(),
            _place: place,
        }
    }

    /// Opens a path of the door as the person at this address.
    pub(crate) async fn visit_as(&mut self, address: &str, door: &Door, path: &str) {
        let source: IpAddr = address.parse().expect("an address");
        let forwarder = Forwarder::open(source, door.address()).await;
        let url = format!("http://{}{path}", forwarder.address());
        self.forwarders.push(forwarder);
        self.goto(&url).await;
    }

    /// The same over TLS; whoever vouches for the certificate.
    pub(crate) async fn visit_encrypted_as(&mut self, address: &str, door: SocketAddr, path: &str) {
        let source: IpAddr = address.parse().expect("an address");
        let forwarder = Forwarder::open(source, door).await;
        let url = format!("https://{}{path}", forwarder.address());
        self.forwarders.push(forwarder);
        self.goto(&url).await;
    }

    /// Opens a URL.
    pub(crate) async fn goto(&self, url: &str) {
        soon("the page", self.client.goto(url)).await.expect("the page opens");
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        soon("the page", self.client.refresh()).await.expect("the page loads again");
    }

    /// Goes back, as by the browser's own button. A script that does it is run once more by the
    /// driver when its page is gone before it has an answer, and goes back twice.
    pub(crate) async fn back(&self) {
        soon("the page before", self.client.back()).await.expect("the browser goes back");
    }

    /// The current address.
    pub(crate) async fn url(&self) -> String {
        self.client.current_url().await.expect("an address").to_string()
    }

    /// Opens a further window and goes on there; gives the way back.
    pub(crate) async fn new_window(&self) -> fantoccini::wd::WindowHandle {
        let before = self.client.window().await.expect("a window");
        let new = self.client.new_window(false).await.expect("a new window");
        self.client.switch_to_window(new.handle).await.expect("the new window");
        before
    }

    /// Goes on in another window.
    pub(crate) async fn switch_to(&self, window: &fantoccini::wd::WindowHandle) {
        self.client.switch_to_window(window.clone()).await.expect("the window");
    }

    /// The text that the page shows, also in the parts that a script keeps apart from the page's
    /// own.
    pub(crate) async fn text(&self) -> String {
        let text = self.run(VISIBLE_TEXT).await;
        text.as_str().unwrap_or_default().to_string()
    }

    /// Waits until the page shows a text.
    pub(crate) async fn shows(&self, wanted: &str) {
        let begun = Instant::now();
        loop {
            let text = self.text().await;
            if text.contains(wanted) {
                return;
            }
            assert!(
                begun.elapsed() < super::PATIENCE,
                "the page never showed {wanted:?} but:\n{text}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the page shows as `name=value`, once it shows it.
    pub(crate) async fn value(&self, name: &str) -> String {
        until(&format!("the page to show {name}="), async || {
            let text = self.text().await;
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_string)
        })
        .await
    }

    /// The element that a CSS selector finds, once it is there.
    pub(crate) async fn find(&self, css: &str) -> Element {
        let found =
            self.client.wait().at_most(super::PATIENCE).for_element(Locator::Css(css)).await;
        found.unwrap_or_else(|error| panic!("no {css} on the page: {error}"))
    }

    /// Presses the button with this text.
    pub(crate) async fn press(&self, text: &str) {
        let path = format!("//button[contains(., '{text}') and not(@disabled)]");
        let found = self.client.wait().at_most(super::PATIENCE).for_element(Locator::XPath(&path));
        let button = found.await.unwrap_or_else(|error| panic!("no button {text}: {error}"));
        button.click().await.expect("the button can be pressed");
    }

    /// Presses the button with this text in one of usher's cards, which are apart from the page.
    pub(crate) async fn press_in_card(&self, text: &str) {
        let press = format!(
            "for (const one of document.querySelectorAll('*'))\
                for (const button of one.shadowRoot?.querySelectorAll('button') ?? [])\
                    if (button.textContent === '{text}') {{ button.click(); return true; }}\
            return false"
        );
        until(&format!("a card with {text}"), async || {
            (self.run(&press).await == true).then_some(())
        })
        .await;
    }

    /// Strikes a key where the focus is.
    pub(crate) async fn strike(&self, key: Key) {
        let key = match key {
            Key::Tab => "\u{e004}",
            Key::Enter => "\u{e007}",
            Key::Escape => "\u{e00c}",
        };
        let focused = self.client.active_element().await.expect("the focus is somewhere");
        focused.send_keys(key).await.expect("it takes the key");
    }

    /// From the next page on nothing of what pages bring along is run.
    pub(crate) async fn without_scripts(&self) {
        self.protocol("Emulation.setScriptExecutionDisabled", json!({"value": true})).await;
    }

    /// Waits until one of usher's cards is on the page.
    pub(crate) async fn find_card(&self) {
        let cards = "return [...document.querySelectorAll('*')].some(one => one.shadowRoot?.querySelector('.card'))";
        until("a card", async || (self.run(cards).await == true).then_some(())).await;
    }

    /// Makes the page believe in a screen of this width, whatever the window may be, and in a person
    /// who likes it light or dark.
    pub(crate) async fn screen(&self, width_px: u32, is_dark: bool) {
        let scheme = if is_dark { "dark" } else { "light" };
        // Without motion colours are what they are at once.
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.protocol("Emulation.setEmulatedMedia", json!({"features": features})).await;
        let metrics =
            json!({"width": width_px, "height": 844, "deviceScaleFactor": 1, "mobile": false});
        self.protocol("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Sends a command of Chromium's own protocol.
    async fn protocol(&self, command: &str, parameters: Value) {
        let session = self.client.session_id().await.expect("a session").expect("its name");
        let url = format!("{}/session/{session}/goog/cdp/execute", self.driver_url);
        let body = json!({"cmd": command, "params": parameters});
        let answer = self.driver_client.post(url).json(&body).send();
        let answer = soon(command, answer).await.expect("chromedriver answers");
        assert!(answer.status().is_success(), "{command}: {answer:?}");
    }

    /// Runs a script in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect("the page's script runs")
    }

    /// Runs a script with arguments and awaits what it promises.
    pub(crate) async fn run_with(&self, script: &str, arguments: Vec<Value>) -> Value {
        let ran = self.client.execute(script, arguments);
        soon("a script", ran).await.expect("the page's script runs")
    }

    /// Moves the page's slider one step to the right, by keyboard as a person can. Releases of
    /// Streamlit draw it differently.
    pub(crate) async fn slide_right(&self) {
        let slider =
            self.find("[role=slider]:not([aria-disabled=true]), input[type=range]:enabled").await;
        slider.send_keys("\u{e014}").await.expect("the slider takes the arrow key");
    }

    /// Waits until the page of Streamlit (1.40 and later) has, or has no longer, its WebSocket. What
    /// a person does without one is lost.
    pub(crate) async fn connected(&self, wanted: bool) {
        let state = "return document.querySelector('[data-test-connection-state]')\
            ?.dataset.testConnectionState === 'CONNECTED'";
        until(&format!("the page to be connected: {wanted}"), async || {
            (self.run(state).await == wanted).then_some(())
        })
        .await;
    }

    /// Waits until the page of Streamlit (1.40 and later) has all of what its script made. Whoever
    /// leaves before finds widgets drawn anew when they come back.
    pub(crate) async fn script_ended(&self) {
        self.find("[data-test-script-state=notRunning]").await;
    }

    /// Passes only a page in this language that has a heading and loads nothing from elsewhere.
    pub(crate) async fn assert_own_page(&self, language: &str) {
        self.find("h1").await;
        assert_eq!(self.run("return document.documentElement.lang").await, language);
        let elsewhere = "return performance.getEntriesByType('resource').map(entry => entry.name)\
            .filter(name => !name.startsWith(location.origin))";
        assert_eq!(
            self.run(elsewhere).await,
            json!([]),
            "a page of usher loads nothing from elsewhere"
        );
    }

    /// Passes only a page that needs no scrolling to the side.
    pub(crate) async fn assert_fits(&self) {
        let over = self.over_width().await;
        assert!(over <= 0, "{} is {over} pixels too wide", self.url().await);
    }

    /// How many pixels the page is wider than its window.
    pub(crate) async fn over_width(&self) -> i64 {
        let width = "return document.documentElement.scrollWidth - window.innerWidth";
        self.run(width).await.as_i64().expect("a width")
    }

    /// Sets the window's size in pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        self.client.set_window_size(width, height).await.expect("the window's size");
    }

    /// Saves a picture of the page for people to look at.
    pub(crate) async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
        std::fs::create_dir_all(&folder).expect("the folder of pictures");
        let picture = soon("a picture", self.client.screenshot()).await.expect("a picture");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("the picture is saved");
    }

    /// Where downloads go.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        processes::end_all(self.folder.path());
    }
}

/// Starts chromedriver and waits until it serves. A port of its own choice it might find taken: it
/// wants the same one twice, for IPv4 and for IPv6.
async fn start_driver(folder: &Path, port: u16) -> Child {
    let mut command = Command::new("chromedriver");
    command.arg(format!("--port={port}"));
    command.arg(format!("--log-path={}", folder.join("driver.log").display()));
    // Without a locale with all letters, names of files in Korean are no names to it.
    command.env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8");
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut driver =
        command.kill_on_drop(true).spawn().expect("chromedriver: `make setup` installs it");
    let mut lines = BufReader::new(driver.stdout.take().expect("its output")).lines();
    let mut said = String::new();
    let serves = soon("chromedriver", async {
        while let Some(line) = lines.next_line().await.expect("a line") {
            if line.contains("started successfully") {
                return true;
            }
            said.push_str(&line);
            said.push('\n');
        }
        false
    });
    if !serves.await {
        panic!("chromedriver ended with {:?}: {said}", driver.wait().await);
    }
    driver
}

fn capabilities(folder: &Path, language: &str) -> Capabilities {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let language = [format!("--lang={language}"), format!("--accept-lang={language}"), profile];
    let flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_string()).chain(language).collect();
    let options = json!({
        "args": flags,
        "prefs": {"download.default_directory": folder.join("downloads"), "download.prompt_for_download": false},
    });
    Capabilities::from_iter([
        ("goog:chromeOptions".to_string(), options),
        ("acceptInsecureCerts".to_string(), json!(true)),
    ])
}
