//! The audit page: each part of a message as the log had it, and what the last verification found.

use angelia_tests::client::Answer;
use angelia_tests::files::FileServer;
use angelia_tests::installation::{Installation, Setup, text};
use angelia_tests::process;
use angelia_tests::tenant::{FAST, Tenant, recipient};
use angelia_tests::wait::LATER;
use serde_json::{Value, json};

use crate::Web;

/// The row of a message in a page of the past.
fn row(page: &Answer, id: &str) -> String {
    let page = page.text();
    let id = format!("id=\"then-{}\"", id.trim_start_matches("wa_backend:"));
    let at = page.find(&id).unwrap_or_else(|| panic!("no {id} in {page}"));
    page[at..].split("</tr>").next().unwrap_or_default().to_owned()
}

/// The sequences at which something of this name happened, with what it adds.
fn happened(message: &Value, event: &str, detail: Option<&str>) -> Vec<u64> {
    let timeline = message["timeline"].as_array().expect("a timeline");
    let fits = |entry: &&Value| entry["event"] == event && detail.is_none_or(|detail| entry["detail"] == detail);
    let sequence =
        |entry: &Value| text(entry, "id").split('.').next().and_then(|seq| seq.parse().ok()).expect("a place");
    timeline.iter().filter(fits).map(sequence).collect()
}

#[tokio::test]
async fn each_part_of_a_message_is_shown_as_the_log_had_it() {
    let installation = Setup::new().set("ANGELIA_ATTACHMENTS_ALLOW_LOOPBACK", "true").start().await;
    let tenant = Tenant::new(&installation, 10).await;
    let account = tenant.account(FAST).await;
    let files = FileServer::start().await;
    // A sound carries no text, so it goes as two: the text, and the file.
    let id = tenant.send_file(&account, &recipient("1234"), "listen", &files.url("/file/a.mp3"), "a.mp3").await;
    let message = tenant.until(&id, &["read"]).await;
    assert_eq!(message["parts"].as_array().map(Vec::len), Some(2), "{message}");
    let (started, sent) =
        (happened(&message, "AttemptStarted", None), happened(&message, "AttemptEnded", Some("sent")));
    assert_eq!((started.len(), sent.len()), (2, 2), "{message}");
    let web = Web::signed_in(&installation.url(), &tenant.owner_token).await;

    let at = |as_of: u64| tenant.path(&format!("/messages/{id}?as_of={as_of}"));
    for (as_of, state, parts) in [
        (started[0] - 1, "queued", json!([])),
        (started[0], "sending", json!(["sending", "queued"])),
        (sent[0], "sending", json!(["sent", "queued"])),
        (started[1], "sending", json!(["sent", "sending"])),
        (sent[1], "sent", json!(["sent", "sent"])),
    ] {
        let then = tenant.owner.get(&at(as_of)).await.expect(200);
        // A report on the first part may have come before the second one went.
        let states = then["parts"].as_array().expect("parts").iter().map(|part| match text(part, "state") {
            "delivered" | "read" => json!("sent"),
            state => json!(state),
        });
        assert_eq!((text(&then, "state"), states.collect::<Value>()), (state, parts), "as of {as_of}: {then}");
        assert_eq!((&then["credits"], &then["to"]), (&json!(2), &message["to"]));
        assert!(then["position"].is_null() && then["expected_at"].is_null(), "{then}");
    }
    let shown = row(&web.get(&format!("/console/w/{}/audit?as_of={}", tenant.id, sent[0])).await, &id);
    let (first, second) = (shown.find("Part 1"), shown.find("Part 2"));
    assert!(first.is_some() && first < second && shown.contains("queued") && shown.contains("read"), "{shown}");
    let page = web.get(&format!("/console/w/{}/messages/{id}?as_of={}", tenant.id, sent[0])).await;
    assert!(page.text().contains(&format!("as the log had it at {}", sent[0])), "{}", page.text());
    assert!(!page.text().contains("MessageRead"), "what came later is not there");

    let accepted = happened(&message, "MessageAccepted", None)[0];
    tenant.owner.get(&at(accepted - 1)).await.problem(404);
    tenant.owner.get(&at(99_999_999)).await.problem(400);
    tenant.owner.get(&tenant.path(&format!("/messages/{id}?as_of=yesterday"))).await.problem(400);
    let by_time = tenant.path(&format!("/messages/{id}?as_of={}", text(&message["timeline"][0], "at")));
    // The stream took it within the millisecond in which it was accepted, or soon after.
    assert!([200, 404].contains(&tenant.owner.get(&by_time).await.status));
}

async fn verified(installation: &Installation, more: &[&str]) -> Value {
    let mut command = process::command(&process::angelia());
    command.args(["audit", "verify", "--json", "--data"]).arg(installation.data()).args(more);
    let finished = process::run_to_end(command, LATER).await;
    assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    serde_json::from_str(&finished.stdout).expect("a verdict as JSON")
}

#[tokio::test]
async fn the_last_verification_is_shown_once_it_was_recorded() {
    let installation = Setup::new().start().await;
    let tenant = Tenant::new(&installation, 10).await;
    let web = Web::signed_in(&installation.url(), &tenant.owner_token).await;
    let audit = format!("/console/w/{}/audit", tenant.id);
    // It only reads, unless it is told otherwise.
    verified(&installation, &[]).await;
    let page = web.get(&audit).await.text();
    assert!(page.contains("No verification has been recorded") && page.contains("no contradiction"), "{page}");

    let verdict = verified(&installation, &["--record", "--live", "--by", "Anna <b>K.</b>"]).await;
    let page = web.get(&audit).await.text();
    let well = format!("everything up to record {} holds together", verdict["last_seq"]);
    for part in [&*well, "Anna &lt;b&gt;K.&lt;/b&gt;", "compared with a replay", "angelia audit verify --record"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("No verification has been recorded"));
}
