//! What holds for any bytes from outside. Used by the tests of mutated bodies and by the targets in `ingress/fuzz`.
//!
//! Each check panics when something does not hold.

use std::net::{IpAddr, Ipv4Addr};

use angelia_ingress::domain::caller::{self, Network};
use angelia_ingress::domain::idempotency_key::{self, KEY_CHARS_MAX};
use angelia_ingress::domain::rate::Quota;
use angelia_ingress::domain::refusal::Refusal;
use angelia_ingress::domain::send_request::{self, Parsed, Recipient};
use angelia_ingress::domain::{accept, callback, token, traceparent};
use serde_json::{Map, Value};

/// The longest sentence that a refusal says, in characters: a key of the caller's is repeated up to 64.
const MESSAGE_CHARS_MAX: usize = 400;

/// Checks a webhook call's body.
pub(crate) fn body(bytes: &[u8]) {
    let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_json = serde_json::from_slice::<Value>(json).is_ok();
    match send_request::parse(bytes) {
        Ok(parsed) => {
            assert!(is_json, "accepted what is not JSON");
            assert!(send_request::parse(bytes).as_ref() == Ok(&parsed), "read again, it says something else");
            let spoken: usize = parsed.warnings.iter().map(|warning| warning.to_string().chars().count()).sum();
            assert!(spoken <= 200 * (parsed.warnings.len() + 1), "warnings of {spoken} characters");
            assert!(parsed.warnings.len() <= bytes.len());
            assert!(!parsed.text.is_empty() || parsed.file.is_some());
            assert!((1..=2).contains(&parsed.price().0));
            is_the_same_when_written_again(&parsed);
        }
        Err(refusal) => {
            assert_eq!(matches!(refusal, Refusal::InvalidJson { .. }), !is_json, "{refusal:?}");
            is_in_form(&refusal);
        }
    }
}

/// What was understood of a call, written as a call, is understood in the same way.
fn is_the_same_when_written_again(parsed: &Parsed<'_>) {
    let (field, recipient) = match &parsed.recipient {
        Recipient::ChatId(value) => ("chat_id", value),
        Recipient::Jid(value) => ("jid", value),
        Recipient::Phone(value) => ("phone", value),
        Recipient::ChatName(value) => ("chat_name", value),
    };
    let mut call = Map::new();
    let mut put = |name: &str, value: &str| drop(call.insert(name.to_owned(), value.into()));
    put("action", "send");
    put("text", &parsed.text);
    put(field, recipient);
    if let Some(file) = &parsed.file {
        put("file_url", &file.url);
        put("file_name", &file.name);
    }
    if let Some(phone) = &parsed.account_phone {
        put("whatsapp_account_phone", phone);
    }
    let written = Value::Object(call).to_string();
    let again = send_request::parse(written.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal:?} for {written}"));
    assert!(again.warnings.is_empty(), "it warns of {written}");
    assert!(again == Parsed { warnings: Vec::new(), ..parsed.clone() }, "it says something else: {written}");
}

/// A refusal of a call for what it says: the contract's shape and status.
fn is_in_form(refusal: &Refusal) {
    assert_eq!((refusal.status(), refusal.retry_after_s()), (400, None), "{refusal:?}");
    let message = refusal.message();
    assert!((1..=MESSAGE_CHARS_MAX).contains(&message.chars().count()), "{message}");
    let body: Value = serde_json::from_slice(&refusal.body()).expect("a refusal's body is JSON");
    assert_eq!(body, serde_json::json!({"status": 400, "data": {}, "message": message}));
}

/// Checks a header's value as each header that is read.
pub(crate) fn header(value: &[u8]) {
    key(value);
    if let Some(trace) = traceparent::valid(value) {
        assert_eq!((trace.len(), traceparent::valid(trace.as_bytes())), (55, Some(trace)));
        assert_eq!(trace.as_bytes(), value);
    }
    let another = value.iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
    assert!(!callback::is_genuine(value, b"", &another), "an empty secret signed something");
    let Ok(text) = std::str::from_utf8(value) else { return };
    forwarded(text);
    let _either = accept::prefers_csv(text);
    assert_eq!(token::hash(text).len(), 64);
    if let Ok(quota) = text.parse::<Quota>() {
        assert_eq!(quota.to_string().parse(), Ok(quota));
    }
    if let Ok(network) = text.parse::<Network>() {
        assert_eq!(network.to_string().parse(), Ok(network));
    }
}

fn key(value: &[u8]) {
    assert!(idempotency_key::parse([value, value]).is_err(), "two keys are no key");
    match idempotency_key::parse([value]) {
        Ok(None) => assert!(value.trim_ascii().is_empty()),
        Ok(Some(key)) => {
            let key = key.as_str();
            assert!((1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            for same in [quoted.as_bytes(), format!(" {quoted}\t").as_bytes()] {
                let again = idempotency_key::parse([same]).ok().flatten().expect("quoted, any key can be written");
                assert_eq!(again.as_str(), key);
            }
        }
        Err(refusal) => is_in_form(&refusal),
    }
}

fn forwarded(text: &str) {
    let peer = IpAddr::from([10, 0, 0, 1]);
    let trusted: Vec<Network> = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a network")).into();
    assert_eq!(caller::caller(peer, [text].into_iter(), &[]), peer, "who is not trusted named somebody");
    let named = caller::caller(peer, [text].into_iter(), &trusted);
    assert_eq!(named, named.to_canonical());
    assert_eq!(caller::counted_as(named), caller::counted_as(named));
    // Headers that came one by one are the same list.
    let pieces: Vec<&str> = text.split(',').collect();
    assert_eq!(caller::caller(peer, pieces.into_iter(), &trusted), named);
    // A caller who is no proxy is who it is, whatever it wrote before.
    if !trusted.iter().any(|network| network.contains(named)) {
        let forged = format!("192.0.2.1, {text}");
        assert_eq!(caller::caller(peer, [forged.as_str()].into_iter(), &trusted), named);
    }
    assert_ne!(caller::counted_as(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), 0);
}

/// Checks a provider callback's body.
pub(crate) fn callback(bytes: &[u8]) {
    let Ok(notification) = callback::read(bytes) else { return };
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok(), "read what is not JSON");
    let statuses = notification.reports.len() + notification.not_understood;
    assert!(statuses <= bytes.len(), "{statuses} statuses");
    let again = callback::read(bytes).expect("it was read before");
    assert_eq!(again, notification, "read again, it says something else");
    for report in &notification.reports {
        if let callback::Fate::Failed { reason: _, detail, hold: _ } = &report.fate {
            assert!(detail.len() <= bytes.len() * 6 + 64, "{detail}");
        }
    }
}
