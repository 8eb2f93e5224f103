//! What one writer drew from one wallet, and what became of it.
//!
//! Invariants:
//! - WA-2 accepted credits + returned ≤ drawn, at every prefix.
//!
//! When a writer has ended (it closed, or was fenced), its lanes with nothing left are forgotten: nothing can be added to
//! them any more. One with a rest stays until that was returned, and is [`Unreturned`] so long.

use std::ops::ControlFlow;

use angelia_shared::ids::{WorkspaceId, WriterId};
use angelia_shared::units::Credits;

use super::contradiction::{Broken, add};
use super::table::{Decoder, Direction, Encoder, Row, Span, Tables};

/// Drawn, spent and returned credits of one writer in one workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Taken out of the wallet.
    pub drawn: Credits,
    /// Spent on accepted messages.
    pub accepted: Credits,
    /// Given back unspent.
    pub returned: Credits,
}

impl Lane {
    /// What is drawn and neither spent nor returned; `None` when that would be negative.
    pub fn rest(&self) -> Option<Credits> {
        self.drawn.checked_sub(self.accepted.checked_add(self.returned)?)
    }

    /// After a draw.
    ///
    /// # Errors
    /// When the sum does not fit.
    pub fn drawing(self, credits: Credits) -> Result<Self, Broken> {
        Ok(Self { drawn: add(self.drawn, credits)?, ..self })
    }

    /// After an acceptance that costs `price`. `writer` is named when it spends what it does not have; the lane is
    /// counted on all the same.
    #[must_use]
    pub fn spending(self, price: Credits, writer: WriterId) -> (Self, Option<Broken>) {
        let after = Self { accepted: Credits(self.accepted.0.saturating_add(price.0)), ..self };
        (after, after.overspent_since(self, writer))
    }

    /// After a return. `writer` is named when it gives back what it does not have.
    #[must_use]
    pub fn returning(self, credits: Credits, writer: WriterId) -> (Self, Option<Broken>) {
        let after = Self { returned: Credits(self.returned.0.saturating_add(credits.0)), ..self };
        (after, after.overspent_since(self, writer))
    }

    /// Named once: at the first fact that breaks it.
    fn overspent_since(self, before: Self, writer: WriterId) -> Option<Broken> {
        (self.rest().is_none() && before.rest().is_some()).then_some(Broken::LaneOverspent(writer))
    }
}

/// A rest whose writer has ended: it is owed to its workspace. Keyed by workspace and writer; how much, the lane says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreturned;

impl Row for Unreturned {
    const TABLE: u8 = 19;
    type Key = (WorkspaceId, WriterId);

    fn write(&self, _out: &mut Encoder) {}

    fn read(_input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self)
    }
}

/// The writer has ended: forgets its spent lanes, and marks the rests of the others.
///
/// # Errors
/// When the store cannot be read.
pub fn end<T: Tables>(tables: &mut T, writer: WriterId) -> Result<(), T::Error> {
    let mut lanes: Vec<(WorkspaceId, Lane)> = Vec::new();
    tables.scan::<Lane>(&Span::under::<Lane>(&writer), Direction::Up, |(_, workspace), lane| {
        lanes.push((workspace, lane));
        ControlFlow::Continue(())
    })?;
    for (workspace, lane) in lanes {
        match lane.rest() {
            Some(Credits::ZERO) => tables.remove::<Lane>(&(writer, workspace)),
            Some(_) => tables.put(&(workspace, writer), &Unreturned),
            // It spent what it did not have: named as a contradiction, and kept for whoever looks into it.
            None => {}
        }
    }
    Ok(())
}

/// Stores a lane after a return; one that has ended and has nothing left is forgotten.
///
/// # Errors
/// When the store cannot be read.
pub fn put_returned<T: Tables>(
    tables: &mut T,
    writer: WriterId,
    workspace: WorkspaceId,
    lane: &Lane,
) -> Result<(), T::Error> {
    let key = (workspace, writer);
    if lane.rest() == Some(Credits::ZERO) && tables.get::<Unreturned>(&key)?.is_some() {
        tables.remove::<Unreturned>(&key);
        tables.remove::<Lane>(&(writer, workspace));
    } else {
        tables.put(&(writer, workspace), lane);
    }
    Ok(())
}

impl Row for Lane {
    const TABLE: u8 = 5;
    type Key = (WriterId, WorkspaceId);

    fn write(&self, out: &mut Encoder) {
        for amount in [self.drawn, self.accepted, self.returned] {
            out.credits(amount);
        }
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self { drawn: input.credits()?, accepted: input.credits()?, returned: input.credits()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITER: WriterId = WriterId(9);

    #[test]
    fn a_lane_may_spend_and_return_what_it_drew() {
        let lane = Lane::default().drawing(Credits(5)).unwrap();
        let (lane, broken) = lane.spending(Credits(3), WRITER);
        assert_eq!(broken, None);
        let (lane, broken) = lane.returning(Credits(2), WRITER);
        assert_eq!((lane.rest(), broken), (Some(Credits(0)), None));
    }

    #[test]
    fn a_lane_that_spends_more_is_named_at_the_first_such_fact() {
        let (lane, broken) = Lane::default().spending(Credits(1), WRITER);
        assert_eq!(broken, Some(Broken::LaneOverspent(WRITER)));
        let (_, broken) = lane.spending(Credits(1), WRITER);
        assert_eq!(broken, None);
    }

    #[test]
    fn a_return_beyond_the_rest_is_named() {
        let lane = Lane::default().drawing(Credits(1)).unwrap();
        let (_, broken) = lane.returning(Credits(2), WRITER);
        assert_eq!(broken, Some(Broken::LaneOverspent(WRITER)));
    }
}
