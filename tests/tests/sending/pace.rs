//! The gap between two messages of one account, and that accounts do not wait for each other.

use angelia_tests::tenant::{FAST, Tenant, recipient};
use angelia_tests::wait::{LATER, eventually};
use serde_json::json;

use crate::patient;

const MESSAGES: usize = 20;

/// The default range of the gap, in milliseconds.
const GAP_MS: std::ops::RangeInclusive<u64> = 1_500..=2_500;

/// What a gap becomes at WhatsApp at most: the call itself and the program's own work come on top.
const SEEN_MAX_MS: i64 = 2_600;

/// How many of nineteen gaps may be longer than that on a machine that is busy with other tests.
const LATE_MAX: usize = 3;

#[tokio::test]
async fn twenty_messages_leave_in_order_with_a_human_gap_while_other_accounts_go_on() {
    let installation = patient().await;
    let (hook, quickstart) = (installation.demo_hook(), installation.quickstart());
    let phone = recipient("1234");
    let send = async |n: usize| {
        let body = json!({
            "action": "send", "text": format!("number {n}"), "phone": phone,
            "whatsapp account phone": quickstart.account_phone,
        });
        hook.call(&body).await.accepted()
    };
    let mut ids = Vec::new();
    for n in 0..MESSAGES {
        ids.push(send(n).await);
    }

    let tenant = Tenant::new(installation, 100).await;
    let fast = tenant.account(FAST).await;
    for n in 0..MESSAGES {
        let id = tenant.send(&fast, &recipient("1234"), &format!("fast {n}")).await;
        tenant.until(&id, &["sent", "delivered", "read"]).await;
    }
    let sent = installation.demo_journal().await.sends_to(&phone).len();
    assert!(sent < MESSAGES, "a queue of twenty takes more than half a minute, but all were sent");

    let sends = eventually("twenty messages are sent", LATER, async || {
        let journal = installation.demo_journal().await;
        let sends: Vec<_> = journal.sends_to(&phone).into_iter().cloned().collect();
        if sends.len() >= MESSAGES { Ok(sends) } else { Err(format!("{} are", sends.len())) }
    })
    .await;
    let order: Vec<_> = sends.iter().filter_map(|line| line.text()).collect();
    assert_eq!(order, (0..MESSAGES).map(|n| format!("number {n}")).collect::<Vec<_>>());
    assert!(sends.iter().zip(&ids).all(|(line, id)| line.belongs_to(id)), "each carries its message's id");
    let gaps: Vec<_> = sends.windows(2).map(|pair| pair[1].received_at_ms - pair[0].received_at_ms).collect();
    assert!(gaps.iter().all(|gap| *gap >= 1_500), "never under the floor: {gaps:?}");
    assert!(gaps.iter().filter(|gap| **gap > SEEN_MAX_MS).count() <= LATE_MAX, "{gaps:?}");
    let report = tenant.check_log().await;
    let drawn = &report.gaps_ms[&quickstart.account_id.parse().expect("an account's id")];
    assert!(drawn.iter().all(|gap| GAP_MS.contains(gap)), "{drawn:?}");
    let spread = drawn.iter().max().zip(drawn.iter().min()).map(|(most, least)| most - least);
    assert!(spread > Some(200), "the gap is random: {drawn:?}");
}

#[tokio::test]
async fn a_changed_gap_holds_for_the_messages_that_wait() {
    let tenant = Tenant::new(patient().await, 100).await;
    let account = tenant.account(FAST).await;
    let path = tenant.path(&format!("/accounts/{}", account.id));
    let changed = tenant.owner.patch(&path, json!({"pace": {"gap_ms": [700, 900]}})).await.expect(200);
    assert_eq!(changed["pace"]["gap_ms"], json!([700, 900]));
    let mut last = String::new();
    for n in 0..5 {
        last = tenant.send(&account, &recipient("1234"), &format!("{n}")).await;
    }
    tenant.until(&last, &["sent", "delivered", "read"]).await;
    let journal = tenant.journal().await;
    let times: Vec<_> = journal.from_number(&account.phone_number_id).iter().map(|line| line.received_at_ms).collect();
    assert_eq!(times.len(), 5);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 700), "{times:?}");
    tenant.check_log().await;
}
