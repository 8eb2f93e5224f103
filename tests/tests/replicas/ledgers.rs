//! Two replicas of the ledger: one of them acts. When it is killed or suspended the other one does, and nobody is paid twice.

use angelia_shared::clock;
use angelia_shared::ids::MessageId;
use angelia_tests::replicas::Replicas;
use angelia_tests::tenant::recipient;
use angelia_tests::wait::{LATER, eventually};
use serde_json::json;

/// How long the loss of the ledger that acts may stop a refund.
const REFUNDED_WITHIN_MS: u64 = 10_000;

/// Sends messages that WhatsApp cannot deliver; says how long it took until all were refunded.
async fn lose_and_get_back(replicas: &Replicas, count: usize, what: &str) {
    let mut lost = Vec::new();
    for _ in 0..count {
        let body = json!({"action": "send", "text": "nobody reads this", "phone": recipient("0404")});
        let accepted = replicas.note(replicas.hooks[0].call(&body).await).accepted();
        lost.push(accepted.parse::<MessageId>().expect("a public id"));
    }
    let began = clock::monotonic();
    // In the log itself: a ledger that is suspended holds questions up, not refunds.
    eventually("what was lost is refunded", LATER, async || {
        let report = replicas.check_log().await;
        let missing = lost.iter().filter(|message| report.refunded.get(message) != Some(&1)).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} of {count} are not")) }
    })
    .await;
    let report = replicas.check_log().await;
    let longest_ms = lost.iter().map(|message| report.paid_after_ms[message]).max().unwrap_or_default();
    println!(
        "{what}: sent, failed and refunded within {:.1} s, paid {longest_ms} ms after the log knew of the failure",
        began.elapsed().as_secs_f64()
    );
    assert!(longest_ms <= REFUNDED_WITHIN_MS, "{what}: a refund was stopped for {longest_ms} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_or_suspending_the_ledger_that_acts_stops_no_refund_and_repeats_none() {
    let mut replicas = Replicas::start_with_second_ledger(1, 100).await;
    let acting = replicas.second_ledger();
    lose_and_get_back(&replicas, 3, "two ledgers").await;

    replicas.kill(acting);
    lose_and_get_back(&replicas, 3, "the acting one was killed").await;

    replicas.revive_second_ledger().await;
    replicas.pause(acting);
    lose_and_get_back(&replicas, 3, "the acting one is suspended").await;
    // It wakes with what it meant to do.
    replicas.resume(acting);
    lose_and_get_back(&replicas, 3, "the suspended one woke").await;

    let report = replicas.check_log().await;
    assert_eq!(report.refunded.len(), 12);
    assert!(report.refunded.values().all(|credits| *credits == 1) && report.owed.is_empty(), "{report:?}");
}
