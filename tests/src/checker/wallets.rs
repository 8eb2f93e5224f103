//! WA-1, WA-2, WA-4: the money of workspaces, as wallet events and acceptances tell it. Keeps each workspace's [`Book`],
//! against which callers and the API are held.

use std::collections::BTreeMap;

use angelia_shared::event::{Event, Totals};
use angelia_shared::ids::{WorkspaceId, WriterId};
use angelia_shared::subject::Subject;
use angelia_shared::units::UnixMillis;

use super::{Break, must};

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

/// Sums in wide signed integers: a sum that is wrong must show, not stop the check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    granted: i128,
    drawn: i128,
    returned: i128,
    refunded: i128,
}

#[derive(Default)]
pub(super) struct Wallets {
    wallets: BTreeMap<WorkspaceId, Sums>,
    /// Drawn minus spent minus returned, for each writer and workspace.
    in_hand: BTreeMap<(WriterId, WorkspaceId), i128>,
    books: BTreeMap<WorkspaceId, Book>,
}

impl Wallets {
    pub(super) fn event(&mut self, subject: Subject, at: UnixMillis, event: &Event) -> Result<(), Break> {
        if let Event::MessageAccepted(accepted) = event {
            let book = self.books.entry(accepted.workspace).or_default();
            book.consumed += i128::from(accepted.credits.0);
            book.balances.push((at, book.available()));
            return self.spend(accepted.writer, accepted.workspace, i128::from(accepted.credits.0));
        }
        let Subject::Wallet(workspace) = subject else { return Ok(()) };
        let mut sums = self.wallets.get(&workspace).copied().unwrap_or_default();
        let totals = match event {
            Event::CreditsGranted(e) => {
                sums.granted += i128::from(e.credits.0);
                e.totals
            }
            Event::CreditsDrawn(e) => {
                let drawn = i128::from(e.credits.0);
                sums.drawn += drawn;
                *self.in_hand.entry((e.writer, workspace)).or_default() += drawn;
                e.totals
            }
            Event::CreditsReturned(e) => {
                let returned = i128::from(e.credits.0);
                sums.returned += returned;
                self.spend(e.writer, workspace, returned)?;
                e.totals
            }
            Event::CreditsRefunded(e) => {
                sums.refunded += i128::from(e.credits.0);
                let items: i128 = e.items.iter().map(|item| i128::from(item.credits.0)).sum();
                must("WA-4", items == i128::from(e.credits.0), || {
                    format!("{} refunded, but its items are {items}", e.credits)
                })?;
                e.totals
            }
            other => return Err(("WA-4", format!("{} on a wallet's subject", other.name()))),
        };
        self.wallets.insert(workspace, sums);
        let book = self.books.entry(workspace).or_default();
        if let Event::CreditsGranted(e) = event {
            book.grants.push(e.reason.clone());
        }
        (book.granted, book.refunded) = (sums.granted, sums.refunded);
        book.balances.push((at, book.available()));
        let available = sums.granted + sums.returned + sums.refunded - sums.drawn;
        must("WA-1", available >= 0, || format!("workspace {workspace} has {available} credits: {sums:?}"))?;
        must("WA-4", wide(totals) == sums, || format!("workspace {workspace} says {totals:?}, the sum is {sums:?}"))
    }

    /// Every workspace's book.
    pub(super) fn finish(mut self) -> BTreeMap<WorkspaceId, Book> {
        for ((_, workspace), credits) in self.in_hand {
            self.books.entry(workspace).or_default().in_hand += credits;
        }
        self.books
    }

    fn spend(&mut self, writer: WriterId, workspace: WorkspaceId, credits: i128) -> Result<(), Break> {
        let in_hand = self.in_hand.entry((writer, workspace)).or_default();
        *in_hand -= credits;
        let left = *in_hand;
        must("WA-2", left >= 0, || format!("writer {writer} spent {} more than it drew for {workspace}", -left))
    }
}

fn wide(totals: Totals) -> Sums {
    Sums {
        granted: i128::from(totals.granted.0),
        drawn: i128::from(totals.drawn.0),
        returned: i128::from(totals.returned.0),
        refunded: i128::from(totals.refunded.0),
    }
}
