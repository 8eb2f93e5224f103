//! One line of the journal: how it is written, and what is read back from it.
//!
//! Invariants:
//! - The keys and their order are promised to readers: `seq` comes first and is found without parsing the line.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::recipient::Recipient;
use super::script::{Behaviour, Decision, MessageKey};

/// `type` of an upload's line.
pub(crate) const MEDIA: &str = "media";

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answered {
    Status(u16),
    Closed(Closed),
}

/// The word for a connection that was closed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Closed {
    Closed,
}

impl Answered {
    /// The connection was closed instead of an answer.
    pub(crate) const CLOSED: Self = Self::Closed(Closed::Closed);
}

impl From<Decision> for Answered {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Taken => Self::Status(200),
            Decision::TakenThenClosed | Decision::ClosedUntaken => Self::CLOSED,
            Decision::Broken => Self::Status(500),
            Decision::Unavailable => Self::Status(503),
            Decision::Throttled => Self::Status(429),
        }
    }
}

/// A line as it is written.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) seq: u64,
    pub(crate) received_at_ms: u64,
    pub(crate) phone_number_id: &'a str,
    pub(crate) to: Option<&'a str>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<&'a str>,
    pub(crate) body: &'a RawValue,
    pub(crate) tracker: Option<&'a str>,
    pub(crate) wamid: Option<&'a str>,
    pub(crate) answered: Answered,
}

impl Line<'_> {
    /// Appends the line and its line break to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, self).expect("plain strings and numbers always have a JSON form");
        out.push(b'\n');
    }
}

/// A line as it is read back.
#[derive(Debug, Deserialize)]
pub(crate) struct Written<'a> {
    pub(crate) seq: u64,
    pub(crate) received_at_ms: u64,
    pub(crate) phone_number_id: String,
    pub(crate) to: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(borrow)]
    pub(crate) body: &'a RawValue,
    pub(crate) tracker: Option<String>,
    pub(crate) wamid: Option<String>,
    pub(crate) answered: Answered,
}

impl<'a> Written<'a> {
    /// Reads one line, with or without its line break.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Whom the message was for; `None` for uploads and for what was refused for its form.
    pub(crate) fn recipient(&self) -> Option<Recipient> {
        #[derive(Deserialize)]
        struct Kind {
            recipient_type: Option<String>,
        }
        let to = self.to.as_deref()?;
        let kind: Kind = serde_json::from_str(self.body.get()).ok()?;
        Recipient::read(to, kind.recipient_type.as_deref() == Some("group"))
    }

    /// The row of the script that gave this answer; `None` when something else did.
    pub(crate) fn behaviour(&self) -> Option<Behaviour> {
        let by_script = match self.answered {
            Answered::Closed(_) | Answered::Status(429 | 500 | 503) => true,
            Answered::Status(_) => self.wamid.is_some(),
        };
        if !by_script {
            return None;
        }
        self.recipient().map(|recipient| Behaviour::of(&recipient))
    }

    /// The key under which the script counts this message.
    pub(crate) fn key(&self) -> MessageKey {
        MessageKey::new(&self.phone_number_id, self.to.as_deref().unwrap_or_default(), self.tracker.as_deref())
    }
}

/// Finds a line's `seq` from its first bytes alone.
pub(crate) fn seq_of(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"{\"seq\":")?;
    let end = digits.iter().position(|b| !b.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// Tells from a line's first bytes alone that it was sent to this phone number id.
pub(crate) fn is_of(line: &[u8], phone_number_id: &str) -> bool {
    fn after_number<'a>(rest: &'a [u8], before: &[u8]) -> Option<&'a [u8]> {
        let rest = rest.strip_prefix(before)?;
        Some(&rest[rest.iter().position(|b| !b.is_ascii_digit())?..])
    }
    let rest = after_number(line, b"{\"seq\":").and_then(|rest| after_number(rest, b",\"received_at_ms\":"));
    let Some(rest) = rest.and_then(|rest| rest.strip_prefix(b",\"phone_number_id\":")) else { return false };
    let id = serde_json::to_vec(phone_number_id).expect("a plain string always has a JSON form");
    rest.strip_prefix(&*id).is_some_and(|rest| rest.starts_with(b","))
}

/// Tells from a line's last bytes alone that it was answered with 200.
pub(crate) fn was_answered_200(line: &[u8]) -> bool {
    line.ends_with(b",\"answered\":200}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(to: &str, body: &str, wamid: Option<&str>, answered: Answered) -> Vec<u8> {
        let body = RawValue::from_string(body.into()).expect("json");
        let mut out = Vec::new();
        let line = Line {
            seq: 12,
            received_at_ms: 1_753_700_000_123,
            phone_number_id: "100",
            to: Some(to),
            kind: Some("text"),
            body: &body,
            tracker: None,
            wamid,
            answered,
        };
        line.write(&mut out);
        out
    }

    #[test]
    fn the_keys_and_their_order_are_as_promised() {
        assert_eq!(
            String::from_utf8(line("1", r#"{"b":1,"a":2}"#, Some("wamid.X"), Answered::Status(200))).expect("utf-8"),
            concat!(
                r#"{"seq":12,"received_at_ms":1753700000123,"phone_number_id":"100","to":"1","type":"text","#,
                r#""body":{"b":1,"a":2},"tracker":null,"wamid":"wamid.X","answered":200}"#,
                "\n"
            )
        );
        let closed = line("1", "{}", None, Answered::CLOSED);
        assert!(closed.ends_with(b"\"wamid\":null,\"answered\":\"closed\"}\n"));
    }

    #[test]
    fn a_line_reads_back() {
        let bytes = line("14150000404", "{}", Some("wamid.X"), Answered::Status(200));
        let written = Written::read(&bytes).expect("a line");
        assert_eq!((written.seq, written.answered), (12, Answered::Status(200)));
        assert_eq!(written.behaviour(), Some(Behaviour::NotOnWhatsApp));
        assert_eq!(seq_of(&bytes), Some(12));
        assert!(was_answered_200(&bytes));
        let closed = line("14150000409", "{}", None, Answered::CLOSED);
        assert_eq!(Written::read(&closed).expect("a line").answered, Answered::CLOSED);
        assert!(!was_answered_200(&closed));
    }

    #[test]
    fn a_group_read_back_is_still_a_group() {
        let bytes = line("14150000404", r#"{"recipient_type":"group"}"#, Some("wamid.X"), Answered::Status(200));
        assert_eq!(Written::read(&bytes).expect("a line").behaviour(), Some(Behaviour::Normal));
    }

    #[test]
    fn a_request_refused_for_its_form_was_not_answered_by_the_script() {
        let bytes = line("14150000503", r#"{"recipient_type":5}"#, None, Answered::Status(400));
        assert_eq!(Written::read(&bytes).expect("a line").behaviour(), None);
    }

    #[test]
    fn a_refusal_is_recorded_with_the_status_of_its_answer() {
        for decision in [Decision::Broken, Decision::Unavailable, Decision::Throttled] {
            let error = crate::domain::graph::scripted_error(decision).expect("refused");
            assert_eq!(Answered::from(decision), Answered::Status(error.status));
        }
    }

    #[test]
    fn whose_a_line_is_is_told_from_its_beginning() {
        let of = |id: &str| {
            let mut bytes = Vec::new();
            let body = RawValue::from_string("{}".into()).expect("json");
            let answered = Answered::Status(400);
            let line = Line {
                seq: 12,
                received_at_ms: 5,
                phone_number_id: id,
                to: None,
                kind: None,
                body: &body,
                tracker: None,
                wamid: None,
                answered,
            };
            line.write(&mut bytes);
            bytes
        };
        let ids = ["100", "1000", "10", "", "a\"b", "a\",", "é\u{1}"];
        for (line, other) in ids.iter().flat_map(|line| ids.iter().map(move |other| (line, other))) {
            assert_eq!(is_of(&of(line), other), line == other, "{line} {other}");
        }
        assert!(!is_of(b"{\"seq\":12", "100") && !is_of(b"nonsense\n", "100"));
    }

    #[test]
    fn a_torn_line_has_no_form() {
        let bytes = line("1", "{}", None, Answered::Status(400));
        for end in 0..bytes.len() - 2 {
            assert!(Written::read(&bytes[..end]).is_none(), "{end}");
        }
        assert_eq!(seq_of(b"{\"seq\":12"), None);
        assert_eq!(seq_of(b"{\"seq\":,"), None);
    }
}
