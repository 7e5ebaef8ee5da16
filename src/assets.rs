//! What all seats of a Streamlit environment have in common, answered without asking a seat: the
//! index page, with the script's element in it, and the static files. Held in memory, packed once.
//!
//! A [`Library`] asks where an app's Streamlit is installed and has one front end for each
//! (`front_end`), whose files are on one `shelf`. An `asset` has a file's forms, which are made
//! quickly when a browser waits for the first (`pack`) and well by the `packer` later; `coding` and
//! `reply` read what a request wants; `path` says what is a page or a file at all, and `element`
//! where the script goes. Knows nothing of seats and of who asks.

mod asset;
mod coding;
mod element;
mod front_end;
mod library;
mod pack;
mod packer;
mod path;
mod reply;
mod scripts;
mod shelf;

pub use element::{Element, Place};
pub use library::{Ask, Found, Library};
pub use path::FrontPath;
