//! Whom a message is for, as far as the script needs to know.

/// Most digits that are still taken for a phone number. E.164 allows 15; the rest is room for test numbers.
const MOST_DIGITS: usize = 20;
/// Longest id of a group, in bytes: one byte tells its length in a message id. WhatsApp's own are far shorter.
const MOST_GROUP_BYTES: usize = 255;

/// A person's number, digits only, or a group's id as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipient {
    Person { digits: String },
    Group { id: String },
}

impl Recipient {
    /// Reads `to`; `None` when it is no phone number, or a group id that is empty or too long.
    pub(crate) fn read(to: &str, is_group: bool) -> Option<Self> {
        if is_group {
            return (1..=MOST_GROUP_BYTES).contains(&to.len()).then(|| Self::Group { id: to.to_owned() });
        }
        let digits: String = to.chars().filter(|c| !matches!(c, '+' | ' ' | '(' | ')' | '-' | '.')).collect();
        let is_number = (1..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then_some(Self::Person { digits })
    }

    /// The `wa_id` that answers and callbacks name.
    pub(crate) fn wa_id(&self) -> &str {
        match self {
            Self::Person { digits } => digits,
            Self::Group { id } => id,
        }
    }

    pub(crate) fn is_group(&self) -> bool {
        match self {
            Self::Person { .. } => false,
            Self::Group { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_be_written_the_way_people_write_it() {
        let read = Recipient::read("+1 (415) 123-12.34", false);
        assert_eq!(read, Some(Recipient::Person { digits: "14151231234".into() }));
    }

    #[test]
    fn what_is_not_made_of_digits_is_no_number() {
        for to in ["", "+", "abc", "1415@s.whatsapp.net", "١٢٣٤", "123456789012345678901"] {
            assert_eq!(Recipient::read(to, false), None, "{to}");
        }
    }

    #[test]
    fn a_group_keeps_its_id_as_given() {
        assert_eq!(Recipient::read("Y2Fw 0404", true), Some(Recipient::Group { id: "Y2Fw 0404".into() }));
        assert_eq!(Recipient::read("", true), None);
        assert_eq!(Recipient::read(&"x".repeat(256), true), None);
    }
}
