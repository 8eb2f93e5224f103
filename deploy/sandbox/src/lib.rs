#![doc = include_str!("../README.md")]

mod config;
mod domain;
mod shell;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use shell::courier::CallbackError;
pub use shell::recovery::RecoverError;
pub use shell::serve::{ServeError, serve};
