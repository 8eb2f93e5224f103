//! The disk is full while calls come in: nobody is told something false, and once there is room, everything goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use angelia_tests::client::{Answer, http};
use angelia_tests::installation::Setup;
use angelia_tests::process::run_to_end;
use angelia_tests::small_disk::on_a_small_disk;
use angelia_tests::tenant::{Account, FAST, Tenant, recipient};
use angelia_tests::wait::{LATER, eventually};
use futures_util::future::join_all;

use crate::{accepted, call};

/// How many call at the same time, each through an account of its own.
const CALLERS: usize = 6;

/// Between two calls of one caller: more than its account's gap, so that what is accepted is soon sent.
const PAUSE: Duration = Duration::from_millis(200);

/// What the callers have seen so far, and when they are to end.
#[derive(Default)]
struct Seen {
    accepted: AtomicUsize,
    refused: AtomicUsize,
    enough: AtomicBool,
}

impl Seen {
    /// Waits until so many more calls were answered in this way.
    async fn more(&self, count: &AtomicUsize, more: usize) {
        let wanted = count.load(Ordering::SeqCst) + more;
        eventually("calls are answered", LATER, async || {
            let now = count.load(Ordering::SeqCst);
            if now >= wanted { Ok(()) } else { Err(format!("{now} of {wanted}")) }
        })
        .await;
    }
}

/// Calls again and again; returns the words of every call, with the message's id if it was accepted.
async fn caller(tenant: &Tenant<'_>, account: &Account, seen: &Seen) -> Vec<(String, Option<String>)> {
    let (mut told, phone) = (Vec::new(), recipient("1234"));
    while !seen.enough.load(Ordering::SeqCst) {
        let words = format!("call {} of {}", told.len(), account.phone);
        let answer = tenant.hook.try_call(&call(account, &phone, &words), None).await;
        let id = accepted(Ok(answer.expect("every call is answered")));
        if let Some(id) = &id {
            tenant.notes.add(id);
        }
        let count = if id.is_some() { &seen.accepted } else { &seen.refused };
        count.fetch_add(1, Ordering::SeqCst);
        told.push((words, id));
        tokio::time::sleep(PAUSE).await;
    }
    told
}

/// Waits until `/readyz` answers in this way; gives what it says.
async fn readiness(url: &str, status: u16) -> String {
    eventually(&format!("/readyz answers {status}"), LATER, async || {
        let answer = Answer::to(http().get(format!("{url}/readyz"))).await.map_err(|error| error.to_string())?;
        if answer.status == status { Ok(answer.text()) } else { Err(answer.text()) }
    })
    .await
}

#[tokio::test]
async fn while_the_disk_is_full_no_call_is_told_something_false_and_then_all_goes_on() {
    const NAME: &str = "disk_full::while_the_disk_is_full_no_call_is_told_something_false_and_then_all_goes_on";
    let Some(disk) = on_a_small_disk(NAME).await else { return };
    let installation = Setup::new().data(disk.path().join("data")).start().await;
    let tenant = Tenant::new(&installation, 10_000).await;
    let mut accounts = Vec::new();
    for _ in 0..CALLERS {
        accounts.push(tenant.account(FAST).await);
    }
    let seen = Seen::default();
    let calls = join_all(accounts.iter().map(|account| caller(&tenant, account, &seen)));
    let story = async {
        seen.more(&seen.accepted, 3 * CALLERS).await;
        disk.fill();
        seen.more(&seen.refused, 3 * CALLERS).await;
        let reasons = readiness(&installation.url(), 503).await;
        disk.free();
        seen.more(&seen.accepted, 3 * CALLERS).await;
        readiness(&installation.url(), 200).await;
        seen.enough.store(true, Ordering::SeqCst);
        reasons
    };
    let (told, reasons) = tokio::join!(calls, story);
    assert!(reasons.contains("has not answered"), "/readyz says why: {reasons}");
    assert!(installation.log().contains("the disk is full"), "the log says what to do");

    let told: BTreeMap<String, Option<String>> = told.into_iter().flatten().collect();
    let ids: BTreeSet<&String> = told.values().flatten().collect();
    for id in &ids {
        tenant.until(id, &["sent", "delivered", "read"]).await;
    }
    // What was refused may have been stored before the disk was full, but nothing that nobody asked for.
    let report = tenant.check_log().await;
    let ours = report.accepted.values().filter(|accepted| accepted.workspace.to_string() == tenant.id).count();
    let wallet = tenant.wallet().await;
    assert_eq!((wallet.consumed, wallet.refunded), (ours as u64, 0));
    let journal = tenant.journal().await;
    for (words, id) in &told {
        let times = journal.0.iter().filter(|line| line.text() == Some(words)).count();
        assert!(times == 1 || (times == 0 && id.is_none()), "{words:?}, told {id:?}, was sent {times} times");
    }
    let sent = journal.0.iter().filter(|line| line.is_message()).count();
    assert!((ids.len()..=ours).contains(&sent), "{sent} sent, {} told, {ours} in the log", ids.len());
    assert!(ours <= told.len(), "{ours} messages of {} calls", told.len());
}

#[tokio::test]
async fn a_kill_on_a_full_disk_is_followed_by_a_start_that_says_so_and_loses_nothing() {
    const NAME: &str = "disk_full::a_kill_on_a_full_disk_is_followed_by_a_start_that_says_so_and_loses_nothing";
    let Some(disk) = on_a_small_disk(NAME).await else { return };
    let mut installation = Setup::new().data(disk.path().join("data")).start().await;
    let tenant = Tenant::new(&installation, 100).await;
    let account = tenant.account(FAST).await;
    let id = tenant.send(&account, &recipient("1234"), "before").await;
    tenant.until(&id, &["sent", "delivered", "read"]).await;
    disk.fill();
    eventually("calls are refused", LATER, async || {
        let answer = tenant.hook.try_call(&call(&account, &recipient("1234"), "during"), None).await;
        match accepted(Ok(answer.expect("every call is answered"))) {
            Some(id) => {
                tenant.notes.add(&id);
                Err(id)
            }
            None => Ok(()),
        }
    })
    .await;
    let away = tenant.leave();
    installation.kill_everything();

    let command = Setup::new().command(installation.data(), installation.listen());
    let refused = run_to_end(command, Duration::from_secs(60)).await;
    assert!(!refused.status.success(), "{refused:?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("full") && said.contains("free"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(installation.ward().broker_pid().is_none(), "a start that failed leaves no broker");

    disk.free();
    installation.start().await;
    let tenant = away.back(&installation);
    let after = tenant.send(&account, &recipient("1234"), "after").await;
    tenant.until(&after, &["sent", "delivered", "read"]).await;
    tenant.check_log().await;
}
