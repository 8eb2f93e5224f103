//! Field by field.

use super::*;

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
