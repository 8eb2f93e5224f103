//! Addresses of people and groups, in the one form that chats keep.
//!
//! Not here: whether anybody has the address; only WhatsApp knows.

use super::phone;

/// Fewer digits are an extension, more are none of this world (E.164 has 15).
const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Longest id of a group; the Cloud API's are some 40 characters of base 64.
const GROUP_CHARS_MAX: usize = 128;

/// The JID of the person with an international number, however it is written; `None` when it is not 7 to 15 digits.
pub fn of_phone(text: &str) -> Option<String> {
    let is_decoration = |c: char| matches!(c, '+' | ' ' | '(' | ')' | '-' | '.' | '\u{a0}');
    let digits = phone::digits(text);
    let is_number =
        NUMBER_DIGITS.contains(&digits.len()) && text.chars().all(|c| c.is_ascii_digit() || is_decoration(c));
    is_number.then(|| format!("{digits}@s.whatsapp.net"))
}

/// The one form of a JID: `c.us` becomes `s.whatsapp.net`, a device is dropped. `None` when it is not a JID.
pub fn normal(text: &str) -> Option<String> {
    let (user, server) = text.trim().split_once('@')?;
    let without_device = user.split_once(':').map_or(user, |(user, _device)| user);
    match server.to_ascii_lowercase().as_str() {
        "s.whatsapp.net" | "c.us" => of_phone(without_device),
        server @ ("lid" | "newsletter") => {
            let is_id = (1..=32).contains(&without_device.len()) && without_device.bytes().all(|b| b.is_ascii_digit());
            is_id.then(|| format!("{without_device}@{server}"))
        }
        "g.us" => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=' | b':');
            let is_id = (1..=GROUP_CHARS_MAX).contains(&user.len()) && user.bytes().all(plain);
            is_id.then(|| format!("{user}@g.us"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_becomes_a_persons_jid_however_it_is_written() {
        for written in ["+14151231234", "1 (415) 123-1234", "1.415.123.1234"] {
            assert_eq!(of_phone(written).as_deref(), Some("14151231234@s.whatsapp.net"), "{written}");
        }
    }

    #[test]
    fn what_is_not_7_to_15_digits_is_no_number() {
        for written in ["", "+", "123456", "1234567890123456", "+1415123123a", "١٤١٥١٢٣١٢٣٤"] {
            assert_eq!(of_phone(written), None, "{written}");
        }
    }

    #[test]
    fn all_forms_of_a_persons_jid_are_one() {
        for written in ["14151231234@s.whatsapp.net", "14151231234@c.us", " 14151231234:7@S.WhatsApp.net "] {
            assert_eq!(normal(written).as_deref(), Some("14151231234@s.whatsapp.net"), "{written}");
        }
    }

    #[test]
    fn groups_and_hidden_people_keep_their_ids() {
        for written in
            ["120363041234567890@g.us", "14151231234-1600000000@g.us", "Y2FwaV9ncm91cDox==@g.us", "987654@lid"]
        {
            assert_eq!(normal(written).as_deref(), Some(written));
        }
    }

    #[test]
    fn other_texts_are_no_jids() {
        for written in ["", "@", "14151231234", "@g.us", "a b@g.us", "x@lid", "1@example.com", "abc@s.whatsapp.net"] {
            assert_eq!(normal(written), None, "{written}");
        }
    }
}
