use std::fs;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::event::{CreditsRefunded, Event, LedgerCheckpointed, RefundItem, Totals};
use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::digest::sha256;
use angelia_shared::query::{
    self, AcceptedCall, AccountQueue, AskAccounts, AskActivations, AskCredits, AskDigest, AskFindings, AskMessage,
    AskMessages, AskStatement, CreditsView, MessageView, Reading, StatementLine,
};
use angelia_shared::subject::Subject;
use angelia_shared::units::{Credits, UnixMillis};

use tokio::sync::watch;

use super::PATIENCE;
use super::town::{Pen, Town, failed, sent, unknown, webhook, workspace};
use crate::audit::check;
use crate::domain::table::Tables as _;
use crate::domain::wallet::Wallet;
use crate::shell::consumer::Progress;
use crate::shell::reading;
use crate::shell::replay::replay;
use crate::shell::run::RunLedgerError;
use crate::shell::store::{LogIdentity, Overlay, Store, StoreError};

const OURS: WorkspaceId = WorkspaceId(1);

async fn some_history(pen: &mut Pen) {
    pen.grant(OURS, 30).await;
    let accepted = pen.accept(OURS, 20).await;
    for (at, one) in accepted.iter().take(12).enumerate() {
        pen.attempt(*one, [sent(), failed(), unknown()][at % 3].clone()).await;
    }
}

type Everything = (CreditsView, Vec<StatementLine>, Vec<MessageView>, Vec<AccountQueue>, Vec<AcceptedCall>);

/// Every answer about the workspace, once its four failed messages are paid back.
async fn everything(town: &Town) -> Everything {
    let credits = town.until(AskCredits { workspace: OURS }, |view| view.refunded == Credits(4)).await;
    let statement = AskStatement { workspace: OURS, from: None, to: None, after: None, limit: 1_000 };
    let list = AskMessages { workspace: OURS, state: None, account: None, before: None, limit: 1_000 };
    let listed = town.ask(list, 0).await;
    let mut messages = Vec::new();
    for one in &listed {
        messages.push(town.ask(AskMessage { workspace: OURS, message: one.message }, 0).await.unwrap());
    }
    let calls = AskActivations { workspace: OURS, webhook: webhook(OURS), limit: 100 };
    let accounts = town.ask(AskAccounts { workspace: OURS }, 0).await;
    (credits, town.ask(statement, 0).await, messages, accounts, town.ask(calls, 0).await)
}

fn set_aside(town: &Town) -> usize {
    let names = fs::read_dir(town.folder.path()).unwrap();
    names.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("a.damaged-")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_folder_changes_no_answer() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    some_history(&mut pen).await;
    let ledger = town.ledger("a", &[]).await;
    let before = everything(&town).await;
    assert_eq!((before.1.len(), before.2.len(), before.4.len()), (25, 20, 20));
    ledger.stop().await;
    fs::remove_dir_all(town.folder.path().join("a")).unwrap();
    let ledger = town.ledger("a", &[]).await;
    assert_eq!(everything(&town).await, before);
    ledger.stop().await;
    // And with the folder kept.
    let ledger = town.ledger("a", &[]).await;
    assert_eq!(everything(&town).await, before);
    ledger.stop().await;
    assert_eq!(set_aside(&town), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_folder_is_set_aside_and_changes_no_answer() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    some_history(&mut pen).await;
    let ledger = town.ledger("a", &[]).await;
    let before = everything(&town).await;
    ledger.stop().await;
    fs::write(town.folder.path().join("a/db"), vec![0x5A; 300_000]).unwrap();
    let ledger = town.ledger("a", &[]).await;
    assert_eq!(everything(&town).await, before);
    assert_eq!(set_aside(&town), 1);
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_another_log_is_set_aside() {
    let (town, other) = (Town::new().await, Town::new().await);
    let mut pen = other.pen().await;
    pen.grant(workspace(9), 5).await;
    let ledger = other.ledger("a", &[]).await;
    ledger.stop().await;
    fs::rename(other.folder.path().join("a"), town.folder.path().join("a")).unwrap();
    some_history(&mut town.pen().await).await;
    let ledger = town.ledger("a", &[]).await;
    everything(&town).await;
    assert_eq!(town.ask(AskCredits { workspace: workspace(9) }, 0).await, CreditsView::default());
    assert_eq!(set_aside(&town), 1);
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_used_ends_the_ledger_with_what_to_do() {
    let town = Town::new().await;
    fs::write(town.folder.path().join("a"), "a file").unwrap();
    let ledger = town.ledger_begun("a", &[]).await;
    let ended = tokio::time::timeout(PATIENCE, ledger.task).await.unwrap().unwrap();
    assert!(matches!(ended, Err(RunLedgerError::Store(StoreError::Folder { .. }))), "{ended:?}");
    let first = town.ledger("b", &[]).await;
    let second = town.ledger_begun("b", &[]).await;
    let ended = tokio::time::timeout(PATIENCE, second.task).await.unwrap().unwrap();
    assert!(matches!(ended, Err(RunLedgerError::Store(StoreError::InUse { .. }))), "{ended:?}");
    first.stop().await;
}

/// A refund of nothing with wrong totals: what no honest service writes.
fn impossible() -> Event {
    let (message, reason) = (angelia_shared::ids::MessageId(404), "made up".to_owned());
    let items = vec![RefundItem { message, part: 0, credits: Credits(1), reason }];
    let (credits, totals) = (Credits(1), Totals::default());
    Event::CreditsRefunded(CreditsRefunded { v: 1, items, credits, totals, at: UnixMillis(1) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contradiction_in_a_taken_up_projection_is_checked_while_it_answers_and_stops_one_workspace() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    some_history(&mut pen).await;
    pen.grant(workspace(2), 5).await;
    let ledger = town.ledger("a", &[]).await;
    everything(&town).await;
    ledger.stop().await;
    let ledger = town.ledger("a", &[]).await;
    let stored = pen.write(vec![(Subject::Wallet(OURS), impossible())]).await;
    // Answered at once, while a rebuild beside it finds the same: the folder is sound and stays.
    let digest = town.ask(AskDigest {}, stored.sealed_at).await;
    assert_eq!((digest.contradictions, set_aside(&town)), (2, 0));
    let findings = town.ask(AskFindings {}, stored.sealed_at).await;
    let named = findings.first.iter().map(|one| (one.position, one.workspace, one.invariant.as_str()));
    let at = stored.positions[0];
    assert_eq!(named.collect::<Vec<_>>(), [(at, Some(OURS), "WA-4"), (at, Some(OURS), "DP-2")]);
    // Another failure there is not paid; one elsewhere is.
    let theirs = pen.accept(workspace(2), 1).await;
    pen.fail(theirs[0]).await;
    town.until(AskCredits { workspace: workspace(2) }, |view| view.refunded == Credits(1)).await;
    let refunded_before = town.refunds().await.len();
    let view = town.ask(AskMessages { workspace: OURS, state: None, account: None, before: None, limit: 1 }, 0).await;
    let (message, at) = (view[0].message, view[0].accepted);
    pen.fail(super::town::Accepted { message, workspace: OURS, at }).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(town.refunds().await.len(), refunded_before);
    ledger.stop().await;
}

/// Changes a row of a closed ledger's folder behind its back.
async fn spoil(town: &Town, folder: &str) {
    let path = town.config(folder, &[]).ledger_dir;
    let (first, last) = (town.log.record_at(1).await.unwrap(), town.log.last_sequence().await.unwrap());
    let identity = LogIdentity { first: first.map(|record| sha256(&record.payload)), last };
    let mut overlay = Overlay::open(Arc::new(Store::open(&path, 8 << 20, identity).unwrap())).unwrap();
    let wallet: Wallet = overlay.get(&OURS).unwrap().unwrap();
    overlay.put(&OURS, &Wallet { consumed: Credits(wallet.consumed.0 + 7), ..wallet });
    overlay.sync().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_ledger_that_has_something_else_than_the_log_breaks_lg_1() {
    let town = Town::new().await;
    some_history(&mut town.pen().await).await;
    let ledger = town.ledger("a", &[]).await;
    everything(&town).await;
    let compared = check::compare_live(&town.log, 0, |_| ()).await.unwrap();
    assert_eq!(compared.finding(), None);
    ledger.stop().await;
    spoil(&town, "a").await;
    let ledger = town.ledger("a", &[]).await;
    let end = town.log.last_sequence().await.unwrap();
    let finding = check::compare_live(&town.log, end, |_| ()).await.unwrap().finding();
    assert_eq!(finding.map(|finding| finding.invariant), Some("LG-1"));
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_at_fault_answers_until_a_rebuild_beside_it_takes_its_place() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    some_history(&mut pen).await;
    let ledger = town.ledger("a", &[]).await;
    let before = everything(&town).await;
    ledger.stop().await;
    spoil(&town, "a").await;
    let ledger = town.ledger("a", &[]).await;
    let wrong = town.ask(AskCredits { workspace: OURS }, 0).await;
    assert_eq!(wrong.consumed, Credits(before.0.consumed.0 + 7));
    // A checkpoint of another ledger shows that something is wrong here.
    let shown = async {
        while town.ask(AskCredits { workspace: OURS }, 0).await != before.0 {
            let replayed = replay(&town.log, None).await.unwrap();
            let previous = town.log.head(Subject::Checkpoint).await.unwrap().map_or(0, |head| head.seq);
            let (log_digest, state_digest) = (replayed.log_digest, replayed.state_digest);
            let fact = LedgerCheckpointed { v: 1, seq: replayed.seq, log_digest, state_digest, previous };
            // Compared only if nothing came in between.
            pen.write(vec![(Subject::Checkpoint, Event::LedgerCheckpointed(fact))]).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(PATIENCE, shown).await.expect("the rebuilt one takes its place");
    assert_eq!(everything(&town).await, before);
    assert_eq!((set_aside(&town), town.folder.path().join("a.rebuilding").exists()), (1, false));
    assert_eq!(town.ask(AskDigest {}, 0).await.contradictions, 0, "what was wrong was the folder, not the log");
    ledger.stop().await;
    assert_eq!(replay(&town.log, None).await.unwrap().contradictions, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_was_cut_off_is_finished_at_the_next_start() {
    let town = Town::new().await;
    some_history(&mut town.pen().await).await;
    let ledger = town.ledger("a", &[]).await;
    let before = everything(&town).await;
    ledger.stop().await;
    let path = |name: &str| town.folder.path().join(name);
    fs::rename(path("a"), path("a.rebuilding")).unwrap();
    let ledger = town.ledger("a", &[]).await;
    assert_eq!(everything(&town).await, before);
    assert!(path("a").join("db").exists() && !path("a.rebuilding").exists());
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_does_not_answer_yet_says_how_far_it_is() {
    let town = Town::new().await;
    assert_eq!(query::reading(town.log.client()).await, None);
    let (_tell, progress) = watch::channel(Progress { behind: 7, caught_up: false });
    let log = town.broker.log().await;
    let telling = tokio::spawn(async move { reading::tell(&log, || 5, progress).await });
    let asking = async {
        loop {
            if let Some(found) = query::reading(town.log.client()).await {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, asking).await.unwrap();
    assert_eq!(found, Reading { at: 5, of: 12 });
    telling.abort();
}
