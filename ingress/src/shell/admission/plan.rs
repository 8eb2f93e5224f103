//! One workspace's group of a round: decides who is paid, and builds the acceptances, the draw that pays for them if the
//! purse does not, and the keys that they use.
//!
//! Invariants: WA-2 and WA-4 (a draw and what it pays for stand or fall together).
//!
//! Not here: rules (see [`crate::domain::purse`], [`crate::domain::admission`] and [`crate::domain::key_map`]), sending.

use std::collections::HashMap;

use angelia_shared::clock;
use angelia_shared::event::{CreditsDrawn, CreditsReturned, Event};
use angelia_shared::ids::{WorkspaceId, WriterId};
use angelia_shared::log::pack::LINES_MAX;
use angelia_shared::log::{AppendError, Entry, Group, Guard, Pending, Stored};
use angelia_shared::subject::Subject;
use tokio::sync::oneshot;

use super::order::Waiting;
use super::room::Pick;
use crate::domain::admission::{Asked, Verdict};
use crate::domain::key_map::Standing;
use crate::domain::purse::{Moment, Purse, Question, Return, Spend};
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
    pub(super) cargo: Cargo,
    pub(super) answer: oneshot::Receiver<Result<Stored, AppendError>>,
}

/// What a group is about.
pub(super) enum Cargo {
    /// Acceptances.
    Orders {
        /// One for each acceptance.
        orders: Vec<Waiting>,
        /// How they are paid.
        spend: Spend,
        /// The guard of each bucket that they use.
        guards: Vec<(u8, u64)>,
    },
    /// A rest that goes back.
    Return(Return),
}

impl Cargo {
    /// How many orders it answers.
    pub(super) fn orders(&self) -> usize {
        match self {
            Self::Orders { orders, .. } => orders.len(),
            Self::Return(_) => 0,
        }
    }
}

/// What a round makes of one workspace's orders.
#[derive(Default)]
pub(super) struct Planned {
    /// The group, if anybody is paid.
    pub(super) flight: Option<(Pending, Flight)>,
    /// Orders that wait for a later round.
    pub(super) left: Vec<Waiting>,
    /// Orders that wait for something to be read or asked.
    pub(super) aside: Vec<Waiting>,
    /// Orders whose key must be settled first.
    pub(super) unsettled: Vec<Waiting>,
    /// Whether the wallet must be read.
    pub(super) reads: bool,
    /// What must be asked.
    pub(super) question: Option<Question>,
}

/// Where a round is: its writer, the newest arrival, the time.
#[derive(Clone, Copy)]
pub(super) struct Round {
    pub(super) writer: WriterId,
    pub(super) arrived: u64,
    pub(super) now: Moment,
}

/// Plans one workspace's orders, paid from `purse`.
pub(super) fn plan(pick: Pick, purse: &mut Purse, keys: &Keys, buckets: &mut Buckets, round: Round) -> Planned {
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
    let asked: Vec<Asked> =
        candidates.iter().map(|order| Asked { price: order.price, arrival: order.arrival }).collect();
    let decided = purse.plan(&asked, round.arrived, round.now);
    let mut paid = Vec::with_capacity(candidates.len());
    for (order, verdict) in candidates.into_iter().zip(decided.verdicts) {
        match verdict {
            Verdict::Pay => paid.push(order),
            Verdict::Wait => planned.left.push(order),
            Verdict::Read | Verdict::Ask | Verdict::Recall => planned.aside.push(order),
            Verdict::Refuse(refusal) => order.answer(Err(refusal)),
        }
    }
    planned.left.append(&mut postponed);
    planned.reads = decided.reads;
    planned.question = decided.question;
    planned.flight = decided.spend.map(|spend| hand_in(pick.workspace, paid, spend, buckets, round.writer));
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

/// Builds the group: the draw if there is one, the acceptances, the keys that they use.
fn hand_in(
    workspace: WorkspaceId,
    mut orders: Vec<Waiting>,
    spend: Spend,
    buckets: &Buckets,
    writer: WriterId,
) -> (Pending, Flight) {
    let mut entries = Vec::with_capacity(1 + 2 * orders.len());
    if let Some(draw) = spend.draw {
        let drawn = CreditsDrawn { v: 1, writer, credits: draw.credits, totals: draw.totals, at: clock::now() };
        let entry = Entry::new(Subject::Wallet(workspace), &Event::CreditsDrawn(drawn));
        entries.push(entry.guarded(Guard::Own(draw.guard)));
    }
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
    (pending, Flight { workspace, cargo: Cargo::Orders { orders, spend, guards }, answer })
}

/// Builds the group of a return.
pub(super) fn hand_back(workspace: WorkspaceId, back: Return, writer: WriterId) -> (Pending, Flight) {
    let returned = CreditsReturned { v: 1, writer, credits: back.credits, totals: back.totals, at: clock::now() };
    let entry = Entry::new(Subject::Wallet(workspace), &Event::CreditsReturned(returned));
    let (pending, answer) = Pending::new(Group::one(entry.guarded(Guard::Own(back.guard))));
    (pending, Flight { workspace, cargo: Cargo::Return(back), answer })
}
