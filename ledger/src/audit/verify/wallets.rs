//! WA-1, WA-2, WA-4: the money of workspaces, as wallet events and acceptances tell it.

use std::collections::HashMap;

use angelia_shared::event::Totals;
use angelia_shared::ids::{WorkspaceId, WriterId};
use angelia_shared::subject::Subject;

use super::line::Fact;
use super::{Break, must};

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
    wallets: HashMap<WorkspaceId, Sums>,
    /// Drawn minus spent minus returned, for each writer and workspace. Nothing in hand is no entry.
    in_hand: HashMap<(WriterId, WorkspaceId), i128>,
}

impl Wallets {
    pub(super) fn fact(&mut self, subject: Subject, fact: &Fact<'_>) -> Result<(), Break> {
        if let Fact::MessageAccepted(accepted) = fact {
            return self.spend(accepted.writer, accepted.workspace, i128::from(accepted.credits));
        }
        let Subject::Wallet(workspace) = subject else { return Ok(()) };
        let mut sums = self.wallets.get(&workspace).copied().unwrap_or_default();
        let totals = match fact {
            Fact::CreditsGranted(e) => {
                sums.granted += i128::from(e.credits);
                e.totals
            }
            Fact::CreditsDrawn(e) => {
                let drawn = i128::from(e.credits);
                sums.drawn += drawn;
                *self.in_hand.entry((e.writer, workspace)).or_default() += drawn;
                e.totals
            }
            Fact::CreditsReturned(e) => {
                let returned = i128::from(e.credits);
                sums.returned += returned;
                self.spend(e.writer, workspace, returned)?;
                e.totals
            }
            Fact::CreditsRefunded(e) => {
                sums.refunded += i128::from(e.credits);
                let items: i128 = e.items.iter().map(|item| i128::from(item.credits)).sum();
                must("WA-4", items == i128::from(e.credits), || {
                    format!("{} refunded, but its items are {items}", e.credits)
                })?;
                e.totals
            }
            // Nothing else was let onto a wallet's subject.
            _ => return Ok(()),
        };
        self.wallets.insert(workspace, sums);
        let available = sums.granted + sums.returned + sums.refunded - sums.drawn;
        must("WA-1", available >= 0, || format!("workspace {workspace} has {available} credits: {sums:?}"))?;
        must("WA-4", wide(totals) == sums, || format!("workspace {workspace} says {totals:?}, the sum is {sums:?}"))
    }

    fn spend(&mut self, writer: WriterId, workspace: WorkspaceId, credits: i128) -> Result<(), Break> {
        let in_hand = self.in_hand.entry((writer, workspace)).or_default();
        *in_hand -= credits;
        let left = *in_hand;
        if left == 0 {
            self.in_hand.remove(&(writer, workspace));
        }
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
