//! The ledger's rules: synchronous, without a clock, dice or IO.

pub mod acceptance;
pub mod answer;
pub mod chain;
pub mod contradiction;
pub mod dead_lanes;
pub mod digest;
pub mod due;
pub mod head;
pub mod index;
pub mod keys;
pub mod lanes;
pub mod lean_tables;
pub mod message;
pub mod overtake;
pub mod places;
pub mod projection;
pub mod queue;
pub mod refund;
pub mod statement;
pub mod table;
pub mod wallet;

#[cfg(test)]
pub(crate) mod history;
