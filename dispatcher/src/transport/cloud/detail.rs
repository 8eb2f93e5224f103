//! Makes the provider's words fit for an event: bounded, one line, without tokens and numbers.
//!
//! Graph repeats what it was given: a malformed token word for word, sometimes the recipient's number. Details are
//! shown and kept for ever, so both are taken out here, before anything else sees them.

/// The longest detail, in characters.
const CHARS_MAX: usize = 300;
/// A longer word is no word of a sentence: a token, a URL with a signature, an encoded blob.
const WORD_CHARS_MAX: usize = 40;
/// Fewer digits together are a code; from here on they could be a phone number.
const NUMBER_DIGITS_MIN: usize = 7;
/// What stands for something taken out.
const GONE: &str = "…";

/// Cleans `text`; `secret` is taken out wherever it appears.
pub(super) fn clean(text: &str, secret: &str) -> String {
    let text = if secret.is_empty() { text.to_owned() } else { text.replace(secret, GONE) };
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(|word| if word.chars().count() > WORD_CHARS_MAX { GONE } else { word })
        .collect();
    without_numbers(&words.join(" ")).chars().take(CHARS_MAX).collect()
}

/// Replaces each run of seven or more digits, also with the usual signs between them.
fn without_numbers(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        kept.push_str(&rest[..start]);
        let (digits, end) = run(&rest[start..]);
        kept.push_str(if digits >= NUMBER_DIGITS_MIN { GONE } else { &rest[start..start + end] });
        rest = &rest[start + end..];
    }
    kept.push_str(rest);
    kept
}

/// How many digits the run at the start of `text` has, and where its last digit ends.
fn run(text: &str) -> (usize, usize) {
    let (mut digits, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            (digits, end) = (digits + 1, at + 1);
        } else if !matches!(c, ' ' | '-' | '(' | ')' | '.' | '+') || at >= end + 2 {
            break;
        }
    }
    (digits, end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_token_is_taken_out_whole() {
        let token = "EAAB1short";
        assert_eq!(clean("Malformed access token EAAB1short", token), "Malformed access token …");
        let long = format!("Malformed access token EAAB{}", "Z".repeat(180));
        assert_eq!(clean(&long, "another"), "Malformed access token …");
    }

    #[test]
    fn numbers_are_taken_out_however_they_are_written_and_codes_stay() {
        for number in ["14151231234", "+1 (415) 123-1234", "1-415-123-1234", "1.415.123.1234", "1234567"] {
            let cleaned = clean(&format!("no route to {number} today"), "");
            assert!(!cleaned.contains("123"), "{cleaned}");
            assert!(cleaned.starts_with("no route to ") && cleaned.ends_with("… today"), "{cleaned}");
        }
        assert_eq!(clean("(#131030) Recipient not in list", ""), "(#131030) Recipient not in list");
    }

    #[test]
    fn a_detail_is_one_bounded_line() {
        assert_eq!(clean("a\r\n\tb\u{0}c", ""), "a b c");
        assert_eq!(clean(&"word ".repeat(1000), "").chars().count(), CHARS_MAX);
    }

    proptest! {
        #[test]
        fn no_text_keeps_seven_digits_in_a_row_or_a_control_character(text in ".{0,80}", number in "[0-9]{7,15}") {
            let cleaned = clean(&format!("{text}{number}{text}"), "");
            let mut together = 0;
            for c in cleaned.chars() {
                together = if c.is_ascii_digit() { together + 1 } else { 0 };
                prop_assert!(together < NUMBER_DIGITS_MIN, "{}", cleaned);
                prop_assert!(!c.is_control());
            }
            prop_assert!(cleaned.chars().count() <= CHARS_MAX);
        }
    }
}
