//! The message history: what is asked for, what became of a message by now, and the answer's JSON.
//!
//! Shape: parameters -> [`Query`]; (journal line, time) -> [`Entry`]; [`Page`] -> JSON.
//!
//! Invariants:
//! - An entry depends on its line and the time alone, so every start of the sandbox tells the same.
//!
//! Source of the form: Meta's OpenAPI document, `GET /{Version}/{Phone-Number-ID}/message_history`. It does not say in
//! which order entries come; here the newest is first, as on most edges of the Graph.
//!
//! Not here: finding the lines of a page (see `shell/history.rs`).

use serde::Serialize;

use super::cursor::Cursor;
use super::delays::Delays;
use super::fields::{EventFields, Fields};
use super::graph::{self, Refusal};
use super::line::Written;
use super::script::Status;
use super::status;

/// Entries of a page when nobody says. Source: as above.
const LIMIT_DEFAULT: usize = 25;
/// Most entries of a page. Source: as above.
const LIMIT_MOST: usize = 100;

/// One request for the history, apart from whose it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// The one message that is asked for.
    pub(crate) message_id: Option<String>,
    pub(crate) fields: Fields,
    pub(crate) limit: usize,
    pub(crate) place: Place,
}

/// Where a page lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It begins with the newest entry.
    Newest,
    /// It holds the entries older than this.
    After(Cursor),
    /// It holds the entries newer than this, the closest ones.
    Before(Cursor),
}

impl Place {
    /// The refusal of a cursor that is none.
    pub(crate) fn unknown(name: &'static str) -> Refusal {
        Refusal::WrongType(name, "a cursor that this edge has given")
    }
}

impl Query {
    /// Reads a request's parameters. Of one that is repeated the last counts; unknown ones change nothing.
    pub(crate) fn read(parameters: &[(String, String)]) -> Result<Self, Refusal> {
        let parameter = |name: &str| parameters.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let cursor = |name: &'static str| match parameter(name) {
            None | Some("") => Ok(None),
            Some(text) => Cursor::parse(text).map(Some).ok_or(Place::unknown(name)),
        };
        let message_id = match parameter("message_id") {
            Some(id) if !id.starts_with("wamid.") => {
                return Err(Refusal::WrongType("message_id", "the id of a message"));
            }
            id => id.map(str::to_owned),
        };
        let limit = match parameter("limit").map(str::parse) {
            None => LIMIT_DEFAULT,
            Some(Ok(limit)) if (1..=LIMIT_MOST).contains(&limit) => limit,
            Some(Ok(_) | Err(_)) => return Err(Refusal::WrongType("limit", "a number from 1 to 100")),
        };
        let place = match (cursor("after")?, cursor("before")?) {
            (None, None) => Place::Newest,
            (Some(after), None) => Place::After(after),
            (None, Some(before)) => Place::Before(before),
            (Some(_), Some(_)) => return Err(Refusal::WrongType("before", "absent when after is given")),
        };
        Ok(Self { message_id, fields: Fields::parse(parameter("fields").unwrap_or_default())?, limit, place })
    }
}

/// A message that was taken, and what became of it by now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    seq: u64,
    pub(crate) wamid: String,
    events: Vec<Event>,
}

#[derive(Debug, PartialEq, Eq)]
struct Event {
    status: Status,
    /// When it happened, Unix milliseconds.
    at_ms: u64,
}

impl Entry {
    /// Reads a journal line; `None` when no message was taken with it.
    pub(crate) fn of(written: &Written<'_>, now_ms: u64, delays: &Delays) -> Option<Self> {
        let wamid = written.wamid.clone()?;
        let fate = written.behaviour().map_or(&[][..], |behaviour| behaviour.fate().statuses());
        let events = fate
            .iter()
            .map(|status| Event {
                status: *status,
                at_ms: written.received_at_ms.saturating_add(delays.until(*status)),
            })
            .take_while(|event| event.at_ms <= now_ms)
            .collect();
        Some(Self { seq: written.seq, wamid, events })
    }
}

/// A page of the history, newest entry first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    /// The newest and the oldest line that the page covers; `None` when it covers none.
    pub(crate) covered: Option<(Cursor, Cursor)>,
    pub(crate) has_newer: bool,
    pub(crate) has_older: bool,
}

impl Page {
    /// Writes the answer. `link` makes the URL of the page that lies `after` or `before` a cursor.
    pub(crate) fn json(&self, fields: Fields, link: impl Fn(&str, Cursor) -> String) -> String {
        let paging = self.covered.map(|(newest, oldest)| Paging {
            cursors: Cursors { before: newest.to_string(), after: oldest.to_string() },
            next: self.has_older.then(|| link("after", oldest)),
            previous: self.has_newer.then(|| link("before", newest)),
        });
        graph::text(&PageJson { data: self.entries.iter().map(|entry| entry.json(fields)).collect(), paging })
    }
}

#[derive(Serialize)]
struct PageJson<'a> {
    data: Vec<EntryJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paging: Option<Paging>,
}

#[derive(Serialize)]
struct Paging {
    cursors: Cursors,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

#[derive(Serialize)]
struct Cursors {
    before: String,
    after: String,
}

#[derive(Serialize)]
struct EntryJson<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<EventsJson>,
}

#[derive(Serialize)]
struct EventsJson {
    data: Vec<EventJson>,
}

#[derive(Serialize)]
struct EventJson {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<&'static str>,
}

impl Entry {
    fn json(&self, fields: Fields) -> EntryJson<'_> {
        EntryJson {
            id: self.id(0),
            message_id: fields.message_id.then_some(&*self.wamid),
            events: fields.events.map(|fields| EventsJson { data: self.events_json(fields) }),
        }
    }

    fn events_json(&self, fields: EventFields) -> Vec<EventJson> {
        let json = |(event, place): (&Event, u8)| EventJson {
            id: self.id(place),
            delivery_status: fields.delivery_status.then(|| event.status.word().to_ascii_uppercase()),
            timestamp: fields.timestamp.then_some(event.at_ms / 1_000),
            error_description: (fields.error_description && event.status == Status::Failed)
                .then_some(status::FAILURE_DESCRIPTION),
        };
        self.events.iter().zip(1..).map(json).collect()
    }

    /// An id that nothing else in the history has: the entry's own has place 0, its events' count from 1, a digit.
    fn id(&self, place: u8) -> String {
        format!("{}{place}", self.seq)
    }
}

#[cfg(test)]
mod tests;
