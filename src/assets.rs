//! What all seats of a Streamlit environment have in common: the index page with the script's
//! element in it.

mod element;
mod path;

pub use element::{Element, Place};
pub use path::FrontPath;
