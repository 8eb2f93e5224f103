//! Writes a message's id in the form of WhatsApp's own.
//!
//! Shape: (recipient, dice) -> `wamid.` and the base64 of `1C 18`, length and characters of the recipient, `15 02 00 11 18`,
//! length and characters of a random text in upper-case hex, `00`. So an id names its recipient.
//!
//! Source: ids in public samples. Meta does not describe the form and may change it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::recipient::Recipient;

/// Random bytes of one id, as in the samples. Among a million messages two alike have odds of one in ten thousand million.
pub(crate) const DICE: usize = 9;

const BEFORE_RECIPIENT: [u8; 2] = [0x1c, 0x18];
const BEFORE_TEXT: [u8; 5] = [0x15, 0x02, 0x00, 0x11, 0x18];
const END: u8 = 0x00;

/// Writes the id of a message to `recipient`.
pub(crate) fn write(recipient: &Recipient, dice: [u8; DICE]) -> String {
    let text = hex::encode_upper(dice);
    let mut bytes = Vec::new();
    for (before, text) in [(&BEFORE_RECIPIENT[..], recipient.wa_id()), (&BEFORE_TEXT[..], &text)] {
        bytes.extend_from_slice(before);
        bytes.push(u8::try_from(text.len()).expect("a recipient is read only if one byte tells its length"));
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.push(END);
    format!("wamid.{}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dice(text: &str) -> [u8; DICE] {
        hex::decode(text).expect("hex").try_into().expect("nine bytes")
    }

    #[test]
    fn an_id_is_that_of_a_public_sample() {
        let person = Recipient::Person { digits: "5516992318222".into() };
        assert_eq!(
            write(&person, dice("81BEED5AA5C81C9871")),
            "wamid.HBgNNTUxNjk5MjMxODIyMhUCABEYEjgxQkVFRDVBQTVDODFDOTg3MQA="
        );
    }

    #[test]
    fn a_groups_id_stands_in_the_recipients_place() {
        let id = "x".repeat(255);
        let group = Recipient::read(&id, true).expect("as long as it may be");
        let written = write(&group, dice("000000000000000000"));
        let bytes = STANDARD.decode(written.strip_prefix("wamid.").expect("its prefix")).expect("base64");
        assert_eq!(&bytes[..3], [0x1c, 0x18, 255]);
        assert_eq!(&bytes[3..258], id.as_bytes());
        assert_eq!(&bytes[258..], b"\x15\x02\x00\x11\x18\x12000000000000000000\x00");
    }
}
