//! Attacks that are more than one request: each has a scenario of its own elsewhere.

/// One of them.
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) outcome: &'static str,
    /// The scenario, as `file::function`.
    pub(super) test: &'static str,
}

const fn row(what: &'static str, outcome: &'static str, test: &'static str) -> Row {
    Row { what, outcome, test }
}

/// All of them.
pub(super) const ROWS: &[Row] = &[
    row(
        "a made-up, repeated or right-most X-Forwarded-For through a trusted proxy",
        "read from the right, past trusted proxies only",
        "access::a_trusted_proxy_is_read_from_the_right",
    ),
    row(
        "an app that calls the door as its owner or as somebody else",
        "403",
        "access::a_seat_cannot_call_the_door_as_its_owner_or_anybody_else",
    ),
    row(
        "an app that sets usher's cookie, clears the site's data, takes its service worker or tells how its host is reached",
        "the headers are removed",
        "headers::an_app_cannot_set_ushers_cookie_nor_touch_what_belongs_to_the_origin",
    ),
    row(
        "another machine that opens an app's port",
        "refused by the system: it is on loopback only",
        "streamlit::the_app_listens_on_loopback_only",
    ),
    row(
        "a seat that looks for usher's sockets among its descriptors",
        "it has none",
        "headers::a_seat_has_no_input_writes_to_files_and_inherits_no_socket_of_usher",
    ),
    row(
        "guessing passwords",
        "429 after limits.login_attempts; the person signs in meanwhile",
        "sign_in::who_guesses_is_stopped_and_locks_out_nobody_else",
    ),
    row(
        "many guesses at the same moment",
        "counted before they are checked",
        "sign_in::many_guesses_at_once_are_no_way_around_the_limit",
    ),
    row(
        "a code (TOTP) used a second time",
        "refused",
        "sign_in::a_code_is_asked_for_on_top_and_is_good_once",
    ),
    row(
        "another user's session cookie, and one in an app's hands",
        "worth nothing, and never sent there",
        "sign_in::a_session_is_its_users_and_its_cookie_never_reaches_an_app",
    ),
    row(
        "a WebSocket that outlives its session",
        "closed within a second (4001)",
        "sign_in::signing_out_closes_what_the_session_opened_and_outlives_a_restart",
    ),
    row(
        "a form of another site, without its token or with somebody else's",
        "403; nobody is signed in or out",
        "sign_in::forms_of_others_sign_nobody_in_or_out",
    ),
    row(
        "a sign-in link that leads to another site",
        "leads home",
        "sign_in::nobody_is_sent_to_another_site_after_signing_in",
    ),
    row(
        "secrets looked for in logs, database and answers",
        "none is there",
        "sign_in::secrets_are_never_logged",
    ),
    row(
        "tokens of the provider that are expired, of another client, unsigned or signed by others",
        "refused",
        "provider::a_token_that_is_wrong_in_any_way_vouches_for_nobody",
    ),
    row(
        "an answer of the provider in a browser that did not begin the journey",
        "refused",
        "provider::who_did_not_begin_the_journey_does_not_arrive",
    ),
    row(
        "the trusted header sent by somebody who is no trusted proxy",
        "without effect",
        "provider::a_trusted_proxy_vouches_by_a_header_that_nobody_else_can_use",
    ),
    row(
        "a client without a certificate where `tls.client_ca` asks for one",
        "the handshake fails",
        "tls::where_clients_need_a_certificate_nobody_comes_in_without",
    ),
    row(
        "weak ciphers, old protocols and known faults of TLS (testssl.sh)",
        "no finding above low",
        "tls::an_outside_tool_finds_nothing_above_low",
    ),
    row(
        "a token guessed from the length of compressed pages (BREACH)",
        "pages with a token are not compressed",
        "tls::pages_with_a_token_are_not_compressed",
    ),
    row(
        "more connections than an address may have",
        "429; others are served",
        "hostile::more_connections_than_one_address_may_have_are_refused_and_others_are_served",
    ),
    row(
        "a head that is never finished",
        "the connection is closed",
        "hostile::a_client_that_never_finishes_its_head_is_dropped",
    ),
    row(
        "HTTP/2 connections that ask for nothing, or never read what they asked for",
        "ended after a while",
        "room::connections_that_only_take_room_are_ended",
    ),
    row(
        "thousands of requests over a few HTTP/2 connections of one address",
        "429 beyond four times limits.connections_per_address",
        "room::an_address_has_only_so_many_requests_open",
    ),
    row(
        "2,000 clients that send or read a byte now and then",
        "a page of somebody else loads as before; memory is bounded and comes back",
        "slow::two_thousand_slow_clients_take_nothing_from_others",
    ),
    row(
        "a frame of 64 MiB through a WebSocket",
        "passed on piece by piece; memory does not grow with it",
        "slow::a_huge_frame_is_passed_on_and_never_held",
    ),
    row(
        "a chunked body that grows above limits.upload",
        "413 when it passes the limit",
        "http::a_chunked_upload_over_the_limit_is_refused_when_it_passes_the_limit",
    ),
    row(
        "a flood from an app to a reader that takes its time",
        "the app waits; nothing is held in memory",
        "websocket::a_flood_from_the_app_reaches_a_reader_that_takes_its_time",
    ),
    row(
        "a path that would lead to another site",
        "leads to this one",
        "paths::no_path_leads_to_another_site",
    ),
    row(
        "an app's answer that could end in two places",
        "502; nothing of it is passed on",
        "headers::an_answer_that_could_end_in_two_places_is_not_passed_on",
    ),
    row(
        "over HTTP/2: second lines, codings, tunnels, two names, false pseudo-headers",
        "refused; the app sees nothing",
        "multiplexed::what_has_two_meanings_over_the_two_versions_of_http_is_refused",
    ),
    row(
        "over HTTP/2: floods of continuations, resets and empty frames",
        "the connection is ended",
        "multiplexed::floods_of_frames_end_the_connection",
    ),
    row(
        "an HTTP/2 connection on which nothing is asked for",
        "the connection is closed",
        "multiplexed::a_client_that_asks_for_nothing_is_dropped",
    ),
    row(
        "a path that moves the cursor where the log is read",
        "shown escaped",
        "hostile::what_a_client_sends_moves_no_cursor_where_the_log_is_read",
    ),
];
