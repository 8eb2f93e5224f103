//! Audits: the log checked, replayed, questioned and handed out, from the log alone.
//!
//! Read in this order: [`verify`] (the rules a second time, pure), [`read`] (records for an audit), [`check`] (the two
//! together, and a live ledger beside them), [`statement`] and [`message`], [`export`],
//! [`what_if`].
//!
//! Invariants:
//! - Nothing here appends, and nothing is asked of the broker but consumers, records and the stream's state.
//! - What is printed depends on the log alone: no clock, no order of chance.
//!
//! Not here: the commands (see the program's `audit`), the fold (see [`crate::domain`]; a replay is in `shell/replay.rs`).

pub mod check;
#[cfg(any(test, feature = "testing"))]
pub mod crafted;
pub mod export;
pub mod message;
pub mod point;
pub mod read;
pub mod statement;
pub mod verify;
pub mod what_if;
