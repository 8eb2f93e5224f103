//! Reads the body of a webhook call: who gets which text and file, from which account.
//!
//! Shape: bytes -> [`Parsed`], which borrows from them wherever the JSON had no escapes, or a [`Refusal`].
//!
//! Checks come in a fixed order, and the first that fails is the answer:
//!
//! 1. the whole body is JSON, to its last byte (`body.rs`);
//! 2. it is an object;
//! 3. no key is repeated, known or not (keys inside ignored values do not count);
//! 4. `action`; 5. `text`; 6. `file_url`; 7. `file_name`; 8. a text that is not empty, or a file;
//! 9. each recipient that was given; 10. exactly one; 11. one value for the account's number, and its form (`fields.rs`).
//!
//! What the contract leaves open is decided so: a byte order mark before the JSON is skipped, since some CRMs send one;
//! `chat_id`, `jid`, `phone` and the account's number lose the white space around them, and are absent if nothing is left;
//! an ignored value is not looked at, so it may have any type; the two spellings of the account's field may not differ
//! even where they are ignored, because that is a fault of the keys.
//!
//! Not here: whether the number, chat or account exists, fetching the file, the size of the body.

mod body;
mod fields;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod warning;

use std::borrow::Cow;

use angelia_shared::units::Credits;

use super::refusal::Refusal;
use super::request_fault::RequestFault;

pub use warning::Warning;

/// A call to send, its fields checked.
///
/// It holds personal data, so only tests can print it.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Parsed<'a> {
    /// The text as received. Empty only with a file.
    pub text: Cow<'a, str>,
    /// The file, if one goes along.
    pub file: Option<File<'a>>,
    /// Who gets it.
    pub recipient: Recipient<'a>,
    /// The number of the account that is to send, as written. None when the caller leaves the choice to us.
    pub account_phone: Option<Cow<'a, str>>,
    /// What was ignored. The same whatever the order of the keys.
    pub warnings: Vec<Warning>,
}

/// A file to download and send.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct File<'a> {
    /// An absolute `http(s)` URL with a host, as written; at most 2,048 characters.
    pub url: Cow<'a, str>,
    /// Its name for the recipient; 1 to 255 characters.
    pub name: Cow<'a, str>,
}

/// The recipient, as the caller names it. Nothing here is known to exist, and any characters may occur.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Recipient<'a> {
    /// A chat of the workspace, which also tells the account; 1 to 128 characters. Integers come in decimal.
    ChatId(Cow<'a, str>),
    /// A person's or a group's JID; 1 to 128 characters.
    Jid(Cow<'a, str>),
    /// An international number; 1 to 128 characters.
    Phone(Cow<'a, str>),
    /// The exact name of a chat of the sending account; 1 to 255 characters.
    ChatName(Cow<'a, str>),
}

impl Parsed<'_> {
    /// What the message costs: 1 credit, or 2 with a text and a file. A text of white space is a text.
    pub fn price(&self) -> Credits {
        let has_both = !self.text.is_empty() && self.file.is_some();
        Credits(if has_both { 2 } else { 1 })
    }
}

/// Reads the body in one pass, then checks its fields.
///
/// # Errors
/// [`Refusal::InvalidJson`] if the body is not JSON as a whole, whatever its fields say; otherwise
/// [`Refusal::InvalidRequest`] with the first fault in the order above.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Refusal> {
    let body = body::read(bytes)?;
    fields::check(body).map_err(Refusal::InvalidRequest)
}

/// Checks what only the sending account's transport limits: the text's length in characters (Unicode scalar values).
///
/// # Errors
/// [`RequestFault::TextOverTransportLimit`] when the text has more than `text_chars_max` characters.
pub fn check_limits(parsed: &Parsed<'_>, text_chars_max: usize) -> Result<(), Refusal> {
    if parsed.text.chars().nth(text_chars_max).is_some() {
        return Err(Refusal::InvalidRequest(RequestFault::TextOverTransportLimit { chars_max: text_chars_max }));
    }
    Ok(())
}
