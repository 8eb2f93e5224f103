//! The sandbox's journal: what WhatsApp received. The truth about sending, whatever the program says.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Answer, http};

/// One request that WhatsApp received.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// Counts up by one.
    pub seq: u64,
    /// When it came, Unix milliseconds.
    pub received_at_ms: i64,
    /// The sending number's id.
    pub phone_number_id: String,
    /// The recipient; none for an upload.
    pub to: Option<String>,
    /// `text`, `image`, …, or `media` for an upload.
    #[serde(rename = "type")]
    pub kind: String,
    /// The request.
    pub body: Value,
    /// What the sender wants to see again in callbacks.
    pub tracker: Option<String>,
    /// The id that WhatsApp gave.
    pub wamid: Option<String>,
    /// The HTTP status, or `"closed"`.
    pub answered: Value,
}

impl Line {
    /// Whether WhatsApp took the message: it goes out, whether or not the sender was told.
    pub fn was_taken(&self) -> bool {
        self.answered == json!(200) || (self.answered == json!("closed") && self.wamid.is_some())
    }

    /// Whether it is a message and not an upload.
    pub fn is_message(&self) -> bool {
        self.kind != "media"
    }

    /// Whether it belongs to the message with this id.
    pub fn belongs_to(&self, message_id: &str) -> bool {
        let digits = message_id.rsplit(':').next().unwrap_or(message_id);
        self.tracker.as_deref().is_some_and(|tracker| tracker.contains(digits))
    }

    /// The body of a text message.
    pub fn text(&self) -> Option<&str> {
        self.body["text"]["body"].as_str()
    }
}

/// The journal at one moment.
#[derive(Clone, Debug, Default)]
pub struct Journal(pub Vec<Line>);

impl Journal {
    /// Reads the journal of the sandbox at `url`.
    ///
    /// # Panics
    /// When it cannot be read, or its numbers have a gap.
    pub async fn read(url: &str) -> Self {
        let answer = Answer::to(http().get(format!("{url}/sandbox/journal"))).await.expect("the sandbox answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let lines: Vec<Line> = answer
            .text()
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("not a journal line: {error}: {line}"))
            })
            .collect();
        for pair in lines.windows(2) {
            assert_eq!(pair[0].seq + 1, pair[1].seq, "the journal has a gap");
        }
        Self(lines)
    }

    /// The messages and uploads of one sending number.
    pub fn from_number(&self, phone_number_id: &str) -> Vec<&Line> {
        self.0.iter().filter(|line| line.phone_number_id == phone_number_id).collect()
    }

    /// The message requests that carry this message's id, uploads apart.
    pub fn sends_of(&self, message_id: &str) -> Vec<&Line> {
        self.0.iter().filter(|line| line.is_message() && line.belongs_to(message_id)).collect()
    }

    /// The message requests to this number, uploads apart.
    pub fn sends_to(&self, number: &str) -> Vec<&Line> {
        let digits = number.trim_start_matches('+');
        self.0.iter().filter(|line| line.to.as_deref() == Some(digits)).collect()
    }

    /// How each request of this message was answered.
    pub fn answers(&self, message_id: &str) -> Vec<Value> {
        self.sends_of(message_id).into_iter().map(|line| line.answered.clone()).collect()
    }
}
