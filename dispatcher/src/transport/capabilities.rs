//! What a transport can carry, as data: the sender plans parts with it and a transport checks itself by it.

use std::time::Duration;

use super::{FailReason, Part, Recipient};

/// How WhatsApp shows a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// A picture in the chat.
    Image,
    /// A film in the chat.
    Video,
    /// A sound with a player.
    Audio,
    /// A file with its name.
    Document,
}

impl MediaKind {
    /// The stable name, as events carry it.
    pub fn code(self) -> &'static str {
        match self {
            MediaKind::Image => "image",
            MediaKind::Video => "video",
            MediaKind::Audio => "audio",
            MediaKind::Document => "document",
        }
    }

    /// The kind of this name.
    pub fn from_code(code: &str) -> Option<MediaKind> {
        [MediaKind::Image, MediaKind::Video, MediaKind::Audio, MediaKind::Document]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// What a transport can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether our id becomes the WhatsApp id, so that sending again with the same id cannot send twice.
    pub client_chosen_id: bool,
    /// Whether the provider keeps a list of what it took, by which an unknown outcome can be looked up.
    pub history: bool,
    /// Whether it sends to groups.
    pub groups: bool,
    /// Whether it sends to people whose number is hidden (`@lid`).
    pub hidden_people: bool,
    /// The longest text, in characters.
    pub text_chars_max: usize,
    /// The longest caption, in characters.
    pub caption_chars_max: usize,
    /// The kinds that carry a caption.
    pub caption_kinds: &'static [MediaKind],
    /// The media types that are shown as something other than a document.
    pub inline_types: &'static [(&'static str, MediaKind)],
    /// The longest that one call to send takes, from its start to its outcome.
    pub call_timeout: Duration,
}

impl Capabilities {
    /// Says how a file of this media type is shown; a document when nothing better is known.
    pub fn kind_of(&self, content_type: &str) -> MediaKind {
        let found = self.inline_types.iter().find(|(name, _)| *name == content_type);
        found.map_or(MediaKind::Document, |(_, kind)| *kind)
    }

    /// Says whether `text` can travel as the caption of a file of this kind, as one WhatsApp message.
    pub fn carries_caption(&self, kind: MediaKind, text: &str) -> bool {
        self.caption_kinds.contains(&kind) && text.chars().count() <= self.caption_chars_max
    }

    /// Says whether this transport can carry `part` to `to` at all.
    ///
    /// # Errors
    /// The reason to fail the part with, and a detail, without any call to the provider.
    pub fn check(&self, to: &Recipient, part: &Part) -> Result<(), (FailReason, &'static str)> {
        match to {
            Recipient::Person { .. } => {}
            Recipient::Group { .. } if self.groups => {}
            Recipient::Group { .. } => return Err((FailReason::RecipientNotSupported, "groups are not supported")),
            Recipient::Hidden { .. } if self.hidden_people => {}
            Recipient::Hidden { .. } => {
                return Err((FailReason::RecipientNotSupported, "people without a number are not supported"));
            }
        }
        match part {
            Part::Text { body } if body.is_empty() => Err((FailReason::MessageRejected, "the text is empty")),
            Part::Text { body } if body.chars().count() > self.text_chars_max => {
                Err((FailReason::MessageRejected, "the text is too long"))
            }
            Part::Media { kind, caption: Some(caption), .. } if !self.carries_caption(*kind, caption) => {
                // The provider would drop such a caption in silence, and the text is paid for.
                Err((FailReason::MessageRejected, "the file cannot carry this caption"))
            }
            Part::Text { .. } | Part::Media { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::MediaId;

    fn small() -> Capabilities {
        Capabilities {
            client_chosen_id: false,
            history: false,
            groups: false,
            hidden_people: false,
            text_chars_max: 4,
            caption_chars_max: 2,
            caption_kinds: &[MediaKind::Image],
            inline_types: &[("image/png", MediaKind::Image), ("audio/aac", MediaKind::Audio)],
            call_timeout: Duration::from_secs(10),
        }
    }

    fn person() -> Recipient {
        Recipient::Person { digits: "14151231234".into() }
    }

    fn media(kind: MediaKind, caption: Option<&str>) -> Part {
        let caption = caption.map(str::to_owned);
        Part::Media { media_id: MediaId("1".into()), kind, file_name: "a".into(), caption }
    }

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in [MediaKind::Image, MediaKind::Video, MediaKind::Audio, MediaKind::Document] {
            assert_eq!(MediaKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(MediaKind::from_code("sticker"), None);
    }

    #[test]
    fn a_media_type_that_is_not_listed_is_a_document() {
        assert_eq!(small().kind_of("image/png"), MediaKind::Image);
        assert_eq!(small().kind_of("image/gif"), MediaKind::Document);
        assert_eq!(small().kind_of(""), MediaKind::Document);
    }

    #[test]
    fn length_is_counted_in_characters_not_bytes() {
        let text = |body: &str| small().check(&person(), &Part::Text { body: body.into() });
        assert_eq!(text("äöü€"), Ok(()));
        assert_eq!(text("12345"), Err((FailReason::MessageRejected, "the text is too long")));
        assert_eq!(text(""), Err((FailReason::MessageRejected, "the text is empty")));
        assert!(small().carries_caption(MediaKind::Image, "€€"));
        assert!(!small().carries_caption(MediaKind::Image, "€€€"));
    }

    #[test]
    fn a_caption_is_refused_where_the_kind_carries_none() {
        assert_eq!(small().check(&person(), &media(MediaKind::Audio, None)), Ok(()));
        assert_eq!(small().check(&person(), &media(MediaKind::Image, Some("ab"))), Ok(()));
        let refused = Err((FailReason::MessageRejected, "the file cannot carry this caption"));
        assert_eq!(small().check(&person(), &media(MediaKind::Audio, Some("ab"))), refused);
        assert_eq!(small().check(&person(), &media(MediaKind::Image, Some("abc"))), refused);
    }

    #[test]
    fn recipients_beyond_the_transport_are_refused() {
        let part = Part::Text { body: "a".into() };
        for to in [Recipient::Group { id: "1".into() }, Recipient::Hidden { id: "1".into() }] {
            let (reason, _) = small().check(&to, &part).expect_err("not supported");
            assert_eq!(reason, FailReason::RecipientNotSupported);
            let able = Capabilities { groups: true, hidden_people: true, ..small() };
            assert_eq!(able.check(&to, &part), Ok(()));
        }
    }
}
