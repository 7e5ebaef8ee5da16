//! The rows: what is sent, by whom, and what happens.

use std::fmt;

/// Who sends it.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// A user who may use `tool` and no other app.
    Jiyoung,
    /// An address that nobody has.
    Stranger,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// The door answers with this status, and the app sees nothing.
    Refused(u16),
    /// The app's answer tells what it has seen: this is not in it.
    Cleaned(&'static str),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Refused(307) => f.write_str("307, into the user's own app"),
            Outcome::Refused(status) => write!(f, "{status}"),
            Outcome::Cleaned(_) => f.write_str("removed on the way; the app does not see it"),
        }
    }
}

/// One attack.
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) from: From,
    pub(super) request: &'static str,
    pub(super) outcome: Outcome,
}

const fn refused(status: u16, what: &'static str, request: &'static str) -> Row {
    Row { what, from: From::Jiyoung, request, outcome: Outcome::Refused(status) }
}

const fn cleaned(never: &'static str, what: &'static str, request: &'static str) -> Row {
    Row { what, from: From::Jiyoung, request, outcome: Outcome::Cleaned(never) }
}

const fn stranger(status: u16, what: &'static str, request: &'static str) -> Row {
    Row { what, from: From::Stranger, request, outcome: Outcome::Refused(status) }
}

/// All of them, by kind.
pub(super) const ROWS: &[Row] = &[
    // --- Two readings of where a request ends ---
    refused(
        400,
        "length before chunked (CL.TE)",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length: LENGTH\nTransfer-Encoding: chunked\n\n0\n\nHIDDEN",
    ),
    refused(
        400,
        "chunked before length (TE.CL)",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\nContent-Length: LENGTH\n\n0\n\nHIDDEN",
    ),
    refused(
        400,
        "two lengths, the short first",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length: 0\nContent-Length: LENGTH\n\nHIDDEN",
    ),
    refused(
        400,
        "two lengths, the long first",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length: LENGTH\nContent-Length: 0\n\nHIDDEN",
    ),
    refused(
        400,
        "a list of lengths",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length: 0, LENGTH\n\nHIDDEN",
    ),
    refused(
        400,
        "a length with a plus",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length: +LENGTH\n\nHIDDEN",
    ),
    refused(
        400,
        "a negative length",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length: -LENGTH\n\nHIDDEN",
    ),
    refused(
        400,
        "a hexadecimal length",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length: 0x2f\n\nHIDDEN",
    ),
    refused(
        400,
        "an empty length",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length:\n\nHIDDEN",
    ),
    refused(
        400,
        "a length beyond 64 bits",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length: 99999999999999999999\n\nHIDDEN",
    ),
    refused(
        400,
        "a space before the colon of the length",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length : LENGTH\n\nHIDDEN",
    ),
    refused(
        400,
        "a space before the colon of the coding",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nTransfer-Encoding : chunked\n\n0\n\nHIDDEN",
    ),
    refused(
        400,
        "a coding behind chunked",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked, identity\n\n0\n\nHIDDEN",
    ),
    refused(
        400,
        "a coding before chunked",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nTransfer-Encoding: identity, chunked\n\n0\n\nHIDDEN",
    ),
    refused(
        400,
        "chunked twice",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n0\n\nHIDDEN",
    ),
    refused(
        400,
        "a coding that only looks like chunked",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nTransfer-Encoding: xchunked\n\n0\n\nHIDDEN",
    ),
    refused(
        400,
        "a vertical tab before chunked",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nTransfer-Encoding: \u{b}chunked\n\n0\n\nHIDDEN",
    ),
    refused(
        400,
        "a header folded over two lines",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nX-Folded: one\n Transfer-Encoding: chunked\n\n0\n\nHIDDEN",
    ),
    refused(
        400,
        "chunked in HTTP/1.0",
        "POST /app/tool/bad HTTP/1.0\nHost: HOST\nTransfer-Encoding: chunked\n\n0\n\nHIDDEN",
    ),
    refused(
        400,
        "a CR alone in a header",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nX-One: a␍Transfer-Encoding: chunked\n\n0\n\nHIDDEN",
    ),
    refused(400, "a NUL in a header", "GET /app/tool/bad HTTP/1.1\nHost: HOST\nX-Null: a␀b\n\n"),
    // --- Heads that are none ---
    refused(400, "no Host", "GET /app/tool/bad HTTP/1.1\n\n"),
    refused(400, "two Hosts", "GET /app/tool/bad HTTP/1.1\nHost: HOST\nHost: other.example\n\n"),
    refused(
        400,
        "a line without a colon",
        "GET /app/tool/bad HTTP/1.1\nHost: HOST\nno colon here\n\n",
    ),
    refused(
        400,
        "a space in a header's name",
        "GET /app/tool/bad HTTP/1.1\nHost: HOST\nBad Name: x\n\n",
    ),
    refused(400, "a space in the path", "GET /app/tool/b ad HTTP/1.1\nHost: HOST\n\n"),
    refused(400, "a NUL in the path", "GET /app/tool/bad␀ HTTP/1.1\nHost: HOST\n\n"),
    refused(400, "a path without its slash", "GET app/tool/bad HTTP/1.1\nHost: HOST\n\n"),
    refused(400, "a version that does not exist", "GET /app/tool/bad HTTP/9.9\nHost: HOST\n\n"),
    refused(400, "HTTP/0.9", "GET /app/tool/bad\n\n"),
    refused(400, "a method with a parenthesis", "G(T /app/tool/bad HTTP/1.1\nHost: HOST\n\n"),
    refused(400, "a TLS handshake at the plain door", "\u{16}\u{3}\u{1}\u{2}nonsense\n\n"),
    refused(400, "the preface of HTTP/2 at the plain door", "PRI * HTTP/2.0\n\nSM\n\n"),
    refused(
        431,
        "a head of 100,000 bytes",
        "GET /app/tool/bad HTTP/1.1\nHost: HOST\nX-Huge: HUGE\n\n",
    ),
    refused(
        431,
        "a handshake with a line over 8,192 bytes, which would hang Streamlit",
        "GET /app/tool/bad HTTP/1.1\nHost: HOST\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nX-Long: LONG\n\n",
    ),
    refused(
        431,
        "a handshake with 130 headers, which would hang Streamlit",
        "GET /app/tool/bad HTTP/1.1\nHost: HOST\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nMANY\n",
    ),
    refused(
        431,
        "a handshake with a target over 8,192 bytes, which would hang Streamlit",
        "GET /app/tool/bad?LONG HTTP/1.1\nHost: HOST\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n",
    ),
    // --- The door as a way to elsewhere ---
    refused(
        405,
        "CONNECT to another host",
        "CONNECT evil.example:443 HTTP/1.1\nHost: evil.example:443\n\n",
    ),
    refused(
        400,
        "an absolute target of another host",
        "GET http://evil.example/app/tool/bad HTTP/1.1\nHost: HOST\n\n",
    ),
    refused(
        421,
        "a name that was pointed at the door (DNS rebinding)",
        "GET /app/tool/bad HTTP/1.1\nHost: evil.example\n\n",
    ),
    refused(
        421,
        "such a name with the door's address before it",
        "GET /app/tool/bad HTTP/1.1\nHost: 127.0.0.1.evil.example\n\n",
    ),
    refused(
        400,
        "a Host with a user name",
        "GET /app/tool/bad HTTP/1.1\nHost: 127.0.0.1@evil.example\n\n",
    ),
    refused(
        400,
        "a Host whose port has a sign",
        "GET /app/tool/bad HTTP/1.1\nHost: 127.0.0.1:+80\n\n",
    ),
    refused(400, "a Host with a path", "GET /app/tool/bad HTTP/1.1\nHost: 127.0.0.1/evil\n\n"),
    refused(400, "an empty Host", "GET /app/tool/bad HTTP/1.1\nHost:\n\n"),
    // --- Paths that mean two things ---
    refused(400, "a way up out of the app", "GET /app/tool/../../bad HTTP/1.1\nHost: HOST\n\n"),
    refused(400, "a way up, encoded", "GET /app/tool/%2e%2e/%2e%2e/bad HTTP/1.1\nHost: HOST\n\n"),
    refused(400, "a way up, half encoded", "GET /app/tool/.%2E/bad HTTP/1.1\nHost: HOST\n\n"),
    refused(400, "a backslash", "GET /app/tool\\..\\bad HTTP/1.1\nHost: HOST\n\n"),
    refused(400, "an encoded NUL", "GET /app/tool/bad%00.txt HTTP/1.1\nHost: HOST\n\n"),
    refused(400, "half an encoding", "GET /app/tool/bad%2 HTTP/1.1\nHost: HOST\n\n"),
    refused(403, "another's app", "GET /app/secret/bad HTTP/1.1\nHost: HOST\n\n"),
    refused(
        307,
        "another's app with its name encoded",
        "GET /app/%73ecret/bad HTTP/1.1\nHost: HOST\n\n",
    ),
    refused(403, "an app that does not exist", "GET /app/nope/bad HTTP/1.1\nHost: HOST\n\n"),
    refused(404, "the administrators' pages", "GET /admin/ HTTP/1.1\nHost: HOST\n\n"),
    refused(404, "the administrators' API", "GET /admin/api/seats HTTP/1.1\nHost: HOST\n\n"),
    refused(
        404,
        "the metrics of Streamlit, which anybody could read",
        "GET /app/tool/_stcore/metrics HTTP/1.1\nHost: HOST\n\n",
    ),
    refused(
        404,
        "the agent of Streamlit, which anybody could order",
        "POST /app/tool/_stcore/agent/run HTTP/1.1\nHost: HOST\nContent-Length: 0\n\n",
    ),
    // --- Methods ---
    refused(
        405,
        "TRACE, which would show cookies to a script",
        "TRACE /app/tool/bad HTTP/1.1\nHost: HOST\n\n",
    ),
    // --- Other sites ---
    refused(
        403,
        "a POST of another site",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nOrigin: http://evil.example\nContent-Length: 0\n\n",
    ),
    refused(
        403,
        "a POST from a sandboxed frame",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nOrigin: null\nContent-Length: 0\n\n",
    ),
    refused(
        403,
        "a POST that the browser calls cross-site",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nSec-Fetch-Site: cross-site\nContent-Length: 0\n\n",
    ),
    refused(
        403,
        "a POST from another port of the same host",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nOrigin: http://127.0.0.1:1\nContent-Length: 0\n\n",
    ),
    refused(
        403,
        "a WebSocket of another site",
        "GET /app/tool/bad HTTP/1.1\nHost: HOST\nOrigin: http://evil.example\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n",
    ),
    refused(
        413,
        "a body above limits.upload",
        "POST /app/tool/bad HTTP/1.1\nHost: HOST\nContent-Length: 99999999\n\n",
    ),
    // --- What a client says about itself ---
    cleaned(
        "minsu",
        "X-Usher-User of an administrator",
        "GET /app/tool/echo HTTP/1.1\nHost: HOST\nX-Usher-User: minsu\n\n",
    ),
    cleaned(
        "admin",
        "X-Usher-Role",
        "GET /app/tool/echo HTTP/1.1\nHost: HOST\nX-Usher-Role: admin\n\n",
    ),
    cleaned(
        "x_usher",
        "X_Usher_User, which some servers read as the same",
        "GET /app/tool/echo HTTP/1.1\nHost: HOST\nX_Usher_User: minsu\n\n",
    ),
    cleaned(
        "evil",
        "X-Forwarded-Host",
        "GET /app/tool/echo HTTP/1.1\nHost: HOST\nX-Forwarded-Host: evil.example\n\n",
    ),
    cleaned(
        "usher_session",
        "usher's cookie, which an app must not see",
        "GET /app/tool/echo HTTP/1.1\nHost: HOST\nCookie: usher_session=abc\n\n",
    ),
    stranger(
        403,
        "a stranger who says to be forwarded for a user",
        "GET /app/tool/bad HTTP/1.1\nHost: HOST\nX-Forwarded-For: 127.0.0.2\n\n",
    ),
    stranger(
        403,
        "a stranger with Forwarded",
        "GET /app/tool/bad HTTP/1.1\nHost: HOST\nForwarded: for=127.0.0.2\n\n",
    ),
    stranger(
        403,
        "a stranger with X-Real-IP",
        "GET /app/tool/bad HTTP/1.1\nHost: HOST\nX-Real-IP: 127.0.0.2\n\n",
    ),
    stranger(
        403,
        "a stranger with a made-up session",
        "GET /app/tool/bad HTTP/1.1\nHost: HOST\nCookie: usher_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\n",
    ),
    stranger(
        403,
        "a stranger at the administrators' pages",
        "GET /admin/ HTTP/1.1\nHost: HOST\n\n",
    ),
    stranger(403, "a stranger at the metrics", "GET /metrics HTTP/1.1\nHost: HOST\n\n"),
    // --- Chunks that are none ---
    refused(
        400,
        "a chunk without a size",
        "POST /app/tool/upload HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\n\nzz\n\nHIDDEN",
    ),
];
