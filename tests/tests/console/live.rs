//! Live pages: what happens shows itself, in every tab, and what somebody types is left alone; a lost connection is said and
//! comes back.

use angelia_tests::browser::Kind;
use angelia_tests::installation::{Setup, text};
use angelia_tests::tenant::{FAST, NEVER, Tenant, recipient};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::{installation, place, signed_in};

#[tokio::test]
async fn what_happens_shows_itself_in_two_tabs_and_leaves_typing_and_focus_alone() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 100).await;
    let account = tenant.account(NEVER).await;
    tenant.send(&account, &recipient("1111"), "goes at once").await;
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    let hook = place(installation, &tenant.id, &format!("/webhooks/{}", tenant.webhook_id));
    browser.go(&hook).await;
    browser.sees(".calls", "accepted").await;
    browser.fill("#try-text", "half a sent").await;
    browser.click(".calls details summary").await;
    browser.run("document.querySelector('#try-text').focus(); window.untouched = true", json!([])).await;

    let first = browser.new_tab().await;
    browser.go(&place(installation, &tenant.id, "/messages")).await;
    browser.sees("tbody", "goes at once").await;
    let waiting = tenant.send(&account, &recipient("2222"), "waits behind").await;
    browser.sees("tbody tr:first-child", "queued").await;
    tenant.owner.post(&tenant.path(&format!("/messages/{waiting}/cancel")), json!({})).await.expect(202);
    browser.sees("tbody tr:first-child", "cancelled").await;

    browser.to_tab(&first).await;
    browser.until("both calls are listed", "return document.querySelectorAll('.calls > li').length === 2").await;
    let kept = "return [window.untouched === true, document.querySelector('#try-text').value, document.activeElement.id, \
                document.querySelectorAll('.calls > li:last-child details[open]').length]";
    assert_eq!(browser.run(kept, json!([])).await, json!([true, "half a sent", "try-text", 1]));
}

#[tokio::test]
async fn a_broker_that_stands_and_a_program_that_dies_are_said_and_the_page_comes_back() {
    let mut installation = Setup::new().start().await;
    let tenant = Tenant::new(&installation, 100).await;
    let token = tenant.owner_token.clone();
    let browser = signed_in(Kind::DESK, &installation, &token).await;
    browser.go(&place(&installation, &tenant.id, "/credits")).await;
    browser.sees("#available", "100").await;
    browser.until("it is live", "return document.body.dataset.live === 'on'").await;
    let shown = "return !document.querySelector('#stale').hidden";

    let broker = Pid::from_raw(i32::try_from(installation.broker_pid()).expect("process ids fit"));
    kill(broker, Signal::SIGSTOP).expect("the broker runs");
    browser.until("the age of the figures is said", shown).await;
    assert!(browser.text("#stale").await.unwrap_or_default().contains("old"));
    assert_eq!(browser.text("#available").await.as_deref(), Some("100"), "old figures stay");
    kill(broker, Signal::SIGCONT).expect("the broker is there");
    browser.until("it is over", "return document.querySelector('#stale').hidden").await;

    let tenant = tenant.leave();
    installation.kill_program();
    browser.sees("#stale", "Connection lost").await;
    installation.start().await;
    let tenant = tenant.back(&installation);
    let operator = installation.operator();
    operator.post(&tenant.path("/credits"), json!({"credits": 11, "reason": "after the restart"})).await;
    browser.sees("#available", "111").await;
    browser.until("nothing is lost any more", "return document.querySelector('#stale').hidden").await;

    // A stream of events is no answer that the end would have to wait for.
    browser.until("it is live again", "return document.body.dataset.live === 'on'").await;
    drop(tenant);
    assert!(installation.stop(Signal::SIGTERM).await.success());
    assert!(!installation.log().contains("connections are cut"), "{}", installation.log());
}

#[tokio::test]
async fn a_countdown_counts_to_the_next_send() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 100).await;
    let account = tenant.account([20_000, 20_000]).await;
    let first = tenant.send(&account, &recipient("1111"), "goes").await;
    tenant.until(&first, &["read"]).await;
    tenant.send(&account, &recipient("1111"), "waits").await;
    let browser = signed_in(Kind::PHONE, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, "/accounts")).await;
    let before = browser.sees(".countdown", "in ").await;
    browser
        .until(
            "the countdown moves on",
            &format!("return document.querySelector('.countdown')?.innerText !== {}", json!(before)),
        )
        .await;
    let listed = tenant.owner.get(&tenant.path("/accounts")).await.expect(200);
    assert_eq!(text(&listed["items"][0], "state"), "connected");
    let fast = tenant.account(FAST).await;
    browser.sees("main", &fast.phone).await;
}
