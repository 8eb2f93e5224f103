//! What is wrong with a webhook call's body that is JSON: each fault names the field and the rule that it breaks.
//!
//! All of them are answered with status 400 (see [`super::refusal::Refusal::InvalidRequest`]).

use std::fmt;

use super::field::Field;

/// How many characters of a key that the caller made up are repeated in an answer or a warning.
///
/// A key may be as long as the body; the activation log must not be.
const SHOWN_KEY_CHARS_MAX: usize = 64;

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// Any number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// What is wrong with the body. `Display` gives the sentence that the caller reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// The body is JSON, but not an object.
    NotAnObject {
        /// What it is instead.
        found: Kind,
    },
    /// A key is there more than once, whatever its values.
    RepeatedKey {
        /// The key after unescaping, shortened.
        key: String,
    },
    /// A required field is absent.
    Missing {
        /// The field.
        field: Field,
    },
    /// A field that takes strings has something else.
    NotAString {
        /// The field.
        field: Field,
        /// What it has instead.
        found: Kind,
    },
    /// `action` is a string other than `send`.
    OtherAction,
    /// A value is longer than its field allows.
    TooLong {
        /// The field.
        field: Field,
        /// The longest value, in characters.
        chars_max: usize,
    },
    /// `file_url` is not an absolute `http(s)` URL with a host.
    UnusableFileUrl,
    /// `file_url` came without a name.
    FileNameMissing,
    /// `file_name` has a path separator or a control character, or is a folder's name for itself or its parent.
    UnsafeFileName,
    /// `text` is empty and there is no file.
    EmptyMessage,
    /// `chat_id` is neither a string nor a 64-bit integer.
    UnusableChatId,
    /// No recipient was given.
    NoRecipient,
    /// More than one recipient was given.
    SeveralRecipients {
        /// Which.
        given: Vec<Field>,
    },
    /// Both spellings of the account's field came, with different values.
    AccountPhonesDiffer,
    /// The sending account's transport does not take a text of that length.
    TextOverTransportLimit {
        /// The longest text, in characters.
        chars_max: usize,
    },
}

impl fmt::Display for RequestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject { found } => write!(f, "Request body must be a JSON object, not {found}"),
            Self::RepeatedKey { key } => write!(f, "`{key}` is given more than once"),
            Self::Missing { field } => write!(f, "{field} is required"),
            Self::NotAString { field, found } => write!(f, "{field} must be a string, not {found}"),
            Self::OtherAction => write!(f, "{} must be \"send\"", Field::Action),
            Self::TooLong { field, chars_max } => write!(f, "{field} must have at most {chars_max} characters"),
            Self::UnusableFileUrl => {
                write!(f, "{} must be an absolute http or https URL with a host", Field::FileUrl)
            }
            Self::FileNameMissing => write!(f, "{} is required with {}", Field::FileName, Field::FileUrl),
            Self::UnsafeFileName => write!(
                f,
                "{} must be a plain file name, without path separators (/ and \\) and control characters",
                Field::FileName
            ),
            Self::EmptyMessage => write!(f, "{} may be empty only with {}", Field::Text, Field::FileUrl),
            Self::UnusableChatId => write!(f, "{} must be a string or a 64-bit integer", Field::ChatId),
            Self::NoRecipient => {
                f.write_str("A recipient is required: exactly one of ")?;
                list(f, &Field::RECIPIENTS)
            }
            Self::SeveralRecipients { given } => {
                f.write_str("Exactly one recipient is allowed, but these were given: ")?;
                list(f, given)
            }
            Self::AccountPhonesDiffer => write!(
                f,
                "{} and {} are the same field and must not differ",
                Field::AccountPhone,
                Field::AccountPhoneUnderscored
            ),
            Self::TextOverTransportLimit { chars_max } => {
                write!(f, "{} must have at most {chars_max} characters for the sending account", Field::Text)
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, fields: &[Field]) -> fmt::Result {
    for (index, field) in fields.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(f, "{separator}{field}")?;
    }
    Ok(())
}

/// The key as answers and warnings show it: whole, or its first 64 characters and an ellipsis.
pub(super) fn shown_key(key: &str) -> String {
    match key.char_indices().nth(SHOWN_KEY_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &key[..end]),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown_key;

    #[test]
    fn a_key_is_shortened_between_characters() {
        assert_eq!(shown_key(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(shown_key(&"é".repeat(65)), format!("{}…", "é".repeat(64)));
    }
}
