//! Accepted messages as long as nothing else has happened to them, and loading one in whatever form it is kept.
//!
//! Shape: the acceptances of one record share one row. A message gets a row of its own ([`Message`]) with the first thing
//! that happens to it: most of a backlog is only waiting, and a row for each would cost more than all else together.
//!
//! Invariants:
//! - What is loaded is the same whether the message has a row of its own or not.

use angelia_shared::event::MessageAccepted;
use angelia_shared::ids::{AccountId, MessageId, Position, WebhookId, WorkspaceId};
use angelia_shared::units::{Credits, UnixMillis};

use super::message::Message;
use super::table::{Decoder, Encoder, Row, Scattered, Tables};

/// A message as its acceptance made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its line in its record.
    pub line: u16,
    /// Its id.
    pub id: MessageId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The webhook that took it.
    pub webhook: WebhookId,
    /// The account that sends it.
    pub account: AccountId,
    /// When it was accepted.
    pub at: UnixMillis,
    /// Its price.
    pub credits: Credits,
    /// Its number among the messages of its account, from 1.
    pub ordinal: u64,
}

impl Accepted {
    /// What `fact`, at `line` of its record, says of the `ordinal`th message of its account.
    pub fn of(fact: &MessageAccepted, line: u16, ordinal: u64) -> Self {
        let MessageAccepted { message: id, workspace, webhook, account, at, credits, .. } = *fact;
        Self { line, id, workspace, webhook, account, at, credits, ordinal }
    }

    fn is_of_the_same(&self, other: &Self) -> bool {
        (self.workspace, self.webhook, self.account) == (other.workspace, other.webhook, other.account)
    }
}

/// Where a message is, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance(pub Position);

impl Row for Acceptance {
    const TABLE: u8 = 3;
    type Key = MessageId;

    fn write(&self, out: &mut Encoder) {
        out.position(self.0);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        input.position().map(Self)
    }
}

impl Scattered for Acceptance {}

/// The acceptances of one record, by line. Keyed by the record's sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page(pub Vec<Accepted>);

impl Row for Page {
    const TABLE: u8 = 15;
    type Key = u64;

    fn write(&self, out: &mut Encoder) {
        let mut before: Option<&Accepted> = None;
        for accepted in &self.0 {
            out.number(u64::from(accepted.line));
            // Neighbours are often of one workspace and account: their ids are written once.
            let repeats = before.is_some_and(|before| before.is_of_the_same(accepted));
            out.flag(repeats);
            if !repeats {
                for id in [accepted.workspace.0, accepted.webhook.0, accepted.account.0] {
                    out.id(id);
                }
            }
            out.wide(accepted.id.0);
            out.time(accepted.at);
            out.credits(accepted.credits);
            out.number(accepted.ordinal);
            before = Some(accepted);
        }
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let mut page: Vec<Accepted> = Vec::new();
        while !input.0.is_empty() {
            let line = input.small()?;
            let (workspace, webhook, account) = if input.flag()? {
                let before = page.last()?;
                (before.workspace, before.webhook, before.account)
            } else {
                (WorkspaceId(input.id()?), WebhookId(input.id()?), AccountId(input.id()?))
            };
            let (id, at) = (MessageId(input.wide()?), input.time()?);
            let (credits, ordinal) = (input.credits()?, input.number()?);
            page.push(Accepted { line, id, workspace, webhook, account, at, credits, ordinal });
        }
        Some(Self(page))
    }
}

/// The message that was accepted at `at`, as it is now.
///
/// # Errors
/// When the store cannot be read.
pub fn load<T: Tables>(tables: &T, at: Position) -> Result<Option<Message>, T::Error> {
    if let Some(message) = tables.get::<Message>(&at)? {
        return Ok(Some(message));
    }
    let Some(Page(page)) = tables.get(&at.seq)? else { return Ok(None) };
    let accepted = page.iter().find(|accepted| accepted.line == at.line);
    Ok(accepted.map(|accepted| Message::accepted(accepted, at)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::table::MemoryTables;
    use super::*;

    fn accepted(line: u16, owner: u128, id: u64, at: i64) -> Accepted {
        Accepted {
            line,
            id: MessageId(id),
            workspace: WorkspaceId(owner),
            webhook: WebhookId(owner % 3),
            account: AccountId(owner % 5),
            at: UnixMillis(at),
            credits: Credits(id % 3),
            ordinal: u64::from(line) + 1,
        }
    }

    proptest! {
        #[test]
        fn a_page_reads_back_and_each_of_its_messages_is_found(
            owners in proptest::collection::vec((0_u128..4, any::<u64>(), any::<i64>()), 0..70),
        ) {
            // Lines that held no acceptance leave gaps.
            let lines = owners.iter().zip(0_u16..);
            let page: Vec<_> = lines.map(|((owner, id, at), line)| accepted(line * 2, *owner, *id, *at / 2)).collect();
            let mut tables = MemoryTables::default();
            tables.put(&9, &Page(page.clone()));
            prop_assert_eq!(tables.get::<Page>(&9), Ok(Some(Page(page.clone()))));
            for one in &page {
                let at = Position::new(9, one.line);
                prop_assert_eq!(load(&tables, at), Ok(Some(Message::accepted(one, at))));
                prop_assert_eq!(load(&tables, Position::new(9, one.line + 1)), Ok(None));
            }
            prop_assert_eq!(load(&tables, Position::new(8, 0)), Ok(None));
        }
    }

    #[test]
    fn a_row_of_its_own_stands_before_the_page() {
        let mut tables = MemoryTables::default();
        let (one, at) = (accepted(0, 1, 7, 5), Position::new(9, 0));
        tables.put(&9, &Page(vec![one]));
        let changed = Message { left_queue: true, ..Message::accepted(&one, at) };
        tables.put(&at, &changed);
        assert_eq!(load(&tables, at), Ok(Some(changed)));
    }
}
