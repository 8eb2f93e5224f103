//! The fields that a webhook call's body may have: their names, and how long their values may be.
//!
//! Not here: what a value has to look like (see `send_request`).

use std::fmt;

/// A field of the body, by the spelling that the caller used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// What to do.
    Action,
    /// What to say.
    Text,
    /// Where the file can be downloaded.
    FileUrl,
    /// The file's name for the recipient.
    FileName,
    /// A recipient: a chat of the workspace.
    ChatId,
    /// A recipient: a person or a group, as WhatsApp names it.
    Jid,
    /// A recipient: an international number.
    Phone,
    /// A recipient: the exact name of a chat.
    ChatName,
    /// The sending account's number, with spaces in the key.
    AccountPhone,
    /// The sending account's number, with underscores in the key.
    AccountPhoneUnderscored,
}

impl Field {
    /// Every field, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::Action,
        Self::Text,
        Self::FileUrl,
        Self::FileName,
        Self::ChatId,
        Self::Jid,
        Self::Phone,
        Self::ChatName,
        Self::AccountPhone,
        Self::AccountPhoneUnderscored,
    ];

    /// The fields that name a recipient, in the order in which messages list them.
    pub const RECIPIENTS: [Self; 4] = [Self::ChatId, Self::Jid, Self::Phone, Self::ChatName];

    /// The key in the body.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Text => "text",
            Self::FileUrl => "file_url",
            Self::FileName => "file_name",
            Self::ChatId => "chat_id",
            Self::Jid => "jid",
            Self::Phone => "phone",
            Self::ChatName => "chat_name",
            Self::AccountPhone => "whatsapp account phone",
            Self::AccountPhoneUnderscored => "whatsapp_account_phone",
        }
    }

    /// The field with that key, if there is one. Keys are compared exactly.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// The longest value, in characters (Unicode scalar values).
    ///
    /// Source: `file_name` is part of the contract. 2,048 is what proxies and browsers carry as a URL. Numbers and JIDs
    /// have some 20 characters, a chat's name at most 100: the rest is room for the decorations that people type. None
    /// means bounded by the body's size, and for `text` by the transport (see [`super::send_request::check_limits`]).
    pub const fn chars_max(self) -> Option<usize> {
        match self {
            Self::Action | Self::Text => None,
            Self::FileUrl => Some(2_048),
            Self::FileName | Self::ChatName => Some(255),
            Self::ChatId | Self::Jid | Self::Phone | Self::AccountPhone | Self::AccountPhoneUnderscored => Some(128),
        }
    }
}

/// The key between back-ticks, because one of the keys has spaces.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Field;

    #[test]
    fn every_field_is_found_by_its_name_and_sits_at_its_own_index() {
        for (index, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(Field::from_name(field.name()), Some(field));
            assert_eq!(field as usize, index);
        }
    }

    #[test]
    fn names_are_compared_exactly() {
        for name in ["", "Text", "text ", "whatsapp  account phone", "whatsapp account_phone"] {
            assert_eq!(Field::from_name(name), None, "{name:?}");
        }
    }
}
