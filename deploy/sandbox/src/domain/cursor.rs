//! Names a place in the message history by the journal line there, so that no table of pages has to be kept.
//!
//! Shape: the line's `seq` in digits, in base64, which looks like Graph's own.
//!
//! Not here: whether there is such a line (see `shell/history.rs`).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A place between two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) seq: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.seq.to_string()))
    }
}

impl Cursor {
    /// Reads a cursor; `None` when it cannot be one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let parsed = Self { seq: digits.parse().ok()? };
        // One place, one cursor: no second spelling with signs or leading zeros.
        (parsed.to_string() == text).then_some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        for seq in [1, 9, 10_151_194_520_072_941, u64::MAX] {
            assert_eq!(Cursor::parse(&Cursor { seq }.to_string()), Some(Cursor { seq }));
        }
        assert_eq!(Cursor { seq: 10_151_194_520_072_941 }.to_string(), "MTAxNTExOTQ1MjAwNzI5NDE=");
    }

    #[test]
    fn what_was_never_given_out_is_no_cursor() {
        let encoded = ["", "-1", "+7", "07", "1.5", "18446744073709551616"].map(|text| STANDARD.encode(text));
        for text in encoded.iter().map(String::as_str).chain(["", "7", "MAZDZD", "Nw", "Nw==\n", "/w=="]) {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
