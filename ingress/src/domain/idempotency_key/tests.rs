use proptest::prelude::*;

use super::*;

fn read(value: &[u8]) -> Result<Option<String>, KeyFault> {
    match parse([value]) {
        Ok(key) => Ok(key.map(|key| key.as_str().to_owned())),
        Err(Refusal::InvalidKey(fault)) => Err(fault),
        Err(other) => panic!("not about the key: {other:?}"),
    }
}

#[test]
fn no_header_or_a_bare_nothing_is_no_key() {
    assert_eq!(parse([]), Ok(None));
    for value in ["", " ", "\t  \t"] {
        assert_eq!(read(value.as_bytes()), Ok(None), "{value:?}");
    }
}

#[test]
fn bare_and_quoted_are_the_same_key() {
    for value in ["a-1", "\"a-1\"", "  a-1\t", " \"a-1\" "] {
        assert_eq!(read(value.as_bytes()), Ok(Some("a-1".to_owned())), "{value:?}");
    }
}

#[test]
fn white_space_inside_quotes_and_between_words_is_kept() {
    assert_eq!(read(b"\" a \""), Ok(Some(" a ".to_owned())));
    assert_eq!(read(b" a b "), Ok(Some("a b".to_owned())));
}

#[test]
fn a_quoted_key_is_unescaped_and_a_bare_one_is_not() {
    assert_eq!(read(br#""a\"b\\c""#), Ok(Some(r#"a"b\c"#.to_owned())));
    assert_eq!(read(br#"a\"b\\c"#), Ok(Some(r#"a\"b\\c"#.to_owned())));
}

#[test]
fn a_repeated_header_is_refused_even_if_equal_or_empty() {
    for values in [["a", "a"], ["a", "b"], ["", ""], ["\"", "é"]] {
        let fault = parse(values.map(str::as_bytes));
        assert_eq!(fault, Err(Refusal::InvalidKey(KeyFault::Repeated)), "{values:?}");
    }
}

#[test]
fn broken_quotes_are_refused() {
    for value in [r#"""#, r#""a"#, r#""a"b"#, r#""a";v=1"#, r#""a", "b""#, r#""a\"#, r#""a\""#, r#""a\n""#] {
        assert_eq!(read(value.as_bytes()), Err(KeyFault::BadQuotes), "{value}");
    }
}

#[test]
fn control_characters_and_non_ascii_are_refused_bare_and_quoted() {
    for byte in (0..0x20).chain(0x7f..=0xff) {
        assert_eq!(read(&[b'a', byte, b'b']), Err(KeyFault::BadCharacter), "{byte:#x}");
        assert_eq!(read(&[b'"', byte, b'"']), Err(KeyFault::BadCharacter), "{byte:#x}");
    }
}

#[test]
fn an_empty_quoted_key_is_refused() {
    assert_eq!(read(b" \"\" "), Err(KeyFault::Empty));
}

#[test]
fn a_key_of_255_characters_is_the_longest() {
    let longest = "k".repeat(255);
    assert_eq!(read(longest.as_bytes()), Ok(Some(longest.clone())));
    assert_eq!(read(format!("\"{longest}\"").as_bytes()), Ok(Some(longest.clone())));
    assert_eq!(read(format!("{longest}k").as_bytes()), Err(KeyFault::TooLong));
    assert_eq!(read(format!("\"{longest}k\"").as_bytes()), Err(KeyFault::TooLong));
}

#[test]
fn escapes_do_not_count_towards_the_length() {
    let escaped = format!("\"{}\"", "\\\\".repeat(255));
    assert_eq!(read(escaped.as_bytes()), Ok(Some("\\".repeat(255))));
}

#[test]
fn faults_are_reported_in_the_order_they_are_written() {
    let bad_and_long = format!("\"{}", "é".repeat(300));
    assert_eq!(read(bad_and_long.as_bytes()), Err(KeyFault::BadQuotes));
    assert_eq!(read(format!("{bad_and_long}\"").as_bytes()), Err(KeyFault::BadCharacter));
}

proptest! {
    #[test]
    fn any_bytes_give_a_printable_key_of_bounded_length_or_a_refusal(value in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Some(key)) = read(&value) {
            prop_assert!((1..=KEY_CHARS_MAX).contains(&key.len()));
            prop_assert!(key.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
        }
    }

    #[test]
    fn quoting_any_key_gives_the_key_back(key in "[ -~]{1,255}") {
        let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
        prop_assert_eq!(read(quoted.as_bytes()), Ok(Some(key)));
    }
}
