//! What must be true once everything has ended. WhatsApp's journal is the truth; the log is only asked what it paid back.

use std::collections::{BTreeMap, HashMap, HashSet};

use angelia_shared::event::{Event, lines};
use angelia_shared::ids::{MemberId, MessageId};
use angelia_shared::log::{EventLog, From, Reader, ReaderOptions};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::wamid::veiled;
use angelia_tests::checker::{self, Finding, Report};
use angelia_tests::fleet::Fleet;
use angelia_tests::journal::{Journal, Line};
use angelia_tests::wait::{LATER, eventually};
use serde_json::json;

use crate::town::Sent;

/// What the journal's whole milliseconds hide.
const ROUNDING_MS: i64 = 1;

/// Waits until each of so many has a share of the partitions, and no dead one has any.
pub(crate) async fn everybody_has_a_share(fleet: &Fleet, members: usize) {
    let log = fleet.event_log().await;
    eventually(&format!("all partitions are with the {members} that live"), LATER, async || {
        let mut shares: BTreeMap<Option<MemberId>, usize> = BTreeMap::new();
        for holder in holders(&log).await.into_values() {
            *shares.entry(holder).or_default() += 1;
        }
        if shares.len() == members && !shares.contains_key(&None) { Ok(()) } else { Err(format!("{shares:?}")) }
    })
    .await;
}

pub(crate) async fn holders(log: &EventLog) -> HashMap<Partition, Option<MemberId>> {
    let options = ReaderOptions {
        name: "tests-claims".to_owned(),
        filters: vec!["ev.claim.*".to_owned()],
        from: From::LastPerSubject,
    };
    let mut reader = Reader::new(log.clone(), options);
    let (mut holders, mut left) = (HashMap::new(), reader.open().await);
    while left > 0 {
        let record = reader.next().await.expect("the log has no gap");
        left = record.pending;
        let Ok(Subject::PartitionClaim(part)) = record.subject else { continue };
        let line = lines(&record.payload).next().expect("a record has a line");
        let holder = match Event::from_line(line).expect("an event") {
            Event::PartitionClaimed(claim) => Some(claim.member),
            _ => None,
        };
        holders.insert(part, holder);
    }
    holders
}

/// What the log says, when every invariant holds in it.
pub(crate) async fn report(log: &EventLog, notes: &[MessageId]) -> Report {
    checker::check(log, notes).await.unwrap_or_else(|Finding { invariant, at, what }| {
        panic!("the log breaks {invariant} at {at}: {what}");
    })
}

/// Gives how many outcomes were looked up.
pub(crate) async fn check(fleet: &Fleet, sent: &[Sent], notes: &[MessageId]) -> usize {
    let log = fleet.event_log().await;
    let report = eventually("what failed is refunded", LATER, async || {
        let report = report(&log, notes).await;
        if report.owed.is_empty() { Ok(report) } else { Err(format!("owed: {:?}", report.owed)) }
    })
    .await;
    let journal = fleet.sandbox.journal().await;
    let mut longest = 0;
    for account in sent {
        let lines = journal.from_number(&account.phone_number_id);
        order_and_tries(account, &lines);
        longest = longest.max(pace(account, &lines));
        nothing_lost(account, &journal, &report);
    }
    let taken = report.events.get("PartitionClaimed").copied().unwrap_or(0);
    assert!(taken > u64::from(fleet.event_log().await.partitions()), "no partition ever changed hands: {taken} claims");
    let found = found_is_true(&log, &journal).await;
    println!("{found} outcomes were looked up");
    println!("the longest time between two attempts of one account: {longest} ms");
    println!("{} messages, {} refunded, {:?}", report.accepted.len(), report.refunded.len(), report.events);
    found
}

/// What a look-up has told is what WhatsApp did with that very request (LU-1). Gives how many outcomes were looked up.
async fn found_is_true(log: &EventLog, journal: &Journal) -> usize {
    let options = ReaderOptions {
        name: "tests-receipts".to_owned(),
        filters: vec!["ev.receipt.*".to_owned()],
        from: From::After(0),
    };
    let mut reader = Reader::new(log.clone(), options);
    let (mut found, mut left) = (HashSet::new(), reader.open().await);
    while left > 0 {
        let record = reader.next().await.expect("the log has no gap");
        left = record.pending;
        for line in lines(&record.payload) {
            let event = Event::from_line(line).expect("an event");
            let (Event::MessageSent(fact) | Event::MessageDelivered(fact) | Event::MessageRead(fact)) = event else {
                continue;
            };
            if fact.looked_up {
                let message = fact.message.to_string();
                let wamids: Vec<_> =
                    journal.sends_of(&message).iter().map(|line| line.wamid.as_deref().map(veiled)).collect();
                assert_eq!(wamids, [fact.provider_id], "{message} was found in another message's place");
                found.insert(fact.message);
            }
        }
    }
    found.len()
}

/// Each account's messages come in the order of acceptance, and one comes again only when WhatsApp had refused it.
fn order_and_tries(account: &Sent, lines: &[&Line]) {
    let number = |line: &Line| {
        let number = account.messages.iter().position(|message| line.belongs_to(message));
        number.unwrap_or_else(|| panic!("a request of no message: {line:?}"))
    };
    for pair in lines.windows(2) {
        let (before, after) = (number(pair[0]), number(pair[1]));
        assert!(before <= after, "number {after} overtook number {before}: {pair:?}");
        // This transport cannot tell a second try from a second message: never again after a connection that broke.
        let was_refused = pair[0].answered != json!(200) && pair[0].answered != json!("closed");
        assert!(before < after || was_refused, "number {after} was sent again: {pair:?}");
    }
}

/// No two requests of an account are closer than its floor. Gives the longest distance, in milliseconds.
fn pace(account: &Sent, lines: &[&Line]) -> i64 {
    let floor_ms = account.floor_ms;
    let gaps: Vec<i64> = lines.windows(2).map(|pair| pair[1].received_at_ms - pair[0].received_at_ms).collect();
    let closest = gaps.iter().min().copied().unwrap_or(floor_ms);
    assert!(closest >= floor_ms - ROUNDING_MS, "{}: {closest} ms after the one before", account.phone_number_id);
    gaps.into_iter().max().unwrap_or(0)
}

/// Every message went out once, or was paid back; never both.
fn nothing_lost(account: &Sent, journal: &Journal, report: &Report) {
    for message in &account.messages {
        let taken = journal.sends_of(message).into_iter().filter(|line| line.was_taken()).count();
        let id: MessageId = message.parse().expect("a message id");
        let refunded = report.refunded.get(&id).copied().unwrap_or(0);
        let accepted = report.accepted.get(&id).unwrap_or_else(|| panic!("{message} is not in the log"));
        let right = sent_or_paid_back(taken, refunded, accepted.credits.0)
            // Of this one nothing tells but a look-up, and under faults it may come too late.
            || (refunded == accepted.credits.0 && account.silent.contains(message));
        assert!(right, "{message} went out {taken} times and {refunded} of its credits came back");
    }
}

fn sent_or_paid_back(taken: usize, refunded: u64, price: u64) -> bool {
    (taken == 1 && refunded == 0) || (taken == 0 && refunded == price)
}

/// That each of these finds what it looks for.
mod tests {
    use angelia_shared::ids::AccountId;

    use super::*;

    const FIRST: &str = "wa_backend:3EB00000000000000001";
    const SECOND: &str = "wa_backend:3EB00000000000000002";

    fn sent() -> Sent {
        Sent {
            account: AccountId(1),
            floor_ms: 300,
            phone_number_id: "900".to_owned(),
            silent: HashSet::new(),
            messages: vec![FIRST.to_owned(), SECOND.to_owned()],
        }
    }

    fn line(message: &str, received_at_ms: i64, answered: serde_json::Value) -> Line {
        let digits = message.rsplit(':').next().expect("a part");
        Line {
            seq: 1,
            received_at_ms,
            phone_number_id: "900".to_owned(),
            to: None,
            kind: "text".to_owned(),
            body: json!({}),
            tracker: Some(format!("{digits}.0")),
            wamid: (answered == json!(200)).then(|| "wamid".to_owned()),
            answered,
        }
    }

    #[test]
    fn a_good_history_passes() {
        let lines = [line(FIRST, 0, json!(503)), line(FIRST, 300, json!(200)), line(SECOND, 600, json!("closed"))];
        let lines: Vec<&Line> = lines.iter().collect();
        order_and_tries(&sent(), &lines);
        assert_eq!(pace(&sent(), &lines), 300);
    }

    #[test]
    #[should_panic(expected = "overtook")]
    fn a_message_that_overtakes_is_seen() {
        order_and_tries(&sent(), &[&line(SECOND, 0, json!(200)), &line(FIRST, 300, json!(200))]);
    }

    #[test]
    #[should_panic(expected = "was sent again")]
    fn a_second_try_after_a_broken_connection_is_seen() {
        order_and_tries(&sent(), &[&line(FIRST, 0, json!("closed")), &line(FIRST, 300, json!(200))]);
    }

    #[test]
    #[should_panic(expected = "ms after the one before")]
    fn a_gap_under_the_floor_is_seen() {
        pace(&sent(), &[&line(FIRST, 0, json!(200)), &line(SECOND, 298, json!(200))]);
    }

    #[test]
    #[should_panic(expected = "is not in the log")]
    fn a_message_that_the_log_does_not_have_is_seen() {
        nothing_lost(&sent(), &Journal(vec![line(FIRST, 0, json!(200))]), &Report::default());
    }

    #[test]
    fn what_was_lost_doubled_or_paid_back_though_it_went_out_is_seen() {
        assert!(sent_or_paid_back(1, 0, 2) && sent_or_paid_back(0, 2, 2));
        for (taken, refunded) in [(0, 0), (0, 1), (1, 2), (2, 0)] {
            assert!(!sent_or_paid_back(taken, refunded, 2), "{taken} {refunded}");
        }
    }
}
