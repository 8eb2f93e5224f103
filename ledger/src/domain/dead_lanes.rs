//! Lanes of processes that died: whose writer is fenced, and what goes back to its workspace.
//!
//! Shape: (rows, who is alive, times) -> writers to fence; (rows) -> returns. What is done about a lane:
//!
//! | its writer | its process | its rest | done |
//! |---|---|---|---|
//! | open | alive, or of a role that renews no key | any | nothing: it spends or returns it |
//! | open | missing for a TTL, as far as a view tells that was unbroken for two | any | fenced, as long as it writes nothing |
//! | open | missing, and it wrote since | any | nothing yet: it lives, or what it wrote was under way. Looked at again |
//! | ended: closed or fenced | any | some | returned |
//! | ended | any | none | forgotten |
//!
//! Invariants:
//! - WA-2 a rest is returned only when the projection has passed the end of its writer: what is decided here is decided from
//!   [`Unreturned`], which only that end writes. Before, a batch could be on its way that spends the rest.
//! - A rest is returned once: guarded by the wallet's head in the projection that showed it.
//!
//! Not here: appending (see `shell/actor.rs`), who is alive (see `angelia_shared::members`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use angelia_shared::event::CreditsReturned;
use angelia_shared::ids::{WorkspaceId, WriterId};
use angelia_shared::members::Seat;
use angelia_shared::query::{Holder, UnspentLane};
use angelia_shared::units::{Credits, UnixMillis};

use super::chain::WriterChain;
use super::lanes::{Lane, Unreturned};
use super::table::{Direction, Span, Tables};
use super::wallet::Wallet;

/// An open writer whose process is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The writer.
    pub writer: WriterId,
    /// Its newest record in the projection: what a fence is guarded with.
    pub head: u64,
    /// Whose key is missing.
    pub seat: Seat,
}

/// Open writers whose process is not among `alive`, by id.
///
/// # Errors
/// When the store cannot be read.
pub fn lost<T: Tables>(tables: &T, alive: &BTreeSet<Seat>) -> Result<Vec<Lost>, T::Error> {
    let mut lost = Vec::new();
    tables.scan::<WriterChain>(&Span::all::<WriterChain>(), Direction::Up, |writer, chain| {
        if let Some(seat) = chain.seat().filter(|seat| !alive.contains(seat)) {
            lost.push(Lost { writer, head: chain.head, seat });
        }
        ControlFlow::Continue(())
    })?;
    Ok(lost)
}

/// Since when writers have been lost without a word of them.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    since: BTreeMap<WriterId, (u64, Duration)>,
}

impl Watch {
    /// Takes in who is lost at `now`; returns who is dead. `unbroken` is for how long the view of the members has told
    /// everything: an outage expires every member, so an expiry is believed only after two TTLs without one.
    ///
    /// A process joins the members before it opens a writer, but the log may tell of the writer first. So a writer is given a
    /// TTL, too, before it is dead.
    pub fn look(&mut self, lost: Vec<Lost>, unbroken: Option<Duration>, ttl: Duration, now: Duration) -> Vec<Lost> {
        let Some(unbroken) = unbroken else {
            self.since.clear();
            return Vec::new();
        };
        let before = std::mem::take(&mut self.since);
        let since = |lost: &Lost| match before.get(&lost.writer) {
            Some((head, since)) if *head == lost.head => *since,
            Some(_) | None => now,
        };
        self.since = lost.iter().map(|lost| (lost.writer, (lost.head, since(lost)))).collect();
        let is_dead = |lost: &Lost| unbroken >= ttl * 2 && now.saturating_sub(self.since[&lost.writer].1) >= ttl;
        lost.into_iter().filter(is_dead).collect()
    }
}

/// One wallet's return, and the head under which it may be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Return {
    /// Whose.
    pub workspace: WorkspaceId,
    /// The wallet's head in the projection that showed the rest.
    pub head: u64,
    /// The event.
    pub event: CreditsReturned,
}

/// Rests of ended writers that go back at `at`: one a workspace, for at most `workspaces_max` workspaces. Nothing is
/// returned where the books are in doubt.
///
/// # Errors
/// When the store cannot be read.
pub fn returns<T: Tables>(tables: &T, workspaces_max: usize, at: UnixMillis) -> Result<Vec<Return>, T::Error> {
    let mut due = Vec::new();
    let mut span = Span::all::<Unreturned>();
    while due.len() < workspaces_max {
        let mut first = None;
        tables.scan::<Unreturned>(&span, Direction::Up, |key, _| {
            first = Some(key);
            ControlFlow::Break(())
        })?;
        let Some((workspace, writer)) = first else { break };
        let wallet: Wallet = tables.get(&workspace)?.unwrap_or_default();
        let lane: Lane = tables.get(&(writer, workspace))?.unwrap_or_default();
        due.extend(plan(workspace, &wallet, writer, lane, at));
        let Some(next) = workspace.0.checked_add(1) else { break };
        span = span.starting_at::<Unreturned>(&WorkspaceId(next));
    }
    Ok(due)
}

fn plan(workspace: WorkspaceId, wallet: &Wallet, writer: WriterId, lane: Lane, at: UnixMillis) -> Option<Return> {
    if wallet.stopped.is_some() {
        return None;
    }
    let credits = lane.rest().filter(|rest| *rest > Credits::ZERO)?;
    let totals = wallet.totals.returning(credits)?;
    Some(Return { workspace, head: wallet.head, event: CreditsReturned { v: 1, writer, credits, totals, at } })
}

/// Writers that hold a rest of a workspace's wallet. None where the books are in doubt: nothing is returned there, so
/// nothing is worth waiting for.
///
/// # Errors
/// When the store cannot be read.
pub fn unspent<T: Tables>(
    tables: &T,
    workspace: WorkspaceId,
    alive: &BTreeSet<Seat>,
) -> Result<Vec<UnspentLane>, T::Error> {
    let wallet: Wallet = tables.get(&workspace)?.unwrap_or_default();
    if wallet.stopped.is_some() {
        return Ok(Vec::new());
    }
    let mut holders = Vec::new();
    tables.scan::<Unreturned>(&Span::under::<Unreturned>(&workspace), Direction::Up, |(_, writer), _| {
        holders.push((writer, Holder::Ended));
        ControlFlow::Continue(())
    })?;
    // As many as there are processes, so each lane is looked up rather than kept in an index that every draw would touch.
    tables.scan::<WriterChain>(&Span::all::<WriterChain>(), Direction::Up, |writer, chain| {
        let missing = chain.seat().is_some_and(|seat| !alive.contains(&seat));
        holders.push((writer, if missing { Holder::Missing } else { Holder::Alive }));
        ControlFlow::Continue(())
    })?;
    let mut unspent = Vec::new();
    for (writer, holder) in holders {
        let lane: Lane = tables.get(&(writer, workspace))?.unwrap_or_default();
        if let Some(credits) = lane.rest().filter(|rest| *rest > Credits::ZERO) {
            unspent.push(UnspentLane { writer, credits, holder });
        }
    }
    Ok(unspent)
}

#[cfg(test)]
mod tests;
