//! The commands `backup` and `restore`: the log and what is needed to go on from it, as a folder of plain files.
//!
//! In a backup: the stream with every event; the bucket `KEYS`, whose data keys are wrapped by the master key; the bucket
//! `CHATS`; `backup.json`, which says where the log ended, its digest and the newest checkpoint; `SHA256SUMS` over all.
//!
//! Not in a backup: the master key, without which no content opens, and `operator-token` and `quickstart.json` of a
//! standalone installation: copy them by other means, apart from it. Refused activations, who is alive, and what the ledger
//! keeps on disk are left out, too: the first two are of the moment, the last is made anew from the log.
//!
//! Invariants:
//! - A folder without `SHA256SUMS` is no backup: it is written last.
//! - Keys are read after events, so every key that an event names is there, unless it was destroyed.
//! - A restore checks every byte before it changes anything, and verifies the log afterwards.

pub(crate) mod make;
mod manifest;
pub(crate) mod restore;
mod snapshot;

use angelia_shared::log::stream::STREAM;

/// What a backup holds, in the order in which it is read. Without the first there is nothing to back up.
const STREAMS: [&str; 3] = [STREAM, "KV_KEYS", "KV_CHATS"];
