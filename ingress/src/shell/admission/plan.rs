//! One workspace's group of a round: decides who is paid, and builds the draw and everything that it pays for.
//!
//! Invariants: WA-2 and WA-4 (the draw is the sum of its acceptances, and they stand or fall together).
//!
//! Not here: rules (see [`crate::domain::admission`] and [`crate::domain::key_map`]), sending.

use std::collections::HashMap;
use std::time::Instant;

use angelia_shared::clock;
use angelia_shared::event::{CreditsDrawn, Event, Totals};
use angelia_shared::ids::{WorkspaceId, WriterId};
use angelia_shared::log::pack::LINES_MAX;
use angelia_shared::log::{AppendError, Entry, Group, Guard, Pending, Stored};
use angelia_shared::subject::Subject;
use angelia_shared::units::Credits;
use tokio::sync::oneshot;

use super::order::Waiting;
use super::room::Pick;
use super::wallets::{Known, Streak};
use crate::domain::admission::{Asked, Verdict, decide};
use crate::domain::key_map::Standing;
use crate::shell::keys::Keys;

/// Keys of one bucket in a batch: they share one guarded record, whose 16 KiB take as many lines as it may have. Keys are
/// spread evenly over their buckets, so a round of 1,920 orders meets this only where the process owns few of them; the
/// others wait for the next round.
pub(super) const BUCKET_KEYS_MAX: usize = LINES_MAX;

/// The buckets that a round uses: the guard of each, and how many keys.
pub(super) type Buckets = HashMap<u8, (u64, usize)>;

/// A group that is handed in, with everything that its answer is about.
pub(super) struct Flight {
    pub(super) workspace: WorkspaceId,
    pub(super) orders: Vec<Waiting>,
    /// The drawn credits and the wallet's totals after the draw.
    pub(super) credits: Credits,
    pub(super) totals: Totals,
    /// Orders that had arrived when this was decided: if it is stored, its wallet is true for all of them.
    pub(super) covers: u64,
    /// The wallet's streak before it, and when it was planned.
    pub(super) streak: Option<Streak>,
    pub(super) planned_at: Instant,
    /// The guard of each bucket that it uses.
    pub(super) guards: Vec<(u8, u64)>,
    pub(super) answer: oneshot::Receiver<Result<Stored, AppendError>>,
}

/// What a round makes of one workspace's orders.
#[derive(Default)]
pub(super) struct Planned {
    /// The group, if anybody is paid.
    pub(super) flight: Option<(Pending, Flight)>,
    /// Orders that wait for a later round.
    pub(super) left: Vec<Waiting>,
    /// Orders whose key must be settled first.
    pub(super) unsettled: Vec<Waiting>,
    /// Whether the wallet must be read before those left can be answered.
    pub(super) reads_wallet: bool,
}

/// Plans one workspace's orders on its wallet as `known`. `arrived` is the newest arrival.
pub(super) fn plan(
    pick: Pick,
    known: Known,
    keys: &Keys,
    buckets: &mut Buckets,
    writer: WriterId,
    arrived: u64,
) -> Planned {
    let mut planned = Planned::default();
    let mut candidates = Vec::with_capacity(pick.orders.len());
    let mut postponed = Vec::new();
    for order in pick.orders {
        match settle_key(&order, keys, buckets) {
            // Whoever went away before the order was handed in is neither charged nor sent anything.
            _ if order.is_abandoned() => {}
            Next::Decide => candidates.push(order),
            Next::Postpone => postponed.push(order),
            Next::Settle => planned.unsettled.push(order),
            Next::Answer(used) => {
                let answer = order.key.as_ref().map(|ticket| ticket.answer(used));
                order.answer(answer.expect("only an order with a key has a used key"));
            }
        }
    }
    let asked: Vec<Asked> = candidates
        .iter()
        .map(|order| Asked { price: order.price, is_covered: order.arrival <= known.covers })
        .collect();
    let decision = decide(known.wallet.available(), &asked);
    let mut paid = Vec::with_capacity(candidates.len());
    for (order, verdict) in candidates.into_iter().zip(decision.verdicts) {
        match verdict {
            Verdict::Pay => paid.push(order),
            Verdict::Wait => planned.left.push(order),
            Verdict::ReadAgain => {
                planned.reads_wallet = true;
                planned.left.push(order);
            }
            Verdict::Refuse(refusal) => order.answer(Err(refusal)),
        }
    }
    planned.left.append(&mut postponed);
    if !paid.is_empty() {
        planned.flight = Some(hand_in(pick.workspace, paid, known, decision.draw, buckets, writer, arrived));
    }
    planned
}

enum Next {
    Decide,
    Postpone,
    Settle,
    Answer(crate::domain::key_map::Used),
}

/// What an order's key allows in this round.
fn settle_key(order: &Waiting, keys: &Keys, buckets: &mut Buckets) -> Next {
    let Some(ticket) = &order.key else { return Next::Decide };
    match keys.standing(ticket) {
        Standing::Used(used) => Next::Answer(used),
        Standing::NeedsLookUp { .. } | Standing::NeedsHead | Standing::NeedsReading => Next::Settle,
        Standing::Clear { guard } => {
            let (round_guard, count) = buckets.entry(ticket.bucket()).or_insert((guard, 0));
            // The reader moved the bucket on during this round, or its record is full.
            if *round_guard != guard || *count >= BUCKET_KEYS_MAX {
                return Next::Postpone;
            }
            *count += 1;
            Next::Decide
        }
    }
}

/// Builds the group: the draw, the acceptances that it pays for, the keys that they use.
fn hand_in(
    workspace: WorkspaceId,
    mut orders: Vec<Waiting>,
    Known { wallet, streak, .. }: Known,
    credits: Credits,
    buckets: &Buckets,
    writer: WriterId,
    covers: u64,
) -> (Pending, Flight) {
    let totals = wallet.draw(credits).expect("a decision draws at most what is available");
    let drawn = Event::CreditsDrawn(CreditsDrawn { v: 1, writer, credits, totals, at: clock::now() });
    let mut entries = Vec::with_capacity(1 + 2 * orders.len());
    entries.push(Entry::new(Subject::Wallet(workspace), &drawn).guarded(Guard::Own(wallet.head())));
    entries.extend(orders.iter_mut().map(|order| order.entry(writer)));
    let mut guards = Vec::new();
    for (ticket, message) in orders.iter().filter_map(|order| Some((order.key.as_ref()?, order.message))) {
        let bucket = ticket.bucket();
        let (guard, _) = buckets[&bucket];
        guards.push((bucket, guard));
        let used = Entry::new(Subject::Key(bucket), &Event::KeyUsed(ticket.used_for(message)));
        entries.push(used.guarded(Guard::Own(guard)));
    }
    let (pending, answer) = Pending::new(Group::from_iter(entries));
    let planned_at = clock::monotonic();
    (pending, Flight { workspace, orders, credits, totals, covers, streak, planned_at, guards, answer })
}
