//! Several replicas, and a ledger that is away: a session holds at each of them, and pages say how old their figures are.

use angelia_tests::installation::text;
use angelia_tests::replicas::Replicas;
use angelia_tests::wait::{SOON, eventually};
use serde_json::json;

use crate::Web;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_takes_a_session_and_without_a_ledger_the_age_of_figures_is_said() {
    let mut replicas = Replicas::start(2, 100).await;
    let made = replicas.owners[0].post(&replicas.path("/tokens"), json!({"role": "owner"})).await.expect(201);
    let mut first = Web::signed_in(&replicas.urls()[0], text(&made, "token")).await;
    let mut second = Web::new(&replicas.urls()[1]);
    second.cookie = first.cookie.clone();
    let page = format!("/console/w/{}/credits", replicas.workspace);
    eventually("the other replica knows the token", SOON, async || {
        let answer = second.get(&page).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.status.to_string()) }
    })
    .await;
    assert!(second.get(&page).await.text().contains("<span id=\"available\">100</span>"));

    replicas.kill_ledger();
    let away = second.get(&page).await;
    assert_eq!(away.status, 200);
    let text_away = away.text();
    for part in ["The ledger does not answer", "The figures shown are", "<span id=\"available\">100</span>"] {
        assert!(text_away.contains(part), "{part} in {text_away}");
    }
    // What needs the ledger says so, and what does not goes on.
    let messages = second.get(&format!("/console/w/{}/messages", replicas.workspace)).await;
    assert_eq!(messages.status, 503);
    assert!(messages.text().contains("Not possible right now") && messages.text().contains("Nothing is lost"));
    assert_eq!(second.get(&format!("/console/w/{}/accounts", replicas.workspace)).await.status, 200);
    let webhook = format!("/console/w/{}/webhooks/{}", replicas.workspace, replicas.webhook);
    assert_eq!(second.get(&webhook).await.status, 200);

    // Revoked at one replica: out at the other within a second.
    replicas.launch_ledger();
    replicas.owners[0].delete(&replicas.path(&format!("/tokens/{}", text(&made, "id")))).await.expect(204);
    assert_eq!(first.get(&page).await.status, 303);
    eventually("the other replica sends it away", SOON, async || {
        let answer = second.get(&page).await;
        if answer.status == 303 { Ok(()) } else { Err(answer.status.to_string()) }
    })
    .await;
    first.cookie = None;
}
