//! What must be true once nobody calls and nothing fails any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use angelia_shared::ids::MessageId;
use angelia_tests::checker::callers::{Call, Grant, Told, check_callers};
use angelia_tests::checker::{self, Finding, Report};
use angelia_tests::client::{Answer, http};
use angelia_tests::fleet::Fleet;
use angelia_tests::tenant::Wallet;
use angelia_tests::wait::{LATER, eventually};
use serde_json::json;

use crate::clients::buy;
use crate::town::{Town, Workspace};
use angelia_tests::dice::Dice;

/// How long the queues that are left may take to be sent.
const SENT_WITHIN: Duration = Duration::from_secs(300);

/// Waits until everything has come to its end, sells the last credits, and checks everything.
pub(crate) async fn check(fleet: &mut Fleet, town: &Town, mut calls: Vec<Call>, mut grants: Vec<Grant>) {
    fleet.is_ready().await;
    grants.extend(town.grants.iter().cloned());
    println!("{} calls, {} grants; waiting for quiet", calls.len(), grants.len());
    // What is broken already is named at once: a ledger that met a contradiction pays nothing more, and quiet never comes.
    let report = well(checker::check(&fleet.event_log().await, &[]).await);
    hold(&report, &calls, &grants);
    everything_has_ended(town).await;
    everything_is_paid_back(fleet).await;
    for workspace in town.workspaces.iter().filter(|workspace| workspace.is_poor) {
        sell_out(fleet, workspace, &mut calls, &mut grants).await;
    }
    everything_has_ended(town).await;

    let report = everything_is_paid_back(fleet).await;
    hold(&report, &calls, &grants);
    the_api_says_what_the_log_says(fleet, town, &report).await;
    everything_was_sent_once_or_paid_back(fleet, &report).await;
    summary(&report, &calls);
}

fn well(checked: Result<Report, Finding>) -> Report {
    checked.unwrap_or_else(|Finding { invariant, at, what }| panic!("the log breaks {invariant} at {at}: {what}"))
}

fn hold(report: &Report, calls: &[Call], grants: &[Grant]) {
    if let Err((rule, what)) = check_callers(report, calls, grants) {
        panic!("the callers' notes break {rule}: {what}");
    }
}

/// Waits until no message waits for anything.
async fn everything_has_ended(town: &Town) {
    for workspace in &town.workspaces {
        for state in ["queued", "sending", "unknown"] {
            let path = workspace.path(&format!("/messages?limit=1&state={state}"));
            eventually(&format!("nothing is {state}"), SENT_WITHIN, async || {
                let answer = workspace.owner.get(&path).await;
                if answer.status != 200 {
                    return Err(answer.text());
                }
                let items = answer.json()["items"].clone();
                if items.as_array().is_some_and(Vec::is_empty) { Ok(()) } else { Err(items.to_string()) }
            })
            .await;
        }
    }
}

/// Waits until whatever failed is refunded, and whatever a writer drew and did not spend is back.
async fn everything_is_paid_back(fleet: &Fleet) -> Report {
    let log = fleet.event_log().await;
    eventually("what failed is refunded and what was drawn too much is back", LATER, async || {
        let report = well(checker::check(&log, &[]).await);
        let in_hand: BTreeMap<_, _> =
            report.books.iter().map(|(id, book)| (id, book.in_hand)).filter(|(_, credits)| *credits != 0).collect();
        if report.owed.is_empty() && in_hand.is_empty() {
            return Ok(report);
        }
        Err(format!("owed: {:?}, in hand: {in_hand:?}", report.owed))
    })
    .await
}

/// Spends a workspace's last credits, each at another replica; then every replica says that none is left.
async fn sell_out(fleet: &Fleet, workspace: &Workspace, calls: &mut Vec<Call>, grants: &mut Vec<Grant>) {
    let wallet = wallet(&workspace.owner.get(&workspace.path("/credits")).await);
    // Two more than there are replicas, so that each sells one after another one did.
    let more = fleet.urls.len() + 2;
    let reason = format!("the last {more}");
    let body = json!({"credits": more, "reason": reason});
    let answer = fleet.operator(0).post(&workspace.path("/credits"), body).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    grants.push(Grant { workspace: workspace.id, reason, was_told: true });

    let (http, mut dice) = (http(), Dice::of(0, &workspace.hook));
    let available = usize::try_from(wallet.available).expect("a poor workspace has few") + more;
    for n in 0..available + fleet.urls.len() {
        let replica = &fleet.urls[n % fleet.urls.len()];
        let left = available.saturating_sub(n);
        // It may take a moment until what a dead process held is back: 503 until then, and never 402.
        eventually(&format!("{replica} sells one of {left}"), LATER, async || {
            let call = buy(&http, replica, workspace, &mut dice).await;
            let told = call.tries[0].told.clone();
            calls.push(call);
            match told {
                Told::Accepted(_) if left > 0 => Ok(()),
                Told::NotEnough if left == 0 => Ok(()),
                Told::Unavailable => Err("503".to_owned()),
                other => panic!("{replica} was to sell one of {left} credits of {} and said {other:?}", workspace.id),
            }
        })
        .await;
    }
}

fn wallet(answer: &Answer) -> Wallet {
    serde_json::from_value(answer.expect(200)).expect("a wallet has four numbers")
}

async fn the_api_says_what_the_log_says(fleet: &Fleet, town: &Town, report: &Report) {
    for (replica, workspace) in (0..fleet.urls.len()).flat_map(|n| town.workspaces.iter().map(move |w| (n, w))) {
        let said = wallet(&fleet.operator(replica).get(&workspace.path("/credits")).await);
        let book = &report.books[&workspace.id];
        let [granted, consumed, refunded, available] =
            [said.granted, said.consumed, said.refunded, said.available].map(i128::from);
        assert_eq!(
            (granted, consumed, refunded, available),
            (book.granted, book.consumed, book.refunded, book.available()),
            "what replica {replica} says of {} is not what the log says",
            workspace.id
        );
    }
}

async fn everything_was_sent_once_or_paid_back(fleet: &Fleet, report: &Report) {
    let mut taken: BTreeMap<(MessageId, &str), usize> = BTreeMap::new();
    let journal = fleet.sandbox.journal().await;
    for line in journal.0.iter().filter(|line| line.is_message()) {
        // A message's id and the number of the part.
        let tracker = line.tracker.as_deref().and_then(|tracker| tracker.split_once('.'));
        let part = tracker.and_then(|(message, part)| Some((message.parse().ok()?, part)));
        let part: (MessageId, &str) = part.unwrap_or_else(|| panic!("a request of no message: {line:?}"));
        assert!(report.accepted.contains_key(&part.0), "{} was sent, but never accepted", part.0);
        *taken.entry(part).or_default() += usize::from(line.was_taken());
    }
    let twice = taken.iter().find(|(_, times)| **times > 1);
    assert!(twice.is_none(), "went out more than once: {twice:?}");
    let went_out: BTreeSet<_> =
        taken.iter().filter(|(_, times)| **times == 1).map(|((message, _), _)| message).collect();
    for (message, accepted) in &report.accepted {
        let refunded = report.refunded.get(message).copied().unwrap_or(0);
        let settled = went_out.contains(message) || refunded == accepted.credits.0;
        assert!(settled, "{message} cost {}, never went out, and {refunded} were refunded", accepted.credits);
    }
}

fn summary(report: &Report, calls: &[Call]) {
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for one in calls.iter().flat_map(|call| &call.tries) {
        let kind = match one.told {
            Told::Accepted(_) => "accepted".to_owned(),
            ref other => format!("{other:?}"),
        };
        *told.entry(kind).or_default() += 1;
    }
    println!("told: {told:?}");
    println!(
        "{} accepted, {} refunded, {} records: {:?}",
        report.accepted.len(),
        report.refunded.len(),
        report.records,
        report.events
    );
}
