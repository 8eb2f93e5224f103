//! The whole sandbox: a real client, a real listener, a real receiver of callbacks.

mod callbacks;
mod errors;
mod harness;
mod history;
mod journal;
mod restart;
mod script;
