//! What people and programs are shown of the ledger's answers: one form, whoever shows it.
//!
//! Shape: an answer of [`crate::query`] -> a value that becomes JSON, or a line of a table. The API and the audit commands
//! show the same.

mod message;
mod statement;

pub use message::{EntryShown, MessageShown, PartShown};
pub use statement::{COLUMNS, LineShown};
