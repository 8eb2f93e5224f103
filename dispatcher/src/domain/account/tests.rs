//! Given an account and what happened to it, when it is asked, then what it does next.

mod bench;
mod cancel;
mod expiry;
mod limits;
mod order;
mod parts;
mod put_off;
mod stale;
mod takeover;
mod turn;
mod unknown;

use super::Waiting;

#[test]
fn a_waiting_message_takes_at_most_40_bytes() {
    assert!(size_of::<Waiting>() <= 40, "{} bytes", size_of::<Waiting>());
}
