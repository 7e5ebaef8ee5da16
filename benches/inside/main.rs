//! What happens inside usher, without sockets: the table of addresses and the decision for a
//! request. Medians with their spread go to standard output as Markdown.
//!
//! Usage: `inside [--quick]`
#![expect(clippy::expect_used, reason = "what cannot be set up has nothing to measure")]

mod count;
mod decision;
mod house;
mod table;
mod timing;

#[global_allocator]
static ALLOCATOR: count::Counting = count::Counting;

fn main() {
    let quick = std::env::args().any(|word| word == "--quick");
    println!("## Inside\n");
    println!(
        "On one core, without sockets; medians, in brackets lowest and highest. Less is better.\n"
    );
    println!("| | measured | must reach |\n|---|---|---|");
    table::measure(quick);
    decision::measure(quick);
}
