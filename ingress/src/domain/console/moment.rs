//! How a message stood at a moment of the past, told from its timeline.
//!
//! Invariants:
//! - With the whole timeline it is the state that the ledger shows, for messages of one part.
//!
//! Not here: what the ledger makes of contradictions, and messages of which the timeline leaves entries out.

use angelia_shared::query::{MessageState, TimelineEntry};

use super::told;

/// The state after the entries with a sequence of at most `as_of`; none when it was not accepted yet.
pub(crate) fn state_then(timeline: &[TimelineEntry], as_of: u64) -> Option<MessageState> {
    let mut state = None;
    for entry in timeline.iter().filter(|entry| entry.position.seq <= as_of) {
        let next = after(state, entry);
        // Reports may come late and in any order: a state only moves up. A turn that was put off stands in line again.
        let moves = match (state, next) {
            (_, None) => false,
            (Some(MessageState::Sending), Some(MessageState::Queued)) => true,
            (state, next) => next > state,
        };
        if moves {
            state = next;
        }
    }
    state
}

fn after(state: Option<MessageState>, entry: &TimelineEntry) -> Option<MessageState> {
    let detail = entry.detail.as_deref().unwrap_or_default();
    match &*entry.event {
        "MessageAccepted" => Some(MessageState::Queued),
        "AttemptStarted" => Some(MessageState::Sending),
        "AttemptEnded" | "OutcomeSettled" => match detail.split(';').next().unwrap_or_default() {
            "sent" | "charge" => Some(MessageState::Sent),
            "refund" => Some(MessageState::Failed),
            "unknown" => Some(MessageState::Unknown),
            code if told::reason(code).is_some() => Some(MessageState::Failed),
            // Put off, or never begun.
            _ if state == Some(MessageState::Sending) => Some(MessageState::Queued),
            _ => None,
        },
        "MessageExpired" | "MessageFailed" | "PartRefused" => Some(MessageState::Failed),
        "MessageCancelled" => Some(MessageState::Cancelled),
        "MessageSent" => Some(MessageState::Sent),
        "MessageDelivered" => Some(MessageState::Delivered),
        "MessageRead" => Some(MessageState::Read),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::ids::Position;
    use angelia_shared::units::UnixMillis;

    use super::*;

    fn timeline(events: &[(&str, Option<&str>)]) -> Vec<TimelineEntry> {
        let one = |(seq, (event, detail)): (usize, &(&str, Option<&str>))| TimelineEntry {
            at: UnixMillis(0),
            event: (*event).to_owned(),
            position: Position::new(10 * (seq as u64 + 1), 0),
            detail: detail.map(str::to_owned),
        };
        events.iter().enumerate().map(one).collect()
    }

    #[test]
    fn a_message_is_told_as_it_stood_at_each_moment() {
        let timeline = timeline(&[
            ("MessageAccepted", None),
            ("AttemptStarted", None),
            ("AttemptEnded", Some("throughput")),
            ("AttemptStarted", None),
            ("AttemptEnded", Some("sent")),
            ("MessageRead", None),
            ("MessageDelivered", None),
        ]);
        use MessageState::{Queued, Read, Sending, Sent};
        let expected = [
            (9, None),
            (10, Some(Queued)),
            (20, Some(Sending)),
            (30, Some(Queued)),
            (45, Some(Sending)),
            (50, Some(Sent)),
            (60, Some(Read)),
            (70, Some(Read)),
        ];
        for (as_of, state) in expected {
            assert_eq!(state_then(&timeline, as_of), state, "at {as_of}");
        }
    }

    #[test]
    fn a_failure_and_its_refund_are_told_apart() {
        let timeline =
            timeline(&[("MessageAccepted", None), ("MessageCancelled", None), ("CreditsRefunded", Some("1"))]);
        assert_eq!(state_then(&timeline, 20), Some(MessageState::Cancelled));
        assert_eq!(state_then(&timeline, 30), Some(MessageState::Cancelled));
    }
}
