//! Streamlit's own protocol over a WebSocket: a browser session without a browser, for 1.39 and for
//! 1.67, whose field numbers agree.

use std::collections::BTreeMap;

use super::protobuf::{self, Writer};
use super::{Answer, Caller, Socket, soon, until};

/// The page's parts that the test page uses, by their field number in Streamlit's `Element`.
mod element {
    pub(super) const TEXT: u32 = 1;
    pub(super) const SLIDER: u32 = 21;
    pub(super) const BUTTON: u32 = 19;
    pub(super) const TEXT_INPUT: u32 = 24;
    pub(super) const FILE_UPLOADER: u32 = 33;
    pub(super) const DOWNLOAD: u32 = 43;
}

/// The field of `ForwardMsg` that says how a run of the script ended: 0 is well.
const SCRIPT_FINISHED: u32 = 6;

/// What a person does to a widget.
pub(crate) enum Widget<'a> {
    /// Presses the button with this label.
    Press(&'a str),
    /// Moves the slider with this label.
    Slide(&'a str, f64),
    /// Writes into the text field with this label.
    Write(&'a str, &'a str),
    /// Chooses an uploaded file: label, name, size, what the upload gave.
    File(&'a str, &'a str, u64, &'a Upload),
}

/// Where a file is to be put, and was.
pub(crate) struct Upload {
    file_id: String,
    upload_url: String,
    delete_url: String,
}

/// One browser session at a Streamlit app.
pub(crate) struct Session {
    caller: Caller,
    path: String,
    xsrf: String,
    socket: Socket,
    page_hash: String,
    /// The session's id, as Streamlit gave it.
    pub(crate) id: String,
    widgets: BTreeMap<String, String>,
    states: BTreeMap<String, Vec<u8>>,
    values: BTreeMap<String, String>,
    /// Where the download button's file is.
    pub(crate) download_url: String,
}

impl Session {
    /// Opens the app at `path` (with its slash) as a browser does: the XSRF cookie, the WebSocket,
    /// the first run.
    pub(crate) async fn open(caller: &Caller, path: &str) -> Self {
        Self::open_as(caller, path, None).await
    }

    /// The same, asking for an earlier session by its id.
    pub(crate) async fn open_as(caller: &Caller, path: &str, earlier: Option<&str>) -> Self {
        let xsrf = xsrf_cookie(caller, path).await;
        let mut session = Self::connected(caller, path, xsrf, earlier)
            .await
            .unwrap_or_else(|why| panic!("Streamlit's WebSocket was refused: {why}"));
        session.run().await;
        session
    }

    /// The same where the door and the seat may go away at any moment: says how far it came then.
    pub(crate) async fn attempt(caller: &Caller, path: &str) -> Result<Self, String> {
        let xsrf = ask_xsrf_cookie(caller, path).await?;
        let mut session = Self::connected(caller, path, xsrf, None).await?;
        session.try_run().await?;
        Ok(session)
    }

    async fn connected(
        caller: &Caller,
        path: &str,
        xsrf: String,
        earlier: Option<&str>,
    ) -> Result<Self, String> {
        let protocols =
            format!("streamlit, {xsrf}{}", earlier.map(|id| format!(", {id}")).unwrap_or_default());
        let headers = [
            ("Origin", caller.origin()),
            ("Cookie", format!("_streamlit_xsrf={xsrf}; theme=dark")),
            ("Sec-WebSocket-Protocol", protocols),
        ];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let socket = caller.attempt_socket(&format!("{path}_stcore/stream"), &headers).await?;
        assert_eq!(socket.protocol.as_deref(), Some("streamlit"), "the subprotocol came through");
        Ok(Self {
            caller: caller.clone(),
            path: path.to_string(),
            xsrf,
            socket,
            page_hash: String::new(),
            id: String::new(),
            widgets: BTreeMap::new(),
            states: BTreeMap::new(),
            values: BTreeMap::new(),
            download_url: String::new(),
        })
    }

    /// What the page shows as `name=value`.
    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values.get(name).unwrap_or_else(|| panic!("no {name}= on the page: {:?}", self.values))
    }

    /// Does something to a widget and waits for the script to run through.
    pub(crate) async fn touch(&mut self, widget: Widget<'_>) {
        if let Err(why) = self.try_touch(widget).await {
            panic!("the script did not run through: {why}");
        }
    }

    /// The same where the seat may go away at any moment.
    pub(crate) async fn try_touch(&mut self, widget: Widget<'_>) -> Result<(), String> {
        let (label, trigger, state) = match widget {
            Widget::Press(label) => (label, true, Writer::default().number(2, 1)),
            Widget::Slide(label, value) => {
                let values = Writer::default().bytes(1, value.to_le_bytes()).done();
                (label, false, Writer::default().bytes(7, values))
            }
            Widget::Write(label, text) => (label, false, Writer::default().bytes(6, text)),
            Widget::File(label, name, size, upload) => {
                (label, false, Writer::default().bytes(13, upload.state(name, size)))
            }
        };
        let id = self.widgets.get(label).unwrap_or_else(|| panic!("no widget {label}")).clone();
        let state =
            Writer::default().bytes(1, &id).done().into_iter().chain(state.done()).collect();
        self.states.insert(id.clone(), state);
        let ran = self.try_run().await;
        if trigger {
            self.states.remove(&id);
        }
        ran
    }

    /// Asks where a file may be put, puts it there as the page's script would, and says what came
    /// back.
    pub(crate) async fn upload(&mut self, name: &str, body: reqwest::Body) -> (Upload, Answer) {
        let upload = self.upload_place(name).await;
        let part = reqwest::multipart::Part::stream(body).file_name(name.to_string());
        // Browsers write names as they are.
        let form = reqwest::multipart::Form::new().percent_encode_noop();
        let form = form.part(name.to_string(), part);
        let request = self.caller.request(reqwest::Method::PUT, &self.absolute(&upload.upload_url));
        let request = request.multipart(form).header("X-Xsrftoken", &self.xsrf);
        let request = request.header("Cookie", format!("_streamlit_xsrf={}", self.xsrf));
        let answer = self.caller.send(request.header("Origin", self.caller.origin())).await;
        (upload, answer)
    }

    /// Asks where a file may be put.
    pub(crate) async fn upload_place(&mut self, name: &str) -> Upload {
        let request =
            Writer::default().bytes(1, "request").bytes(2, name).bytes(3, &self.id).done();
        self.socket.send(Writer::default().bytes(16, request).done()).await;
        loop {
            let message = self.socket.hear().await;
            if let Some(urls) = protobuf::find(&message, &[19, 2]) {
                let part = |field| protobuf::text(urls, &[field]).unwrap_or_default();
                return Upload { file_id: part(1), upload_url: part(2), delete_url: part(3) };
            }
        }
    }

    /// The path at the door of something that Streamlit names.
    pub(crate) fn absolute(&self, url: &str) -> String {
        format!("{}/{}", self.path.trim_end_matches('/'), url.trim_start_matches('/'))
    }

    /// Where `upload` is to be put, at the door.
    pub(crate) fn upload_path(&self, upload: &Upload) -> String {
        self.absolute(&upload.upload_url)
    }

    /// The WebSocket itself.
    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Runs the script with the states of all widgets, and reads what it shows until it has
    /// finished.
    async fn run(&mut self) {
        if let Err(why) = self.try_run().await {
            panic!("the script did not run through: {why}");
        }
    }

    async fn try_run(&mut self) -> Result<(), String> {
        let states = self.states.values();
        let states = states.fold(Writer::default(), |all, state| all.bytes(1, state)).done();
        let client =
            Writer::default().bytes(1, "").bytes(2, states).bytes(3, &self.page_hash).done();
        self.socket.try_send(Writer::default().bytes(11, client).done()).await;
        self.values.clear();
        soon("the end of the script's run", self.read_run()).await
    }

    async fn read_run(&mut self) -> Result<(), String> {
        loop {
            let message = self.socket.next().await.map_err(|closed| format!("{closed:?}"))?;
            if let Some(new) = protobuf::find(&message, &[4]) {
                self.id = protobuf::text(new, &[1, 6]).unwrap_or_default();
                self.page_hash = protobuf::text(new, &[9]).unwrap_or_default();
            } else if let Some(shown) = protobuf::find(&message, &[5, 3]) {
                self.read_element(shown);
            } else if let Some(status) = protobuf::number(&message, SCRIPT_FINISHED) {
                return if status == 0 { Ok(()) } else { Err(format!("it ended with {status}")) };
            }
        }
    }

    fn read_element(&mut self, shown: &[u8]) {
        if let Some(text) = protobuf::text(shown, &[element::TEXT, 1])
            && let Some((name, value)) = text.split_once('=')
        {
            self.values.insert(name.to_string(), value.to_string());
        }
        self.read_widget(shown, element::BUTTON, 2);
        self.read_widget(shown, element::SLIDER, 3);
        self.read_widget(shown, element::TEXT_INPUT, 2);
        self.read_widget(shown, element::FILE_UPLOADER, 2);
        if let Some(url) = protobuf::text(shown, &[element::DOWNLOAD, 6]) {
            self.download_url = self.absolute(&url);
        }
    }

    fn read_widget(&mut self, shown: &[u8], kind: u32, label: u32) {
        if let Some(widget) = protobuf::find(shown, &[kind]) {
            let part = |field| protobuf::text(widget, &[field]).unwrap_or_default();
            self.widgets.insert(part(label), part(1));
        }
    }
}

impl Upload {
    /// The uploader's state once the file is there.
    fn state(&self, name: &str, size: u64) -> Vec<u8> {
        let urls = Writer::default().bytes(1, &self.file_id).bytes(2, &self.upload_url);
        let urls = urls.bytes(3, &self.delete_url).done();
        let info = Writer::default().bytes(2, name).number(3, size).bytes(4, &self.file_id);
        Writer::default().bytes(2, info.bytes(5, urls).done()).done()
    }
}

/// Asks the app for its XSRF cookie, as the page's script does before it opens the WebSocket.
async fn xsrf_cookie(caller: &Caller, path: &str) -> String {
    until("Streamlit's XSRF cookie", async || ask_xsrf_cookie(caller, path).await.ok()).await
}

async fn ask_xsrf_cookie(caller: &Caller, path: &str) -> Result<String, String> {
    let request = caller.request(reqwest::Method::GET, &format!("{path}_stcore/health"));
    let answer = caller.try_send(request).await.map_err(|error| error.to_string())?;
    let cookies =
        answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let value = cookies.filter_map(|cookie| cookie.strip_prefix("_streamlit_xsrf=")).next();
    let value = value.and_then(|value| value.split(';').next()).map(str::to_string);
    value.ok_or_else(|| format!("no cookie: {} {}", answer.status, answer.text()))
}
