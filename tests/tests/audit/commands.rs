//! Each command against an installation that runs, and the same against it when it is stopped.

use std::path::Path;

use angelia_shared::testing::server_binary;
use angelia_tests::installation::{Installation, Setup, text};
use angelia_tests::process;
use angelia_tests::tenant::{FAST, NEVER, Tenant, recipient};
use angelia_tests::wait::{LATER, eventually};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::Value;

use super::{Asked, WITHIN};

/// Answers that depend on the log alone, up to a sequence.
async fn answers(data: &Path, seq: &str, workspace: &str, messages: &[String]) -> Vec<String> {
    let mut answers = vec![
        Asked::of(data, &["audit", "replay", "--until", seq]).ends_with(0).await,
        Asked::of(data, &["audit", "replay", "--json", "--until", seq]).ends_with(0).await,
        Asked::of(data, &["audit", "statement", "--workspace", workspace, "--as-of", seq]).ends_with(0).await,
        Asked::of(data, &["audit", "statement", "--json", "--workspace", workspace, "--as-of", seq]).ends_with(0).await,
        Asked::of(data, &["audit", "export", "--to", seq]).ends_with(0).await,
        Asked::of(data, &["audit", "export", "--to", seq, "--format", "csv", "--workspace", workspace])
            .ends_with(0)
            .await,
    ];
    for message in messages {
        let asked = Asked::of(data, &["audit", "message", message, "--json", "--as-of", seq]);
        answers.push(asked.ends_with(0).await);
    }
    answers
}

/// A message as the API shows it, but for what is of the moment.
async fn from_the_api(tenant: &Tenant<'_>, id: &str) -> Value {
    let mut message = tenant.message(id).await;
    for moving in ["expected_at", "held_by"] {
        message[moving] = Value::Null;
    }
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_says_the_same_of_a_running_and_of_a_stopped_installation() {
    let mut installation = Setup::new().set("ANGELIA_LEDGER_CHECKPOINT_S", "1").start().await;
    let tenant = Tenant::new(&installation, 100).await;
    let (fast, slow) = (tenant.account(FAST).await, tenant.account(NEVER).await);
    let messages = vec![
        tenant.send(&fast, &recipient("1234"), "is read").await,
        tenant.send(&fast, &recipient("0404"), "is refunded").await,
        tenant.send(&slow, &recipient("0202"), "is sent").await,
        tenant.send(&slow, &recipient("1234"), "stays queued").await,
    ];
    for (id, state) in messages.iter().zip(["read", "failed", "sent", "queued"]) {
        tenant.until(id, &[state]).await;
    }
    tenant.until_refunded(&messages[1], 1).await;
    let data = installation.data().to_owned();

    // Against the running one, and what the API says.
    let verified = eventually("there is a checkpoint", LATER, async || {
        let verified = Asked::of(&data, &["audit", "verify", "--json", "--live"]).json(0).await;
        if verified["checkpoint"].is_null() { Err(verified.to_string()) } else { Ok(verified) }
    })
    .await;
    assert_eq!((&verified["ok"], &verified["finding"]), (&Value::from(true), &Value::Null), "{verified}");
    assert_eq!(verified["live"]["state_digest"], verified["live"]["replayed_state_digest"], "{verified}");
    let seq = verified["last_seq"].to_string();
    let running = answers(&data, &seq, &tenant.id, &messages).await;
    assert_eq!(running, answers(&data, &seq, &tenant.id, &messages).await, "two runs print the same");
    let replayed: Value = serde_json::from_str(&running[1]).expect("it is JSON");
    assert_eq!(replayed["checkpoint"]["reproduced"], Value::from(true), "{replayed}");
    the_api_says_the_same(&tenant, &running, &messages).await;
    every_event_is_handed_out(&running[4], &verified);
    other_rules_would_have_cost_more(&installation, &data, &tenant.id).await;

    // Against the stopped one; nothing is appended by asking.
    let away = tenant.leave();
    installation.stop(Signal::SIGTERM).await;
    let before = Asked::of(&data, &["audit", "verify", "--json"]).json(0).await;
    assert_eq!(running, answers(&data, &seq, away.id(), &messages).await);
    let after = Asked::of(&data, &["audit", "verify", "--json"]).json(0).await;
    assert_eq!(before, after);
    let live = Asked::of(&data, &["audit", "verify", "--live"]).run().await;
    assert_eq!(live.status.code(), Some(2), "no ledger runs: {}", live.stderr);

    // Whoever listened has gone: that is no failure, and no broker is left behind.
    assert_eq!(status_when_nobody_reads(&data).await, "0");
    assert_eq!(installation.ward().broker_pid(), None);

    // And it starts again.
    installation.start().await;
    away.back(&installation).check_log().await;
}

async fn status_when_nobody_reads(data: &Path) -> String {
    let mut shell = process::command(Path::new("sh"));
    let line = r#"{ "$0" audit export --data "$1" --nats-server "$2"; echo $? >&2; } | true"#;
    shell.args(["-c", line]).arg(process::angelia()).arg(data).arg(server_binary());
    process::run_to_end(shell, WITHIN).await.stderr.trim().to_owned()
}

async fn the_api_says_the_same(tenant: &Tenant<'_>, answers: &[String], messages: &[String]) {
    let accept = [("Accept", "text/csv")];
    let csv = tenant.owner.call_with(Method::GET, &tenant.path("/statement"), None, &accept).await;
    assert_eq!(csv.text(), answers[2]);
    let lines: Vec<Value> =
        answers[3].lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(tenant.statement().await, lines);
    for (message, answer) in messages.iter().zip(&answers[6..]) {
        let shown: Value = serde_json::from_str(answer).expect("it is JSON");
        assert_eq!(from_the_api(tenant, message).await, shown);
    }
}

fn every_event_is_handed_out(exported: &str, verified: &Value) {
    let told: u64 = verified["events"].as_object().expect("counts by type").values().filter_map(Value::as_u64).sum();
    assert_eq!(exported.lines().count() as u64, told);
    for line in exported.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(!text(&line, "position").is_empty() && line["event"].is_object(), "{line}");
    }
}

async fn other_rules_would_have_cost_more(installation: &Installation, data: &Path, workspace: &str) {
    let policy = installation.data().join("policy.toml");
    let file = policy.to_str().expect("its path is text").to_owned();
    let what_if = || Asked::of(data, &["audit", "what-if", "--json", "--policy", &file]);
    std::fs::write(&policy, "[prices]\ntext = 1\nfile = 1\ntext_and_file = 2\n[refunds]\ndefault_percent = 100\n")
        .expect("a file can be written");
    assert_eq!(what_if().json(0).await, serde_json::json!([]), "these are the rules that were in force");
    std::fs::write(&policy, "[prices]\ntext = 3\n[refunds.percent]\n").expect("a file can be written");
    let days = what_if().json(0).await;
    let day = days.as_array().expect("a list").iter().find(|day| day["workspace"] == workspace);
    let day = day.unwrap_or_else(|| panic!("nothing of {workspace} in {days}"));
    assert_eq!((&day["charged"]["was"], &day["charged"]["would"]), (&Value::from(4), &Value::from(12)), "{day}");
    assert_eq!((&day["refunded"]["was"], &day["refunded"]["would"]), (&Value::from(1), &Value::from(3)), "{day}");
    std::fs::write(&policy, "[prices]\nletter = 3\n").expect("a file can be written");
    let refused = what_if().run().await;
    assert_eq!(refused.status.code(), Some(64), "{}", refused.stderr);
    assert!(refused.stderr.contains("letter"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_said_and_makes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let nowhere = folder.path().join("nowhere");
    let finished = Asked::of(&nowhere, &["audit", "verify"]).run().await;
    assert_eq!(finished.status.code(), Some(2));
    assert!(finished.stderr.contains("no installation"), "{}", finished.stderr);
    assert!(!nowhere.exists());
    let finished = Asked::of(&nowhere, &["audit", "replay", "--until", "yesterday"]).run().await;
    assert_eq!(finished.status.code(), Some(64), "{}", finished.stderr);

    let installation = Setup::new().start().await;
    let asked = |words: &[&str]| Asked::of(installation.data(), words);
    for (words, said) in [
        (&["audit", "replay", "--until", "999999999"][..], "before 999999999"),
        (&["audit", "replay", "--until", "2999-01-01T00:00:00Z"], "in the future"),
        (&["audit", "message", "3EB0000000000000FFFF"], "no message"),
        (&["audit", "verify", "--stream", "STRANGER"], "STRANGER"),
    ] {
        let finished = asked(words).run().await;
        assert_eq!(finished.status.code(), Some(2), "{words:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{words:?}: {}", finished.stderr);
    }
    // Before the beginning there is nothing.
    let replayed = asked(&["audit", "replay", "--json", "--until", "1970-01-02T00:00:00Z"]).json(0).await;
    assert_eq!((&replayed["seq"], &replayed["records"]), (&Value::from(0), &Value::from(0)));
}
