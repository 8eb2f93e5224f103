//! Examples: what callers send, and each rule at its edges.

mod fields;
mod json;
mod recipients;

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
