//! The log: one JetStream stream, appended to by [`Writer`]s and read by [`Reader`]s. The only truth.
//!
//! Read in this order: [`entry`] (what is handed in), [`pack`] (how a batch is laid out), [`settle`] (the rules of one
//! batch, pure), [`writer`] (the same with a real server), [`appender`] (a writer shared by many callers), [`reader`].
//!
//! Invariants:
//! - IN-1 nothing is answered as stored that is not stored, and nothing is stored twice.
//! - LG-2 every seal continues its writer's chain.
//!
//! Not here: what the events mean.

pub mod appender;
pub mod connection;
pub mod digest;
pub mod entry;
mod fence;
pub mod heads;
pub mod pack;
mod past;
pub mod reader;
pub mod settle;
pub mod stream;
mod transmit;
mod when;
pub mod writer;

pub use appender::{Appender, AppenderOptions};
pub use connection::{Access, ConnectError, connect};
pub use entry::{AppendError, Entry, Group, Guard, Pending, Stored};
pub use heads::{Head, HeadError};
pub use reader::{BatchOfRecords, From, ReadError, Reader, ReaderOptions, Record};
pub use stream::{EventLog, OpenLogError};
pub use writer::{OpenWriterError, Writer, WriterOptions};
