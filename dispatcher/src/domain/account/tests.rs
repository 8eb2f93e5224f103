//! Given an account and what happened to it, when it is asked, then what it does next.

mod bench;
mod cancel;
mod expiry;
mod limits;
mod open_attempt;
mod order;
mod parts;
mod put_off;
mod stale;
mod takeover;
mod turn;
mod unknown;
