//! Limits of an account, set by its owner: what they hold says so, and goes when they are lifted.

use angelia_shared::clock;
use angelia_shared::units::UnixMillis;
use angelia_tests::installation::text;
use angelia_tests::tenant::{FAST, NEVER, Tenant, recipient};
use angelia_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use crate::patient;

/// Waits until a message says that this holds it.
async fn held_by(tenant: &Tenant<'_>, id: &str, held_by: &str) -> Value {
    eventually(held_by, LATER, async || {
        let message = tenant.message(id).await;
        if message["held_by"] == held_by { Ok(message) } else { Err(message.to_string()) }
    })
    .await
}

fn minutes_until(time: &Value) -> u64 {
    let time = time.as_str().and_then(UnixMillis::from_rfc3339).expect("a time");
    time.ms_since(clock::now()) / 60_000
}

#[tokio::test]
async fn an_hourly_cap_holds_the_queue_says_so_and_is_lifted_without_a_restart() {
    let tenant = Tenant::new(patient().await, 10).await;
    let account = tenant.account(FAST).await;
    let path = tenant.path(&format!("/accounts/{}", account.id));
    let changed = tenant.owner.patch(&path, json!({"pace": {"hourly_cap": 2}})).await.expect(200);
    assert_eq!((&changed["pace"]["hourly_cap"], &changed["pace"]["gap_ms"]), (&json!(2), &json!(FAST)));
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(tenant.send(&account, &recipient("1234"), &format!("{n}")).await);
    }
    for id in &ids[..2] {
        let message = tenant.until(id, &["sent", "delivered", "read"]).await;
        assert_eq!((&message["position"], &message["held_by"]), (&Value::Null, &Value::Null));
    }
    let third = held_by(&tenant, &ids[2], "cap").await;
    assert_eq!((text(&third, "state"), &third["position"]), ("queued", &json!(1)));
    assert!((50..=60).contains(&minutes_until(&third["expected_at"])), "{third}");
    let fourth = held_by(&tenant, &ids[3], "behind 1").await;
    assert_eq!(fourth["position"], 2);
    let seen = tenant.owner.get(&path).await.expect(200);
    assert_eq!((&seen["queued"], text(&seen, "state")), (&json!(2), "connected"));
    assert!((50..=60).contains(&minutes_until(&seen["next_send_at"])), "{seen}");

    tenant.owner.patch(&path, json!({"pace": {"hourly_cap": null}})).await.expect(200);
    for id in &ids {
        tenant.until(id, &["sent", "delivered", "read"]).await;
    }
    tenant.check_log().await;
}

#[tokio::test]
async fn what_holds_a_message_is_told_for_gaps_pauses_and_quiet_hours() {
    let tenant = Tenant::new(patient().await, 10).await;
    let account = tenant.account(NEVER).await;
    let path = tenant.path(&format!("/accounts/{}", account.id));
    let first = tenant.send(&account, &recipient("1234"), "goes out").await;
    let second = tenant.send(&account, &recipient("1234"), "waits").await;
    tenant.until(&first, &["sent", "delivered", "read"]).await;
    let waiting = held_by(&tenant, &second, "account_gap").await;
    assert!((50..=60).contains(&minutes_until(&waiting["expected_at"])), "{waiting}");

    let until = clock::now().plus_ms(30 * 60_000).to_rfc3339();
    let paused = json!({"state": "paused", "paused_until": until});
    let seen = tenant.owner.patch(&path, paused).await.expect(200);
    assert_eq!((text(&seen, "state"), text(&seen, "paused_until")), ("paused", until.as_str()));
    let waiting = held_by(&tenant, &second, "paused").await;
    assert!((50..=60).contains(&minutes_until(&waiting["expected_at"])), "its gap lasts longer: {waiting}");

    let hour = (clock::now().0 / 3_600_000).rem_euclid(24);
    let quiet = json!({"from": format!("{:02}:00", (hour + 23) % 24), "to": format!("{:02}:00", (hour + 4) % 24),
        "time_zone": "UTC"});
    let pace = json!({"state": "connected", "pace": {"quiet_hours": quiet}});
    assert_eq!(tenant.owner.patch(&path, pace).await.expect(200)["pace"]["quiet_hours"], quiet);
    let waiting = held_by(&tenant, &second, "quiet_hours").await;
    assert!((2 * 60..=4 * 60).contains(&minutes_until(&waiting["expected_at"])), "{waiting}");
}

#[tokio::test]
async fn a_recipients_gap_and_a_try_that_was_put_off_are_told_too() {
    let tenant = Tenant::new(patient().await, 10).await;
    let (account, other) = (tenant.account(FAST).await, tenant.account(FAST).await);
    let path = tenant.path(&format!("/accounts/{}", account.id));
    tenant.owner.patch(&path, json!({"pace": {"recipient_gap_ms": 3_600_000}})).await.expect(200);
    let somebody = recipient("1234");
    let first = tenant.send(&account, &somebody, "goes out").await;
    let second = tenant.send(&account, &somebody, "waits").await;
    tenant.until(&first, &["sent", "delivered", "read"]).await;
    let waiting = held_by(&tenant, &second, "recipient_gap").await;
    assert!((50..=60).contains(&minutes_until(&waiting["expected_at"])), "{waiting}");

    let refused = tenant.send(&other, &recipient("0500"), "is tried again and again").await;
    held_by(&tenant, &refused, "put_off").await;
    tenant.owner.patch(&path, json!({"pace": {"recipient_gap_ms": null}})).await.expect(200);
    tenant.until(&second, &["sent", "delivered", "read"]).await;
}

#[tokio::test]
async fn limits_that_make_no_sense_are_refused_by_name() {
    let tenant = Tenant::new(patient().await, 0).await;
    let account = tenant.account(FAST).await;
    let path = tenant.path(&format!("/accounts/{}", account.id));
    let quiet = |zone: &str| json!({"quiet_hours": {"from": "22:00", "to": "07:00", "time_zone": zone}});
    for (field, pace) in [
        ("pace.daily_cap", json!({"daily_cap": 0})),
        ("pace.recipient_gap_ms", json!({"recipient_gap_ms": "1 h"})),
        ("pace.quiet_hours.time_zone", quiet("Berlin")),
        ("pace.warm_up.days", json!({"warm_up": {"first_day": 5, "more_each_day": 5}})),
        ("burst", json!({"burst": 5})),
    ] {
        let problem = tenant.owner.patch(&path, json!({"pace": pace})).await.problem(400);
        assert!(problem.to_string().contains(field), "{field}: {problem}");
    }
    tenant.owner.patch(&path, json!({"pace": quiet("Europe/Berlin")})).await.expect(200);
}
