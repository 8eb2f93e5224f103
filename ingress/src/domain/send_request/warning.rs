//! What a webhook call said that was ignored: for its activation log, never a reason to refuse.

use std::fmt;

use crate::domain::field::Field;
use crate::domain::request_fault::shown_key;

/// How many unknown fields are named. A body has room for thousands, and every acceptance keeps its warnings.
const UNKNOWN_FIELDS_NAMED_MAX: usize = 16;

/// Something that was ignored. `Display` gives the sentence for the activation log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// `file_name` came without `file_url`.
    FileNameWithoutUrl,
    /// The account's number came with `chat_id`, and a chat belongs to one account.
    AccountPhoneWithChatId {
        /// The spelling that was used.
        field: Field,
    },
    /// A field that does not exist.
    UnknownField {
        /// Its key, shortened.
        key: String,
    },
    /// More fields that do not exist than are named.
    MoreUnknownFields {
        /// How many were not named.
        count: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileNameWithoutUrl => write!(f, "{} is ignored without {}", Field::FileName, Field::FileUrl),
            Self::AccountPhoneWithChatId { field } => {
                write!(f, "{field} is ignored with {}: a chat belongs to one account", Field::ChatId)
            }
            Self::UnknownField { key } => write!(f, "unknown field `{key}` is ignored"),
            Self::MoreUnknownFields { count } => write!(f, "{count} more unknown fields are ignored"),
        }
    }
}

/// The warnings for unknown keys, given in the order in which they are to be named.
pub(super) fn for_unknown_fields<'k>(keys: impl ExactSizeIterator<Item = &'k str>) -> Vec<Warning> {
    let unnamed = keys.len().saturating_sub(UNKNOWN_FIELDS_NAMED_MAX);
    let named = keys.take(UNKNOWN_FIELDS_NAMED_MAX).map(|key| Warning::UnknownField { key: shown_key(key) });
    let more = (unnamed > 0).then_some(Warning::MoreUnknownFields { count: unnamed });
    named.chain(more).collect()
}
