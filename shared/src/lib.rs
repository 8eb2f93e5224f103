#![doc = include_str!("../README.md")]

pub mod clock;
pub mod cloud_code;
pub mod config;
pub mod csv;
pub mod dice;
pub mod directory;
pub mod event;
pub mod fail_reason;
pub mod ids;
pub mod link_check;
pub mod log;
pub mod members;
pub mod metrics;
pub mod query;
pub mod reach;
pub mod rendezvous;
pub mod roll_call;
pub mod shown;
pub mod subject;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod turns;
pub mod units;
pub mod vault;
pub mod verification;
