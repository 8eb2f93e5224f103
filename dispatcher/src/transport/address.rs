//! Reads a recipient as users write it: a phone number or a JID.
//!
//! Shape: text -> [`Recipient`] or [`AddressRefusal`]. Pure; run before any call to a transport.
//!
//! A number is not looked up and not corrected: the digits that some countries add or drop (Brazil's ninth digit,
//! Mexico's `521`, Argentina's `549`) are WhatsApp's to decide, and its answer tells the canonical number.
//!
//! Not here: whether a transport can reach such a recipient ([`super::Capabilities::check`]).

use super::{FailReason, Recipient};

/// The fewest digits of a number with its country code.
pub const DIGITS_MIN: usize = 7;
/// The most digits of a number with its country code. Source: ITU-T E.164.
pub const DIGITS_MAX: usize = 15;
/// The longest group id that is taken; real ones have 18 to 60 characters.
const GROUP_ID_CHARS_MAX: usize = 128;

/// Why a text is no recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRefusal {
    /// Not 7 to 15 digits after normalising.
    NotANumber,
    /// A channel, a broadcast list, or a kind of JID that is not known.
    NotSupported,
}

impl AddressRefusal {
    /// The reason to fail a message with.
    pub fn reason(self) -> FailReason {
        match self {
            AddressRefusal::NotANumber => FailReason::RecipientNotANumber,
            AddressRefusal::NotSupported => FailReason::RecipientNotSupported,
        }
    }
}

/// Reads a phone number (`+1 (415) 123-1234`) or a JID (`14151231234:7@s.whatsapp.net`, `…@g.us`, `…@lid`).
///
/// # Errors
/// [`AddressRefusal`]: the message fails with its reason, and no transport is called.
pub fn parse(address: &str) -> Result<Recipient, AddressRefusal> {
    let Some((user, server)) = address.trim().rsplit_once('@') else {
        return person(address);
    };
    match server.to_ascii_lowercase().as_str() {
        // `c.us` is what WhatsApp Web called the same server in earlier years.
        "s.whatsapp.net" | "c.us" => person(without_device(user)),
        "g.us" => group(user).ok_or(AddressRefusal::NotSupported),
        "lid" => hidden(without_device(user)).ok_or(AddressRefusal::NotSupported),
        _ => Err(AddressRefusal::NotSupported),
    }
}

/// `user:device` names one device of a person; messages go to the person.
fn without_device(user: &str) -> &str {
    user.split_once(':').map_or(user, |(person, _device)| person)
}

fn person(number: &str) -> Result<Recipient, AddressRefusal> {
    let digits: String = number.chars().filter(|c| !is_formatting(*c)).collect();
    let is_number = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number { Ok(Recipient::Person { digits }) } else { Err(AddressRefusal::NotANumber) }
}

fn group(id: &str) -> Option<Recipient> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '+' | '/' | '.');
    let is_id = (1..=GROUP_ID_CHARS_MAX).contains(&id.len()) && id.chars().all(plain);
    is_id.then(|| Recipient::Group { id: id.to_owned() })
}

fn hidden(id: &str) -> Option<Recipient> {
    let is_id = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    is_id.then(|| Recipient::Hidden { id: id.to_owned() })
}

/// What people and address books put between digits. The dashes beyond ASCII and the invisible direction marks come
/// with numbers that are pasted from documents and contact lists.
fn is_formatting(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '+' | '(' | ')' | '-')
        || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A recipient in one form, however the caller wrote it.
pub fn plain(to: &Recipient) -> String {
    match to {
        Recipient::Person { digits } => digits.clone(),
        Recipient::Group { id } => format!("{id}@g.us"),
        Recipient::Hidden { id } => format!("{id}@lid"),
    }
}

/// A recipient in one spelling, to be compared: the same for both forms in which WhatsApp and people write some numbers.
/// Never to be sent to, see above.
pub fn one_spelling(to: &Recipient) -> String {
    match to {
        Recipient::Person { digits } if digits.len() == 13 => match digits.as_bytes() {
            // Brazil's ninth digit behind the area code; Mexico's and Argentina's sign of a mobile number.
            [b'5', b'5', _, _, b'9', ..] => format!("{}{}", &digits[..4], &digits[5..]),
            [b'5', b'2', b'1', ..] | [b'5', b'4', b'9', ..] => format!("{}{}", &digits[..2], &digits[3..]),
            _ => digits.clone(),
        },
        other => plain(other),
    }
}

#[cfg(test)]
mod tests;
