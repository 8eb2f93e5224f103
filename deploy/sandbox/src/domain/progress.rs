//! How many callbacks of each message were delivered, as the file of deliveries tells it at start.
//!
//! Shape: lines `upto N` (first, from a compaction) and `SEQ COUNT` -> [`Progress`].
//! Up to `N`, what is not listed has no callbacks left; after it, what is not listed had none delivered.
//!
//! Invariants:
//! - SB-2 a line that cannot be read is skipped: then a callback leaves twice, never not at all.

/// Most callbacks a message has.
const MOST: u8 = 3;

/// What is known of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Finished,
    Delivered(u8),
}

impl Known {
    /// Whether nothing can be due any more, whatever the message's plan is.
    pub(crate) fn is_over(self) -> bool {
        match self {
            Self::Finished => true,
            Self::Delivered(count) => count >= MOST,
        }
    }
}

/// The file of deliveries, folded. Takes a byte a message since the last start, and 16 for one open before.
#[derive(Debug)]
pub(crate) struct Progress {
    last_seq: u64,
    upto: u64,
    /// Sorted by seq, since a compaction writes them so.
    open: Vec<(u64, u8)>,
    after: Vec<u8>,
}

impl Progress {
    /// `last_seq` is the journal's last; lines beyond it are not about this journal.
    pub(crate) fn new(last_seq: u64) -> Self {
        Self { last_seq, upto: 0, open: Vec::new(), after: Vec::new() }
    }

    /// Folds one line without its line break; `false` when it cannot be read.
    pub(crate) fn fold(&mut self, line: &str) -> bool {
        let mut words = line.split(' ');
        let (Some(first), Some(second), None) = (words.next(), words.next(), words.next()) else { return false };
        if first == "upto" {
            // Only a compaction writes it, as the first line.
            let fresh = self.upto == 0 && self.open.is_empty() && self.after.is_empty();
            return fresh && number(second).map(|upto| self.upto = upto.min(self.last_seq)).is_some();
        }
        match (number(first), number(second).and_then(|count| u8::try_from(count).ok())) {
            (Some(seq), Some(count)) if seq > 0 && count <= MOST => self.count(seq, count),
            _ => false,
        }
    }

    fn count(&mut self, seq: u64, count: u8) -> bool {
        if seq > self.last_seq {
            return true;
        }
        if seq > self.upto {
            let Ok(at) = usize::try_from(seq - self.upto - 1) else { return false };
            if self.after.len() <= at {
                self.after.resize(at + 1, 0);
            }
            self.after[at] = self.after[at].max(count);
            return true;
        }
        match self.open.last() {
            Some((last, _)) if seq > *last => self.open.push((seq, count)),
            None => self.open.push((seq, count)),
            Some(_) => match self.open.binary_search_by_key(&seq, |(seq, _)| *seq) {
                Ok(at) => self.open[at].1 = self.open[at].1.max(count),
                Err(_) => return false,
            },
        }
        true
    }

    /// What is known of the message in line `seq`.
    pub(crate) fn of(&self, seq: u64) -> Known {
        if seq <= self.upto {
            return match self.open.binary_search_by_key(&seq, |(seq, _)| *seq) {
                Ok(at) => Known::Delivered(self.open[at].1),
                Err(_) => Known::Finished,
            };
        }
        let at = usize::try_from(seq - self.upto - 1).unwrap_or(usize::MAX);
        Known::Delivered(self.after.get(at).copied().unwrap_or(0))
    }
}

/// Writes the first line of a compacted file.
pub(crate) fn upto_line(last_seq: u64) -> String {
    format!("upto {last_seq}\n")
}

/// Writes the line that says `count` callbacks of the message in line `seq` were delivered.
pub(crate) fn count_line(seq: u64, count: u8) -> String {
    format!("{seq} {count}\n")
}

/// Digits only: no signs, as `parse` alone would take.
fn number(word: &str) -> Option<u64> {
    word.bytes().all(|b| b.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(last_seq: u64, lines: &[&str]) -> Progress {
        let mut progress = Progress::new(last_seq);
        for line in lines {
            assert!(progress.fold(line), "{line}");
        }
        progress
    }

    #[test]
    fn without_a_file_nothing_was_delivered() {
        assert_eq!(Progress::new(9).of(1), Known::Delivered(0));
    }

    #[test]
    fn counts_only_go_up() {
        let progress = folded(9, &["3 2", "3 1", "1 1"]);
        assert_eq!(progress.of(3), Known::Delivered(2));
        assert_eq!(progress.of(1), Known::Delivered(1));
        assert_eq!(progress.of(2), Known::Delivered(0));
    }

    #[test]
    fn after_a_compaction_what_is_not_listed_is_finished() {
        let progress = folded(9, &["upto 5", "2 0", "4 1", "7 1", "2 2"]);
        assert_eq!(progress.of(1), Known::Finished);
        assert_eq!(progress.of(2), Known::Delivered(2));
        assert_eq!(progress.of(4), Known::Delivered(1));
        assert_eq!(progress.of(6), Known::Delivered(0));
        assert_eq!(progress.of(7), Known::Delivered(1));
    }

    #[test]
    fn a_journal_that_lost_its_end_does_not_finish_what_comes_next() {
        let progress = folded(3, &["upto 5", "7 3"]);
        assert_eq!(progress.of(4), Known::Delivered(0));
        assert_eq!(progress.of(7), Known::Delivered(0));
    }

    #[test]
    fn torn_and_glued_lines_are_skipped() {
        let mut progress = Progress::new(1_000);
        for line in ["", "17", "17 ", "17 217 3", "17 4", "+7 1", "0 1", "upto x", "upto 1 2", "18446744073709551616 1"]
        {
            assert!(!progress.fold(line), "{line}");
        }
        assert_eq!(progress.of(17), Known::Delivered(0));
        assert!(progress.fold("17 1"));
        assert!(!progress.fold("upto 20"));
    }
}
