//! The Cloud API's ids of messages (`wamid.…`), which hold the recipient's number, and the form in which they may be kept.
//!
//! What is outside of a message's seal stays in the log for ever, also when the content is erased. So no id is written down
//! as the provider gives it, but [`veiled`]: the same for each time it comes up, and without the number.
//!
//! Source: the form is not documented. Ids that are published with their recipients, in Meta's own examples among others, are
//! Base64 of `1C 18 <length> <recipient's digits> 15 02 00 11 18 <length> <name> 00`. The name tells messages apart.
//!
//! Not here: what an id is of (the ledger's index).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::log::digest::sha256;

/// What an id begins with.
const PREFIX: &str = "wamid.";
/// What stands before the recipient's length.
const BEFORE: [u8; 2] = [0x1c, 0x18];
/// What stands behind the recipient, before the length of the name.
const BEHIND: [u8; 5] = [0x15, 0x02, 0x00, 0x11, 0x18];
/// What stands at the end.
const END: u8 = 0;
/// Digits of a number. Source: ITU-T E.164, and no real number is shorter.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// The shortest name that tells messages apart. Real ones have 16 to 32 characters.
const NAME_MIN: usize = 16;
/// What a veiled id of another form begins with.
const DIGEST_PREFIX: &str = "sha256:";

/// Where the parts of a known form are.
struct Form {
    bytes: Vec<u8>,
    digits: std::ops::Range<usize>,
    name: std::ops::Range<usize>,
}

impl Form {
    fn read(id: &str) -> Option<Form> {
        let bytes = STANDARD.decode(id.strip_prefix(PREFIX)?).ok()?;
        let length = usize::from(*bytes.strip_prefix(&BEFORE)?.first()?);
        let digits = BEFORE.len() + 1..BEFORE.len() + 1 + length;
        let is_number = DIGITS.contains(&length) && bytes.get(digits.clone())?.iter().all(u8::is_ascii_digit);
        let behind = bytes.get(digits.end..)?.strip_prefix(&BEHIND).filter(|_| is_number)?;
        let [length, rest @ ..] = behind else { return None };
        let start = bytes.len() - rest.len();
        let name = start..start + usize::from(*length);
        // Nothing may hide behind what is known.
        let is_whole = bytes.get(name.end..)? == [END] || bytes.len() == name.end;
        let is_plain = bytes.get(name.clone())?.iter().all(u8::is_ascii_hexdigit);
        (is_whole && is_plain).then_some(Form { bytes, digits, name })
    }
}

/// The digits of the person that a message went to, where its id tells them.
pub fn recipient(id: &str) -> Option<String> {
    let Form { bytes, digits, .. } = Form::read(id)?;
    String::from_utf8(bytes[digits].to_vec()).ok()
}

/// An id as it may be kept: with zeros for the recipient's digits. One of another form, which could hold anything, becomes its
/// digest. What is veiled already stays as it is.
pub fn veiled(id: &str) -> String {
    if is_digest(id) {
        return id.to_owned();
    }
    match Form::read(id).filter(|form| form.name.len() >= NAME_MIN) {
        Some(Form { mut bytes, digits, .. }) => {
            bytes[digits].fill(b'0');
            format!("{PREFIX}{}", STANDARD.encode(bytes))
        }
        None => format!("{DIGEST_PREFIX}{}", sha256(id.as_bytes())),
    }
}

fn is_digest(id: &str) -> bool {
    id.strip_prefix(DIGEST_PREFIX)
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Published callbacks of 2023 and 2025, and their recipients.
    const KNOWN: [(&str, &str); 2] = [
        ("wamid.HBgNNTUxNjk5MjMxODIyMhUCABEYEjgxQkVFRDVBQTVDODFDOTg3MQA=", "5516992318222"),
        ("wamid.HBgLNjAxNzM1MjYyMzMVAgARGBJCNkY5NTBENEU3ODYxQTM3RUQA", "60173526233"),
    ];

    fn encoded(bytes: &[u8]) -> String {
        format!("{PREFIX}{}", STANDARD.encode(bytes))
    }

    fn id(digits: &str, name: &str) -> String {
        let lengths = [digits.len() as u8, name.len() as u8];
        encoded(
            &[&BEFORE[..], &lengths[..1], digits.as_bytes(), &BEHIND, &lengths[1..], name.as_bytes(), &[END]].concat(),
        )
    }

    #[test]
    fn ids_that_were_published_with_their_recipients_tell_them() {
        for (id, to) in KNOWN {
            assert_eq!(recipient(id).as_deref(), Some(to), "{id}");
        }
    }

    #[test]
    fn a_veiled_id_of_a_known_form_has_zeros_for_the_number_and_keeps_its_name() {
        for (id, to) in KNOWN {
            let veiled = veiled(id);
            assert_eq!(recipient(&veiled), Some("0".repeat(to.len())));
            let bytes = |id: &str| STANDARD.decode(&id[PREFIX.len()..]).unwrap();
            assert_eq!(bytes(id)[3 + to.len()..], bytes(&veiled)[3 + to.len()..]);
        }
    }

    #[test]
    fn any_other_form_tells_no_recipient_and_becomes_a_digest() {
        let name = "81BEED5AA5C81C9871";
        let good = STANDARD.decode(&id("16473777775", name)[PREFIX.len()..]).unwrap();
        assert!(recipient(&encoded(&good)).is_some());
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            encoded(&bytes)
        };
        let last = good.len() - 1;
        let mut strange = vec![
            String::new(),
            PREFIX.to_owned(),
            "wamid.???".to_owned(),
            "HBgLNjAxNzM1MjYyMzMVAgARGBJCNkY5NTBENEU3ODYxQTM3RUQA".to_owned(),
            encoded(&[&good[..], b"16473777775"].concat()),
            encoded(&good[..last - 1]),
            id("164737", name),
            id("1647377777551234", name),
            id("1647377777a", name),
            id("16473777775", "16473777775 8xyz"),
        ];
        strange.extend([0, 1, 2, 14, 16, 19, last].map(|at| changed(at, 0x55)));
        for id in strange {
            assert_eq!(recipient(&id), None, "{id}");
            let veiled = veiled(&id);
            assert!(is_digest(&veiled) && !veiled.contains("16473777775"), "{id}: {veiled}");
        }
    }

    #[test]
    fn an_id_whose_name_could_be_guessed_becomes_a_digest() {
        // Without the number nothing else would tell it from others.
        assert!(is_digest(&veiled(&id("16473777775", "1"))));
    }

    proptest! {
        #[test]
        fn veiling_hides_the_number_tells_messages_apart_and_is_done_once(
            digits in "[1-9][0-9]{6,14}",
            names in ("[0-9A-F]{16,32}", "[0-9A-F]{16,32}"),
        ) {
            let veil = veiled(&id(&digits, &names.0));
            let bytes = STANDARD.decode(&veil[PREFIX.len()..]).unwrap();
            prop_assert!(!bytes[..3 + digits.len()].windows(digits.len()).any(|part| part == digits.as_bytes()));
            prop_assert_eq!(veiled(&veil), veil.clone());
            prop_assert_eq!(veiled(&id(&digits, &names.1)) == veil, names.0 == names.1);
        }

        #[test]
        fn any_text_is_veiled_once_and_ids_stay_apart(one in ".{0,40}", other in ".{0,40}") {
            let veil = veiled(&one);
            prop_assert_eq!(veiled(&veil), veil.clone());
            prop_assert_eq!(veiled(&other) == veil, one == other);
        }
    }
}
