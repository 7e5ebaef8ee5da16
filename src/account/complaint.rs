//! One line a minute about what does not get better: a full disk must not fill the log too.

use crate::clock::Moment;

/// The time between two lines, in milliseconds.
const BETWEEN_MS: u64 = 60_000;

/// Something that is complained of.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    told: Option<Moment>,
}

impl Complaint {
    /// Logs the sentence, unless one was logged a moment ago. Says whether it did.
    pub(super) fn tell(&mut self, now: Moment, sentence: impl FnOnce() -> String) -> bool {
        if self.told.is_some_and(|told| now.since_ms(told) < BETWEEN_MS) {
            return false;
        }
        self.told = Some(now);
        log::error!("{}", sentence());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute() {
        let mut complaint = Complaint::default();
        let told: Vec<u64> = (0..200)
            .filter(|second| complaint.tell(Moment(second * 1000), || "full".to_owned()))
            .collect();
        assert_eq!(told, [0, 60, 120, 180]);
    }
}
