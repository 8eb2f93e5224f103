//! Tables in plain memory: for replays and tests.

use std::collections::BTreeMap;

use super::{Direction, Span, Tables, Unreadable, Visit};

/// Rows in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTables(BTreeMap<Vec<u8>, Vec<u8>>);

impl Tables for MemoryTables {
    type Error = Unreadable;

    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.0.get(key).cloned())
    }

    fn put_bytes(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match value {
            Some(value) => drop(self.0.insert(key, value)),
            None => drop(self.0.remove(&key)),
        }
    }

    fn scan_bytes(&self, span: &Span, direction: Direction, visit: &mut Visit<'_>) -> Result<(), Unreadable> {
        if span.is_empty() {
            return Ok(());
        }
        let rows = self.0.range(span.from.clone()..span.to.clone());
        let mut go = |(key, value): (&Vec<u8>, &Vec<u8>)| visit(key, value);
        let _ended = match direction {
            Direction::Up => rows.into_iter().try_for_each(&mut go),
            Direction::Down => rows.into_iter().rev().try_for_each(&mut go),
        };
        Ok(())
    }
}

#[cfg(test)]
impl MemoryTables {
    /// Every key and value, to compare two tables in tests.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.0.iter()
    }
}
