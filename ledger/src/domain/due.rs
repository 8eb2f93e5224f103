//! What is due: refunds, the end of unknown outcomes, a checkpoint, the ledger's claim.
//!
//! Shape: (rows, time) -> what to append. Whatever is decided here is decided from the projection alone, so two ledgers
//! that decide at once decide the same, and the guards let one of them through.
//!
//! Not here: appending (see `shell/actor.rs`).

use std::ops::ControlFlow;

use angelia_shared::event::{Digest, LedgerCheckpointed};
use angelia_shared::ids::{AccountId, MemberId, MessageId, Position, WorkspaceId};
use angelia_shared::units::UnixMillis;

use super::acceptance;
use super::digest::state_digest;
use super::head::{Claim, Head, Mark};
use super::index::UnknownSince;
use super::message::Message;
use super::refund::{self, Debt, ITEMS_MAX, Refund};
use super::table::{Direction, Span, Tables};
use super::wallet::Wallet;

/// Refunds that are due at `now`, one a workspace, for at most `workspaces_max` workspaces.
///
/// # Errors
/// When the store cannot be read.
pub fn refunds<T: Tables>(tables: &T, workspaces_max: usize, now: UnixMillis) -> Result<Vec<Refund>, T::Error> {
    let mut due = Vec::new();
    let mut rest = Span::all::<Debt>();
    while due.len() < workspaces_max {
        let mut debts: Vec<(u8, Debt)> = Vec::new();
        let mut whose = None;
        tables.scan::<Debt>(&rest, Direction::Up, |(workspace, _, part), debt| {
            if *whose.get_or_insert(workspace) != workspace || debts.len() >= ITEMS_MAX {
                return ControlFlow::Break(());
            }
            debts.push((part, debt));
            ControlFlow::Continue(())
        })?;
        let Some(workspace) = whose else { break };
        let wallet: Wallet = tables.get(&workspace)?.unwrap_or_default();
        due.extend(refund::plan(workspace, &wallet, &debts, now));
        // One whose books are in doubt keeps its debts; the others are found behind them.
        let Some(next) = workspace.0.checked_add(1) else { break };
        rest = rest.starting_at::<Debt>(&WorkspaceId(next));
    }
    Ok(due)
}

/// A part whose outcome stays unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// Whose.
    pub workspace: WorkspaceId,
    /// The account that tried.
    pub account: AccountId,
    /// The message.
    pub message: MessageId,
    /// The part.
    pub part: u8,
}

/// Parts that have been unknown for `deadline_ms` at `now`, the oldest first, at most `limit`. Those of workspaces whose
/// books are in doubt are left alone.
///
/// # Errors
/// When the store cannot be read.
pub fn overdue<T: Tables>(
    tables: &T,
    now: UnixMillis,
    deadline_ms: u64,
    limit: usize,
) -> Result<Vec<Overdue>, T::Error> {
    let latest = UnixMillis(now.0.saturating_sub(i64::try_from(deadline_ms).unwrap_or(i64::MAX)));
    let span = Span::all::<UnknownSince>().before::<UnknownSince>(&UnixMillis(latest.0.saturating_add(1)));
    let mut places: Vec<(Position, u8)> = Vec::new();
    tables.scan::<UnknownSince>(&span, Direction::Up, |(_, place, part), _| {
        places.push((place, part));
        ControlFlow::Continue(())
    })?;
    let mut due = Vec::new();
    for (place, part) in places {
        let Some(message) = acceptance::load(tables, place)? else { continue };
        let wallet: Wallet = tables.get(&message.workspace)?.unwrap_or_default();
        if wallet.stopped.is_none() {
            let Message { workspace, account, id: message, .. } = message;
            due.push(Overdue { workspace, account, message, part });
        }
        if due.len() >= limit {
            break;
        }
    }
    Ok(due)
}

/// What a checkpoint covers that is due by records or time: the newest mark, which every projection can compare both digests
/// of; where there is none since the last checkpoint, everything up to here.
///
/// # Errors
/// When the store cannot be read.
pub fn checkpoint<T: Tables>(tables: &T, head: &Head) -> Result<LedgerCheckpointed, T::Error> {
    match head.marks.last().filter(|mark| mark.seq > head.checkpoint.covers) {
        Some(&Mark { seq, log, state }) => Ok(covering(head, seq, log, state)),
        None => last_checkpoint(tables, head),
    }
}

/// A checkpoint of everything up to here.
///
/// # Errors
/// When the store cannot be read.
pub fn last_checkpoint<T: Tables>(tables: &T, head: &Head) -> Result<LedgerCheckpointed, T::Error> {
    Ok(covering(head, head.seq, head.log_digest, state_digest(tables, head)?))
}

fn covering(head: &Head, seq: u64, log_digest: Digest, state_digest: Digest) -> LedgerCheckpointed {
    LedgerCheckpointed { v: 1, seq, log_digest, state_digest, previous: head.checkpoint.at }
}

/// Whether a checkpoint is due: many records since the last one, or some facts and enough time.
pub fn is_checkpoint_due(head: &Head, records_max: u64, waited_enough: bool) -> bool {
    let news = head.last_fact > head.checkpoint.covers;
    news && (waited_enough || head.seq - head.checkpoint.covers.min(head.seq) >= records_max)
}

/// Where a ledger stands with the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is mine, at this sequence: act.
    Mine(u64),
    /// It is free, or I have not tried yet: claim it, guarded by this sequence.
    Claim(u64),
    /// Another one acts.
    Stand,
}

/// Says whether `me` may act. A process claims once at its start, whoever held the claim before: a dead ledger does not
/// release. One that lost the claim takes it again only when its holder gave it up or is gone (`is_gone`: it renews no key),
/// so that two never take turns. Nothing is safe because of this: guards keep two that act at once from paying twice.
pub fn standing(claim: Option<Claim>, me: MemberId, has_claimed: bool, is_gone: impl Fn(MemberId) -> bool) -> Standing {
    match claim {
        None => Standing::Claim(0),
        Some(claim) if claim.released => Standing::Claim(claim.seq),
        Some(claim) if claim.member == me => Standing::Mine(claim.seq),
        Some(claim) if !has_claimed || is_gone(claim.member) => Standing::Claim(claim.seq),
        Some(_) => Standing::Stand,
    }
}

#[cfg(test)]
mod tests;
