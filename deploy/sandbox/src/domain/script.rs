//! What happens to a message, by the last four digits of its recipient.
//!
//! Shape: (recipient) -> [`Behaviour`]; (behaviour, what this message saw before) -> [`Decision`]; (behaviour) -> the
//! [`Plan`] of what becomes of a message, and the one of what is called back.
//!
//! Invariants:
//! - The same journal gives the same counts: only refusals that the script itself gave are counted.
//! - What is called back happened: the callbacks of a row are its fate, or a beginning of it.
//!
//! Not here: when callbacks are due (see `timetable.rs`), what refusals look like (see `graph.rs`).

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::recipient::Recipient;

/// One row of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Normal,
    NotOnWhatsApp,
    AlwaysBroken,
    UnavailableTwice,
    TakenThenClosed,
    ClosedUntaken,
    TakenInSilence,
    SentOnly,
    ThrottledOnce,
}

/// The script as humans read it: last four digits, behaviour, sentence.
pub(crate) const ROWS: [(&str, Behaviour, &str); 8] = [
    ("0404", Behaviour::NotOnWhatsApp, "200, then callback failed: not on WhatsApp (131026)"),
    ("0500", Behaviour::AlwaysBroken, "always 500 with error 131000"),
    ("0503", Behaviour::UnavailableTwice, "503 with error 131016 twice, then 200"),
    (
        "0408",
        Behaviour::TakenThenClosed,
        "taken, but the connection closes before the answer; callbacks sent, delivered follow",
    ),
    ("0409", Behaviour::ClosedUntaken, "the connection closes before the answer and nothing follows"),
    (
        "0410",
        Behaviour::TakenInSilence,
        "taken, but the connection closes before the answer and no callback ever comes; only the message history tells",
    ),
    ("0202", Behaviour::SentOnly, "200 and callback sent, never delivered"),
    ("0429", Behaviour::ThrottledOnce, "429 with error 130429 once, then 200"),
];

impl Behaviour {
    /// Finds the row of a recipient. Groups are always normal.
    pub(crate) fn of(recipient: &Recipient) -> Self {
        match recipient {
            Recipient::Group { .. } => Self::Normal,
            Recipient::Person { digits } => {
                ROWS.iter().find(|(ending, ..)| digits.ends_with(ending)).map_or(Self::Normal, |(_, row, _)| *row)
            }
        }
    }

    /// What becomes of a message once it was taken, as the message history tells.
    pub(crate) fn fate(self) -> Plan {
        match self {
            Self::NotOnWhatsApp => Plan::Failure,
            Self::SentOnly => Plan::Sent,
            Self::TakenThenClosed | Self::TakenInSilence => Plan::SentDelivered,
            Self::Normal | Self::UnavailableTwice | Self::ThrottledOnce => Plan::SentDeliveredRead,
            Self::AlwaysBroken | Self::ClosedUntaken => Plan::Nothing,
        }
    }

    /// What of its fate is called back.
    pub(crate) fn callbacks(self) -> Plan {
        match self {
            Self::TakenInSilence => Plan::Nothing,
            Self::Normal
            | Self::NotOnWhatsApp
            | Self::AlwaysBroken
            | Self::UnavailableTwice
            | Self::TakenThenClosed
            | Self::ClosedUntaken
            | Self::SentOnly
            | Self::ThrottledOnce => self.fate(),
        }
    }

    /// How often a message is refused before it is taken; only rows that count have a number.
    fn refusals(self) -> Option<(u8, Decision)> {
        match self {
            Self::UnavailableTwice => Some((2, Decision::Unavailable)),
            Self::ThrottledOnce => Some((1, Decision::Throttled)),
            Self::Normal
            | Self::NotOnWhatsApp
            | Self::AlwaysBroken
            | Self::TakenThenClosed
            | Self::ClosedUntaken
            | Self::TakenInSilence
            | Self::SentOnly => None,
        }
    }
}

/// A state of a message, as callbacks and the message history report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Sent,
    Delivered,
    Read,
    Failed,
}

impl Status {
    /// The word on the wire.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

/// The statuses of one message. One byte, since a million of them may wait for a receiver that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plan {
    Nothing,
    Sent,
    SentDelivered,
    SentDeliveredRead,
    Failure,
}

impl Plan {
    /// The statuses in their order.
    pub(crate) fn statuses(self) -> &'static [Status] {
        match self {
            Self::Nothing => &[],
            Self::Sent => &[Status::Sent],
            Self::SentDelivered => &[Status::Sent, Status::Delivered],
            Self::SentDeliveredRead => &[Status::Sent, Status::Delivered, Status::Read],
            Self::Failure => &[Status::Failed],
        }
    }
}

/// What the sandbox does with one well-formed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Taken,
    TakenThenClosed,
    ClosedUntaken,
    Broken,
    Unavailable,
    Throttled,
}

impl Decision {
    /// Whether the message was taken, so has a wamid and a fate.
    pub(crate) fn is_taken(self) -> bool {
        match self {
            Self::Taken | Self::TakenThenClosed => true,
            Self::ClosedUntaken | Self::Broken | Self::Unavailable | Self::Throttled => false,
        }
    }
}

/// Names a message across its attempts: a digest, so that a count costs the same for any length of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MessageKey([u8; 16]);

impl MessageKey {
    /// `tracker` is the message's `biz_opaque_callback_data`.
    pub(crate) fn new(phone_number_id: &str, to: &str, tracker: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        for part in [phone_number_id, to] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        if let Some(tracker) = tracker {
            hash.update([1]);
            hash.update(tracker);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }
}

/// How often each message was refused so far. Kept for ever: "twice, then 200" holds for a message's whole life.
#[derive(Debug, Default)]
pub(crate) struct Script {
    refused: HashMap<MessageKey, u8>,
}

impl Script {
    /// Decides one request and counts it if the script refuses it. `key` is asked for only by rows that count.
    pub(crate) fn decide(&mut self, behaviour: Behaviour, key: impl FnOnce() -> MessageKey) -> Decision {
        if let Some((refusals, refusal)) = behaviour.refusals() {
            let refused = self.refused.entry(key()).or_default();
            if *refused < refusals {
                *refused += 1;
                return refusal;
            }
        }
        match behaviour {
            Behaviour::TakenThenClosed | Behaviour::TakenInSilence => Decision::TakenThenClosed,
            Behaviour::ClosedUntaken => Decision::ClosedUntaken,
            Behaviour::AlwaysBroken => Decision::Broken,
            Behaviour::Normal
            | Behaviour::NotOnWhatsApp
            | Behaviour::SentOnly
            | Behaviour::UnavailableTwice
            | Behaviour::ThrottledOnce => Decision::Taken,
        }
    }

    /// Counts a refusal found in the journal.
    pub(crate) fn recall(&mut self, behaviour: Behaviour, key: impl FnOnce() -> MessageKey) {
        if let Some((refusals, _)) = behaviour.refusals() {
            let refused = self.refused.entry(key()).or_default();
            *refused = refusals.min(*refused + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(digits: &str) -> Recipient {
        Recipient::Person { digits: digits.into() }
    }

    fn key(tracker: &str) -> impl Fn() -> MessageKey {
        let tracker = tracker.to_owned();
        move || MessageKey::new("100", "14150000503", Some(&tracker))
    }

    #[test]
    fn only_the_last_four_digits_choose_the_row() {
        assert_eq!(Behaviour::of(&person("14150000404")), Behaviour::NotOnWhatsApp);
        assert_eq!(Behaviour::of(&person("0409")), Behaviour::ClosedUntaken);
        assert_eq!(Behaviour::of(&person("04041")), Behaviour::Normal);
        assert_eq!(Behaviour::of(&person("404")), Behaviour::Normal);
    }

    #[test]
    fn what_is_called_back_happened() {
        for (_, row, _) in ROWS {
            assert!(row.fate().statuses().starts_with(row.callbacks().statuses()), "{row:?}");
        }
    }

    #[test]
    fn a_message_taken_in_silence_is_delivered_and_never_reported() {
        let row = Behaviour::of(&person("14150000410"));
        assert_eq!((row.fate(), row.callbacks()), (Plan::SentDelivered, Plan::Nothing));
        assert_eq!(Script::default().decide(row, key("a")), Decision::TakenThenClosed);
    }

    #[test]
    fn a_group_is_always_normal() {
        assert_eq!(Behaviour::of(&Recipient::Group { id: "14150000404".into() }), Behaviour::Normal);
    }

    #[test]
    fn an_unavailable_message_is_refused_twice_and_never_again() {
        let mut script = Script::default();
        let answers: Vec<_> = (0..4).map(|_| script.decide(Behaviour::UnavailableTwice, key("a"))).collect();
        assert_eq!(answers, [Decision::Unavailable, Decision::Unavailable, Decision::Taken, Decision::Taken]);
    }

    #[test]
    fn each_message_sees_its_own_script() {
        let mut script = Script::default();
        assert_eq!(script.decide(Behaviour::ThrottledOnce, key("a")), Decision::Throttled);
        assert_eq!(script.decide(Behaviour::ThrottledOnce, key("b")), Decision::Throttled);
        assert_eq!(script.decide(Behaviour::ThrottledOnce, key("a")), Decision::Taken);
    }

    #[test]
    fn a_refusal_from_the_journal_counts_like_one_just_given() {
        let mut script = Script::default();
        script.recall(Behaviour::UnavailableTwice, key("a"));
        assert_eq!(script.decide(Behaviour::UnavailableTwice, key("a")), Decision::Unavailable);
        assert_eq!(script.decide(Behaviour::UnavailableTwice, key("a")), Decision::Taken);
    }

    #[test]
    fn keys_differ_where_any_part_differs() {
        let keys = [
            MessageKey::new("1", "23", None),
            MessageKey::new("12", "3", None),
            MessageKey::new("1", "2", Some("3")),
            MessageKey::new("1", "23", Some("")),
        ];
        for (at, left) in keys.iter().enumerate() {
            assert!(keys[at + 1..].iter().all(|right| left != right));
        }
    }
}
