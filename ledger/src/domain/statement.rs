//! Every grant, charge and refund of a wallet, in the log's order, with the balance after it.
//!
//! Shape: one row a record and workspace: the sums before it, and its lines. A refund's event has one line for each of its
//! items, numbered as the items are: places stay unique. Charges double as the list of a workspace's messages.
//!
//! Because each row begins with the sums of all before it, a wallet as it was at any sequence is one row away
//! ([`wallet_at`]), however long its history.

use std::ops::ControlFlow;

use angelia_shared::ids::{MessageId, Position, WorkspaceId};
use angelia_shared::query::{CreditsThen, Moved, StatementKind, StatementLine};
use angelia_shared::units::{Credits, UnixMillis};

use super::table::{Decoder, Direction, Encoder, Row, Span, Tables};
use super::wallet::Wallet;

/// What moved in a wallet up to some line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Everything granted.
    pub granted: Credits,
    /// The prices of all accepted messages.
    pub consumed: Credits,
    /// Everything refunded.
    pub refunded: Credits,
}

impl Sums {
    /// Those of a wallet as it is.
    pub fn of(wallet: &Wallet) -> Self {
        Self { granted: wallet.totals.granted, consumed: wallet.consumed, refunded: wallet.totals.refunded }
    }

    /// With one more line. A sum that does not fit is a contradiction, named where the wallet is folded.
    #[must_use]
    pub fn with(mut self, line: &Moved) -> Self {
        let sum = match line.kind {
            StatementKind::Grant => &mut self.granted,
            StatementKind::Charge => &mut self.consumed,
            StatementKind::Refund => &mut self.refunded,
        };
        *sum = Credits(sum.0.saturating_add(line.credits.0));
        self
    }

    /// granted − consumed + refunded. Zero when a contradiction made it less.
    pub fn available(&self) -> Credits {
        Credits(self.granted.0.saturating_add(self.refunded.0).saturating_sub(self.consumed.0))
    }
}

fn write(moved: &Moved, out: &mut Encoder) {
    out.byte(match moved.kind {
        StatementKind::Grant => 0,
        StatementKind::Charge => 1,
        StatementKind::Refund => 2,
    });
    out.time(moved.at);
    out.credits(moved.credits);
    out.optional(moved.message, |out, message| out.wide(message.0));
    out.optional(moved.reason.as_deref(), Encoder::text);
}

fn read(input: &mut Decoder<'_>) -> Option<Moved> {
    let kind = match input.byte()? {
        0 => StatementKind::Grant,
        1 => StatementKind::Charge,
        2 => StatementKind::Refund,
        _ => return None,
    };
    Some(Moved {
        kind,
        at: input.time()?,
        credits: input.credits()?,
        message: input.optional(Decoder::wide)?.map(MessageId),
        reason: input.optional(Decoder::text)?.map(str::to_owned),
    })
}

/// A workspace's lines from one record, each with its number in it, in order. Keyed by workspace and the record's sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// What had moved before them.
    pub before: Sums,
    /// The lines.
    pub lines: Vec<(u16, Moved)>,
}

impl Passage {
    /// What had moved when all of it had.
    pub fn after(&self) -> Sums {
        self.lines.iter().fold(self.before, |sums, (_, line)| sums.with(line))
    }
}

impl Row for Passage {
    const TABLE: u8 = 6;
    type Key = (WorkspaceId, u64);

    fn write(&self, out: &mut Encoder) {
        for sum in [self.before.granted, self.before.consumed, self.before.refunded] {
            out.credits(sum);
        }
        for (number, line) in &self.lines {
            out.number(u64::from(*number));
            write(line, out);
        }
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let before = Sums { granted: input.credits()?, consumed: input.credits()?, refunded: input.credits()? };
        let mut lines = Vec::new();
        while !input.0.is_empty() {
            lines.push((input.small()?, read(input)?));
        }
        Some(Self { before, lines })
    }
}

/// Times are those of the services that wrote, so they are in order only as far as their clocks agree. An hour is far
/// more than synchronised clocks differ.
const CLOCKS_APART_MS: i64 = 3_600_000;

/// Which lines are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Not before this time.
    pub from: Option<UnixMillis>,
    /// Before this time.
    pub to: Option<UnixMillis>,
    /// After this line.
    pub after: Option<Position>,
    /// How many at most.
    pub limit: usize,
}

/// The wanted lines of a workspace, oldest first.
///
/// # Errors
/// When the store cannot be read.
pub fn lines<T: Tables>(tables: &T, workspace: WorkspaceId, wanted: Wanted) -> Result<Vec<StatementLine>, T::Error> {
    let mut span = Span::under::<Passage>(&workspace);
    if let Some(after) = wanted.after {
        span = span.starting_at::<Passage>(&(workspace, after.seq));
    }
    if let Some(from) = wanted.from {
        let first = skip_to(tables, workspace, UnixMillis(from.0.saturating_sub(CLOCKS_APART_MS)))?;
        span = span.starting_at::<Passage>(&(workspace, first));
    }
    let beyond = wanted.to.map(|to| to.plus_ms(CLOCKS_APART_MS as u64));
    let mut lines = Vec::new();
    tables.scan::<Passage>(&span, Direction::Up, |(_, seq), passage| {
        let mut sums = passage.before;
        for (number, line) in passage.lines {
            sums = sums.with(&line);
            if lines.len() >= wanted.limit || beyond.is_some_and(|beyond| line.at > beyond) {
                return ControlFlow::Break(());
            }
            let position = Position::new(seq, number);
            let in_time = wanted.from.is_none_or(|from| line.at >= from) && wanted.to.is_none_or(|to| line.at < to);
            if in_time && wanted.after.is_none_or(|after| position > after) {
                lines.push(StatementLine { at_position: position, balance: sums.available(), moved: line });
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(lines)
}

/// Visits the charges of a workspace from the newest one before `before` down, until the visitor breaks.
///
/// # Errors
/// When the store cannot be read.
pub fn charges<T: Tables>(
    tables: &T,
    workspace: WorkspaceId,
    before: Option<Position>,
    mut visit: impl FnMut(Position) -> ControlFlow<()>,
) -> Result<(), T::Error> {
    let mut span = Span::under::<Passage>(&workspace);
    if let Some(before) = before {
        span = span.before::<Passage>(&(workspace, before.seq.saturating_add(1)));
    }
    tables.scan::<Passage>(&span, Direction::Down, |(_, seq), passage| {
        for (number, line) in passage.lines.iter().rev() {
            let place = Position::new(seq, *number);
            if line.kind == StatementKind::Charge && before.is_none_or(|before| place < before) {
                visit(place)?;
            }
        }
        ControlFlow::Continue(())
    })
}

/// The wallet of a workspace as it was with the record at `seq` and everything before it.
///
/// # Errors
/// When the store cannot be read.
pub fn wallet_at<T: Tables>(tables: &T, workspace: WorkspaceId, seq: u64) -> Result<CreditsThen, T::Error> {
    let span = Span::under::<Passage>(&workspace).before::<Passage>(&(workspace, seq.saturating_add(1)));
    let mut sums = Sums::default();
    tables.scan::<Passage>(&span, Direction::Down, |_, passage| {
        sums = passage.after();
        ControlFlow::Break(())
    })?;
    let Sums { granted, consumed, refunded } = sums;
    Ok(CreditsThen { granted, consumed, refunded, available: sums.available() })
}

/// A sequence before which no line is as late as `time`, found by halving.
fn skip_to<T: Tables>(tables: &T, workspace: WorkspaceId, time: UnixMillis) -> Result<u64, T::Error> {
    let all = Span::under::<Passage>(&workspace);
    let (mut low, mut high) = (0, 0);
    tables.scan::<Passage>(&all, Direction::Down, |(_, last), _| {
        high = last + 1;
        ControlFlow::Break(())
    })?;
    while low < high {
        let middle = low + (high - low) / 2;
        let span = all.clone().starting_at::<Passage>(&(workspace, middle));
        let mut late = true;
        tables.scan::<Passage>(&span, Direction::Up, |_, passage| {
            late = passage.lines.first().is_none_or(|(_, line)| line.at >= time);
            ControlFlow::Break(())
        })?;
        if late {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    // The one before may begin early and end late.
    let earlier = all.before::<Passage>(&(workspace, low));
    tables.scan::<Passage>(&earlier, Direction::Down, |(_, seq), _| {
        low = seq;
        ControlFlow::Break(())
    })?;
    Ok(low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::table::MemoryTables;
    use super::*;

    const OURS: WorkspaceId = WorkspaceId(5);

    /// Lines with these times, `together` in a record; every second one is a charge.
    fn tables(times: &[i64], together: usize) -> MemoryTables {
        let mut tables = MemoryTables::default();
        let lines = times.iter().enumerate().map(|(n, at)| {
            let kind = if n % 2 == 0 { StatementKind::Grant } else { StatementKind::Charge };
            let (message, reason) = (None, None);
            // Grants of two and charges of one: every balance but its neighbours' differs.
            let credits = Credits(if n % 2 == 0 { 2 } else { 1 });
            Moved { at: UnixMillis(*at), kind, credits, message, reason }
        });
        let mut before = Sums::default();
        for (number, lines) in lines.collect::<Vec<_>>().chunks(together).enumerate() {
            // Lines of others leave gaps in the record.
            let lines = lines.iter().zip(0_u16..).map(|(line, n)| (n * 2, line.clone())).collect();
            let passage = Passage { before, lines };
            before = passage.after();
            for workspace in [OURS, WorkspaceId(4), WorkspaceId(6)] {
                tables.put(&(workspace, number as u64 * 3 + 1), &passage);
            }
        }
        tables
    }

    proptest! {
        #[test]
        fn a_range_of_time_gives_what_a_look_at_every_line_would(
            steps in proptest::collection::vec((0_i64..40_000_000, -1_000_000_i64..1_000_000), 0..60),
            from in proptest::option::of(0_i64..500_000_000),
            to in proptest::option::of(0_i64..500_000_000),
            limit in 1_usize..80,
            together in 1_usize..5,
        ) {
            // Time goes on, and the clocks of two services differ by up to a third of an hour.
            let mut now = 0;
            let times: Vec<i64> = steps.iter().map(|(step, apart)| { now += step; now + apart }).collect();
            let wanted = Wanted { from: from.map(UnixMillis), to: to.map(UnixMillis), after: None, limit };
            let found = lines(&tables(&times, together), OURS, wanted).unwrap();
            let found: Vec<i64> = found.iter().map(|line| line.moved.at.0).collect();
            let in_time = |at: &i64| from.is_none_or(|from| *at >= from) && to.is_none_or(|to| *at < to);
            let expected: Vec<i64> = times.iter().copied().filter(in_time).take(limit).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        for together in 1..=5 {
            let tables = tables(&[1, 2, 3, 4, 5], together);
            let page = |after, limit| lines(&tables, OURS, Wanted { after, limit, ..Wanted::default() }).unwrap();
            let first = page(None, 2);
            let second = page(first.last().map(|line| line.at_position), 9);
            let balances: Vec<u64> = first.iter().chain(&second).map(|line| line.balance.0).collect();
            assert_eq!(balances, [2, 1, 3, 2, 4]);
        }
    }

    #[test]
    fn a_wallet_then_is_what_its_lines_up_to_then_add_up_to() {
        for together in 1..=5 {
            let tables = tables(&[1, 2, 3, 4, 5, 6, 7], together);
            let all = lines(&tables, OURS, Wanted { limit: 99, ..Wanted::default() }).unwrap();
            for seq in 0..30 {
                let then = wallet_at(&tables, OURS, seq).unwrap();
                let upto = all.iter().filter(|line| line.at_position.seq <= seq);
                let sum = |kind| {
                    upto.clone().filter(|line| line.moved.kind == kind).map(|line| line.moved.credits.0).sum::<u64>()
                };
                assert_eq!(then.granted.0, sum(StatementKind::Grant));
                assert_eq!(then.consumed.0, sum(StatementKind::Charge));
                assert_eq!(then.available, upto.clone().next_back().map_or(Credits(0), |line| line.balance));
            }
            assert_eq!(wallet_at(&tables, WorkspaceId(99), 9).unwrap(), CreditsThen::default());
        }
    }

    #[test]
    fn charges_come_newest_first_from_any_place_on() {
        for together in 1..=5 {
            let tables = tables(&[1, 2, 3, 4, 5, 6], together);
            let found = |before| {
                let mut found = Vec::new();
                let visit = |place| {
                    found.push(place);
                    ControlFlow::Continue(())
                };
                charges(&tables, OURS, before, visit).unwrap();
                found
            };
            let all = found(None);
            assert_eq!(all.len(), 3);
            assert!(all.is_sorted_by(|newer, older| newer > older));
            for (number, place) in all.iter().enumerate() {
                assert_eq!(found(Some(*place)), all[number + 1..]);
            }
        }
    }
}
