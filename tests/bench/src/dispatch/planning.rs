//! The rules alone: how many messages a second one core can bring from acceptance to their end, without log and transport.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use angelia_dispatcher::domain::account::{CallResult, Decision, Settings, Waiting};
use angelia_dispatcher::domain::limits::Limits;
use angelia_dispatcher::domain::partition::Partition;
use angelia_dispatcher::domain::plan::{self, File};
use angelia_shared::clock::monotonic;
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::log::Entry;
use angelia_shared::subject::{Partition as Part, Subject};
use angelia_shared::units::{Credits, UnixMillis};

use super::world::mixed;
use crate::table::{Aim, Row};

/// Accounts among which the messages are spread.
const ACCOUNTS: usize = 1_000;
const BEGIN: UnixMillis = UnixMillis(1_700_000_000_000);
const WORKSPACE: WorkspaceId = WorkspaceId(1);

/// Plans so many messages in each round, with simulated time; gives the rates.
pub(super) fn run(messages: usize, rounds: usize, seed: u64) -> Vec<Row> {
    let (mut rules, mut events, mut heap) = (vec![], vec![], vec![]);
    for _ in 0..rounds {
        rules.push(rate(messages, || planned(messages, seed, false)));
        events.push(rate(messages, || planned(messages, seed, true)));
        heap.push(rate(messages, || timers(messages, seed)));
    }
    println!("\nplanning: {messages} messages of {ACCOUNTS} accounts, one core");
    let row = |what: &str, figures, aim| Row::new(what, "messages/s", 0, figures, aim);
    vec![
        row("the rules, from acceptance to the end", rules, Aim::AtLeast(500_000.0)),
        row("with both events of each written out", events, Aim::None),
        row("baseline: a bare heap of timers", heap, Aim::None),
    ]
}

fn rate(messages: usize, work: impl FnOnce() -> usize) -> f64 {
    let began = monotonic();
    let done = work();
    assert_eq!(done, messages, "all are planned");
    messages as f64 / began.elapsed().as_secs_f64()
}

fn full(messages: usize, seed: u64) -> Partition {
    let settings = || Settings { gap_ms: (1_500, 2_500), limits: Limits::default(), hold: None, idempotent: false };
    let mut partition = Partition::new(messages as u64 + 1);
    for n in 0..messages {
        let at = Position::new(1 + n as u64 / 64, (n % 64) as u16);
        let message = MessageId(mixed(seed + n as u64));
        let waiting = Waiting { at, message, accepted_at: BEGIN, expires_after_s: 86_400, credits: 1 };
        partition.accepted(WORKSPACE, AccountId((n % ACCOUNTS) as u128), waiting, settings);
        partition.consumed(at.seq);
    }
    partition.caught_up(BEGIN);
    partition
}

fn planned(messages: usize, seed: u64, writes: bool) -> usize {
    let (mut partition, mut now, mut done, mut bytes) = (full(messages, seed), BEGIN, 0, 0);
    while let Some(at) = partition.next_due() {
        now = now.max(at);
        while let Some(account) = partition.due(now) {
            match partition.next(account, now) {
                Decision::Wait(_) => {}
                Decision::Prepare(preparation) => {
                    partition.prepared(account, preparation.message, plan::plan(Credits(1), true, File::None));
                }
                Decision::Write(write) => {
                    if writes {
                        let entry = Entry::new(Subject::Attempt(Part(0), WORKSPACE, account), &write.event);
                        bytes += std::hint::black_box(&entry).line.len();
                    }
                    partition.stored(account, write.answers_cancel);
                    if let Some((message, _)) = write.call {
                        let sent = CallResult::Sent { provider_id: "wamid.A".to_owned() };
                        partition.call_ended(account, message, sent, now.plus_ms(50));
                        done += 1;
                    }
                }
            }
        }
    }
    assert!(!writes || bytes > 0, "something was written");
    done
}

fn timers(messages: usize, seed: u64) -> usize {
    let mut heap: BinaryHeap<_> = (0..ACCOUNTS as u64).map(|account| Reverse((0, account))).collect();
    for n in 0..messages {
        if let Some(Reverse((at, account))) = heap.pop() {
            heap.push(Reverse((at + 1_500 + mixed(seed + n as u64) % 1_001, account)));
        }
    }
    std::hint::black_box(&heap);
    messages
}
