//! Names as small numbers, for tables that are walked a million times.

use std::collections::HashMap;

/// Names that were met, numbered in that order.
#[derive(Default)]
pub(super) struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
    /// The latest one that was asked for. Names come in the same order again and again, so that the
    /// next one is usually known without hashing it.
    latest: usize,
}

impl Names {
    /// The number of a name, which allocates only for a new one.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        let following = if self.latest + 1 < self.names.len() { self.latest + 1 } else { 0 };
        for guess in [self.latest, following] {
            if self.names.get(guess).is_some_and(|known| known == name) {
                self.latest = guess;
                return u32::try_from(guess).unwrap_or(u32::MAX);
            }
        }
        if let Some(number) = self.numbers.get(name) {
            self.latest = *number as usize;
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.to_owned(), number);
        self.latest = self.names.len();
        self.names.push(name.to_owned());
        number
    }

    /// The way back.
    pub(super) fn name(&self, number: u32) -> Option<String> {
        self.names.get(number as usize).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_in_whatever_order_names_come() {
        let mut names = Names::default();
        let met = ["a", "b", "c", "a", "b", "c", "c", "a", "c", "b", "d", "a", "d"];
        let numbers = met.map(|name| names.number(name));
        assert_eq!(numbers, [0, 1, 2, 0, 1, 2, 2, 0, 2, 1, 3, 0, 3]);
        assert_eq!((names.name(3).as_deref(), names.name(4)), (Some("d"), None));
    }
}
