use angelia_shared::clock;
use angelia_shared::event::{CancelRequested, Event, KeyUsed, Receipt};
use angelia_shared::ids::{AccountId, MessageId, Position};
use angelia_shared::query::{
    self, Ask as _, AskAccounts, AskActivations, AskActivationsBefore, AskCredits, AskCreditsThen, AskDigest, AskError,
    AskFindings, AskKey, AskMessage, AskMessages, AskPosition, AskProviderId, AskStatement, MessageState,
    StatementKind,
};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::{Credits, UnixMillis};

use super::town::{Accepted, Pen, Town, account, failed, receipt, sent, webhook, workspace};
use crate::shell::replay::replay;

const OURS: u128 = 1;

fn statement(limit: u32, after: Option<Position>) -> AskStatement {
    AskStatement { workspace: workspace(OURS), from: None, to: None, after, limit }
}

fn messages(state: Option<MessageState>, by: Option<AccountId>, before: Option<Position>, limit: u32) -> AskMessages {
    AskMessages { workspace: workspace(OURS), state, account: by, before, limit }
}

/// Ten credits, five messages: one sent and delivered, one failed, three waiting.
async fn five(pen: &mut Pen) -> Vec<Accepted> {
    pen.grant(workspace(OURS), 10).await;
    let accepted = pen.accept(workspace(OURS), 5).await;
    pen.attempt(accepted[0], sent()).await;
    pen.attempt(accepted[1], failed()).await;
    let delivered = receipt(accepted[0], 0);
    pen.write(vec![(Subject::Receipt(Partition(0)), Event::MessageDelivered(delivered))]).await;
    accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_statement_and_messages_tell_the_same_story() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let accepted = five(&mut pen).await;
    let ledger = town.ledger("a", &[]).await;
    let credits = AskCredits { workspace: workspace(OURS) };
    let view = town.until(credits.clone(), |view| view.refunded == Credits(1)).await;
    assert_eq!((view.granted, view.consumed, view.available), (Credits(10), Credits(5), Credits(6)));
    assert_eq!(town.ask(AskCredits { workspace: workspace(99) }, 0).await, query::CreditsView::default());

    let lines = town.ask(statement(100, None), 0).await;
    let kinds: Vec<_> = lines.iter().map(|line| (line.moved.kind, line.balance.0)).collect();
    let charges = (5..10).rev().map(|balance| (StatementKind::Charge, balance));
    let expected: Vec<_> =
        [(StatementKind::Grant, 10)].into_iter().chain(charges).chain([(StatementKind::Refund, 6)]).collect();
    assert_eq!(kinds, expected);
    assert_eq!(lines[0].moved.reason.as_deref(), Some("top up"));
    assert_eq!(lines[6].moved.message, Some(accepted[1].message));
    assert_eq!(lines[6].moved.reason.as_deref(), Some("recipient_not_on_whatsapp"));
    assert_eq!(town.ask(statement(3, Some(lines[3].at_position)), 0).await, lines[4..7]);

    let end = town.log.last_sequence().await.unwrap();
    for seq in 1..=end {
        let then = town.ask(AskCreditsThen { workspace: workspace(OURS), as_of: seq }, end).await.unwrap();
        let last = lines.iter().rfind(|line| line.at_position.seq <= seq);
        assert_eq!(then.available, last.map_or(Credits(0), |line| line.balance), "as of {seq}");
    }
    assert_eq!(town.ask(AskCreditsThen { workspace: workspace(OURS), as_of: end + 1_000 }, 0).await, None);
    let findings = town.ask(AskFindings {}, 0).await;
    assert_eq!((findings.contradictions, findings.first.len(), findings.unknown.len()), (0, 0, 0));

    let states: Vec<_> = town.ask(messages(None, None, None, 10), 0).await.iter().map(|view| view.state).collect();
    use MessageState::{Delivered, Failed, Queued};
    assert_eq!(states, [Queued, Queued, Queued, Failed, Delivered]);
    let failed = town.ask(messages(Some(Failed), None, None, 10), 0).await;
    assert_eq!(failed.iter().map(|view| view.message).collect::<Vec<_>>(), [accepted[1].message]);
    let ours = account(workspace(OURS));
    assert_eq!(town.ask(messages(Some(Queued), Some(ours), None, 2), 0).await.len(), 2);
    let page = town.ask(messages(None, Some(ours), Some(accepted[3].at), 2), 0).await;
    assert_eq!(page.iter().map(|view| view.accepted).collect::<Vec<_>>(), [accepted[2].at, accepted[1].at]);
    assert!(town.ask(messages(None, Some(AccountId(5)), None, 10), 0).await.is_empty());
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_says_which_receipts_were_looked_up_and_why_a_message_failed() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let of = five(&mut pen).await[0];
    let reported = receipt(of, 0);
    let looked_up = Receipt { looked_up: true, ..reported.clone() };
    let events = [
        Event::MessageSent(reported),
        Event::MessageRead(looked_up.clone()),
        Event::MessageFailed(Receipt { reason: Some("not_explained".to_owned()), ..looked_up }),
    ];
    pen.write(events.map(|event| (Subject::Receipt(Partition(0)), event)).into()).await;
    let _ledger = town.ledger("a", &[]).await;
    let ask = AskMessage { workspace: of.workspace, message: of.message };
    let view =
        town.until(ask, |view| view.as_ref().unwrap().timeline.iter().any(|entry| entry.event == "MessageFailed"));
    let timeline = view.await.unwrap().timeline;
    let said: Vec<_> = timeline.iter().map(|entry| (entry.event.as_str(), entry.detail.as_deref())).collect();
    let last = [("MessageSent", None), ("MessageRead", Some("looked_up")), ("MessageFailed", Some("not_explained"))];
    assert_eq!(said[said.len() - 3..], last, "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_shows_its_parts_timeline_content_and_place_in_the_queue() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let accepted = five(&mut pen).await;
    let ours = workspace(OURS);
    let (message, by, at) = (accepted[4].message, account(ours), UnixMillis(1));
    let cancel = CancelRequested { v: 1, message, workspace: ours, account: by, at };
    pen.write(vec![(Subject::Cancel(Partition(0)), Event::CancelRequested(cancel))]).await;
    let ledger = town.ledger("a", &[]).await;
    let ask = |at: usize| AskMessage { workspace: ours, message: accepted[at].message };

    let failed = town.until(ask(1), |view| view.as_ref().unwrap().refunded == Credits(1)).await.unwrap();
    assert_eq!(failed.state, MessageState::Failed);
    assert_eq!(failed.reason.as_deref(), Some("recipient_not_on_whatsapp"));
    assert_eq!(failed.detail.as_deref(), Some("no such number"));
    let events: Vec<_> = failed.timeline.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(events, ["MessageAccepted", "AttemptStarted", "AttemptEnded", "CreditsRefunded"]);
    assert_eq!(failed.timeline[2].detail.as_deref(), Some("recipient_not_on_whatsapp"));

    let delivered = town.ask(ask(0), 0).await.unwrap();
    assert_eq!((delivered.state, delivered.parts.len(), delivered.ahead), (MessageState::Delivered, 1, None));
    assert_eq!(delivered.sealed.unwrap().data, format!("sealed {}", accepted[0].message));
    assert_eq!(town.ask(ask(4), 0).await.unwrap().ahead, Some(2));
    assert_eq!(town.ask(ask(4), 0).await.unwrap().timeline[1].event, "CancelRequested");
    assert!(town.ask(AskMessage { workspace: workspace(7), message }, 0).await.is_none());
    assert!(town.ask(AskMessage { workspace: ours, message: MessageId(1) }, 0).await.is_none());

    let queues = town.ask(AskAccounts { workspace: ours }, 0).await;
    assert_eq!((queues.len(), queues[0].account, queues[0].queued), (1, by, 3));
    assert!(queues[0].next_send_at.is_some());
    let provider_id = delivered.parts[0].provider_id.clone().unwrap();
    let found = town.ask(AskProviderId { account: by, provider_id }, 0).await;
    assert_eq!(found, Some((accepted[0].message, 0)));
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn activations_come_newest_first_and_the_rest_follows_when_one_message_is_too_small() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let ours = workspace(OURS);
    pen.grant(ours, 1_000).await;
    let mut accepted = Vec::new();
    for _ in 0..6 {
        // Five large bodies a batch: thirty in all, more than one message of the broker's holds.
        accepted.extend(pen.accept_with(ours, 5, &"x".repeat(64 * 1_024)).await);
    }
    let ledger = town.ledger("a", &[]).await;
    let ask = AskActivations { workspace: ours, webhook: webhook(ours), limit: 100 };
    let mut calls = town.ask(ask, 0).await;
    assert!((1..30).contains(&calls.len()), "{}", calls.len());
    loop {
        let before = calls.last().unwrap().position;
        let ask = AskActivationsBefore { workspace: ours, webhook: webhook(ours), before, limit: 100 };
        let more = town.ask(ask, 0).await;
        if more.is_empty() {
            break;
        }
        calls.extend(more);
    }
    let found: Vec<_> = calls.iter().map(|call| call.message).collect();
    assert_eq!(found, accepted.iter().rev().map(|accepted| accepted.message).collect::<Vec<_>>());
    assert!(calls.iter().all(|call| call.sealed.data.ends_with(&call.message.to_string())));
    let stranger = AskActivations { workspace: workspace(2), webhook: webhook(ours), limit: 100 };
    assert!(town.ask(stranger, 0).await.is_empty());
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_key_is_found_with_the_position_of_the_answer() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let ledger = town.ledger("a", &[]).await;
    let (key, fingerprint) = ("ab".repeat(32), "cd".repeat(32));
    let used = KeyUsed {
        v: 1,
        key: key.clone(),
        fingerprint: fingerprint.clone(),
        workspace: workspace(1),
        message: MessageId(5),
    };
    let stored = pen.write(vec![(Subject::Key(9), Event::KeyUsed(used))]).await;
    let found = town.ask(AskKey { bucket: 9, key: key.clone() }, stored.sealed_at).await.unwrap();
    assert_eq!((found.message, found.fingerprint), (MessageId(5), fingerprint));
    assert!(town.ask(AskKey { bucket: 8, key }, stored.sealed_at).await.is_none());
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_for_its_position_and_says_when_it_is_behind() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let ledger = town.ledger("a", &[]).await;
    for granted in 1..=20 {
        let stored = pen.grant(workspace(OURS), 1).await;
        let ask = AskCredits { workspace: workspace(OURS) };
        let (view, as_of_seq) = query::ask(town.log.client(), ask, stored.sealed_at).await.unwrap();
        assert!(as_of_seq >= stored.sealed_at);
        assert_eq!(view.granted, Credits(granted));
    }
    let behind = query::ask(town.log.client(), AskPosition {}, u64::MAX).await;
    assert!(matches!(behind, Err(AskError::Behind { .. })), "{behind:?}");
    let nonsense = town.log.client().request("angelia.ledger.credits", "{}".into()).await.unwrap();
    assert!(String::from_utf8_lossy(&nonsense.payload).contains("refused"));
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_digest_is_the_one_of_a_replay_from_nothing() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let ledger = town.ledger("a", &[]).await;
    five(&mut pen).await;
    town.until(AskCredits { workspace: workspace(OURS) }, |view| view.refunded == Credits(1)).await;
    for _ in 0..3 {
        pen.grant(workspace(OURS), 3).await;
        let (live, seq) = query::ask(town.log.client(), AskDigest {}, 0).await.unwrap();
        let replayed = replay(&town.log, Some(seq)).await.unwrap();
        assert_eq!(replayed, replay(&town.log, Some(seq)).await.unwrap());
        assert_eq!((replayed.seq, replayed.log_digest, replayed.state_digest), (seq, live.log, live.state));
        assert_eq!((replayed.contradictions.len(), live.contradictions), (0, 0));
    }
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_statement_is_told_in_pages_that_leave_nothing_out() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    pen.grant(workspace(OURS), 5_000).await;
    for _ in 0..5 {
        pen.accept(workspace(OURS), 450).await;
    }
    let ledger = town.ledger("a", &[]).await;
    let (mut balances, mut pages, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let lines = town.ask(statement(1_001, after), 0).await;
        let Some(last) = lines.last() else { break };
        after = Some(last.at_position);
        pages.push(lines.len());
        balances.extend(lines.iter().map(|line| line.balance.0));
    }
    // The largest page of the API, and one more that tells of the next.
    assert_eq!(pages, [1_001, 1_001, 249]);
    assert_eq!(balances, (2_750..=5_000).rev().collect::<Vec<_>>());
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_ledger_delays_every_question_a_little_and_loses_none() {
    let town = Town::new().await;
    let ledger = town.ledger("a", &[]).await;
    // What a suspended process leaves at the broker: a place in the queue, and nobody behind it.
    let subject = format!("{}.{}", query::PREFIX, AskCredits::TOPIC);
    let _silent = town.log.client().queue_subscribe(subject, "q".to_owned()).await.unwrap();
    town.log.client().flush().await.unwrap();
    let began = clock::monotonic();
    // All at once: half of them go to the silent one first.
    let asked = (0..64).map(|_| query::ask(town.log.client(), AskCredits { workspace: workspace(OURS) }, 0));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(began.elapsed() < query::TIMEOUT, "{:?}", began.elapsed());
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_tools_find_the_service() {
    let town = Town::new().await;
    let ledger = town.ledger("a", &[]).await;
    let info = town.log.client().request("$SRV.INFO.ledger", "".into()).await.unwrap();
    let info = String::from_utf8_lossy(&info.payload).into_owned();
    for topic in ["credits", "statement", "message", "messages", "activations", "accounts", "key", "provider_id"] {
        assert!(info.contains(&format!("angelia.ledger.{topic}\"")), "{topic} in {info}");
    }
    ledger.stop().await;
}
