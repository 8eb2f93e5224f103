//! Reads the body of `POST …/messages`.
//!
//! Shape: bytes -> ([`Shown`], [`Message`] or [`Refusal`]). What can be shown in the journal is read from refused bodies too.
//!
//! Not here: whether a media id exists and whether the token is good (the caller asks), what a refusal looks like (see
//! `graph.rs`).

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::body;
use super::graph::Refusal;
use super::recipient::Recipient;

/// Longest text, in characters. Source: Cloud API reference, text messages.
const TEXT_CHARS: usize = 4_096;
/// Longest caption, in characters. Source: Cloud API reference, media messages.
const CAPTION_CHARS: usize = 1_024;
/// Longest `biz_opaque_callback_data`, in characters. Source: Cloud API reference, messages.
const TRACKER_CHARS: usize = 512;

/// What the journal shows of a request, accepted or not.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) body: Box<RawValue>,
    pub(crate) to: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) tracker: Option<String>,
}

/// A message that the Cloud API would accept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) to: String,
    pub(crate) recipient: Recipient,
    /// The upload that a media message refers to.
    pub(crate) media_id: Option<String>,
}

/// Reads a body. Checks come in this order: JSON, product, tracker, recipient, type, contents.
pub(crate) fn read(raw: &[u8]) -> (Shown, Result<Message, Refusal>) {
    let not_shown = |refusal| {
        let shown = Shown { body: body::unreadable(raw), to: None, kind: None, tracker: None };
        (shown, Err(refusal))
    };
    let Ok(text) = std::str::from_utf8(raw) else { return not_shown(Refusal::NotJson) };
    let fields: Map<String, Value> = match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return not_shown(Refusal::NotAnObject),
        Err(_) => return not_shown(Refusal::NotJson),
    };
    let Some(body) = body::compact(text) else { return not_shown(Refusal::NestedTooDeeply) };
    let own = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = if fields.contains_key("type") { own("type") } else { Some("text".to_owned()) };
    let shown = Shown { body, to: own("to"), kind, tracker: own("biz_opaque_callback_data") };
    (shown, check(&fields))
}

fn check(fields: &Map<String, Value>) -> Result<Message, Refusal> {
    if string(fields, "messaging_product")? != Some("whatsapp") {
        return Err(Refusal::Missing("messaging_product"));
    }
    if string(fields, "biz_opaque_callback_data")?.is_some_and(|tracker| longer(tracker, TRACKER_CHARS)) {
        return Err(Refusal::TooLong("biz_opaque_callback_data", TRACKER_CHARS));
    }
    let is_group = match string(fields, "recipient_type")? {
        None | Some("individual") => false,
        Some("group") => true,
        Some(_) => return Err(Refusal::NotOneOf("recipient_type", "individual, group")),
    };
    let to = string(fields, "to")?.filter(|to| !to.is_empty()).ok_or(Refusal::Missing("to"))?;
    let recipient = Recipient::read(to, is_group).ok_or(Refusal::NotANumber)?;
    let media_id = match string(fields, "type")?.unwrap_or("text") {
        "text" => check_text(fields).map(|()| None)?,
        "image" => Some(check_media(fields, "image", true)?),
        "document" => Some(check_media(fields, "document", true)?),
        "video" => Some(check_media(fields, "video", true)?),
        "audio" => Some(check_media(fields, "audio", false)?),
        _ => return Err(Refusal::UnsupportedType),
    };
    Ok(Message { to: to.to_owned(), recipient, media_id })
}

fn check_text(fields: &Map<String, Value>) -> Result<(), Refusal> {
    let text = nested(fields, "text")?;
    let body = string(text, "body")?.filter(|body| !body.is_empty()).ok_or(Refusal::Missing("text['body']"))?;
    if longer(body, TEXT_CHARS) { Err(Refusal::TooLong("text['body']", TEXT_CHARS)) } else { Ok(()) }
}

fn check_media(fields: &Map<String, Value>, kind: &'static str, may_have_caption: bool) -> Result<String, Refusal> {
    let media = nested(fields, kind)?;
    match string(media, "caption")? {
        Some(_) if !may_have_caption => return Err(Refusal::Unexpected("audio['caption']")),
        Some(caption) if longer(caption, CAPTION_CHARS) => return Err(Refusal::TooLong("caption", CAPTION_CHARS)),
        Some(_) | None => {}
    }
    string(media, "filename")?;
    match (string(media, "id")?, media.get("link")) {
        (Some(id), _) if !id.is_empty() => Ok(id.to_owned()),
        (_, Some(_)) => Err(Refusal::MediaByLink),
        (_, None) => Err(Refusal::Missing("id of the media")),
    }
}

/// An optional string; `null` counts as absent.
fn string<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Refusal::WrongType(name, "a string"))
        }
    }
}

fn nested<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<&'a Map<String, Value>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Err(Refusal::Missing(name)),
        Some(Value::Object(inner)) => Ok(inner),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::String(_)) => {
            Err(Refusal::WrongType(name, "an object"))
        }
    }
}

fn longer(text: &str, most_chars: usize) -> bool {
    text.chars().nth(most_chars).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(to: &str) -> Value {
        json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "text",
               "text": {"preview_url": false, "body": "hi"}, "biz_opaque_callback_data": "m1"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = text("14151231234");
        body[name] = value;
        body
    }

    fn refusal(body: &Value) -> Option<Refusal> {
        read(body.to_string().as_bytes()).1.err()
    }

    #[test]
    fn a_text_to_a_person_is_read() {
        let (shown, message) = read(text("+1 415 123 1234").to_string().as_bytes());
        let recipient = Recipient::Person { digits: "14151231234".into() };
        assert_eq!(message, Ok(Message { to: "+1 415 123 1234".into(), recipient, media_id: None }));
        assert_eq!(shown.to.as_deref(), Some("+1 415 123 1234"));
        assert_eq!(shown.kind.as_deref(), Some("text"));
        assert_eq!(shown.tracker.as_deref(), Some("m1"));
    }

    #[test]
    fn a_message_without_a_type_is_a_text() {
        let mut body = text("1");
        body.as_object_mut().expect("an object").remove("type");
        let (shown, message) = read(body.to_string().as_bytes());
        assert!(message.is_ok());
        assert_eq!(shown.kind.as_deref(), Some("text"));
    }

    #[test]
    fn each_kind_of_media_names_its_upload() {
        for kind in ["image", "document", "video", "audio"] {
            let mut body = with("type", kind.into());
            body[kind] = json!({"id": "77"});
            let message = read(body.to_string().as_bytes()).1.expect("accepted");
            assert_eq!(message.media_id.as_deref(), Some("77"), "{kind}");
        }
    }

    #[test]
    fn bodies_that_are_no_objects_are_shown_raw() {
        for (raw, expected) in [
            (&b"{\"to\":"[..], Refusal::NotJson),
            (b"\xff\xfe", Refusal::NotJson),
            (b"", Refusal::NotJson),
            (b"{\"to\":\"\\ud800\"}", Refusal::NotJson),
            (b"{\"to\":1e999}", Refusal::NotJson),
            (b"[1]", Refusal::NotAnObject),
        ] {
            let (shown, message) = read(raw);
            assert_eq!(message, Err(expected));
            assert!(shown.body.get().starts_with("{\"raw\":"), "{}", shown.body.get());
            assert_eq!((shown.to, shown.kind, shown.tracker), (None, None, None));
        }
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(64), "]".repeat(64));
        assert_eq!(read(deep.as_bytes()).1, Err(Refusal::NestedTooDeeply));
    }

    #[test]
    fn fields_of_the_wrong_type_or_missing_are_named() {
        assert_eq!(refusal(&with("to", Value::Null)), Some(Refusal::Missing("to")));
        assert_eq!(refusal(&with("to", "".into())), Some(Refusal::Missing("to")));
        assert_eq!(refusal(&with("to", 5.into())), Some(Refusal::WrongType("to", "a string")));
        assert_eq!(refusal(&with("to", "nobody".into())), Some(Refusal::NotANumber));
        assert_eq!(refusal(&with("messaging_product", "sms".into())), Some(Refusal::Missing("messaging_product")));
        assert_eq!(refusal(&with("text", Value::Null)), Some(Refusal::Missing("text")));
        assert_eq!(refusal(&with("text", "hi".into())), Some(Refusal::WrongType("text", "an object")));
        assert_eq!(refusal(&with("text", json!({"body": ""}))), Some(Refusal::Missing("text['body']")));
        assert_eq!(
            refusal(&with("recipient_type", "crowd".into())),
            Some(Refusal::NotOneOf("recipient_type", "individual, group"))
        );
    }

    #[test]
    fn other_message_types_are_unsupported() {
        assert_eq!(refusal(&with("type", "template".into())), Some(Refusal::UnsupportedType));
        assert_eq!(refusal(&with("type", "".into())), Some(Refusal::UnsupportedType));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let long = |n| json!({"body": "é".repeat(n)});
        assert_eq!(refusal(&with("text", long(4_096))), None);
        assert_eq!(refusal(&with("text", long(4_097))), Some(Refusal::TooLong("text['body']", 4_096)));
        assert_eq!(
            refusal(&with("biz_opaque_callback_data", "x".repeat(513).into())),
            Some(Refusal::TooLong("biz_opaque_callback_data", 512))
        );
        let mut image = with("type", "image".into());
        image["image"] = json!({"id": "1", "caption": "x".repeat(1_025)});
        assert_eq!(refusal(&image), Some(Refusal::TooLong("caption", 1_024)));
    }

    #[test]
    fn a_blank_is_a_text() {
        assert_eq!(refusal(&with("text", json!({"body": " "}))), None);
    }

    #[test]
    fn audio_has_no_caption_and_media_needs_an_id() {
        let mut audio = with("type", "audio".into());
        audio["audio"] = json!({"id": "1", "caption": "x"});
        assert_eq!(refusal(&audio), Some(Refusal::Unexpected("audio['caption']")));
        audio["audio"] = json!({});
        assert_eq!(refusal(&audio), Some(Refusal::Missing("id of the media")));
        audio["audio"] = json!({"link": "https://example.org/a.ogg"});
        assert_eq!(refusal(&audio), Some(Refusal::MediaByLink));
    }

    #[test]
    fn a_refused_request_still_shows_what_it_asked_for() {
        let (shown, message) = read(with("type", "template".into()).to_string().as_bytes());
        assert_eq!(message, Err(Refusal::UnsupportedType));
        assert_eq!(shown.to.as_deref(), Some("14151231234"));
        assert_eq!(shown.kind.as_deref(), Some("template"));
    }
}
