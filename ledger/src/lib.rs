#![doc = include_str!("../README.md")]

pub mod config;
pub mod metrics;

pub mod domain;

pub mod audit;

mod shell;

pub use shell::actor::ActError;
pub use shell::consumer::ConsumeError;
pub use shell::replay::{Rebuilt, ReplayError, Replayed, Until, rebuild, replay};
pub use shell::run::{LedgerHandle, RunLedgerError, Status, run, start};
pub use shell::service::ServeError;
pub use shell::store::{StoreError, tables_on_disk};
