//! Records: real events in their wire form, one a record. Equal ones are one [`EntryId`].

use std::collections::HashMap;

use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{
    CancelRequested, Carry, CreditsDrawn, CreditsGranted, Event, MessageAccepted, OutcomeSettled, PartitionClaimed,
    PartitionReleased, Receipt, Sealed, Totals,
};
use angelia_shared::ids::{AccountId, KeyId, MemberId, MessageId, WebhookId, WorkspaceId, WriterId};
use angelia_shared::subject::{Partition as Part, Subject};
use angelia_shared::units::{Credits, UnixMillis};
use bytes::Bytes;

use super::rules::Order;

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(1);
pub(crate) const PART: Part = Part(0);
/// Accounts at most.
pub(crate) const ACCOUNTS: usize = 2;
const LANE: WriterId = WriterId(9);
const BEGIN: UnixMillis = UnixMillis(1_700_000_000_000);

/// Milliseconds since a world began.
pub(crate) type Now = u32;

pub(crate) fn at(now: Now) -> UnixMillis {
    BEGIN.plus_ms(now.into())
}

pub(crate) fn since_begin(at: UnixMillis) -> Now {
    u32::try_from(at.ms_since(BEGIN)).expect("a world is short")
}

pub(crate) fn account_id(account: usize) -> AccountId {
    AccountId(account as u128 + 1)
}

pub(crate) fn account_index(id: AccountId) -> usize {
    id.0 as usize - 1
}

pub(crate) fn message_id(message: u8) -> MessageId {
    MessageId(u64::from(message) + 1)
}

pub(crate) fn message_index(id: MessageId) -> u8 {
    id.0 as u8 - 1
}

/// Names one record among all that were written.
pub(crate) type EntryId = u32;

/// A record that was written, as it reads back from its line.
pub(crate) struct Entry {
    pub(crate) subject: Subject,
    pub(crate) event: Event,
    pub(crate) line: Bytes,
}

/// All records that were written.
#[derive(Default)]
pub(crate) struct Entries {
    entries: Vec<Entry>,
    known: HashMap<Bytes, EntryId>,
}

impl Entries {
    pub(crate) fn get(&self, entry: EntryId) -> &Entry {
        &self.entries[entry as usize]
    }

    /// Keeps an event. Its kind and its account say which subject it is for.
    pub(crate) fn keep(&mut self, subject: Subject, event: &Event) -> EntryId {
        let line = Bytes::from(event.to_line());
        if let Some(known) = self.known.get(&line) {
            return *known;
        }
        let id = EntryId::try_from(self.entries.len()).expect("there are few entries");
        let event = Event::from_line(&line).expect("its own form");
        self.known.insert(line.clone(), id);
        self.entries.push(Entry { subject, event, line });
        id
    }

    /// In short what a record says.
    pub(crate) fn tell(&self, entry: EntryId) -> String {
        let event = &self.get(entry).event;
        let of = message_of(event).map_or_else(String::new, |message| format!(" of m{message}"));
        match event {
            Event::AttemptEnded(ended) => format!("{}{of} {:?}", event.name(), ended.outcome),
            _ => format!("{}{of}", event.name()),
        }
    }
}

/// The message that an event is about.
pub(crate) fn message_of(event: &Event) -> Option<u8> {
    let message = match event {
        Event::MessageAccepted(event) => event.message,
        Event::CancelRequested(event) => event.message,
        Event::AttemptStarted(event) => event.message,
        Event::AttemptEnded(event) => event.message,
        Event::PartRefused(event) => event.message,
        Event::MessageExpired(event) => event.message,
        Event::MessageCancelled(event) => event.message,
        Event::MessageSent(event) | Event::MessageFailed(event) => event.message,
        Event::OutcomeSettled(event) => event.message,
        _ => return None,
    };
    Some(message_index(message))
}

/// The claim under which an owner wrote an event, and what the event carries for a new owner.
pub(crate) fn memory_of(event: &mut Event) -> (&mut u64, &mut Carry) {
    match event {
        Event::AttemptStarted(event) => (&mut event.claim, &mut event.carry),
        Event::AttemptEnded(event) => (&mut event.claim, &mut event.carry),
        Event::PartRefused(event) => (&mut event.claim, &mut event.carry),
        Event::MessageExpired(event) => (&mut event.claim, &mut event.carry),
        Event::MessageCancelled(event) => (&mut event.claim, &mut event.carry),
        other => unreachable!("{} is not written by an owner", other.name()),
    }
}

/// What pays for all messages: granted, and drawn by a lane.
pub(crate) fn payment(orders: &[Order]) -> [(Subject, Event); 2] {
    let credits = Credits(orders.iter().map(|order| u64::from(order.parts)).sum());
    let granted = Totals::default().granting(credits).expect("a small sum");
    let drawn = granted.drawing(credits).expect("a small sum");
    let grant = CreditsGranted { v: 1, credits, reason: String::new(), totals: granted, at: BEGIN };
    let draw = CreditsDrawn { v: 1, writer: LANE, credits, totals: drawn, at: BEGIN };
    [Event::CreditsGranted(grant), Event::CreditsDrawn(draw)].map(|event| (Subject::Wallet(WORKSPACE), event))
}

pub(crate) fn accepted(message: u8, order: Order) -> (Subject, Event) {
    let event = MessageAccepted {
        v: 1,
        message: message_id(message),
        workspace: WORKSPACE,
        webhook: WebhookId(1),
        account: account_id(order.account.into()),
        credits: Credits(order.parts.into()),
        has_text: true,
        has_file: order.parts > 1,
        at: BEGIN,
        expires_after_ms: 86_400_000,
        writer: LANE,
        sealed: Sealed { key_id: KeyId(1), data: String::new() },
        traceparent: None,
    };
    (Subject::Accepted(PART), Event::MessageAccepted(Box::new(event)))
}

pub(crate) fn cancel(message: u8, account: usize) -> (Subject, Event) {
    let (message, account) = (message_id(message), account_id(account));
    let event = CancelRequested { v: 1, message, workspace: WORKSPACE, account, at: BEGIN };
    (Subject::Cancel(PART), Event::CancelRequested(event))
}

/// A callback of the provider: what it took was sent, or has failed.
pub(crate) fn callback(message: u8, part: u8, account: usize, failed: bool) -> (Subject, Event) {
    let receipt = Receipt {
        v: 1,
        message: message_id(message),
        workspace: WORKSPACE,
        account: account_id(account),
        part,
        at: BEGIN,
        received_at: BEGIN,
        provider_id: Some("callback".to_owned()),
        reason: failed.then(|| "recipient_not_on_whatsapp".to_owned()),
        detail: failed.then(String::new),
        looked_up: false,
    };
    let event = if failed { Event::MessageFailed(receipt) } else { Event::MessageSent(receipt) };
    (Subject::Receipt(PART), event)
}

pub(crate) fn settled(message: u8, part: u8, account: usize) -> (Subject, Event) {
    let (message, account, policy) = (message_id(message), account_id(account), UnknownPolicy::Refund);
    let event = OutcomeSettled { v: 1, message, workspace: WORKSPACE, account, part, policy, at: BEGIN };
    (Subject::Settlement(PART), Event::OutcomeSettled(event))
}

pub(crate) fn claimed(member: MemberId) -> (Subject, Event) {
    let event = PartitionClaimed { v: 1, part: Some(PART), member, at: BEGIN };
    (Subject::PartitionClaim(PART), Event::PartitionClaimed(event))
}

pub(crate) fn released(member: MemberId) -> (Subject, Event) {
    let event = PartitionReleased { v: 1, part: Some(PART), member, at: BEGIN };
    (Subject::PartitionClaim(PART), Event::PartitionReleased(event))
}
