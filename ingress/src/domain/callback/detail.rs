//! Makes the provider's words fit for an event, which is kept for ever and shown: one bounded line without phone numbers.

/// The longest detail, in characters.
const CHARS_MAX: usize = 300;
/// A longer word is no word of a sentence: a URL with a signature, an encoded blob.
const WORD_CHARS_MAX: usize = 40;
/// Fewer digits are a code; from here on they could be a phone number.
const NUMBER_DIGITS_MIN: usize = 7;

/// Cleans `text`. Words with seven or more digits are dropped, and so are digits that reach seven over several words.
pub(super) fn clean(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    // How many of the last kept words are made of digits and signs alone, and their digits together.
    let (mut number_words, mut number_digits) = (0, 0);
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let is_number = digits > 0 && !word.chars().any(char::is_alphabetic);
        (number_words, number_digits) = if is_number { (number_words + 1, number_digits + digits) } else { (0, 0) };
        kept.push(if word.chars().count() > WORD_CHARS_MAX || digits >= NUMBER_DIGITS_MIN { "…" } else { word });
        if number_digits >= NUMBER_DIGITS_MIN {
            let from = kept.len() - number_words;
            kept[from..].fill("…");
        }
    }
    kept.join(" ").chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::clean;

    #[test]
    fn numbers_go_and_codes_stay() {
        assert_eq!(clean("no route to +14151231234 today"), "no route to … today");
        assert_eq!(clean("no route to +1 (415) 123-1234 today"), "no route to … … … today");
        assert_eq!(clean("(#131030) not in list, 24 hours"), "(#131030) not in list, 24 hours");
    }

    #[test]
    fn a_detail_is_one_bounded_line() {
        assert_eq!(clean("a\r\n\tb\u{0}c"), "a b c");
        assert_eq!(clean(&"word ".repeat(1_000)).chars().count(), 300);
        assert_eq!(clean(&"x".repeat(41)), "…");
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_number_or_a_control_character(text in ".{0,60}", number in "[0-9]{7,15}", end in ".{0,60}") {
            let cleaned = clean(&format!("{text}{number}{end}"));
            let mut together = 0;
            for c in cleaned.chars() {
                together = if c.is_ascii_digit() { together + 1 } else { 0 };
                prop_assert!(together < 7 && !c.is_control(), "{}", cleaned);
            }
        }
    }
}
