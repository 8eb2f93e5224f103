//! The log against a real `nats-server`: whatever breaks, what callers are told is what the log holds.
//!
//! Shape: each test lets callers hand groups in, breaks something, and then reads the whole log by other means than the
//! crate's own: [`checker`] recomputes every chain, [`notes`] compares what was told with what is there.

mod checker;
mod concurrency;
mod crashes;
mod directory;
mod fencing;
mod guards;
mod lost_answers;
mod members;
mod notes;
mod opening;
mod proxy;
mod queue;
mod reading;
mod vault;
