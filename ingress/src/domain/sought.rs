//! What somebody looks for in messages: a part of a number, of a chat's name or id, of a text, of a file's name.

use angelia_shared::event::Content;
use angelia_shared::event::message::To;

/// Fewer digits are in too many numbers to mean one.
const DIGITS_MIN: usize = 3;

/// What is looked for. Upper and lower case are the same, and numbers are found however they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    text: String,
    /// The digits alone, if it can be a part of a number.
    digits: Option<String>,
}

impl Sought {
    /// Reads what was typed.
    pub fn of(typed: &str) -> Self {
        let text = typed.to_lowercase();
        let is_number = text.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c));
        let digits = Some(digits_of(&text)).filter(|digits| is_number && digits.len() >= DIGITS_MIN);
        Self { text, digits }
    }

    /// Whether a message with this content is meant.
    pub fn is_in(&self, content: &Content) -> bool {
        let (To::ChatId(to) | To::Jid(to) | To::Phone(to) | To::ChatName(to)) = &content.to;
        let places = [to, &content.address];
        let file_name = content.file_name.as_ref();
        let texts = places.into_iter().chain([&content.text]).chain(file_name);
        texts.into_iter().any(|own| own.to_lowercase().contains(&self.text))
            || self.digits.as_ref().is_some_and(|digits| places.iter().any(|own| digits_of(own).contains(digits)))
    }
}

fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(to: To, address: &str, text: &str) -> Content {
        let (address, text, caller) = (address.to_owned(), text.to_owned(), String::new());
        let (file_url, file_name) = (None, Some("Rechnung 7.pdf".to_owned()));
        Content { text, file_url, file_name, to, address, account_phone: None, caller, warnings: Vec::new() }
    }

    #[test]
    fn a_number_is_found_however_it_is_written() {
        let phone = content(To::Phone("+1 (415) 123-1234".to_owned()), "14151231234@s.whatsapp.net", "call 999");
        for typed in ["+1 415 123 1234", "4151231234", "415-123", "(415)", "1234", "123 1"] {
            assert!(Sought::of(typed).is_in(&phone), "{typed}");
        }
        for typed in ["4151231235", "+2", "12 99", "9991"] {
            assert!(!Sought::of(typed).is_in(&phone), "{typed}");
        }
        assert!(Sought::of("999").is_in(&phone), "in the text");
    }

    #[test]
    fn names_texts_and_files_are_found_in_any_case() {
        let group = content(To::ChatName("Ομάδα Αθήνα".to_owned()), "123456@g.us", "Hello THERE\nsecond line");
        for typed in ["ομάδα", "ΑΘΉΝΑ", "there", "second LINE", "123456@G", "rechnung 7", "HELLO"] {
            assert!(Sought::of(typed).is_in(&group), "{typed}");
        }
        for typed in ["nowhere", "thereX", "rechnung 8"] {
            assert!(!Sought::of(typed).is_in(&group), "{typed}");
        }
    }
}
