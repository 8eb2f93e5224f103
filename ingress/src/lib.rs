#![doc = include_str!("../README.md")]

pub mod config;
pub mod domain;
pub mod metrics;
pub mod shell;

pub use config::Config;
pub use shell::http::server;
pub use shell::prometheus;
pub use shell::run::{RunIngressError, run, run_gated};
