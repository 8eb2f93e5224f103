//! Examples: what callers send, and each rule at its edges.

use serde_json::{Value, json};

use super::*;
use crate::domain::field::Field;
use crate::domain::refusal::BODY_BYTES_MAX;
use crate::domain::request_fault::Kind;

/// A body that is accepted: `{"action":"send","text":"hi","phone":"+1"}` with these changes; `null` removes the key.
fn changed(changes: Value) -> Vec<u8> {
    let mut body = json!({"action": "send", "text": "hi", "phone": "+1"});
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(key);
        } else {
            body[key] = value.clone();
        }
    }
    body.to_string().into_bytes()
}

#[track_caller]
fn accepted(body: &[u8]) -> Parsed<'_> {
    parse(body).unwrap()
}

#[track_caller]
fn fault(body: &[u8]) -> RequestFault {
    match parse(body) {
        Err(Refusal::InvalidRequest(fault)) => fault,
        other => panic!("not a broken rule: {other:?}"),
    }
}

#[track_caller]
fn assert_fault(changes: Value, expected: RequestFault) {
    let body = changed(changes);
    assert_eq!(fault(&body), expected, "{}", String::from_utf8_lossy(&body));
}

#[track_caller]
fn assert_not_json(body: &[u8], message: &str) {
    let refusal = parse(body).unwrap_err();
    assert_eq!(refusal.status(), 400);
    assert_eq!(refusal.message(), format!("Request body is not valid JSON: {message}"));
}

// What users send.

#[test]
fn a_text_to_a_phone_from_a_chosen_account_is_borrowed_from_the_body() {
    let body = br#"{"action":"send","whatsapp account phone":"+15105566777","phone":"+14151231234","text":"Hello \ud83d\ude00"}"#;
    let parsed = accepted(body);
    assert_eq!(
        parsed,
        Parsed {
            text: "Hello 😀".into(),
            file: None,
            recipient: Recipient::Phone("+14151231234".into()),
            account_phone: Some("+15105566777".into()),
            warnings: vec![],
        }
    );
    assert!(matches!(parsed.recipient, Recipient::Phone(Cow::Borrowed(_))));
    assert!(matches!(parsed.text, Cow::Owned(_)), "escapes cannot be borrowed");
    assert_eq!(parsed.price(), Credits(1));
}

#[test]
fn a_text_with_a_file_to_a_chat_costs_two() {
    let body = br#"{"action":"send","chat_id":"120363@g.us","text":"Offer\nattached","file_url":"https://example.com/a.pdf","file_name":"Offer 1.pdf"}"#;
    let parsed = accepted(body);
    assert_eq!(parsed.text, "Offer\nattached");
    assert_eq!(parsed.file, Some(File { url: "https://example.com/a.pdf".into(), name: "Offer 1.pdf".into() }));
    assert_eq!(parsed.recipient, Recipient::ChatId("120363@g.us".into()));
    assert_eq!(parsed.price(), Credits(2));
}

#[test]
fn price_counts_a_text_of_white_space_and_no_empty_one() {
    let with_file = |text| changed(json!({"text": text, "file_url": "http://h/f", "file_name": "f"}));
    assert_eq!(accepted(&with_file("")).price(), Credits(1));
    assert_eq!(accepted(&with_file(" ")).price(), Credits(2));
    assert_eq!(accepted(&changed(json!({"text": " "}))).price(), Credits(1));
}

// The body as JSON.

#[test]
fn a_body_that_is_not_json_says_where() {
    assert_not_json(b"", "the body is empty at line 1 column 0");
    assert_not_json(b"\xef\xbb\xbf", "the body is empty at line 1 column 0");
    assert_not_json(b" \n ", "the body is empty at line 2 column 1");
    assert_not_json(b"{", "EOF while parsing an object at line 1 column 1");
    assert_not_json(b"action=send&text=hi", "expected value at line 1 column 1");
    assert_not_json(b"{\"text\":\n  hi}", "expected value at line 2 column 3");
    assert_not_json(
        b"{\"text\":\"a\nb\"}",
        "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
    );
    assert_not_json(b"{\"text\":1,}", "trailing comma at line 1 column 11");
    assert_not_json(b"{\"text\":NaN}", "expected value at line 1 column 9");
    assert_not_json(b"{} {}", "trailing characters at line 1 column 4");
    assert_not_json(b"[1] x", "trailing characters at line 1 column 5");
    assert_not_json(b"{\"a\":1e999}", "number out of range at line 1 column 10");
}

#[test]
fn columns_are_counted_in_characters() {
    assert_not_json("{\"text\":\"жжж\",}".as_bytes(), "trailing comma at line 1 column 15");
    assert_not_json("{\n\"😀\":x}".as_bytes(), "expected value at line 2 column 5");
}

#[test]
fn bytes_that_are_not_utf_8_say_where() {
    assert_not_json(b"\xff", "invalid UTF-8 at line 1 column 1");
    assert_not_json(b"{\"text\":\"hi\xff and more\"}", "invalid UTF-8 at line 1 column 12");
    assert_not_json(
        "{\n\"ж\":\"ж".bytes().chain([0xc3]).collect::<Vec<_>>().as_slice(),
        "invalid UTF-8 at line 2 column 7",
    );
    assert_not_json(b"{\"unknown\":{\"a\xc0\x80\":1}}", "invalid UTF-8 at line 1 column 15");
    // UTF-16 with its byte order mark.
    assert_not_json(b"\xff\xfe{\0}\0", "invalid UTF-8 at line 1 column 1");
}

#[test]
fn broken_json_is_reported_before_broken_rules() {
    for body in [
        r#"{"action":5,"action":6,"phone":"1","jid":"2","text":null"#,
        r#"{"action":"stop"} trailing"#,
        r#"{"action":"send","text":5,"phone":"\ud800"}"#,
        r#"[1,2"#,
        r#""text" 5"#,
    ] {
        assert!(matches!(parse(body.as_bytes()), Err(Refusal::InvalidJson { .. })), "{body}");
    }
}

#[test]
fn lone_surrogates_are_not_json_wherever_they_are() {
    for escape in [r"\ud800", r"\udc00", r"\ud800\ud800", r"\ud83dx", r"\ud83d\n", r"\ud83"] {
        for body in [
            format!(r#"{{"text":"{escape}"}}"#),
            format!(r#"{{"{escape}":1}}"#),
            format!(r#"{{"unknown":[{{"a":"{escape}"}}]}}"#),
            format!(r#"{{"unknown":{{"{escape}":1}}}}"#),
            format!(r#""{escape}""#),
        ] {
            assert!(matches!(parse(body.as_bytes()), Err(Refusal::InvalidJson { .. })), "{body}");
        }
    }
}

#[test]
fn nul_and_other_escapes_are_kept() {
    let body =
        br#"{"action":"\u0073end","te\u0078t":"\u0000\u0001\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","phone":"\u0000"}"#;
    let parsed = accepted(body);
    assert_eq!(parsed.text, "\0\u{1}\"\\/\u{8}\u{c}\n\r\té😀");
    assert_eq!(parsed.recipient, Recipient::Phone("\0".into()));
}

#[test]
fn nesting_ends_at_127_levels_whatever_the_field() {
    for key in ["unknown", "text", "chat_id"] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |levels: usize| {
                let (open, close) = (open.repeat(levels), close.repeat(levels));
                format!(r#"{{"action":"send","text":"hi","phone":"+1","{key}2":{open}0{close}}}"#)
            };
            assert_eq!(accepted(nested(126).as_bytes()).warnings.len(), 1);
            let refusal = parse(nested(127).as_bytes()).unwrap_err();
            assert!(refusal.message().contains("recursion limit exceeded at line 1 column "), "{refusal:?}");
        }
    }
    assert_not_json("[".repeat(BODY_BYTES_MAX).as_bytes(), "recursion limit exceeded at line 1 column 128");
    assert_not_json("{\"a\":".repeat(13_000).as_bytes(), "recursion limit exceeded at line 1 column 636");
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let body = [b"\xef\xbb\xbf".as_slice(), &changed(json!({}))].concat();
    assert_eq!(accepted(&body), accepted(&changed(json!({}))));
    assert_not_json(b"\xef\xbb\xbf{x", "key must be a string at line 1 column 2");
    assert_not_json(b"\xef\xbb\xbf\xef\xbb\xbf{}", "expected value at line 1 column 1");
}

#[test]
fn json_that_is_no_object_is_refused_by_its_kind() {
    for (body, found) in [
        ("null", Kind::Null),
        (" true ", Kind::Boolean),
        ("-1", Kind::Number),
        ("1.5e3", Kind::Number),
        ("\"{}\"", Kind::String),
        ("[{\"action\":\"send\"}]", Kind::Array),
    ] {
        assert_eq!(fault(body.as_bytes()), RequestFault::NotAnObject { found }, "{body}");
    }
}

// Keys.

#[test]
fn repeated_keys_are_refused_known_or_not_and_after_unescaping() {
    let tail = r#""action":"send","text":"hi","phone":"+1""#;
    for (repeated, key) in [
        (r#""text":"hi""#, "text"),
        (r#""te\u0078t":"hi""#, "text"),
        (r#""text":null"#, "text"),
        (r#""jid":null,"jid":null"#, "jid"),
        (r#""whatsapp account phone":"1","whatsapp account phone":"1""#, "whatsapp account phone"),
        (r#""x":1,"x":2"#, "x"),
        (r#""x":{},"\u0078":{}"#, "x"),
        (r#""":1,"":1"#, ""),
        (r#""b":1,"a":1,"b":1,"a":1"#, "b"),
    ] {
        let body = format!("{{{repeated},{tail}}}");
        assert_eq!(fault(body.as_bytes()), RequestFault::RepeatedKey { key: key.to_owned() }, "{body}");
    }
}

#[test]
fn keys_repeated_inside_an_ignored_value_do_not_count() {
    let body = br#"{"x":{"a":1,"a":2,"text":1},"action":"send","text":"hi","phone":"+1"}"#;
    assert_eq!(accepted(body).warnings, [Warning::UnknownField { key: "x".to_owned() }]);
}

#[test]
fn a_long_repeated_key_is_shortened() {
    let key = "k".repeat(1000);
    let body = format!(r#"{{"{key}":1,"{key}":1}}"#);
    assert_eq!(fault(body.as_bytes()), RequestFault::RepeatedKey { key: format!("{}…", &key[..64]) });
}

// Field by field.

#[test]
fn action_must_be_send() {
    assert_fault(json!({"action": null}), RequestFault::Missing { field: Field::Action });
    for other in ["", "SEND", "send ", "stop"] {
        assert_fault(json!({"action": other}), RequestFault::OtherAction);
    }
    assert_fault(json!({"action": 1}), RequestFault::NotAString { field: Field::Action, found: Kind::Number });
}

#[test]
fn text_must_be_there_even_with_a_file() {
    let file = json!({"text": null, "file_url": "http://h/f", "file_name": "f"});
    assert_fault(file, RequestFault::Missing { field: Field::Text });
    let null = br#"{"action":"send","text":null,"phone":"+1","file_url":"http://h/f","file_name":"f"}"#;
    assert_eq!(fault(null), RequestFault::NotAString { field: Field::Text, found: Kind::Null });
}

#[test]
fn text_may_be_empty_only_with_a_file() {
    assert_fault(json!({"text": ""}), RequestFault::EmptyMessage);
    assert_fault(json!({"text": "", "file_url": "", "file_name": "f"}), RequestFault::EmptyMessage);
    let body = changed(json!({"text": "", "file_url": "http://h/f", "file_name": "f"}));
    assert_eq!(accepted(&body).text, "");
}

#[test]
fn text_is_untouched() {
    for text in [" ", " padded\r\n", "\u{feff}", "*bold* <b>", "\u{202e}", "\0"] {
        assert_eq!(accepted(&changed(json!({"text": text}))).text, text);
    }
}

#[test]
fn wrong_types_name_the_field_and_what_it_has() {
    for field in [Field::Text, Field::FileUrl, Field::Jid, Field::Phone, Field::ChatName, Field::AccountPhone] {
        for (value, found) in [
            (json!(14151231234_u64), Kind::Number),
            (json!(0.5), Kind::Number),
            (json!(false), Kind::Boolean),
            (json!([]), Kind::Array),
            (json!({"text": "hi"}), Kind::Object),
        ] {
            assert_fault(json!({field.name(): value}), RequestFault::NotAString { field, found });
        }
    }
    let body = changed(json!({"file_url": "http://h/f", "file_name": 5}));
    assert_eq!(fault(&body), RequestFault::NotAString { field: Field::FileName, found: Kind::Number });
}

#[test]
fn file_url_must_be_an_absolute_http_url_with_a_host() {
    for url in [
        " ",
        "a.pdf",
        "/a.pdf",
        "//example.com/a.pdf",
        "example.com/a.pdf",
        "ftp://example.com/a.pdf",
        "file:///etc/passwd",
        "data:text/plain,hi",
        "javascript:alert(1)",
        "blob:https://example.com/1",
        "http://",
        "https:///",
        "http://:80/",
        "http://[::1/",
        "http://a b/",
        "http://example.com:99999/",
        "{{file}}",
    ] {
        let body = changed(json!({"file_url": url, "file_name": "f"}));
        assert_eq!(fault(&body), RequestFault::UnusableFileUrl, "{url}");
    }
    for url in ["http://h", "HTTPS://Example.COM:8443/a%20b.pdf?x=1#y", "https://пример.рф/ф.pdf", "http://[::1]:8/f"]
    {
        let body = changed(json!({"file_url": url, "file_name": "f"}));
        assert_eq!(accepted(&body).file.unwrap().url, url);
    }
}

#[test]
fn file_name_is_required_with_a_url_and_ignored_without() {
    for name in [json!(null), json!("")] {
        let mut body = json!({"action": "send", "text": "hi", "phone": "+1", "file_url": "http://h/f"});
        body["file_name"] = name;
        assert_eq!(fault(body.to_string().as_bytes()), RequestFault::FileNameMissing);
    }
    assert_fault(json!({"file_url": "http://h/f"}), RequestFault::FileNameMissing);
    for name in [json!("f.pdf"), json!("../f"), json!("f".repeat(300)), json!(5)] {
        let body = changed(json!({"file_name": name}));
        let parsed = accepted(&body);
        assert_eq!((parsed.file, parsed.warnings), (None, vec![Warning::FileNameWithoutUrl]));
    }
    assert_eq!(accepted(&changed(json!({"file_name": ""}))).warnings, []);
}

#[test]
fn file_name_must_be_a_plain_name() {
    let with_name = |name: &str| changed(json!({"file_url": "http://h/f", "file_name": name}));
    for name in [".", "..", "a/b", "/", "..\\b", "a\nb", "a\0", "\u{7f}", "\u{85}"] {
        assert_eq!(fault(&with_name(name)), RequestFault::UnsafeFileName, "{name:?}");
    }
    for name in ["a", "...", ".env", " a b .pdf ", "résumé 😀.pdf", "C:x", &"я".repeat(255)] {
        assert_eq!(accepted(&with_name(name)).file.unwrap().name, name);
    }
}

#[test]
fn values_may_be_as_long_as_their_field_allows() {
    let url_of = |chars: usize| format!("http://h/{}", "ж".repeat(chars - 9));
    for (field, chars_max) in [(Field::Jid, 128), (Field::ChatName, 255), (Field::ChatId, 128)] {
        let with_value = |chars: usize| json!({"phone": null, field.name(): "ж".repeat(chars)});
        accepted(&changed(with_value(chars_max)));
        assert_fault(with_value(chars_max + 1), RequestFault::TooLong { field, chars_max });
    }
    for (field, chars_max) in [(Field::Phone, 128), (Field::AccountPhone, 128), (Field::AccountPhoneUnderscored, 128)] {
        let with_value = |chars: usize| json!({field.name(): format!("  {}  ", "1".repeat(chars))});
        accepted(&changed(with_value(chars_max)));
        assert_fault(with_value(chars_max + 1), RequestFault::TooLong { field, chars_max });
    }
    let file = |url: String, name: String| json!({"file_url": url, "file_name": name});
    accepted(&changed(file(url_of(2048), "n".repeat(255))));
    assert_fault(file(url_of(2049), "n".to_owned()), RequestFault::TooLong { field: Field::FileUrl, chars_max: 2048 });
    assert_fault(file(url_of(99), "n".repeat(256)), RequestFault::TooLong { field: Field::FileName, chars_max: 255 });
}

// Recipients and the sending account.

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

// Warnings.

#[test]
fn unknown_fields_are_ignored_and_named_in_alphabetical_order() {
    let body = br#"{"z":null,"action":"send","text":"hi","Phone":"+2","a":[{}],"phone":"+1"}"#;
    let warnings: Vec<_> = accepted(body).warnings.iter().map(Warning::to_string).collect();
    assert_eq!(
        warnings,
        ["unknown field `Phone` is ignored", "unknown field `a` is ignored", "unknown field `z` is ignored"]
    );
}

#[test]
fn thousands_of_unknown_fields_give_few_short_warnings() {
    let unknown: String = (0..5000).map(|n| format!(r#""{n:04}":0,"#)).collect();
    let long = "k".repeat(5000);
    let body = format!(r#"{{{unknown}"!{long}":0,"action":"send","text":"hi","phone":"+1"}}"#);
    assert!(body.len() <= BODY_BYTES_MAX);
    let warnings = accepted(body.as_bytes()).warnings;
    assert_eq!(warnings.len(), 17);
    assert_eq!(warnings[0], Warning::UnknownField { key: format!("!{}…", &long[..63]) });
    assert_eq!(warnings[16], Warning::MoreUnknownFields { count: 4985 });
}

#[test]
fn every_warning_says_what_was_ignored() {
    let body = changed(json!({"phone": null, "chat_id": 1, "file_name": "f", "whatsapp_account_phone": "1", "x": 1}));
    let warnings: Vec<_> = accepted(&body).warnings.iter().map(Warning::to_string).collect();
    assert_eq!(
        warnings,
        [
            "`file_name` is ignored without `file_url`",
            "`whatsapp_account_phone` is ignored with `chat_id`: a chat belongs to one account",
            "unknown field `x` is ignored",
        ]
    );
    assert_eq!(Warning::MoreUnknownFields { count: 2 }.to_string(), "2 more unknown fields are ignored");
}

// Order, limits, size.

#[test]
fn faults_are_reported_in_the_order_they_are_written() {
    let steps = [
        (r#""a":1,"#, r#""a":1,"#, "`a` is given more than once"),
        (r#""action":5,"#, r#""action":"send","#, "`action` must be a string, not a number"),
        (r#""text":5,"#, r#""text":"","#, "`text` must be a string, not a number"),
        (
            r#""file_url":"x","#,
            r#""file_url":"http://h","#,
            "`file_url` must be an absolute http or https URL with a host",
        ),
        (
            r#""file_name":"/","#,
            r#""file_name":"f","#,
            "`file_name` must be a plain file name, without path separators (/ and \\) and control characters",
        ),
        (r#""chat_id":{},"#, "", "`chat_id` must be a string or a 64-bit integer"),
        (r#""jid":1,"#, r#""jid":"j","#, "`jid` must be a string, not a number"),
        (r#""phone":1,"#, r#""phone":"p","#, "`phone` must be a string, not a number"),
        (r#""chat_name":1,"#, "", "`chat_name` must be a string, not a number"),
    ];
    for broken_from in 0..steps.len() {
        let fields: String = steps
            .iter()
            .enumerate()
            .map(|(n, (broken, whole, _))| if n < broken_from { whole } else { broken })
            .copied()
            .collect();
        let repeated = if broken_from == 0 { r#""a":2,"# } else { "" };
        let body = format!(r#"{{{fields}{repeated}"whatsapp account phone":1,"whatsapp_account_phone":2}}"#);
        assert_eq!(parse(body.as_bytes()).unwrap_err().message(), steps[broken_from].2, "{body}");
    }
    let accounts = r#""whatsapp account phone":1,"whatsapp_account_phone":2}"#;
    let several = format!(
        r#"{{"action":"send","text":"","file_url":"http://h","file_name":"f","jid":"j","phone":"p",{accounts}"#
    );
    assert!(matches!(fault(several.as_bytes()), RequestFault::SeveralRecipients { .. }));
    let empty = format!(r#"{{"action":"send","text":"","file_name":"/","jid":"j","phone":"p",{accounts}"#);
    assert_eq!(fault(empty.as_bytes()), RequestFault::EmptyMessage);
    let accounts = format!(r#"{{"action":"send","text":"hi","jid":"j",{accounts}"#);
    assert_eq!(fault(accounts.as_bytes()), RequestFault::AccountPhonesDiffer);
}

#[test]
fn a_transport_limits_the_text_in_characters() {
    let body = changed(json!({"text": "😀".repeat(4096)}));
    let parsed = accepted(&body);
    assert_eq!(check_limits(&parsed, 4096), Ok(()));
    assert_eq!(check_limits(&parsed, 5000), Ok(()));
    let over = Refusal::InvalidRequest(RequestFault::TextOverTransportLimit { chars_max: 4095 });
    assert_eq!(check_limits(&parsed, 4095), Err(over));
}

#[test]
fn a_body_of_64_kib_is_read_whole() {
    let frame = r#"{"action":"send","phone":"+1","text":""}"#;
    let plain = "x".repeat(BODY_BYTES_MAX - frame.len());
    let body = frame.replace(r#""text":"""#, &format!(r#""text":"{plain}""#));
    assert_eq!(body.len(), BODY_BYTES_MAX);
    assert_eq!(accepted(body.as_bytes()).text, plain);

    let escaped = r"\u0000".repeat((BODY_BYTES_MAX - frame.len()) / 6);
    let body = frame.replace(r#""text":"""#, &format!(r#""text":"{escaped}""#));
    assert_eq!(accepted(body.as_bytes()).text, "\0".repeat(escaped.len() / 6));
}
