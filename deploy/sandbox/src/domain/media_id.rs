//! Names an upload by where its journal line begins, so that no table of uploads has to be kept.
//!
//! Shape: 13 digits of the line's `received_at_ms`, then its offset in the journal. The time is checked against the
//! line, so an id from another journal is not mistaken for one of this.

use std::fmt;

/// Digits of a Unix time in milliseconds, from 2001 to 2286.
const TIME_DIGITS: usize = 13;

/// Where to find an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MediaId {
    pub(crate) received_at_ms: u64,
    pub(crate) offset: u64,
}

impl fmt::Display for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}{}", self.received_at_ms, self.offset, width = TIME_DIGITS)
    }
}

impl MediaId {
    /// Reads an id; `None` when it cannot be one of ours.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        if !id.bytes().all(|b| b.is_ascii_digit()) || id.len() <= TIME_DIGITS {
            return None;
        }
        let (time, offset) = id.split_at(TIME_DIGITS);
        let parsed = Self { received_at_ms: time.parse().ok()?, offset: offset.parse().ok()? };
        // One upload, one id: no second spelling with leading zeros.
        (parsed.to_string() == id).then_some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        for offset in [0, 7, 123_456_789_012] {
            let id = MediaId { received_at_ms: 1_753_700_000_123, offset };
            assert_eq!(MediaId::parse(&id.to_string()), Some(id));
        }
    }

    #[test]
    fn what_was_never_given_out_is_no_id() {
        for id in ["", "1753700000123", "175370000012307", "17537000001230x", "+7537000001230", "1753700000123\u{661}"]
        {
            assert_eq!(MediaId::parse(id), None, "{id}");
        }
    }
}
