//! When an account may send what. Sync, no clock, no dice, no IO: time and answers are arguments.
//!
//! Read in this order: [`pace`] (the gap), [`limits`] (caps, quiet hours, recipients), [`put_off`] (how long to wait after
//! an error), [`plan`] (what a message goes out as), [`account`] (one account's next step), [`partition`] (all accounts of
//! a share, and what a new owner must read), [`fenced`] (what a former owner still says), [`look_up`] (what became of what
//! nobody knows of), [`ownership`] (which shares this process has).

pub mod account;
pub mod fenced;
pub mod limits;
pub mod look_up;
pub mod ownership;
pub mod pace;
pub mod partition;
pub mod plan;
pub mod put_off;
