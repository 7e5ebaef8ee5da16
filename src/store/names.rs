//! Names as small numbers, for tables that are walked a million times.

use std::collections::HashMap;

/// Names that were met, numbered in that order.
#[derive(Default)]
pub(super) struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    /// The number of a name, which allocates only for a new one.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }

    /// The way back.
    pub(super) fn name(&self, number: u32) -> Option<String> {
        self.names.get(number as usize).cloned()
    }
}
