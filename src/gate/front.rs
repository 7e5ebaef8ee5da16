//! The part of a Streamlit app that is the same for everybody: its index page with usher's script.

use super::{Asking, is_read};
use crate::assets::{Element, FrontPath};
use crate::config::{App, Program};

/// The script's element, if what is asked for may be the app's index page and the script is not
/// switched off. Only Streamlit's pages are known well enough to put something into them.
pub(super) fn element_for(asking: &Asking<'_>, app: &App, rest: &str) -> Option<Element> {
    let is_streamlit = matches!(app.program, Program::Streamlit { .. });
    let may_be_index = is_read(asking.head) && FrontPath::of(rest) == FrontPath::Index;
    (app.notices && is_streamlit && may_be_index).then(|| element(asking, app))
}

fn element(asking: &Asking<'_>, app: &App) -> Element {
    let in_force = asking.in_force;
    Element::new(in_force.pages.in_app_element(app.slug.as_str(), in_force.snapshot.language))
}
