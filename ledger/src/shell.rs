//! The ledger at work: asynchronous, thin, few decisions.

pub(crate) mod actor;
pub(crate) mod consumer;
pub(crate) mod live;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod service;
pub(crate) mod store;

#[cfg(test)]
mod tests;
