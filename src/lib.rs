//! Usher stands at the door of a small server and shows each person to their own seat.
//!
//! The modules below are in the order of a request's way: `Head → Identity → Permit → Lease →
//! Visit`. Each stage takes the proof that the one before made, and only that stage can make its
//! own. ARCHITECTURE.md has the table of who may import whom; a test executes it.

pub mod domain;

pub mod clock;

pub mod platform;

pub mod network;

pub mod request;

pub mod identify;

pub mod authorize;

pub mod certificates;

pub mod config;

pub mod trust;

pub mod launch;

pub mod supervise;

pub mod observe;

pub mod store;

pub mod account;

pub mod pages;

pub mod answer;

pub mod notice;

pub mod assets;

pub mod operate;

pub mod admin;

pub mod gate;

pub mod edge;

pub mod control;

pub mod app;
