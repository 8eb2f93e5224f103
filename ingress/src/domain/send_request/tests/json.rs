//! The body as JSON, and its keys.

use super::*;

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

// Its keys.

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
