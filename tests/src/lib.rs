//! Whole-system tests: the real program, a real `nats-server`, the sandbox as WhatsApp, seen from outside.
//!
//! Read in this order: [`installation`] (starts and kills the program), [`tenant`] (a workspace to play with),
//! [`journal`] (what WhatsApp received: the truth about sending), [`checker`] (the invariants, from the log alone).
//! The tests are in `tests/`, one file for each subject.
//!
//! Not here: the rules themselves. Nothing in this crate calls a service's code; it would prove the code with itself. Two
//! exceptions: the ledger's audit, which knows nothing of the services' rules, and `tests/model`, which drives those rules
//! through every history of a small installation.

pub mod blows;
pub mod browser;
pub mod checker;
pub mod client;
pub mod cluster;
pub mod dice;
pub mod files;
pub mod fleet;
pub mod installation;
pub mod journal;
pub mod notes;
pub mod process;
pub mod raw;
pub mod replicas;
pub mod sandbox;
pub mod small_disk;
pub mod tenant;
pub mod wait;
