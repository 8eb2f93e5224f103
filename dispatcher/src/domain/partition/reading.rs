//! What the records of a partition mean to its rules.
//!
//! Not here: the claims among them (whoever reads compares those with [`Partition::claim`]).

use angelia_shared::event::Event;
use angelia_shared::ids::{AccountId, Position};

use super::Partition;
use crate::domain::account::{Settings, Waiting};

impl Partition {
    /// Takes the event at `at`; once all of a record were taken, say [`Partition::consumed`]. `settings` is asked only for an
    /// account seen first.
    pub fn read(&mut self, at: Position, event: &Event, settings: impl FnOnce(AccountId) -> Settings) {
        match event {
            Event::MessageAccepted(accepted) => {
                let waiting = Waiting {
                    at,
                    message: accepted.message,
                    accepted_at: accepted.at,
                    expires_after_s: u32::try_from(accepted.expires_after_ms / 1_000).unwrap_or(u32::MAX),
                    credits: u8::try_from(accepted.credits.0).unwrap_or(u8::MAX),
                };
                let account = accepted.account;
                self.accepted(accepted.workspace, account, waiting, || settings(account));
                if accepted.has_file {
                    self.has_file(account, accepted.message);
                }
            }
            Event::CancelRequested(cancel) => self.cancel_requested(at.seq, cancel.account, cancel.message),
            Event::MessageSent(receipt)
            | Event::MessageDelivered(receipt)
            | Event::MessageRead(receipt)
            | Event::MessageFailed(receipt) => self.reported(receipt.account, receipt.message, receipt.part),
            Event::OutcomeSettled(settled) => self.reported(settled.account, settled.message, settled.part),
            _ => {}
        }
    }
}
