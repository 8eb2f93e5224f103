//! Reads the recipient out of an id of the Cloud API (`wamid.…`), the only place where Meta's message history tells it.
//!
//! Source: the form is not documented. Ids that are published with their recipients, in Meta's own examples among others, are
//! Base64 of `1C 18 <length> <recipient's digits> 15 02 00 11 18 <length> <name> 00`. Whatever differs is not read: an outcome
//! then stays unknown, and nothing is guessed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::transport::Recipient;
use crate::transport::address::{DIGITS_MAX, DIGITS_MIN};

/// What stands before the recipient's length.
const BEFORE: [u8; 2] = [0x1c, 0x18];
/// What stands behind the recipient, before the length of the name.
const BEHIND: [u8; 5] = [0x15, 0x02, 0x00, 0x11, 0x18];

/// The person that the message went to.
pub(super) fn recipient(wamid: &str) -> Option<Recipient> {
    let bytes = STANDARD.decode(wamid.strip_prefix("wamid.")?).ok()?;
    let [length, rest @ ..] = bytes.strip_prefix(&BEFORE)? else { return None };
    let (digits, rest) = rest.split_at_checked(usize::from(*length))?;
    let is_number = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number && rest.starts_with(&BEHIND))?;
    Some(Recipient::Person { digits: digits.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(wamid: &str) -> Option<String> {
        match recipient(wamid)? {
            Recipient::Person { digits } => Some(digits),
            other => panic!("{other:?}"),
        }
    }

    fn encoded(bytes: &[u8]) -> String {
        format!("wamid.{}", STANDARD.encode(bytes))
    }

    #[test]
    fn ids_that_were_published_with_their_recipients_tell_them() {
        // Published callbacks of 2023 and 2025, and an example of Meta's reference.
        let known = [
            ("wamid.HBgNNTUxNjk5MjMxODIyMhUCABEYEjgxQkVFRDVBQTVDODFDOTg3MQA=", "5516992318222"),
            ("wamid.HBgLNjAxNzM1MjYyMzMVAgARGBJCNkY5NTBENEU3ODYxQTM3RUQA", "60173526233"),
            ("wamid.HBgLMTY0NzM3Nzc3NzUVAgARGBI5QTNEQTA2RjdGMEY4RTRGAA==", "16473777775"),
        ];
        for (wamid, to) in known {
            assert_eq!(digits(wamid).as_deref(), Some(to), "{wamid}");
        }
    }

    #[test]
    fn any_other_form_tells_nothing() {
        let good = b"\x1c\x18\x0b16473777775\x15\x02\x00\x11\x18\x0212\x00";
        assert!(digits(&encoded(good)).is_some());
        let bad: [&[u8]; 7] = [
            b"",
            b"\x1c\x18",
            b"\x1c\x18\xff16473777775\x15\x02\x00\x11\x18",
            b"\x1b\x18\x0b16473777775\x15\x02\x00\x11\x18\x0212\x00",
            b"\x1c\x18\x0a16473777775\x15\x02\x00\x11\x18\x0212\x00",
            b"\x1c\x18\x0bUS.37777775\x15\x02\x00\x11\x18\x0212\x00",
            b"\x1c\x18\x041647\x15\x02\x00\x11\x18\x0212\x00",
        ];
        for bytes in bad {
            assert_eq!(digits(&encoded(bytes)), None, "{bytes:02x?}");
        }
        for text in ["", "wamid.", "wamid.???", "HBgLMTY0NzM3Nzc3NzUVAgARGBI5QTNEQTA2RjdGMEY4RTRGAA==", "wamid.A"] {
            assert_eq!(digits(text), None, "{text}");
        }
    }
}
