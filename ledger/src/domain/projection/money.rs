//! Folds what moves in wallets.

use angelia_shared::event::{CreditsDrawn, CreditsGranted, CreditsRefunded, CreditsReturned, RefundItem, Totals};
use angelia_shared::ids::{Position, WorkspaceId};
use angelia_shared::query::{Moved, StatementKind};
use angelia_shared::units::{Credits, UnixMillis};

use super::super::acceptance::{self, Acceptance};
use super::super::contradiction::Broken;
use super::super::index::{self, Shadow};
use super::super::lanes::{self, Lane};
use super::super::message::Happened;
use super::super::statement::Sums;
use super::super::table::Tables;
use super::super::wallet::{Movement, Wallet};
use super::Fold;
use super::messages::note;

impl<T: Tables> Fold<'_, T> {
    pub(super) fn granted(
        &mut self,
        at: Position,
        workspace: WorkspaceId,
        fact: &CreditsGranted,
    ) -> Result<(), T::Error> {
        let (before, broken) = self.moved(at, workspace, Movement::Grant(fact.credits), fact.totals)?;
        let line = Moved {
            at: fact.at,
            kind: StatementKind::Grant,
            credits: fact.credits,
            message: None,
            reason: Some(fact.reason.clone()),
        };
        self.shared.line::<T>(workspace, at, Sums::of(&before), line);
        self.broken(at, workspace, broken)
    }

    pub(super) fn drawn(&mut self, at: Position, workspace: WorkspaceId, fact: &CreditsDrawn) -> Result<(), T::Error> {
        let (_, broken) = self.moved(at, workspace, Movement::Draw(fact.credits), fact.totals)?;
        let lane: Lane = self.tables.get(&(fact.writer, workspace))?.unwrap_or_default();
        match lane.drawing(fact.credits) {
            Ok(lane) => {
                self.tables.put(&(fact.writer, workspace), &lane);
                self.broken(at, workspace, broken)
            }
            Err(overflow) => self.broken(at, workspace, broken.or(Some(overflow))),
        }
    }

    pub(super) fn returned(
        &mut self,
        at: Position,
        workspace: WorkspaceId,
        fact: &CreditsReturned,
    ) -> Result<(), T::Error> {
        let (_, broken) = self.moved(at, workspace, Movement::Return(fact.credits), fact.totals)?;
        let lane: Lane = self.tables.get(&(fact.writer, workspace))?.unwrap_or_default();
        let (lane, overspent) = lane.returning(fact.credits, fact.writer);
        lanes::put_returned(self.tables, fact.writer, workspace, &lane)?;
        self.broken(at, workspace, broken)?;
        self.broken(at, workspace, overspent)
    }

    pub(super) fn refunded(
        &mut self,
        at: Position,
        workspace: WorkspaceId,
        fact: &CreditsRefunded,
    ) -> Result<(), T::Error> {
        let (before, broken) = self.moved(at, workspace, Movement::Refund(fact.credits), fact.totals)?;
        self.broken(at, workspace, broken)?;
        let mut sum = Credits::ZERO;
        for (number, item) in fact.items.iter().enumerate() {
            sum = plus(sum, item.credits);
            let line = Moved {
                at: fact.at,
                kind: StatementKind::Refund,
                credits: item.credits,
                message: Some(item.message),
                reason: Some(item.reason.clone()),
            };
            let place = Position::new(at.seq, u16::try_from(number).unwrap_or(u16::MAX));
            self.shared.line::<T>(workspace, place, Sums::of(&before), line);
            let refunded = self.refund_part(at, workspace, item, fact.at)?;
            self.broken(at, workspace, refunded.err())?;
        }
        self.broken(at, workspace, (sum != fact.credits).then_some(Broken::RefundSumDiffers))
    }

    /// Moves the wallet; returns it as it was, and what is wrong.
    fn moved(
        &mut self,
        at: Position,
        workspace: WorkspaceId,
        movement: Movement,
        told: Totals,
    ) -> Result<(Wallet, Option<Broken>), T::Error> {
        let before: Wallet = self.tables.get(&workspace)?.unwrap_or_default();
        let (after, broken) = before.moved(at.seq, movement, told);
        self.tables.put(&workspace, &after);
        Ok((before, broken))
    }

    fn broken(&mut self, at: Position, workspace: WorkspaceId, broken: Option<Broken>) -> Result<(), T::Error> {
        match broken {
            Some(broken) => self.contradiction(at, Some(workspace), broken),
            None => Ok(()),
        }
    }

    fn refund_part(
        &mut self,
        at: Position,
        workspace: WorkspaceId,
        item: &RefundItem,
        time: UnixMillis,
    ) -> Result<Result<(), Broken>, T::Error> {
        let Some(Acceptance(place)) = self.tables.get(&item.message)? else {
            return Ok(Err(Broken::NotAccepted(item.message)));
        };
        let ours = acceptance::load(self.tables, place)?.filter(|message| message.workspace == workspace);
        let Some(mut message) = ours else {
            return Ok(Err(Broken::NotAccepted(item.message)));
        };
        let before = Shadow::of(&message);
        let refunded = message.refund(item.part, item.credits);
        let detail = Some(item.reason.clone());
        note::<T>(
            &mut message,
            Happened { position: at, at: time, event: "CreditsRefunded", part: Some(item.part), detail },
        );
        index::write(self.tables, place, &before, &message)?;
        Ok(refunded)
    }
}

/// The sum for people to see; one that does not fit is a contradiction already.
fn plus(a: Credits, b: Credits) -> Credits {
    Credits(a.0.saturating_add(b.0))
}
