//! Recipients and the sending account.

use super::*;

#[test]
fn chat_id_is_a_string_or_an_integer() {
    for (json, id) in [
        ("7", "7"),
        ("0", "0"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        ("\" 007 \"", "007"),
        ("\"a b\"", "a b"),
    ] {
        let body = format!(r#"{{"action":"send","text":"hi","chat_id":{json}}}"#);
        assert_eq!(accepted(body.as_bytes()).recipient, Recipient::ChatId(id.into()));
    }
    for json in ["1.0", "1e3", "18446744073709551616", "-9223372036854775809", "true", "[1]", "{}"] {
        let body = format!(r#"{{"action":"send","text":"hi","chat_id":{json}}}"#);
        assert_eq!(fault(body.as_bytes()), RequestFault::UnusableChatId, "{json}");
    }
}

#[test]
fn each_recipient_keeps_what_was_written_but_the_white_space_around_numbers_and_ids() {
    for (key, recipient) in [
        ("jid", Recipient::Jid("a b".into())),
        ("phone", Recipient::Phone("a b".into())),
        ("chat_id", Recipient::ChatId("a b".into())),
        ("chat_name", Recipient::ChatName(" a b\n".into())),
    ] {
        assert_eq!(accepted(&changed(json!({"phone": null, key: " a b\n"}))).recipient, recipient);
    }
}

#[test]
fn a_number_is_not_validated() {
    for number in ["not a number", "0", "+", "++1", "12345678901234567890123"] {
        assert_eq!(accepted(&changed(json!({"phone": number}))).recipient, Recipient::Phone(number.into()));
    }
}

#[test]
fn no_recipient_is_refused_and_empty_ones_are_none() {
    for body in [
        r#"{"action":"send","text":"hi"}"#,
        r#"{"action":"send","text":"hi","chat_id":null,"jid":"","phone":" \t","chat_name":""}"#,
        r#"{"action":"send","text":"hi","whatsapp account phone":"+1"}"#,
    ] {
        assert_eq!(fault(body.as_bytes()), RequestFault::NoRecipient, "{body}");
    }
}

#[test]
fn several_recipients_are_refused_by_name_and_empty_ones_do_not_count() {
    assert_fault(json!({"jid": "a"}), RequestFault::SeveralRecipients { given: vec![Field::Jid, Field::Phone] });
    assert_fault(
        json!({"chat_name": "a", "jid": "b", "chat_id": 0}),
        RequestFault::SeveralRecipients { given: Field::RECIPIENTS.to_vec() },
    );
    let body = br#"{"action":"send","text":"hi","chat_id":null,"jid":"","phone":"+1","chat_name":""}"#;
    assert_eq!(accepted(body).recipient, Recipient::Phone("+1".into()));
}

#[test]
fn both_spellings_of_the_account_are_the_same_field() {
    for key in ["whatsapp account phone", "whatsapp_account_phone"] {
        assert_eq!(accepted(&changed(json!({key: " +1 "}))).account_phone.unwrap(), "+1");
        for absent in [json!(""), json!("  ")] {
            assert_eq!(accepted(&changed(json!({key: absent}))).account_phone, None);
        }
    }
    let with_both = |spaced: Value, underscored: Value| {
        json!({"action": "send", "text": "hi", "phone": "+1", "whatsapp account phone": spaced,
               "whatsapp_account_phone": underscored})
        .to_string()
    };
    for (spaced, underscored) in [("+1", "+1"), ("+1", " +1 "), ("+1", ""), ("", "+1")] {
        let body = with_both(json!(spaced), json!(underscored));
        assert_eq!(accepted(body.as_bytes()).account_phone.unwrap(), "+1", "{body}");
    }
    assert_eq!(accepted(with_both(json!(null), json!("+1")).as_bytes()).account_phone.unwrap(), "+1");
    assert_eq!(accepted(with_both(json!(null), json!(null)).as_bytes()).account_phone, None);
    for underscored in [json!("1"), json!("+2"), json!(1)] {
        let body = with_both(json!("+1"), underscored);
        assert_eq!(fault(body.as_bytes()), RequestFault::AccountPhonesDiffer, "{body}");
    }
}

#[test]
fn the_account_is_ignored_with_chat_id() {
    for (field, value) in [
        (Field::AccountPhone, json!("+1")),
        (Field::AccountPhoneUnderscored, json!("1".repeat(200))),
        (Field::AccountPhone, json!(5)),
    ] {
        let body = changed(json!({"phone": null, "chat_id": "c", field.name(): value}));
        let parsed = accepted(&body);
        assert_eq!((parsed.account_phone, parsed.warnings), (None, vec![Warning::AccountPhoneWithChatId { field }]));
    }
    let differ = json!({"phone": null, "chat_id": "c", "whatsapp account phone": "1", "whatsapp_account_phone": "2"});
    assert_fault(differ, RequestFault::AccountPhonesDiffer);
}
