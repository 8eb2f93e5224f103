//! Hands events out: each line of the log as it stands, with its place, as JSON lines or as a table.
//!
//! Shape: record -> text. The event is passed on byte for byte, so that digests can be computed from it; sealed contents
//! stay sealed.

use std::fmt::Write as _;

use angelia_shared::csv;
use angelia_shared::event::lines;
use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::Record;
use angelia_shared::subject::Subject;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::point::Point;

/// The head of the table.
pub const COLUMNS: [&str; 10] =
    ["position", "at", "subject", "event", "workspace", "account", "message", "credits", "reason", "data"];

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// A table that spreadsheets open.
    Csv,
}

/// Which events are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// From here on.
    pub from: Option<Point>,
    /// Up to here.
    pub to: Option<Point>,
    /// Only those about this workspace: the log's own book-keeping is left out.
    pub workspace: Option<WorkspaceId>,
}

impl Wanted {
    /// Whether every record from this one on lies beyond what is wanted.
    pub fn is_over(&self, record: &Record) -> bool {
        self.to.is_some_and(|to| to.is_before(record.seq, record.at))
    }

    fn begins_after(&self, record: &Record) -> bool {
        match self.from {
            None => false,
            Some(Point::Seq(first)) => record.seq < first,
            Some(Point::Time(first)) => record.at < first,
        }
    }
}

/// What a table shows of an event beside its text. A field of another form is shown as nothing; the text has it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Shown {
    workspace: Option<String>,
    account: Option<String>,
    message: Option<String>,
    credits: Option<u64>,
    reason: Option<String>,
}

/// Writes the wanted events of a record; nothing when there are none.
pub fn write(record: &Record, wanted: &Wanted, format: Format) -> String {
    let mut out = String::new();
    if wanted.begins_after(record) || wanted.is_over(record) {
        return out;
    }
    for (number, line) in lines(&record.payload).enumerate() {
        let (name, body) = parse(line).unwrap_or_default();
        if wanted.workspace.is_some_and(|wanted| workspace(record, &body) != Some(wanted)) {
            continue;
        }
        let position = format!("{}.{number}", record.seq);
        let subject = match &record.subject {
            Ok(subject) => subject.to_string(),
            Err(bad) => bad.0.clone(),
        };
        let at = record.at.to_rfc3339();
        match format {
            Format::JsonLines => {
                let subject = serde_json::Value::from(subject);
                let data = json_text(line);
                writeln!(out, r#"{{"position":"{position}","at":"{at}","subject":{subject},"event":{data}}}"#)
                    .expect("a string takes any text");
            }
            Format::Csv => {
                let told = |text: &Option<String>| text.clone().unwrap_or_default();
                let (workspace, account) = owners(record, &body);
                let credits = body.credits.map(|credits| credits.to_string()).unwrap_or_default();
                let (message, reason, data) = (told(&body.message), told(&body.reason), String::from_utf8_lossy(line));
                let cells = [&position, &at, &subject, &name, &workspace, &account, &message, &credits, &reason];
                out.push_str(&csv::line(cells.into_iter().map(String::as_str).chain([&*data])));
            }
        }
    }
    out
}

fn parse(line: &[u8]) -> Option<(String, Shown)> {
    let object: std::collections::BTreeMap<String, &RawValue> = serde_json::from_slice(line).ok()?;
    let (name, body) = object.into_iter().next()?;
    let shown = serde_json::from_str(body.get()).unwrap_or_default();
    Some((name, shown))
}

/// The line as it is when it is JSON, otherwise as a JSON string.
fn json_text(line: &[u8]) -> String {
    match serde_json::from_slice::<&RawValue>(line) {
        Ok(value) => value.get().to_owned(),
        Err(_) => serde_json::Value::from(String::from_utf8_lossy(line)).to_string(),
    }
}

/// Whose an event is: its subject says so, or itself.
fn workspace(record: &Record, body: &Shown) -> Option<WorkspaceId> {
    match record.subject {
        Ok(Subject::Attempt(_, workspace, _) | Subject::Wallet(workspace) | Subject::Directory(workspace, ..)) => {
            Some(workspace)
        }
        _ => body.workspace.as_deref()?.parse().ok(),
    }
}

fn owners(record: &Record, body: &Shown) -> (String, String) {
    let account = match record.subject {
        Ok(Subject::Attempt(_, _, account)) => account.to_string(),
        _ => body.account.clone().unwrap_or_default(),
    };
    let workspace = workspace(record, body).map(|id| id.to_string()).unwrap_or_default();
    (workspace, account)
}

#[cfg(test)]
mod tests {
    use angelia_shared::event::Event;
    use angelia_shared::units::UnixMillis;

    use super::*;
    use crate::audit::crafted::*;

    fn log() -> CraftedLog {
        let mut log = CraftedLog::with_messages();
        log.tried(MESSAGE, 1, 0, failed());
        log.add(Subject::Wallet(WORKSPACE), refund(1));
        log
    }

    fn export(log: &CraftedLog, wanted: Wanted, format: Format) -> String {
        log.records.iter().map(|record| write(record, &wanted, format)).collect()
    }

    #[test]
    fn json_lines_hold_every_event_byte_for_byte() {
        let log = log();
        let text = export(&log, Wanted::default(), Format::JsonLines);
        assert_eq!(text.lines().count(), log.records.len());
        for (line, record) in text.lines().zip(&log.records) {
            #[derive(Deserialize)]
            struct Line<'a> {
                position: &'a str,
                #[serde(borrow)]
                event: &'a RawValue,
            }
            let line: Line<'_> = serde_json::from_str(line).expect("each line is an object");
            assert_eq!(line.event.get().as_bytes(), &record.payload[..]);
            assert_eq!(line.position, format!("{}.0", record.seq));
        }
    }

    #[test]
    fn a_workspace_s_export_holds_its_events_and_no_book_keeping() {
        let log = log();
        let ours = export(&log, Wanted { workspace: Some(WORKSPACE), ..Wanted::default() }, Format::JsonLines);
        let expected = log
            .records
            .iter()
            .filter(|record| !matches!(record.subject, Ok(Subject::Writer(_) | Subject::PartitionClaim(_))));
        assert_eq!(ours.lines().count(), expected.count());
        let none = export(&log, Wanted { workspace: Some(WorkspaceId(99)), ..Wanted::default() }, Format::JsonLines);
        assert_eq!(none, "");
    }

    #[test]
    fn a_range_is_by_sequence_or_by_time_and_holds_both_ends() {
        let mut log = log();
        for record in &mut log.records {
            record.at = UnixMillis(record.seq as i64 * 10);
        }
        let (from, to) = (Some(Point::Seq(3)), Some(Point::Seq(5)));
        let by_seq = export(&log, Wanted { from, to, workspace: None }, Format::JsonLines);
        assert_eq!(by_seq.lines().count(), 3);
        let (from, to) = (Some(Point::Time(UnixMillis(30))), Some(Point::Time(UnixMillis(50))));
        assert_eq!(export(&log, Wanted { from, to, workspace: None }, Format::JsonLines), by_seq);
    }

    #[test]
    fn a_table_shows_whose_an_event_is_and_runs_nothing() {
        let mut log = log();
        let grant = Event::CreditsGranted(angelia_shared::event::CreditsGranted {
            reason: "=cmd()".to_owned(),
            ..granted(1, 11)
        });
        log.add(Subject::Wallet(WORKSPACE), grant);
        let text = export(&log, Wanted { workspace: Some(WORKSPACE), ..Wanted::default() }, Format::Csv);
        let last = text.lines().last().expect("there are lines");
        assert!(last.contains(&format!("CreditsGranted,{WORKSPACE},,,1,\"'=cmd()\"")), "{last}");
        assert!(text.contains(&format!("AttemptStarted,{WORKSPACE},{ACCOUNT},{MESSAGE},1,")), "{text}");
    }

    #[test]
    fn a_line_that_is_not_json_is_handed_out_as_text() {
        let mut log = CraftedLog::with_messages();
        log.add_line(Subject::Key(0), b"not \"json\"".to_vec());
        let text = export(&log, Wanted::default(), Format::JsonLines);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        assert!(lines.iter().any(|line| line["event"] == "not \"json\""));
    }
}
