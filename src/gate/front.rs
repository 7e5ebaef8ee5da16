//! The part of a Streamlit app that is the same for all its seats, answered by usher itself: static
//! files at any time, and the index page, which a person gets while the seat is being started. What
//! only the app can answer goes on to the seat.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::refuse::Turned;
use super::{Asking, Gate, Verdict, is_read};
use crate::answer::Answer;
use crate::assets::{Element, Found, FrontPath};
use crate::authorize::SeatPermit;
use crate::config::{App, Program};
use crate::domain::SeatState;
use crate::supervise::SeatView;

/// Before a person gets the index page of a seat that has to be started, so long is waited for what
/// is wrong with the start at once, such as a missing script.
const LAUNCH_JUDGED_WITHIN: Duration = Duration::from_millis(50);

/// Who is in the queue for longer sees the waiting page, with their place.
const QUEUED_FOR_A_MOMENT: Duration = Duration::from_millis(250);

/// What usher can answer by itself.
pub(super) enum Front {
    /// A file, whatever the seat does.
    File(Answer),
    /// The index page, which is of use only with a seat.
    Page(Answer),
}

impl Gate {
    /// What usher can answer in the place of a Streamlit app; `None`: it is for the seat to answer.
    ///
    /// # Errors
    /// There is no such file.
    pub(super) async fn front(
        &self,
        asking: &Asking<'_>,
        app: &Arc<App>,
        rest: &str,
    ) -> Result<Option<Front>, Turned> {
        if !is_read(asking.head) || asking.head.is_websocket() {
            return Ok(None);
        }
        let headers = &asking.head.parts.headers;
        match FrontPath::of(rest) {
            FrontPath::Elsewhere => Ok(None),
            FrontPath::Index => {
                let element = element_for(asking, app, rest);
                let page = self.library.page(app, element.as_ref(), headers).await;
                Ok(page.map(Front::Page))
            }
            FrontPath::Static(path) => match self.library.file(app, path, headers).await {
                Found::Answer(file) => Ok(Some(Front::File(file))),
                // Streamlit would say 200, and send the index page.
                Found::Missing => Err(Turned::NotFound),
                Found::Unknown => Ok(None),
            },
            FrontPath::Beside(path) => match self.library.file(app, path, headers).await {
                Found::Answer(file) => Ok(Some(Front::File(file))),
                Found::Missing | Found::Unknown => Ok(None),
            },
        }
    }

    /// Begins the start that a person navigated to.
    ///
    /// # Errors
    /// It cannot be started, or failed at once.
    pub(super) async fn begin(&self, permit: &SeatPermit) -> Result<(), Turned> {
        let supervisor = self.operations.supervisor();
        let begun = supervisor.begin(permit);
        if let Err(refusal) = begun {
            return Err(self.refused(permit.key(), refusal).await);
        }
        let mut seat = supervisor.watch(permit.key());
        let judged = seat.wait_for(is_judged);
        let failed = match tokio::time::timeout(LAUNCH_JUDGED_WITHIN, judged).await {
            Ok(Ok(view)) => matches!(view.state, SeatState::Failed | SeatState::Backoff),
            Ok(Err(_)) | Err(_) => false,
        };
        match supervisor.begin(permit) {
            Err(refusal) if failed => Err(self.refused(permit.key(), refusal).await),
            Err(_) | Ok(_) => Ok(()),
        }
    }

    /// Whether a start that has begun waits for others for longer than a moment.
    pub(super) async fn stays_in_queue(&self, permit: &SeatPermit) -> bool {
        let mut seat = self.operations.supervisor().watch(permit.key());
        let moved_on = seat.wait_for(|view| !view.is_queued());
        tokio::time::timeout(QUEUED_FOR_A_MOMENT, moved_on).await.is_err()
    }

    /// An answer of usher's in the place of an app, counted as the app's.
    pub(super) fn in_place_of(
        &self,
        asking: &Asking<'_>,
        permit: &SeatPermit,
        answer: Answer,
    ) -> Verdict {
        let passage = self.operations.account().passage(permit);
        if asking.head.parts.method != Method::HEAD {
            passage.to_browser(answer.body.len() as u64);
        }
        Verdict::Answer(answer)
    }
}

/// Whether it is known that there is a process, or that there will be none.
fn is_judged(view: &SeatView) -> bool {
    match view.state {
        SeatState::Starting | SeatState::Stopping => false,
        SeatState::Absent
        | SeatState::Probing
        | SeatState::Ready
        | SeatState::Backoff
        | SeatState::Failed => true,
    }
}

/// The script's element, if what is asked for may be the app's index page and the script is not
/// switched off. Only Streamlit's pages are known well enough to put something into them.
pub(super) fn element_for(asking: &Asking<'_>, app: &App, rest: &str) -> Option<Element> {
    let is_streamlit = matches!(app.program, Program::Streamlit { .. });
    let may_be_index = is_read(asking.head) && FrontPath::of(rest) == FrontPath::Index;
    (app.notices && is_streamlit && may_be_index).then(|| {
        let in_force = asking.in_force;
        let language = in_force.snapshot.language;
        Element::new(in_force.pages.in_app_element(app.slug.as_str(), language))
    })
}
