//! Logs that somebody tampered with, a copy of the log, and an auditor who may only read.

use angelia_ledger::audit::crafted::{CraftedLog, MESSAGE, PART, WORKSPACE, granted, refund, sent};
use angelia_shared::event::Event;
use angelia_shared::log::EventLog;
use angelia_shared::subject::Subject;
use angelia_shared::testing::TestBroker;
use angelia_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

use super::Asked;

/// What an auditor needs: consumers, their records, single records and the stream's state.
const READ_ONLY: &str = r#"
no_auth_user: everything
authorization { users: [
  { user: everything, password: secret }
  { user: auditor, password: looks-only, permissions: {
      publish: ["$JS.API.STREAM.INFO.ANGELIA_EVENTS", "$JS.API.STREAM.MSG.GET.ANGELIA_EVENTS",
        "$JS.API.CONSUMER.CREATE.ANGELIA_EVENTS.>", "$JS.API.CONSUMER.MSG.NEXT.ANGELIA_EVENTS.>"]
      subscribe: ["_INBOX.>"]
  } }
] }
"#;

pub(crate) fn history() -> CraftedLog {
    let mut log = CraftedLog::with_messages();
    log.tried(MESSAGE, 1, 0, sent());
    log
}

/// A broker with a log of these records.
pub(crate) async fn broker_with(crafted: &CraftedLog, settings: &str) -> (TestBroker, EventLog) {
    let broker = TestBroker::start_with(settings).await;
    let log = broker.log().await;
    for record in &crafted.records {
        let subject = record.subject.as_ref().expect("a crafted subject is one").to_string();
        let stored = log.jetstream().publish(subject, record.payload.clone()).await.expect("the broker answers");
        assert_eq!(stored.await.expect("it is stored").sequence, record.seq);
    }
    (broker, log)
}

async fn verified(crafted: &CraftedLog, status: i32) -> Value {
    let (broker, log) = broker_with(crafted, "").await;
    let found = Asked::at(&broker.access().url, &["audit", "verify", "--json", "--record"]).json(status).await;
    let recorded = angelia_shared::verification::last(&log).await.expect("the broker answers").expect("it is recorded");
    assert_eq!(
        (json!(recorded.last_seq), json!(recorded.log_digest)),
        (found["last_seq"].clone(), found["log_digest"].clone())
    );
    let finding =
        recorded.finding.map(|found| json!({"invariant": found.invariant, "at": found.at, "what": found.what}));
    assert_eq!(finding.unwrap_or_default(), found["finding"]);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_who_may_only_read_can_verify_replay_and_export() {
    let crafted = history();
    let (broker, log) = broker_with(&crafted, READ_ONLY).await;
    let url = broker.access().url;
    let asked = |words: &[&str]| Asked::at(&url, words).user("auditor", "looks-only");
    let found = asked(&["audit", "verify", "--json"]).json(0).await;
    assert_eq!(found["records"], json!(crafted.records.len()));
    // The verdict is told all the same where it cannot be recorded.
    let finished = asked(&["audit", "verify", "--json", "--record"]).run().await;
    assert_eq!(finished.status.code(), Some(2), "{}{}", finished.stdout, finished.stderr);
    assert_eq!(serde_json::from_str::<Value>(&finished.stdout).expect("a verdict as JSON"), found);
    assert!(finished.stderr.contains("the result is not recorded"), "{}", finished.stderr);
    assert_eq!(angelia_shared::verification::last(&log).await.expect("the broker answers"), None);
    let replayed = asked(&["audit", "replay", "--json"]).json(0).await;
    assert_eq!(replayed["log_digest"], found["log_digest"]);
    let exported = asked(&["audit", "export"]).ends_with(0).await;
    assert_eq!(exported.lines().count(), crafted.records.len());
    let workspace = WORKSPACE.to_string();
    let statement = asked(&["audit", "statement", "--json", "--workspace", &workspace]).ends_with(0).await;
    assert_eq!(statement.lines().count(), 3, "a grant and two charges: {statement}");
    let message = asked(&["audit", "message", &MESSAGE.to_string(), "--json"]).json(0).await;
    assert_eq!((&message["state"], &message["to"]), (&json!("sent"), &Value::Null), "no key, no contents");
    assert_eq!(log.last_sequence().await.expect("the broker answers"), crafted.records.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_event_that_breaks_an_invariant_is_named() {
    let mut crafted = history();
    let seq = crafted.add(Subject::Wallet(WORKSPACE), refund(1));
    crafted.add(Subject::Wallet(WORKSPACE), Event::CreditsGranted(granted(1, 99)));
    let found = verified(&crafted, 1).await;
    assert_eq!((&found["ok"], &found["finding"]["invariant"]), (&json!(false), &json!("WA-3")), "{found}");
    assert_eq!(found["finding"]["at"], json!(format!("{seq}.0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_a_state_that_never_was_is_told_by_a_replay() {
    let mut crafted = history();
    let at = crafted.add(Subject::Checkpoint, Event::LedgerCheckpointed(crafted.checkpoint()));
    let (broker, _log) = broker_with(&crafted, "").await;
    let url = broker.access().url;
    let found = Asked::at(&url, &["audit", "verify", "--json"]).json(0).await;
    assert_eq!(found["checkpoint"]["at"], json!(at), "a log alone cannot tell: {found}");
    let replayed = Asked::at(&url, &["audit", "replay", "--json"]).json(1).await;
    assert_eq!(replayed["checkpoint"], json!({"at": at, "seq": at - 1, "reproduced": false}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_json_and_what_has_no_seal_are_findings() {
    let mut crafted = history();
    let seq = crafted.add_line(Subject::Receipt(PART), b"not json".to_vec());
    let found = verified(&crafted, 1).await;
    assert_eq!(found["finding"]["at"], json!(format!("{seq}.0")), "{found}");
    let mut crafted = history();
    crafted.records.pop();
    let unsealed = crafted.records.len();
    let found = verified(&crafted, 1).await;
    assert_eq!(found["finding"]["at"], json!(format!("{unsealed}.0")), "{found}");
    assert!(found["finding"]["what"].as_str().is_some_and(|what| what.contains("unsealed")), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_version_wrote_is_counted_and_is_no_finding() {
    let mut crafted = history();
    let seq = crafted.add_line(Subject::Receipt(PART), br#"{"MessageEdited":{"v":1}}"#.to_vec());
    let found = verified(&crafted, 0).await;
    let expected = json!([{"name": "MessageEdited", "count": 1, "first": format!("{seq}.0")}]);
    assert_eq!(found["not_understood"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_beginning_was_cut_is_named() {
    let (broker, log) = broker_with(&history(), "").await;
    // The stream itself forbids to purge; whoever may change streams can lift that.
    let api = async |call: &str, body: Value| {
        let answer =
            log.client().request(format!("$JS.API.STREAM.{call}.ANGELIA_EVENTS"), body.to_string().into()).await;
        let answer: Value = serde_json::from_slice(&answer.expect("the broker answers").payload).expect("JSON");
        assert_eq!(answer["error"], Value::Null, "{call}: {answer}");
        answer
    };
    let mut config = api("INFO", json!({})).await["config"].clone();
    config["max_msgs"] = json!(6);
    api("UPDATE", config).await;
    let found = Asked::at(&broker.access().url, &["audit", "verify", "--json"]).json(1).await;
    assert_eq!((&found["finding"]["invariant"], &found["finding"]["at"]), (&json!("LG-2"), &json!("1.0")), "{found}");
    assert!(found["finding"]["what"].as_str().is_some_and(|what| what.contains("beginning")), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_the_log_verifies_as_the_log_does() {
    let crafted = history();
    let (broker, log) = broker_with(&crafted, "").await;
    let mirror = json!({"name": "ARCHIVE", "mirror": {"name": "ANGELIA_EVENTS"}, "storage": "file", "num_replicas": 1});
    let made = log.client().request("$JS.API.STREAM.CREATE.ARCHIVE", mirror.to_string().into()).await;
    let made: Value = serde_json::from_slice(&made.expect("the broker answers").payload).expect("JSON");
    assert_eq!(made["error"], Value::Null, "{made}");
    let url = broker.access().url;
    let found = eventually("the mirror has caught up", SOON, async || {
        let found = Asked::at(&url, &["audit", "verify", "--json", "--stream", "ARCHIVE"]).json(0).await;
        if found["records"] == json!(crafted.records.len()) { Ok(found) } else { Err(found.to_string()) }
    })
    .await;
    assert_eq!(found, Asked::at(&url, &["audit", "verify", "--json"]).json(0).await);
}
