//! The dispatcher at work: claims, reads, writes, calls. Few decisions are made here.
//!
//! Read in this order: [`run`] (the process), [`keeper`] (which partitions it has), [`takeover`] (how one is claimed and
//! recovered), [`partition`] (the task that owns one), [`prepare`] (content and files), [`ahead`] (files before their turn),
//! [`call`] (from a durable start to a durable end), [`look_up`] (what became of what nobody knows of).

mod accounts;
mod ahead;
mod call;
mod changes;
mod claims;
mod health;
mod keeper;
mod kept;
mod link_checks;
mod look_up;
mod partition;
mod prepare;
mod receipts;
mod records;
mod room;
pub(crate) mod run;
mod takeover;
mod tasks;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock::SteadyClock;
use angelia_shared::directory::DirectoryView;
use angelia_shared::ids::MemberId;
use angelia_shared::log::{Appender, EventLog};
use angelia_shared::members::Membership;
use angelia_shared::vault::Vault;
use tokio::sync::Semaphore;

use crate::attachments::{Fetcher, WaitingFiles};
use crate::transport::Ways;

/// What every task of the dispatcher shares.
pub(crate) struct Context {
    pub(crate) log: EventLog,
    pub(crate) appender: Appender,
    pub(crate) directory: DirectoryView,
    pub(crate) changes: Arc<changes::Changes>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) ways: Ways,
    pub(crate) fetcher: Fetcher,
    /// Downloaded files that wait for their upload.
    pub(crate) files: WaitingFiles,
    /// Bounds the downloads at once, and with them the memory they hold.
    pub(crate) downloads: Arc<Semaphore>,
    /// How many of these downloads may be ahead of their turn.
    pub(crate) downloads_ahead: Arc<Semaphore>,
    /// Bounds the acceptances that are read again at once: after a start every account asks for its own.
    pub(crate) reads: Semaphore,
    /// Bounds the groups of ends on their way to the log, and with them the memory they hold: see `partition/acting.rs`.
    pub(crate) ends_together: Arc<Semaphore>,
    /// Bounds the accounts whose unknown outcomes are looked up at once.
    pub(crate) look_ups: Arc<Semaphore>,
    /// How long after an outcome became unknown it is first looked up; `None` when it never is.
    pub(crate) look_up_after: Option<Duration>,
    /// Bounds the messages that wait in memory.
    pub(crate) room: Arc<room::Room>,
    pub(crate) tasks: Arc<tasks::Tasks>,
    pub(crate) member: MemberId,
    /// The lease: while it is not fresh, others may take this process for dead, and it begins nothing.
    pub(crate) own: Membership,
    pub(crate) clock: SteadyClock,
}
