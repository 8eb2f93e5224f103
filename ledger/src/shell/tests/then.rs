//! Messages as they were, and contents of many at once.

use std::collections::BTreeMap;

use angelia_shared::clock;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{AttemptEnded, AttemptStarted, Carry, Event, MessageAccepted, PartRefused};
use angelia_shared::ids::{AccountId, MessageId, Position};
use angelia_shared::query::{
    AskContents, AskMessage, AskMessageThen, AskMessages, AskPlaces, MessageState, MessageView,
};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::{Credits, UnixMillis};

use super::town::{Accepted, Pen, Town, account, receipt, sent, workspace};

const OURS: u128 = 1;

/// One event of an attempt.
fn attempted(event: Event) -> (Subject, Event) {
    let ours = workspace(OURS);
    (Subject::Attempt(Partition(0), ours, account(ours)), event)
}

/// A message of two parts, a credit each.
async fn two_parts(pen: &mut Pen) -> Accepted {
    let ours = workspace(OURS);
    let message = MessageId::generate();
    let (subject, event) = pen.acceptance(ours, message, "sealed");
    let Event::MessageAccepted(fact) = event else { unreachable!("an acceptance") };
    let fact = MessageAccepted { credits: Credits(2), has_file: true, ..*fact };
    let stored = pen.draw(ours, 2, &[(subject, Event::MessageAccepted(Box::new(fact)))]).await;
    Accepted { message, workspace: ours, at: stored.positions[1] }
}

fn started(of: Accepted, attempt: u32, part: u8) -> (Subject, Event) {
    attempted(Event::AttemptStarted(Box::new(AttemptStarted {
        v: 1,
        message: of.message,
        accepted: of.at,
        attempt,
        part,
        parts: 2,
        credits: Credits(1),
        claim: 1,
        at: clock::now(),
        floor_ms: 1_500,
        idempotent: false,
        carry: Carry::default(),
    })))
}

fn ended(of: Accepted, attempt: u32, part: u8, outcome: AttemptOutcome) -> (Subject, Event) {
    attempted(Event::AttemptEnded(Box::new(AttemptEnded {
        v: 1,
        message: of.message,
        attempt,
        part,
        parts: 2,
        credits: Credits(1),
        claim: 1,
        at: clock::now(),
        gap_ms: 1_500,
        outcome,
        carry: Carry::default(),
    })))
}

fn put_off() -> AttemptOutcome {
    AttemptOutcome::Deferred { reason: "throughput".to_owned(), detail: String::new(), until: UnixMillis(1) }
}

/// Writes one record after the other; keeps what the ledger said of the message after each.
async fn played(town: &Town, pen: &mut Pen, of: Accepted, events: Vec<(Subject, Event)>) -> BTreeMap<u64, MessageView> {
    let ask = AskMessage { workspace: of.workspace, message: of.message };
    let end = town.log.last_sequence().await.unwrap();
    let mut said = BTreeMap::from([(end, town.ask(ask.clone(), end).await.unwrap())]);
    for event in events {
        let stored = pen.write(vec![event]).await;
        let seq = stored.positions[0].seq;
        said.insert(seq, town.ask(ask.clone(), seq).await.unwrap());
    }
    said
}

/// At every sequence the message is told as the ledger told it then.
async fn holds(town: &Town, of: Accepted, said: &BTreeMap<u64, MessageView>) {
    let end = town.log.last_sequence().await.unwrap();
    for as_of in 1..=end {
        let ask = AskMessageThen { workspace: of.workspace, message: of.message, as_of };
        let then = town.ask(ask, as_of).await;
        if as_of < of.at.seq {
            assert_eq!(then, None, "as of {as_of}");
            continue;
        }
        let (_, last) = said.range(..=as_of).next_back().unwrap_or_else(|| said.first_key_value().expect("some"));
        let then = then.unwrap_or_else(|| panic!("accepted, as of {as_of}"));
        let brief = |view: &MessageView| {
            let parts: Vec<_> = view.parts.iter().map(|part| (part.state, part.reason.clone())).collect();
            (view.state, parts, view.reason.clone(), view.sealed.clone())
        };
        assert_eq!(brief(&then), brief(last), "as of {as_of}");
        assert!(then.timeline.iter().all(|entry| entry.position.seq <= as_of), "as of {as_of}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_is_told_as_the_log_had_it_at_every_moment() {
    let town = Town::new().await;
    let ledger = town.ledger("a", &[]).await;
    let mut pen = town.pen().await;
    pen.grant(workspace(OURS), 10).await;
    let of = two_parts(&mut pen).await;
    let refused = PartRefused {
        v: 1,
        message: of.message,
        accepted: of.at,
        part: 1,
        parts: 2,
        credits: Credits(1),
        claim: 1,
        at: clock::now(),
        reason: "attachment_too_large".to_owned(),
        detail: "3 MiB".to_owned(),
        carry: Carry::default(),
    };
    let events = vec![
        started(of, 1, 0),
        ended(of, 1, 0, put_off()),
        started(of, 2, 0),
        ended(of, 2, 0, sent()),
        attempted(Event::PartRefused(Box::new(refused))),
        (Subject::Receipt(Partition(0)), Event::MessageDelivered(receipt(of, 0))),
    ];
    let said = played(&town, &mut pen, of, events).await;
    let states = |view: &MessageView| view.parts.iter().map(|part| part.state).collect::<Vec<_>>();
    use MessageState::{Delivered, Failed, Queued, Sending, Sent};
    let told: Vec<_> = said.values().map(|view| (view.state, states(view))).collect();
    let expected = [
        (Queued, vec![]),
        (Sending, vec![Sending, Queued]),
        (Sending, vec![Sending, Queued]),
        (Sending, vec![Sending, Queued]),
        (Sending, vec![Sent, Queued]),
        (Failed, vec![Sent, Failed]),
        (Failed, vec![Delivered, Failed]),
    ];
    assert_eq!(told, expected);
    town.until(AskMessage { workspace: of.workspace, message: of.message }, |view| {
        view.as_ref().is_some_and(|view| view.refunded == Credits(1))
    })
    .await;
    holds(&town, of, &said).await;
    let last = *said.last_key_value().unwrap().0;
    let ask = |as_of| AskMessageThen { workspace: of.workspace, message: of.message, as_of };
    let end = town.log.last_sequence().await.unwrap();
    let refunded = town.ask(ask(end), end).await.unwrap().refunded;
    assert_eq!((town.ask(ask(last - 1), last).await.unwrap().refunded, refunded), (Credits(0), Credits(1)));
    // Nobody else's.
    let other = AskMessageThen { workspace: workspace(2), message: of.message, as_of: end };
    assert_eq!(town.ask(other, end).await, None);
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_timeline_keeps_no_more_is_read_from_the_log() {
    let town = Town::new().await;
    let ledger = town.ledger("a", &[]).await;
    let mut pen = town.pen().await;
    pen.grant(workspace(OURS), 10).await;
    let of = two_parts(&mut pen).await;
    let mut events = Vec::new();
    for attempt in 1..=24 {
        // In what is left out the first part goes out, and the second one's first attempt begins.
        let (part, outcome) = match attempt {
            12 => (0, sent()),
            ..12 => (0, put_off()),
            _ => (1, put_off()),
        };
        events.extend([started(of, attempt, part), ended(of, attempt, part, outcome)]);
    }
    events.extend([started(of, 25, 1), ended(of, 25, 1, sent())]);
    events.push((Subject::Receipt(Partition(0)), Event::MessageFailed(receipt(of, 1))));
    for _ in 0..16 {
        events.push((Subject::Receipt(Partition(0)), Event::MessageDelivered(receipt(of, 0))));
    }
    let said = played(&town, &mut pen, of, events).await;
    let view = said.last_key_value().unwrap().1;
    let note = view.timeline[16].detail.clone().unwrap_or_default();
    assert!(note.contains("earlier entries are only in the log"), "{note}");
    holds(&town, of, &said).await;
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_of_many_messages_come_in_order_and_only_to_their_workspace() {
    let town = Town::new().await;
    let ledger = town.ledger("a", &[]).await;
    let mut pen = town.pen().await;
    let (ours, theirs) = (workspace(OURS), workspace(2));
    pen.grant(ours, 100).await;
    pen.grant(theirs, 100).await;
    let mut accepted = pen.accept(ours, 5).await;
    let other = pen.accept(theirs, 1).await[0];
    accepted.extend(pen.accept(ours, 3).await);
    accepted.reverse();
    let end = town.log.last_sequence().await.unwrap();
    let places = |before, limit| AskPlaces { workspace: ours, state: None, account: None, before, limit };
    let all = town.ask(places(None, 100), end).await;
    assert_eq!(all, accepted.iter().map(|one| one.at).collect::<Vec<_>>());
    assert_eq!(town.ask(places(Some(all[2]), 2), end).await, all[3..5]);
    let by = |state, account| AskPlaces { workspace: ours, state, account, before: None, limit: 100 };
    assert_eq!(town.ask(by(Some(MessageState::Queued), Some(account(ours))), end).await, all);
    assert!(town.ask(by(Some(MessageState::Sent), None), end).await.is_empty());
    assert!(town.ask(by(None, Some(AccountId(7))), end).await.is_empty());

    // Another one's place, places with nothing, and a record that is no acceptance are left out.
    let mut asked = all.clone();
    asked.extend([other.at, Position::new(all[0].seq, 9_999), Position::new(1, 0), Position::new(end + 1_000, 0)]);
    let contents = town.ask(AskContents { workspace: ours, places: asked }, end).await;
    let told: Vec<_> = contents.iter().map(|one| (one.accepted, one.message, one.sealed.data.clone())).collect();
    let expected: Vec<_> =
        accepted.iter().map(|one| (one.at, one.message, format!("sealed {}", one.message))).collect();
    assert_eq!(told, expected);
    let listed =
        town.ask(AskMessages { workspace: ours, state: None, account: None, before: None, limit: 100 }, end).await;
    assert_eq!(listed.iter().map(|view| view.accepted).collect::<Vec<_>>(), all);
    ledger.stop().await;
}
