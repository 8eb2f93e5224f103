//! Notes what callers and the API are held against: acceptances, gaps, and each workspace's [`Book`]. Checks nothing.

use std::collections::BTreeMap;

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{Event, MessageAccepted, lines};
use angelia_shared::ids::{AccountId, MessageId, WorkspaceId, WriterId};
use angelia_shared::log::Record;
use angelia_shared::subject::Subject;
use angelia_shared::units::{Credits, UnixMillis};

/// What a workspace's credits came to.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Sum of the grants.
    pub granted: i128,
    /// Sum of the prices of accepted messages.
    pub consumed: i128,
    /// Sum of the refunds.
    pub refunded: i128,
    /// What writers drew, and neither spent nor gave back.
    pub in_hand: i128,
    /// The reasons of its grants, in order.
    pub grants: Vec<String>,
    /// granted − consumed + refunded after each change, and when the log took it.
    pub balances: Vec<(UnixMillis, i128)>,
}

impl Book {
    /// granted − consumed + refunded.
    pub fn available(&self) -> i128 {
        self.granted - self.consumed + self.refunded
    }

    /// The least that was available at any moment of a time.
    pub fn least(&self, from: UnixMillis, to: UnixMillis) -> i128 {
        let begun = self.balances.partition_point(|(at, _)| *at < from);
        let before = begun.checked_sub(1).map_or(0, |last| self.balances[last].1);
        let during = self.balances[begun..].iter().take_while(|(at, _)| *at <= to);
        during.map(|(_, balance)| *balance).fold(before, i128::min)
    }
}

#[derive(Default)]
pub(super) struct Witness {
    pub(super) accepted: BTreeMap<MessageId, MessageAccepted>,
    pub(super) gaps_ms: BTreeMap<AccountId, Vec<u64>>,
    /// How long the log had known that a message failed when it was paid back, in milliseconds.
    pub(super) paid_after_ms: BTreeMap<MessageId, u64>,
    failed_at: BTreeMap<MessageId, UnixMillis>,
    books: BTreeMap<WorkspaceId, Book>,
    /// Drawn minus spent minus returned, for each writer and workspace.
    in_hand: BTreeMap<(WriterId, WorkspaceId), i128>,
}

impl Witness {
    pub(super) fn record(&mut self, record: &Record) {
        let Ok(subject) = record.subject else { return };
        for event in lines(&record.payload).filter_map(|line| Event::from_line(line).ok()) {
            self.event(subject, record.at, event);
        }
    }

    fn event(&mut self, subject: Subject, at: UnixMillis, event: Event) {
        let (workspace, moved) = match (subject, event) {
            (Subject::Attempt(_, _, account), Event::AttemptEnded(ended)) => {
                self.gaps_ms.entry(account).or_default().push(ended.gap_ms);
                if matches!(ended.outcome, AttemptOutcome::Failed { .. }) {
                    self.failed_at.entry(ended.message).or_insert(at);
                }
                return;
            }
            (_, Event::MessageFailed(receipt)) => {
                self.failed_at.entry(receipt.message).or_insert(at);
                return;
            }
            (_, Event::MessageAccepted(accepted)) => {
                let (writer, workspace, credits) = (accepted.writer, accepted.workspace, accepted.credits);
                self.accepted.insert(accepted.message, *accepted);
                self.hand(writer, workspace, -wide(credits));
                self.book(workspace).consumed += wide(credits);
                (workspace, true)
            }
            (Subject::Wallet(workspace), Event::CreditsGranted(e)) => {
                let book = self.book(workspace);
                book.granted += wide(e.credits);
                book.grants.push(e.reason);
                (workspace, true)
            }
            (Subject::Wallet(workspace), Event::CreditsRefunded(e)) => {
                self.book(workspace).refunded += wide(e.credits);
                for item in e.items {
                    if let Some(failed_at) = self.failed_at.get(&item.message) {
                        self.paid_after_ms.entry(item.message).or_insert(at.ms_since(*failed_at));
                    }
                }
                (workspace, true)
            }
            (Subject::Wallet(workspace), Event::CreditsDrawn(e)) => {
                self.hand(e.writer, workspace, wide(e.credits));
                (workspace, false)
            }
            (Subject::Wallet(workspace), Event::CreditsReturned(e)) => {
                self.hand(e.writer, workspace, -wide(e.credits));
                (workspace, false)
            }
            _ => return,
        };
        let book = self.book(workspace);
        if moved {
            book.balances.push((at, book.available()));
        }
    }

    fn book(&mut self, workspace: WorkspaceId) -> &mut Book {
        self.books.entry(workspace).or_default()
    }

    fn hand(&mut self, writer: WriterId, workspace: WorkspaceId, credits: i128) {
        *self.in_hand.entry((writer, workspace)).or_default() += credits;
    }

    /// Every workspace's book.
    pub(super) fn finish(mut self) -> BTreeMap<WorkspaceId, Book> {
        for ((_, workspace), credits) in self.in_hand {
            self.books.entry(workspace).or_default().in_hand += credits;
        }
        self.books
    }
}

fn wide(credits: Credits) -> i128 {
    i128::from(credits.0)
}
