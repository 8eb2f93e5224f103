use proptest::prelude::*;

use super::*;

fn digits_of(address: &str) -> Option<String> {
    match parse(address) {
        Ok(Recipient::Person { digits }) => Some(digits),
        Ok(Recipient::Group { .. } | Recipient::Hidden { .. }) | Err(_) => None,
    }
}

#[test]
fn the_usual_ways_to_write_one_number_are_one_number() {
    for written in [
        "14151231234",
        "+14151231234",
        "+1 (415) 123-1234",
        "  1-415-123-1234 ",
        "+1\u{a0}415\u{2011}123\u{2013}1234",
        "\u{202a}+1 415 123 1234\u{202c}",
        "14151231234@s.whatsapp.net",
        "14151231234@c.us",
        "14151231234@S.WhatsApp.Net",
        "14151231234:12@s.whatsapp.net",
        "+1 415 123 1234@c.us",
    ] {
        assert_eq!(digits_of(written).as_deref(), Some("14151231234"), "{written:?}");
    }
}

#[test]
fn seven_to_fifteen_digits_are_a_number_and_nothing_else_is() {
    assert_eq!(digits_of("1234567").as_deref(), Some("1234567"));
    assert_eq!(digits_of("123456789012345").as_deref(), Some("123456789012345"));
    for written in [
        "",
        " ",
        "+",
        "()",
        "123456",
        "1234567890123456",
        "call me",
        "1415123123a",
        "1415.123.1234",
        "14151231234;ext=5",
        "14151231234:12",
        "١٤١٥١٢٣١٢٣٤",
        "１４１５１２３１２３４",
        "@s.whatsapp.net",
        "abc@s.whatsapp.net",
        ":7@c.us",
    ] {
        assert_eq!(parse(written), Err(AddressRefusal::NotANumber), "{written:?}");
    }
    assert_eq!(AddressRefusal::NotANumber.reason(), FailReason::RecipientNotANumber);
}

#[test]
fn groups_keep_their_id_without_the_server() {
    for (written, id) in [
        ("120363020000000001@g.us", "120363020000000001"),
        ("15105551234-1426180000@g.us", "15105551234-1426180000"),
        (" Y2FwaV9ncm91cDox@G.US ", "Y2FwaV9ncm91cDox"),
    ] {
        assert_eq!(parse(written), Ok(Recipient::Group { id: id.to_owned() }), "{written:?}");
    }
}

#[test]
fn hidden_people_are_read_and_left_to_the_transport() {
    assert_eq!(parse("98765432109876:3@lid"), Ok(Recipient::Hidden { id: "98765432109876".to_owned() }));
}

#[test]
fn channels_lists_and_unknown_servers_are_not_supported() {
    for written in [
        "120363144038483540@newsletter",
        "status@broadcast",
        "14151231234@example.com",
        "14151231234@",
        "@g.us",
        "a b@g.us",
        "x@lid",
        "@",
    ] {
        assert_eq!(parse(written), Err(AddressRefusal::NotSupported), "{written:?}");
    }
    assert_eq!(AddressRefusal::NotSupported.reason(), FailReason::RecipientNotSupported);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_a_number_is_seven_to_fifteen_digits(text in any::<String>()) {
        if let Some(digits) = digits_of(&text) {
            prop_assert!((DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()));
            prop_assert!(digits.bytes().all(|b| b.is_ascii_digit()));
        }
    }

    #[test]
    fn formatting_between_digits_changes_nothing(
        digits in "[0-9]{7,15}",
        gaps in prop::collection::vec("[-+() \u{a0}\u{200e}]{0,3}", 16),
    ) {
        let mut written = gaps[0].clone();
        for (digit, gap) in digits.chars().zip(&gaps[1..]) {
            written.push(digit);
            written.push_str(gap);
        }
        prop_assert_eq!(digits_of(&written), Some(digits));
    }

    #[test]
    fn every_form_of_a_person_is_the_same_person(digits in "[0-9]{7,15}", device in 0u16..100) {
        let plain = parse(&digits);
        prop_assert!(plain.is_ok());
        prop_assert_eq!(&parse(&format!("{digits}@s.whatsapp.net")), &plain);
        prop_assert_eq!(&parse(&format!("{digits}@c.us")), &plain);
        prop_assert_eq!(&parse(&format!("{digits}:{device}@s.whatsapp.net")), &plain);
    }

    #[test]
    fn too_few_or_too_many_digits_are_never_a_number(digits in "[0-9]{0,6}|[0-9]{16,40}") {
        prop_assert_eq!(parse(&digits), Err(AddressRefusal::NotANumber));
    }

    #[test]
    fn one_foreign_character_spoils_a_number(digits in "[0-9]{7,14}", at in 0usize..15, foreign in "[a-zA-Z.,;:/*#_]") {
        let mut written = digits;
        written.insert_str(at.min(written.len()), &foreign);
        prop_assert_eq!(parse(&written), Err(AddressRefusal::NotANumber));
    }
}

#[test]
fn both_spellings_of_a_number_are_one_and_different_numbers_are_not() {
    let spelled = |digits: &str| one_spelling(&Recipient::Person { digits: digits.to_owned() });
    for (one, other) in
        [("5511987654321", "551187654321"), ("5215512345678", "525512345678"), ("5491123456789", "541123456789")]
    {
        assert_eq!(spelled(one), spelled(other));
    }
    // A landline of Brazil, a longer number, a number that only begins alike.
    for digits in ["551133334444", "55119876543210", "14151231234", "5211234567"] {
        assert_eq!(spelled(digits), digits);
    }
    let group = Recipient::Group { id: "5215512345678".to_owned() };
    assert_eq!(one_spelling(&group), "5215512345678@g.us", "only numbers have spellings");
}
