//! Questions to the store. They block for milliseconds, so they are asked on a thread that may; a
//! store that cannot answer costs a page its records and nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Admin;
use crate::clock::Timestamp;
use crate::pages::AdminReason;
use crate::store::{Reports, SampleQuery, StoreError};

impl Admin {
    /// Asks the store.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Reports) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AdminReason> {
        let reports = Arc::clone(self.operations.reports());
        let answer = tokio::task::spawn_blocking(move || question(reports.as_ref())).await;
        let cause = match answer {
            Ok(Ok(found)) => {
                self.unreadable.store(false, Ordering::Relaxed);
                return Ok(found);
            }
            Ok(Err(error)) => error.to_string(),
            Err(failure) => format!("the question itself failed: {failure}"),
        };
        if !self.unreadable.swap(true, Ordering::Relaxed) {
            log::warn!("the administrators' pages cannot read the records: {cause}");
        }
        Err(AdminReason::RecordsUnreadable { cause })
    }
}

/// The samples of a time until now, in at most so many points.
pub(super) fn samples(span_ms: i64, now: Timestamp, points_max: usize) -> SampleQuery {
    SampleQuery { from: Timestamp(now.0 - span_ms), to: Timestamp(now.0 + 1), points_max, now }
}
