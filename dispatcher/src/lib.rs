#![doc = include_str!("../README.md")]

pub mod config;
pub mod metrics;

pub mod domain;

pub mod attachments;
pub mod transport;

mod shell;

pub use shell::run::{RunDispatcherError, run};
