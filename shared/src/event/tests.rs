//! The golden files: events and sealed contents as they were released. They are read for ever, so a file here is never
//! changed; a new field gets a default, and its new form a new file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::event::attempt::{AttemptOutcome, OpenStage};
use crate::event::directory::{AccountState, Role};
use crate::event::message::{To, UnknownPolicy};

/// Lists an enum's variants, as the compiler knows them: one that is missing here does not compile.
macro_rules! variants {
    ($list:ident, $name_of:ident, $type:ident { $($variant:ident),+ $(,)? }) => {
        const $list: &[&str] = &[$(stringify!($variant)),+];
        fn $name_of(value: &$type) -> &'static str {
            match value { $($type::$variant { .. } => stringify!($variant)),+ }
        }
    };
}

variants!(
    EVENTS,
    event_name,
    Event {
        MessageAccepted,
        CancelRequested,
        AttemptStarted,
        AttemptEnded,
        PartRefused,
        MessageExpired,
        MessageCancelled,
        MessageSent,
        MessageDelivered,
        MessageRead,
        MessageFailed,
        OutcomeSettled,
        CreditsGranted,
        CreditsDrawn,
        CreditsReturned,
        CreditsRefunded,
        KeyUsed,
        WorkspaceChanged,
        WebhookChanged,
        AccountChanged,
        TokenChanged,
        PartitionClaimed,
        PartitionReleased,
        WriterOpened,
        BatchSealed,
        WriterFenced,
        WriterClosed,
        LedgerCheckpointed,
    }
);
variants!(OUTCOMES, outcome_name, AttemptOutcome { Sent, Deferred, Failed, Unknown, NotStarted });
variants!(STAGES, stage_name, OpenStage { Open, PutOff, Unknown });
variants!(STATES, state_name, AccountState { Connected, Disconnected, Paused, Blocked });
variants!(ROLES, role_name, Role { Owner, Auditor });
variants!(POLICIES, policy_name, UnknownPolicy { Refund, Charge });
variants!(RECIPIENTS, to_name, To { ChatId, Jid, Phone, ChatName });

/// The files of a folder of `tests/golden/`, by name without `.json`: one line each.
pub(super) fn golden(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let mut line = std::fs::read(&path).unwrap();
            assert_eq!(line.pop(), Some(b'\n'), "{path:?} ends its line");
            assert!(!line.contains(&b'\n'), "{path:?} holds one line");
            files.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), line);
        }
    }
    files
}

/// `AttemptEnded` of `AttemptEnded.sent`.
fn type_of(file: &str) -> &str {
    file.split('.').next().unwrap()
}

fn events() -> Vec<Event> {
    golden("v1").values().map(|line| Event::from_line(line).unwrap()).collect()
}

#[test]
fn every_released_event_reads_and_is_written_as_it_was() {
    for (file, line) in golden("v1") {
        let event = Event::from_line(&line).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(event.name(), type_of(&file));
        assert_eq!(event.name(), event_name(&event));
        assert_eq!(String::from_utf8(event.to_line()).unwrap(), String::from_utf8(line).unwrap(), "{file}");
    }
}

#[track_caller]
fn assert_all(list: &[&str], found: impl IntoIterator<Item = &'static str>) {
    let found: std::collections::BTreeSet<_> = found.into_iter().collect();
    let missing: Vec<_> = list.iter().filter(|name| !found.contains(*name)).collect();
    assert!(missing.is_empty(), "no golden file holds {missing:?}");
}

#[test]
fn every_type_and_every_case_has_a_golden_file() {
    let events = events();
    assert_all(EVENTS, events.iter().map(event_name));
    let mut stages = Vec::new();
    let mut cases = Vec::new();
    for event in &events {
        match event {
            Event::AttemptStarted(event) => stages.extend(event.carry.open.iter().map(|open| stage_name(&open.stage))),
            Event::AttemptEnded(event) => cases.push(outcome_name(&event.outcome)),
            Event::AccountChanged(event) => cases.push(state_name(&event.state)),
            Event::TokenChanged(event) => cases.push(role_name(&event.role)),
            Event::OutcomeSettled(event) => cases.push(policy_name(&event.policy)),
            _ => {}
        }
    }
    assert_all(STAGES, stages);
    assert_all(&[OUTCOMES, STATES, ROLES, POLICIES].concat(), cases);
}

#[test]
fn every_type_without_its_defaults_has_a_golden_file_and_reads() {
    let minimal = golden("v1/minimal");
    for (file, line) in &minimal {
        let event = Event::from_line(line).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(event.name(), type_of(file));
        assert!(event.to_line().len() > line.len(), "{file} holds a field that has a default");
    }
    for name in EVENTS {
        assert!(minimal.keys().any(|file| type_of(file) == *name), "no minimal golden file of {name}");
    }
}

/// Adds a field that nobody knows to every object but those that name a variant.
fn with_unknown_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let names_a_variant = fields.len() == 1 && fields.values().all(Value::is_object);
            fields.values_mut().for_each(with_unknown_fields);
            if !names_a_variant {
                fields.insert("from_a_later_version".to_owned(), json!({ "deep": [1, null] }));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(with_unknown_fields),
        _ => {}
    }
}

#[test]
fn fields_of_a_later_version_are_ignored() {
    for (file, line) in golden("v1") {
        let mut value: Value = serde_json::from_slice(&line).unwrap();
        for body in value.as_object_mut().unwrap().values_mut() {
            with_unknown_fields(body);
        }
        let later = serde_json::to_vec(&value).unwrap();
        assert!(later.len() > line.len(), "{file}");
        let read = Event::from_line(&later).unwrap_or_else(|error| panic!("{file}: {error:?}"));
        assert_eq!(read, Event::from_line(&line).unwrap(), "{file}");
    }
}

#[test]
fn every_released_content_reads_and_is_written_as_it_was() {
    let mut recipients = Vec::new();
    for (file, line) in golden("v1/content") {
        let content: Content = serde_json::from_slice(&line).unwrap_or_else(|error| panic!("{file}: {error}"));
        recipients.push(to_name(&content.to));
        if file != "minimal" {
            assert_eq!(serde_json::to_string(&content).unwrap(), String::from_utf8(line).unwrap(), "{file}");
        }
    }
    assert_all(RECIPIENTS, recipients);
}

#[test]
fn a_type_of_a_newer_version_is_named() {
    let line = br#"{"MessageForwarded":{"v":1}}"#;
    assert!(matches!(Event::from_line(line), Err(BadLine::UnknownType { name }) if name == "MessageForwarded"));
}

#[test]
fn a_known_type_with_bad_fields_is_named() {
    let bad = [
        (r#"{"CreditsGranted":{"v":1}}"#, "CreditsGranted"),
        (r#"{"CreditsGranted":{"v":1,"credits":-1,"reason":"","totals":{},"at":0}}"#, "CreditsGranted"),
        (r#"{"CreditsGranted":[]}"#, "CreditsGranted"),
        (r#"{"MessageRead":{"message":"3EB0"}}"#, "MessageRead"),
    ];
    for (line, wanted) in bad {
        let read = Event::from_line(line.as_bytes());
        assert!(matches!(&read, Err(BadLine::BadFields { name, .. }) if name == wanted), "{line}: {read:?}");
    }
}

#[test]
fn what_is_no_object_with_one_key_is_not_an_event() {
    for line in
        ["", "{}", "null", "7", "[]", "\"MessageRead\"", r#"{"MessageRead":{},"MessageSent":{}}"#, "{\"Mess", "\u{0}"]
    {
        let read = Event::from_line(line.as_bytes());
        assert!(matches!(read, Err(BadLine::NotAnEvent { .. })), "{line}: {read:?}");
    }
    assert!(matches!(Event::from_line(b"{\"\xFF\":{}}"), Err(BadLine::NotAnEvent { .. })));
}

#[test]
fn a_line_is_one_line_whatever_the_text_holds() {
    let event = Event::CreditsGranted(CreditsGranted {
        v: 1,
        credits: crate::units::Credits(1),
        reason: "two\nlines\r\u{2028}\"quoted\"\\ \u{0} 👋".to_owned(),
        totals: Totals::default(),
        at: crate::units::UnixMillis(i64::MIN),
    });
    let line = event.to_line();
    assert!(!line.contains(&b'\n'));
    let payload = [&line[..], &line[..]].join(&b'\n');
    let read: Vec<_> = lines(&payload).map(|line| Event::from_line(line).unwrap()).collect();
    assert_eq!(read, [event.clone(), event]);
}

proptest::proptest! {
    #[test]
    fn lines_are_what_stands_between_line_ends(payload in "[a\n]{0,12}") {
        let split: Vec<&[u8]> = payload.as_bytes().split(|byte| *byte == b'\n').collect();
        proptest::prop_assert_eq!(lines(payload.as_bytes()).collect::<Vec<_>>(), split);
    }
}
