//! What one turn of the actor does, decided in one look at the projection.

use std::collections::BTreeSet;

use angelia_shared::clock;
use angelia_shared::event::{Event, LedgerCheckpointed, OutcomeSettled};
use angelia_shared::ids::MemberId;
use angelia_shared::log::{Entry, Group, Guard};
use angelia_shared::members::{Seat, Service};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::UnixMillis;

use super::super::store::{Overlay, StoreError};
use super::Actor;
use crate::domain::dead_lanes::{self, Lost, Return};
use crate::domain::due::{self, Overdue, Standing};
use crate::domain::projection::Projection;
use crate::domain::refund::Refund;

/// Workspaces that are paid in one turn: one wallet entry each, well within a batch.
const WORKSPACES_A_TURN: usize = 256;
/// What the projection counts refunds under.
const REFUNDED: &str = "CreditsRefunded";
/// Outcomes that are settled in one turn.
const SETTLEMENTS_A_TURN: usize = 512;

/// What a turn knows beside the projection.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) member: MemberId,
    pub(super) has_claimed: bool,
    pub(super) now: UnixMillis,
    pub(super) unknown_deadline_ms: u64,
    pub(super) checkpoint_records: u64,
    pub(super) checkpoint_waited: bool,
    /// Whether the workspaces' policies are known.
    pub(super) directory_known: bool,
    /// Whose keys are renewed.
    pub(super) alive: BTreeSet<Seat>,
    /// Whether nothing that the projection found may be its folder's fault. A checkpoint swears to all of it.
    pub(super) is_sound: bool,
    /// Whether a missing key has surely expired: an outage of the broker expires every key.
    pub(super) sees_all: bool,
}

/// What a turn does.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) standing: Standing,
    pub(super) lost: Vec<Lost>,
    pub(super) returns: Vec<Return>,
    pub(super) refunds: Vec<Refund>,
    pub(super) overdue: Vec<Overdue>,
    pub(super) checkpoint: Option<LedgerCheckpointed>,
    /// What a ledger that stands by sees of the one that acts.
    pub(super) seen: Seen,
}

/// Whether the ledger that acts does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Sequence of its claim.
    pub(super) claim: u64,
    /// Whether a refund is due.
    pub(super) is_due: bool,
    /// How many refunds there were ever.
    pub(super) paid: u64,
}

impl Turn {
    pub(super) fn plan(self, projection: &Projection<Overlay>) -> Result<Plan, StoreError> {
        let (tables, head) = (&projection.tables, &projection.head);
        let seat = |member| Seat { service: Service::Ledger, member };
        let is_gone = |member| self.sees_all && !self.alive.contains(&seat(member));
        let standing = due::standing(head.claim, self.member, self.has_claimed, is_gone);
        let (lost, returns, refunds, overdue) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut plan = Plan { standing, lost, returns, refunds, overdue, checkpoint: None, seen: Seen::default() };
        match standing {
            Standing::Mine(_) => {}
            Standing::Claim(_) => return Ok(plan),
            Standing::Stand => {
                plan.seen = Seen {
                    claim: head.claim.map_or(0, |claim| claim.seq),
                    is_due: !due::refunds(tables, 1, self.now)?.is_empty(),
                    paid: head.counts.events.get(REFUNDED).copied().unwrap_or_default(),
                };
                return Ok(plan);
            }
        }
        plan.lost = dead_lanes::lost(tables, &self.alive)?;
        plan.returns = dead_lanes::returns(tables, WORKSPACES_A_TURN, self.now)?;
        plan.refunds = due::refunds(tables, WORKSPACES_A_TURN, self.now)?;
        // One wallet entry a workspace. Returns are rare and few, so refunds wait for them.
        let returned: BTreeSet<_> = plan.returns.iter().map(|due| due.workspace).collect();
        plan.refunds.retain(|refund| !returned.contains(&refund.workspace));
        if self.directory_known {
            plan.overdue = due::overdue(tables, self.now, self.unknown_deadline_ms, SETTLEMENTS_A_TURN)?;
        }
        if self.is_sound && due::is_checkpoint_due(head, self.checkpoint_records, self.checkpoint_waited) {
            plan.checkpoint = Some(due::checkpoint(tables, head)?);
        }
        Ok(plan)
    }
}

impl Actor {
    /// The settlement of an overdue part by its workspace's policy, under the ledger's claim.
    pub(super) fn settlement(&self, overdue: Overdue, claim: u64) -> Group {
        let Overdue { workspace, account, message, part } = overdue;
        let policy = self.directory.read().workspace(workspace).map(|found| found.state.unknown_policy);
        let policy = policy.unwrap_or_default();
        let at = clock::now();
        let event = Event::OutcomeSettled(OutcomeSettled { v: 1, message, workspace, account, part, policy, at });
        let subject = Subject::Settlement(Partition::of(account, self.log.partitions()));
        Group::one(Entry::new(subject, &event).guarded(Guard::Other(Subject::LedgerClaim, claim)))
    }
}
