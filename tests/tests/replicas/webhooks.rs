//! What an owner changes at one replica holds at all of them.

use std::time::Duration;

use angelia_shared::clock;
use angelia_tests::client::Hook;
use angelia_tests::installation::text;
use angelia_tests::replicas::Replicas;
use angelia_tests::wait::{SOON, eventually};
use serde_json::json;

use crate::body;

/// How soon a change must hold on all replicas.
const PROMISED: Duration = Duration::from_secs(1);

/// Waits until each webhook answers `status`, and from then on nothing else; returns how long the slowest took.
async fn all_answer(hooks: &[Hook], status: u16) -> Duration {
    let changed = clock::monotonic();
    for hook in hooks {
        eventually(&format!("the webhook answers {status}"), SOON, async || {
            let answer = hook.call(&body()).await;
            if answer.status == status { Ok(()) } else { Err(answer.text()) }
        })
        .await;
    }
    let took = changed.elapsed();
    for hook in hooks {
        assert_eq!(hook.call(&body()).await.status, status, "it never comes back");
    }
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switching_a_webhook_off_and_replacing_its_url_holds_on_every_replica() {
    let replicas = Replicas::start(3, 1_000).await;
    let path = replicas.path(&format!("/webhooks/{}", replicas.webhook));
    let mut hooks = replicas.hooks.clone();
    let mut took = Vec::new();
    for round in 0..4 {
        let (at, owner) = (round % 3, &replicas.owners[round % 3]);
        owner.patch(&path, json!({"enabled": false})).await.expect(200);
        hooks[at].call(&body()).await.refused_with(403, "Webhook is disabled");
        took.push(all_answer(&hooks, 403).await);
        owner.patch(&path, json!({"enabled": true})).await.expect(200);
        all_answer(&hooks, 200).await;

        let rotated = owner.post(&format!("{path}/rotate"), json!({})).await.expect(200);
        hooks[at].call(&body()).await.refused_with(404, "Webhook not found");
        took.push(all_answer(&hooks, 404).await);
        hooks = replicas.hooks_at(text(&rotated, "url"));
        all_answer(&hooks, 200).await;
    }
    // A loaded machine may be late at times, but not every time.
    took.sort();
    assert!(took[took.len() / 2] <= PROMISED, "{took:?}");
    replicas.check_log().await;
}
