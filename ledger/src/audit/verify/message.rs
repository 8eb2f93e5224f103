//! What is remembered of each message, once for all rules: as little as they need, since a log holds millions.

use std::collections::HashMap;

use angelia_shared::ids::{AccountId, MessageId, Position};
use smallvec::SmallVec;

use super::line::Accepted;

/// One message.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    /// Where it was accepted, and for which account; none for one of which only something else was told.
    pub(super) accepted: Option<(Position, u32)>,
    pub(super) price: u64,
    /// What may be given back for the message as a whole: it expired or was cancelled.
    pub(super) ended: u64,
    pub(super) parts: SmallVec<[Part; 1]>,
}

/// One part of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    pub(super) number: u8,
    /// How its newest attempt stands.
    pub(super) stage: Option<Stage>,
    /// What it costs, once an event said so.
    pub(super) price: Option<u64>,
    /// What may be given back for it.
    pub(super) failed: u64,
    pub(super) refunded: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    Unknown,
    Sent,
    Failed,
    MayBeTried,
}

impl Message {
    pub(super) fn part(&mut self, number: u8) -> &mut Part {
        let at = match self.parts.iter().position(|part| part.number == number) {
            Some(at) => at,
            None => {
                self.parts.push(Part { number, ..Part::default() });
                self.parts.len() - 1
            }
        };
        &mut self.parts[at]
    }

    /// What was given back, over all parts.
    pub(super) fn refunded(&self) -> u64 {
        self.parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.refunded))
    }

    /// What may be given back, over all parts.
    pub(super) fn due(&self) -> u64 {
        self.parts.iter().fold(self.ended, |sum, part| sum.saturating_add(part.failed))
    }
}

/// Every message.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Numbers of messages: a table that is half empty should not hold whole messages.
    numbers: HashMap<MessageId, u32>,
    messages: Vec<Message>,
    /// Accounts by number: a number is a quarter of an id.
    accounts: HashMap<AccountId, u32>,
}

impl Messages {
    /// Notes an acceptance; says whether it is the first of its message.
    pub(super) fn accept(&mut self, at: Position, accepted: &Accepted) -> bool {
        let account = self.account(accepted.account);
        let message = self.of(accepted.message);
        let new = message.accepted.is_none();
        (message.accepted, message.price) = (Some((at, account)), accepted.credits);
        new
    }

    pub(super) fn is_accepted(&self, message: MessageId) -> bool {
        let number = self.numbers.get(&message);
        number.is_some_and(|number| self.messages[*number as usize].accepted.is_some())
    }

    pub(super) fn of(&mut self, message: MessageId) -> &mut Message {
        let number = *self.numbers.entry(message).or_insert_with(|| {
            self.messages.push(Message::default());
            u32::try_from(self.messages.len() - 1).expect("a log holds fewer than 4 billion messages")
        });
        &mut self.messages[number as usize]
    }

    /// The number of an account.
    pub(super) fn account(&mut self, account: AccountId) -> u32 {
        let next = u32::try_from(self.accounts.len()).expect("a log holds fewer than 4 billion accounts");
        *self.accounts.entry(account).or_insert(next)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (MessageId, &Message)> {
        self.numbers.iter().map(|(id, number)| (*id, &self.messages[*number as usize]))
    }
}
