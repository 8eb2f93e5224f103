//! A statement's line as JSON and as a line of a table.

use schemars::JsonSchema;
use serde::Serialize;

use super::message::MESSAGE_ID_PATTERN;
use crate::csv;
use crate::query::{StatementKind, StatementLine};
use crate::units::Credits;

/// The head of the table.
pub const COLUMNS: [&str; 7] = ["seq", "at", "kind", "credits", "balance", "message_id", "reason"];

/// A line of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "StatementLine")]
pub struct LineShown<'a> {
    /// Its place in the log, to the line: several lines may share a sequence.
    pub id: String,
    /// The sequence of its record.
    pub seq: u64,
    /// When, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// What moved.
    pub kind: StatementKind,
    /// How many.
    pub credits: Credits,
    /// What was available after it.
    pub balance: Credits,
    /// The message, for charges and refunds.
    #[schemars(regex(pattern = MESSAGE_ID_PATTERN))]
    pub message_id: Option<String>,
    /// Why.
    pub reason: Option<&'a str>,
}

impl<'a> LineShown<'a> {
    /// Shows a line.
    pub fn of(line: &'a StatementLine) -> Self {
        let StatementLine { at_position, balance, moved } = line;
        Self {
            id: at_position.to_string(),
            seq: at_position.seq,
            at: moved.at.to_rfc3339(),
            kind: moved.kind,
            credits: moved.credits,
            balance: *balance,
            message_id: moved.message.map(|message| message.public()),
            reason: moved.reason.as_deref(),
        }
    }

    /// The line of a table, under [`COLUMNS`], with its line end.
    pub fn to_csv(&self) -> String {
        let kind = match self.kind {
            StatementKind::Grant => "grant",
            StatementKind::Charge => "charge",
            StatementKind::Refund => "refund",
        };
        let (seq, credits, balance) = (self.seq.to_string(), self.credits.to_string(), self.balance.to_string());
        let (message, reason) = (self.message_id.as_deref().unwrap_or(""), self.reason.unwrap_or(""));
        csv::line([&*seq, &self.at, kind, &credits, &balance, message, reason])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{MessageId, Position};
    use crate::query::Moved;
    use crate::units::UnixMillis;

    #[test]
    fn a_reason_that_a_spreadsheet_would_run_is_text() {
        let moved = Moved {
            at: UnixMillis(0),
            kind: StatementKind::Refund,
            credits: Credits(1),
            message: Some(MessageId(5)),
            reason: Some("=1+1".to_owned()),
        };
        let line = StatementLine { at_position: Position::new(7, 2), balance: Credits(9), moved };
        // The ledger's answer is one flat object, as it was before what moved had a type of its own.
        let told = serde_json::to_value(&line).expect("it is plain");
        assert_eq!(
            (&told["at_position"], &told["kind"], &told["credits"]),
            (&"7.2".into(), &"refund".into(), &1.into())
        );
        assert_eq!(serde_json::from_value::<StatementLine>(told).expect("its own form"), line);
        let shown = LineShown::of(&line);
        let table = "7,1970-01-01T00:00:00.000Z,refund,1,9,wa_backend:3EB00000000000000005,\"'=1+1\"\r\n";
        assert_eq!(shown.to_csv(), table);
        assert_eq!(csv::line(COLUMNS).matches(',').count(), table.matches(',').count());
    }
}
