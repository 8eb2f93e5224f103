//! Whether two ways of writing a phone number mean the same number, to find the sending account.
//!
//! Not here: whether a number exists, and country rules (Brazil's ninth digit and the like): WhatsApp knows, we guess.

/// The number's ASCII digits, in order: the form in which an index may keep it.
///
/// `+1 (510) 556-6777` gives `15105566777`. Empty when there is no digit, which is no number.
pub fn digits(phone: &str) -> String {
    each_digit(phone).collect()
}

/// Says whether both have the same digits. A text without a digit is no number and equals none.
pub fn is_same_number(one: &str, other: &str) -> bool {
    each_digit(one).next().is_some() && each_digit(one).eq(each_digit(other))
}

fn each_digit(phone: &str) -> impl Iterator<Item = char> {
    phone.chars().filter(char::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{digits, is_same_number};

    #[test]
    fn decorations_do_not_matter() {
        for written in ["+15105566777", "15105566777", "+1 (510) 556-6777", "1.510.556.6777", "\u{a0}+1510 5566777"] {
            assert!(is_same_number(written, "+15105566777"), "{written}");
            assert_eq!(digits(written), "15105566777");
        }
    }

    #[test]
    fn other_digits_are_another_number() {
        for written in ["+15105566778", "5105566777", "0015105566777", "151055667770", "+١٥١٠٥٥٦٦٧٧٧"] {
            assert!(!is_same_number(written, "+15105566777"), "{written}");
        }
    }

    #[test]
    fn no_digits_are_no_number() {
        assert!(!is_same_number("", ""));
        assert!(!is_same_number("+", "+"));
        assert!(!is_same_number("me", "+15105566777"));
    }

    proptest! {
        #[test]
        fn same_number_means_equal_and_not_empty_digits(one in "[0-2+ x]{0,4}", other in "[0-2+ x]{0,4}") {
            let same = !digits(&one).is_empty() && digits(&one) == digits(&other);
            prop_assert_eq!(is_same_number(&one, &other), same);
            prop_assert_eq!(is_same_number(&other, &one), same);
        }
    }
}
