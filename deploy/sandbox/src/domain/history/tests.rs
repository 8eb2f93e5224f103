use serde_json::value::RawValue;

use super::*;
use crate::domain::line::{Answered, Line};

const RECEIVED_AT_MS: u64 = 1_698_266_945_400;

fn pairs(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn query(parameters: &[(&str, &str)]) -> Result<Query, Refusal> {
    Query::read(&pairs(parameters))
}

#[test]
fn without_parameters_the_newest_25_are_asked_for() {
    let expected = Query { message_id: None, fields: Fields::default(), limit: 25, place: Place::Newest };
    assert_eq!(query(&[]), Ok(expected));
}

#[test]
fn parameters_are_read_and_the_last_of_each_counts() {
    let seven = Cursor { seq: 7 };
    let asked = query(&[
        ("limit", "1"),
        ("limit", "100"),
        ("message_id", "wamid.X"),
        ("fields", "id"),
        ("after", &seven.to_string()),
        ("before", ""),
        ("access_token", "x"),
    ]);
    let fields = Fields { message_id: false, events: None };
    let expected = Query { message_id: Some("wamid.X".into()), fields, limit: 100, place: Place::After(seven) };
    assert_eq!(asked, Ok(expected));
    assert_eq!(query(&[("before", &seven.to_string())]).map(|query| query.place), Ok(Place::Before(seven)));
}

#[test]
fn bad_parameters_are_named() {
    let name = |parameters: &[(&str, &str)]| match query(parameters) {
        Err(Refusal::WrongType(name, _)) => name,
        other => panic!("{parameters:?}: {other:?}"),
    };
    for limit in ["", "0", "101", "-1", "x", "1.5", "18446744073709551616"] {
        assert_eq!(name(&[("limit", limit)]), "limit");
    }
    for message_id in ["", "X", "WAMID.X"] {
        assert_eq!(name(&[("message_id", message_id)]), "message_id");
    }
    assert_eq!(name(&[("after", "x")]), "after");
    assert_eq!(name(&[("before", "x")]), "before");
    assert_eq!(name(&[("before", "Nw=="), ("after", "Nw==")]), "before");
    assert_eq!(name(&[("fields", ",")]), "fields");
}

/// The entry of a line at `after_ms` after its request.
fn entry(to: &str, wamid: Option<&str>, answered: Answered, after_ms: u64) -> Option<Entry> {
    let body = RawValue::from_string("{}".into()).expect("json");
    let mut bytes = Vec::new();
    let line = Line {
        seq: 12,
        received_at_ms: RECEIVED_AT_MS,
        phone_number_id: "100",
        to: Some(to),
        kind: Some("text"),
        body: &body,
        tracker: None,
        wamid,
        answered,
    };
    line.write(&mut bytes);
    let written = Written::read(&bytes).expect("a line");
    Entry::of(&written, RECEIVED_AT_MS + after_ms, &Delays::default())
}

fn taken(to: &str, answered: Answered, after_ms: u64) -> Entry {
    entry(to, Some("wamid.X"), answered, after_ms).expect("it was taken")
}

fn words(entry: &Entry) -> Vec<&'static str> {
    entry.events.iter().map(|event| event.status.word()).collect()
}

#[test]
fn events_appear_at_their_times() {
    let words = |after_ms| words(&taken("14151231234", Answered::Status(200), after_ms));
    assert_eq!(words(0), ["sent"]);
    assert_eq!(words(999), ["sent"]);
    assert_eq!(words(1_000), ["sent", "delivered"]);
    assert_eq!(words(2_999), ["sent", "delivered"]);
    assert_eq!(words(3_000), ["sent", "delivered", "read"]);
}

#[test]
fn each_row_shows_its_fate_however_it_was_answered() {
    let late = |to, answered| words(&taken(to, answered, u64::MAX - RECEIVED_AT_MS));
    assert_eq!(late("14150000404", Answered::Status(200)), ["failed"]);
    assert_eq!(late("14150000202", Answered::Status(200)), ["sent"]);
    assert_eq!(late("14150000503", Answered::Status(200)), ["sent", "delivered", "read"]);
    assert_eq!(late("14150000408", Answered::CLOSED), ["sent", "delivered"]);
    assert_eq!(late("14150000410", Answered::CLOSED), ["sent", "delivered"]);
}

#[test]
fn what_was_not_taken_has_no_entry() {
    for answered in [Answered::Status(400), Answered::Status(500), Answered::CLOSED] {
        assert_eq!(entry("14151231234", None, answered, 0), None);
    }
}

fn page(entries: Vec<Entry>) -> Page {
    let covered = Some((Cursor { seq: 12 }, Cursor { seq: 7 }));
    Page { entries, covered, has_newer: false, has_older: true }
}

fn link(name: &str, cursor: Cursor) -> String {
    format!("http://x/?{name}={cursor}")
}

#[test]
fn the_answer_has_the_documented_form() {
    let page = page(vec![taken("14151231234", Answered::Status(200), 1_000)]);
    assert_eq!(
        page.json(Fields::parse("id,message_id,events{delivery_status,timestamp}").expect("fields"), link),
        concat!(
            r#"{"data":[{"id":"120","message_id":"wamid.X","events":{"data":["#,
            r#"{"id":"121","delivery_status":"SENT","timestamp":1698266945},"#,
            r#"{"id":"122","delivery_status":"DELIVERED","timestamp":1698266946}]}}],"#,
            r#""paging":{"cursors":{"before":"MTI=","after":"Nw=="},"next":"http://x/?after=Nw=="}}"#
        )
    );
}

#[test]
fn only_what_is_asked_for_is_told() {
    let page = page(vec![taken("14150000404", Answered::Status(200), 200)]);
    let data = |fields| {
        let json = page.json(Fields::parse(fields).expect("fields"), link);
        json.strip_prefix(r#"{"data":["#).expect("data").split_once("],\"paging\"").expect("paging").0.to_owned()
    };
    assert_eq!(data(""), r#"{"id":"120","message_id":"wamid.X"}"#);
    assert_eq!(data("id"), r#"{"id":"120"}"#);
    assert_eq!(data("events{id}"), r#"{"id":"120","events":{"data":[{"id":"121"}]}}"#);
    assert_eq!(
        data("events"),
        concat!(
            r#"{"id":"120","events":{"data":[{"id":"121","delivery_status":"FAILED","timestamp":1698266945,"#,
            r#""error_description":"The recipient is not on WhatsApp."}]}}"#
        )
    );
}

#[test]
fn a_page_of_nothing_leads_nowhere() {
    let page = Page { entries: Vec::new(), covered: None, has_newer: true, has_older: false };
    assert_eq!(page.json(Fields::default(), link), r#"{"data":[]}"#);
}
