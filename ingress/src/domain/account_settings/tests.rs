use serde_json::{Value, json};

use super::*;

fn input(value: &Value) -> Input {
    Input::from_json(value.to_string().as_bytes()).expect("an object")
}

fn whole() -> Value {
    json!({"transport": "cloud", "phone": "+1 (510) 556-6777", "phone_number_id": "106", "access_token": "EAAB",
        "app_secret": "s", "verify_token": "v"})
}

fn public() -> ProviderRule {
    ProviderRule::default()
}

fn with(field: &str, value: Value) -> Value {
    let mut whole = whole();
    whole[field] = value;
    whole
}

#[test]
fn a_new_account_has_a_plain_number_and_defaults() {
    let account = NewAccount::read(input(&whole())).expect("all fields are there");
    assert_eq!(account.phone, "+15105566777");
    assert_eq!(account.cloud.base_url.as_deref(), Some("https://graph.facebook.com"));
    assert_eq!(account.cloud.version.as_deref(), Some("v26.0"));
    assert_eq!(account.pace, PaceEdit::default());
}

#[test]
fn each_required_field_is_asked_for_by_name() {
    for field in ["phone", "phone_number_id", "access_token", "app_secret", "verify_token"] {
        let fault = NewAccount::read(input(&with(field, Value::Null))).expect_err("a field is missing");
        assert_eq!(fault, InputFault::of(field, "is required"));
    }
}

#[test]
fn values_that_would_lead_elsewhere_are_refused_by_name() {
    let bad = [
        ("transport", json!("linked")),
        ("phone", json!("12345")),
        ("phone", json!("+1510556677x")),
        ("phone_number_id", json!("1/2")),
        ("base_url", json!("ftp://example.com")),
        ("base_url", json!("https://u:p@example.com")),
        ("base_url", json!("https://example.com?x=1")),
        ("version", json!("26.0")),
        ("access_token", json!("a b")),
        ("app_secret", json!("ä")),
        ("verify_token", json!("a\nb")),
        ("pace.gap_ms", json!({"gap_ms": [2_500, 1_500]})),
        ("pace", json!([1_500, 2_500])),
    ];
    for (field, value) in bad {
        let top = field.split('.').next().expect("it has a name");
        let fault = NewAccount::read(input(&with(top, value.clone()))).expect_err("a rule is broken");
        assert_eq!(fault.field, Some(field), "{value}");
    }
}

#[test]
fn an_unknown_field_is_refused() {
    let fault = NewAccount::read(input(&with("color", json!("red")))).expect_err("nobody knows it");
    assert_eq!(fault.to_string(), "`color` is not known here");
}

#[test]
fn an_edit_changes_only_what_it_names() {
    let edit =
        AccountEdit::read(input(&json!({"state": "paused", "pace": {"gap_ms": [3_000, 3_000]}}))).expect("an edit");
    assert_eq!(edit.state, Some(AccountState::Paused { until: None }));
    assert_eq!(edit.pace, PaceEdit::read(json!({"gap_ms": [3_000, 3_000]})).ok());
    assert_eq!(edit.cloud, CloudEdit::default());
    assert!(!edit.cloud.changes_calls());
}

#[test]
fn a_pause_may_have_an_end_and_nothing_else_may() {
    let edit = AccountEdit::read(input(&json!({"state": "paused", "paused_until": "2026-01-01T00:00:00Z"})));
    let until = UnixMillis::from_rfc3339("2026-01-01T00:00:00Z");
    assert_eq!(edit.map(|edit| edit.state), Ok(Some(AccountState::Paused { until })));
    let fault = AccountEdit::read(input(&json!({"paused_until": "2026-01-01T00:00:00Z"}))).expect_err("no pause");
    assert_eq!(fault.field, Some("paused_until"));
    assert!(AccountEdit::read(input(&json!({"state": "blocked"}))).is_err());
    assert!(AccountEdit::read(input(&json!({"phone": "+15105566777"}))).is_err());
}

#[test]
fn no_secret_is_in_a_debug_form() {
    let account = NewAccount::read(input(&with("access_token", json!("EAABsecret")))).expect("all fields are there");
    assert!(!format!("{account:?}").contains("EAABsecret"));
}

#[test]
fn a_base_url_that_nothing_is_sent_to_is_refused_when_it_is_given() {
    let rule: ProviderRule = angelia_shared::config::Value::read("http://10.0.0.7:9000").expect("a rule");
    let new = |url: &str, rule: &ProviderRule| {
        NewAccount::read(input(&with("base_url", json!(url)))).and_then(|new| new.cloud.check_reach(rule))
    };
    let edit = |url: &str, rule: &ProviderRule| {
        AccountEdit::read(input(&json!({"base_url": url}))).and_then(|edit| edit.cloud.check_reach(rule))
    };
    for url in ["http://10.0.0.7:9000/graph", "http://127.0.0.1:9", "http://169.254.169.254/", "http://[::1]/"] {
        let fault = new(url, &public()).expect_err("it is not public");
        assert_eq!((fault.field, fault.what.as_str()), (Some("base_url"), NOT_REACHED), "{url}");
        assert!(edit(url, &public()).is_err(), "{url}");
    }
    assert!(new("http://10.0.0.7:9000/graph", &rule).is_ok() && edit("http://10.0.0.7:9000", &rule).is_ok());
    assert!(new("http://10.0.0.7:9001", &rule).is_err() && edit("http://10.0.0.8:9000", &rule).is_err());
    assert!(new("https://graph.example.com", &public()).is_ok(), "a name is judged where it leads, when it is called");
}
