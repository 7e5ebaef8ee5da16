//! Usher, the front door of a small server.

pub mod pages;
