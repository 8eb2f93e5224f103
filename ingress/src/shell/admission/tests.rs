//! Admission against a real broker, with one and with several processes on one log.

mod ahead;
mod credits;
mod faults;
mod hand_over;
mod keys;
mod support;

use angelia_shared::ids::{WorkspaceId, WriterId};

use super::order::{Answer, Waiting};

/// An order that waits, with a sealed content of about so many bytes, and its answer.
pub(super) fn order_of(workspace: WorkspaceId, content_bytes: usize) -> (Waiting, Answer) {
    let mut order = support::order(workspace, 1);
    order.event.sealed.data = "x".repeat(content_bytes);
    let (waiting, _bytes, answer) = Waiting::new(order, WriterId(1));
    (waiting, answer)
}
