//! `make bench`, the load: what is measured over sockets, a section for each word. Markdown goes to
//! standard output.
//!
//! Usage, in the checkout's root, on the second core (what is measured has the first for itself):
//! `load door USHER NODE_MODULES [--quick]`, `load asset USHER [--quick]`, `load scale USHER CHART [--quick]`.
//! `load app PORT` is an app that usher starts.

mod asset;
mod chart;
mod door;
mod encrypted;
mod figures;
mod load;
mod peers;
mod scale;
mod tls;
mod upstream;
mod wire;

use std::io;

fn main() -> io::Result<()> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.pop_if(|word| word == "--quick").is_some();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match words[..] {
            ["door", usher, node_modules] => door::measure(usher, node_modules, quick).await,
            ["asset", usher] => asset::measure(usher, quick).await,
            ["scale", usher, chart] => scale::measure(usher, chart, quick).await,
            ["app", port] => upstream::serve_alone(port.parse().map_err(io::Error::other)?).await,
            _ => Err(io::Error::other("see the first lines of benches/load/src/main.rs")),
        }
    })
}
