//! Writes requests of the Cloud API: the JSON of a message and the form of an upload.
//!
//! Source: Meta, Cloud API reference v26.0, "Messages" and "Media".

use reqwest::Body;
use reqwest::multipart;
use serde_json::{Map, Value, json};

use crate::transport::{MediaKind, OutgoingFile, Part, Recipient};

/// The body of `POST …/messages`, or nothing for a recipient that this API has no form for.
pub(super) fn message_body(to: &Recipient, part: &Part, tracker: &str) -> Option<Vec<u8>> {
    let (recipient_type, to) = match to {
        Recipient::Person { digits } => ("individual", digits),
        Recipient::Group { id } => ("group", id),
        Recipient::Hidden { .. } => return None,
    };
    let (name, content) = match part {
        // A preview would fetch links of the text from our provider's side: nobody asked for it.
        Part::Text { body } => ("text", json!({"preview_url": false, "body": body})),
        Part::Media { media_id, kind, file_name, caption } => {
            let mut content = Map::new();
            content.insert("id".to_owned(), Value::from(media_id.0.as_str()));
            if *kind == MediaKind::Document {
                content.insert("filename".to_owned(), Value::from(file_name.as_str()));
            }
            if let Some(caption) = caption {
                content.insert("caption".to_owned(), Value::from(caption.as_str()));
            }
            (wire_name(*kind), Value::Object(content))
        }
    };
    let message = json!({
        "messaging_product": "whatsapp",
        "recipient_type": recipient_type,
        "to": to,
        "type": name,
        name: content,
        "biz_opaque_callback_data": tracker,
    });
    Some(message.to_string().into_bytes())
}

fn wire_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
        MediaKind::Document => "document",
    }
}

/// The form of `POST …/media`.
pub(super) fn upload_form(file: &OutgoingFile) -> multipart::Form {
    let wire_type = wire_type(&file.content_type);
    let length = file.bytes.len() as u64;
    let part = || {
        let body = Body::from(file.bytes.clone());
        multipart::Part::stream_with_length(body, length).file_name(file.file_name.clone())
    };
    // `content_type` was checked when it was found; a form without it is refused by the provider, not lost.
    let part = part().mime_str(wire_type).unwrap_or_else(|_| part());
    multipart::Form::new().text("messaging_product", "whatsapp").text("type", wire_type.to_owned()).part("file", part)
}

/// The name that the upload knows a media type by. Its list has one kind of text and one name for each sound.
///
/// Source: Meta, Cloud API, "Supported media types".
fn wire_type(content_type: &str) -> &str {
    match content_type {
        "audio/opus" => "audio/ogg",
        text if text.starts_with("text/") => "text/plain",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::MediaId;

    fn body(to: &Recipient, part: &Part) -> Value {
        let bytes = message_body(to, part, "wa_backend:3EB0FFFFFFFFFFFFFFFF").expect("has a form");
        serde_json::from_slice(&bytes).expect("is JSON")
    }

    fn person() -> Recipient {
        Recipient::Person { digits: "16505551234".into() }
    }

    fn media(kind: MediaKind, caption: Option<&str>) -> Part {
        let caption = caption.map(str::to_owned);
        Part::Media { media_id: MediaId("4242".into()), kind, file_name: "a.pdf".into(), caption }
    }

    #[test]
    fn a_text_to_a_person_has_the_documented_form() {
        let text = Part::Text { body: "line 1\nline \"2\" ✓".into() };
        assert_eq!(
            body(&person(), &text),
            json!({
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                "to": "16505551234",
                "type": "text",
                "text": {"preview_url": false, "body": "line 1\nline \"2\" ✓"},
                "biz_opaque_callback_data": "wa_backend:3EB0FFFFFFFFFFFFFFFF",
            })
        );
    }

    #[test]
    fn a_group_is_addressed_as_a_group() {
        let written = body(&Recipient::Group { id: "1203630200".into() }, &Part::Text { body: "a".into() });
        assert_eq!(written["recipient_type"], "group");
        assert_eq!(written["to"], "1203630200");
    }

    #[test]
    fn only_a_document_carries_its_name_and_only_a_caption_that_exists_is_written() {
        let written = body(&person(), &media(MediaKind::Document, Some("see page 2")));
        assert_eq!(written["type"], "document");
        assert_eq!(written["document"], json!({"id": "4242", "filename": "a.pdf", "caption": "see page 2"}));
        assert_eq!(
            body(&person(), &media(MediaKind::Document, None))["document"],
            json!({"id": "4242", "filename": "a.pdf"})
        );
        for (kind, name) in [(MediaKind::Image, "image"), (MediaKind::Video, "video"), (MediaKind::Audio, "audio")] {
            let written = body(&person(), &media(kind, None));
            assert_eq!(written["type"], name);
            assert_eq!(written[name], json!({"id": "4242"}));
        }
        assert_eq!(
            body(&person(), &media(MediaKind::Image, Some("c")))["image"],
            json!({"id": "4242", "caption": "c"})
        );
    }

    #[test]
    fn a_hidden_person_has_no_form() {
        let part = Part::Text { body: "a".into() };
        assert_eq!(message_body(&Recipient::Hidden { id: "1".into() }, &part, "t"), None);
    }

    #[test]
    fn uploads_use_the_providers_names_of_media_types() {
        assert_eq!(wire_type("audio/opus"), "audio/ogg");
        assert_eq!(wire_type("text/csv"), "text/plain");
        assert_eq!(wire_type("image/png"), "image/png");
        assert_eq!(wire_type("application/pdf"), "application/pdf");
    }
}
