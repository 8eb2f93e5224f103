//! The start: what a new installation offers, what keeps it from starting, and how it says so.

mod brokers;
mod first;
mod mistakes;
