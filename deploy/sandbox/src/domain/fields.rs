//! Reads Graph's `fields`: which fields of a history entry are asked for.
//!
//! Shape: `id,message_id,events{delivery_status,timestamp}` -> [`Fields`] or a refusal. `id` is always answered.

use super::graph::Refusal;

/// The graph's names of what has fields.
const ENTRY: &str = "WhatsAppMessageHistory";
const EVENT: &str = "MessageDeliveryStatusEvent";

/// What is answered of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) message_id: bool,
    pub(crate) events: Option<EventFields>,
}

/// What is answered of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventFields {
    pub(crate) delivery_status: bool,
    pub(crate) timestamp: bool,
    pub(crate) error_description: bool,
}

impl Default for Fields {
    /// What is answered when nobody asks.
    fn default() -> Self {
        Self { message_id: true, events: None }
    }
}

impl EventFields {
    const ALL: Self = Self { delivery_status: true, timestamp: true, error_description: true };
    const NONE: Self = Self { delivery_status: false, timestamp: false, error_description: false };
}

impl Fields {
    /// Reads the parameter; an empty one asks for nothing in particular.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut fields = Self { message_id: false, events: None };
        let mut rest = text;
        loop {
            let end = rest.find([',', '{']).unwrap_or(rest.len());
            let name = rest[..end].trim();
            rest = &rest[end..];
            let braces = rest.strip_prefix('{');
            match (name, braces) {
                ("id", None) => {}
                ("message_id", None) => fields.message_id = true,
                ("events", None) => fields.events = Some(EventFields::ALL),
                ("events", Some(inside)) => {
                    let (list, after) = inside.split_once('}').ok_or(MALFORMED)?;
                    fields.events = Some(event_fields(list)?);
                    rest = after.trim_start();
                }
                ("id" | "message_id", Some(_)) => return Err(MALFORMED),
                (name, _) => return Err(unknown(name, ENTRY)),
            }
            rest = match rest.strip_prefix(',') {
                Some(next) => next,
                None if rest.is_empty() => return Ok(fields),
                None => return Err(MALFORMED),
            };
        }
    }
}

const MALFORMED: Refusal = Refusal::WrongType("fields", "names between commas, those of events in braces behind it");

fn event_fields(list: &str) -> Result<EventFields, Refusal> {
    let mut fields = EventFields::NONE;
    for name in list.split(',').map(str::trim) {
        match name {
            "delivery_status" => fields.delivery_status = true,
            "timestamp" => fields.timestamp = true,
            "error_description" => fields.error_description = true,
            // Known to the API, and none of them has to be answered: the sandbox has nothing to say.
            "id" | "webhook_update_state" | "application" | "webhook_uri" => {}
            _ => return Err(unknown(name, EVENT)),
        }
    }
    Ok(fields)
}

fn unknown(name: &str, node: &'static str) -> Refusal {
    if name.is_empty() { MALFORMED } else { Refusal::UnknownField { name: name.to_owned(), node } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Fields {
        Fields::parse(text).expect(text)
    }

    #[test]
    fn ids_are_answered_when_nobody_asks() {
        assert_eq!(parsed(""), Fields { message_id: true, events: None });
        assert_eq!(parsed(" "), Fields::default());
    }

    #[test]
    fn only_what_is_asked_for_is_answered() {
        assert_eq!(parsed("id"), Fields { message_id: false, events: None });
        assert_eq!(parsed("events,message_id"), Fields { message_id: true, events: Some(EventFields::ALL) });
        let events = EventFields { timestamp: true, ..EventFields::NONE };
        assert_eq!(parsed("events{timestamp}"), Fields { message_id: false, events: Some(events) });
    }

    #[test]
    fn the_documented_list_is_read_with_and_without_blanks() {
        let list = "id,message_id,events{delivery_status,webhook_update_state,timestamp,application,webhook_uri,error_description}";
        let all = Fields { message_id: true, events: Some(EventFields::ALL) };
        assert_eq!(parsed(list), all);
        assert_eq!(parsed(&list.replace(',', " , ").replace('{', " { ").replace('}', " } ")), all);
        assert_eq!(parsed("events { id } , message_id"), Fields { events: Some(EventFields::NONE), ..all });
    }

    #[test]
    fn unknown_fields_are_named() {
        for (text, name, node) in [
            ("id,status", "status", ENTRY),
            ("events.limit(5){id}", "events.limit(5)", ENTRY),
            ("events{id,message_id}", "message_id", EVENT),
            ("events{id{x}}", "id{x", EVENT),
        ] {
            let expected = Refusal::UnknownField { name: name.into(), node };
            assert_eq!(Fields::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn lists_that_break_off_are_refused() {
        for text in
            [",", "id,", ",id", "events{", "events{id", "events{}", "id{x}", "events{id,}", "events{id}id", "id,,id"]
        {
            assert_eq!(Fields::parse(text), Err(MALFORMED), "{text}");
        }
    }
}
