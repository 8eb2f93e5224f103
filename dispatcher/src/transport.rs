//! Hands one part of a message to WhatsApp, by whichever way the account is connected.
//!
//! Shape: ([`Recipient`], [`Part`]) -> [`Outcome`]. A transport is one folder beside this file: it implements
//! [`Transport`] for one account and classifies every error of its provider once, there. Callers see the classes of
//! [`Outcome`] and [`FailReason`], never a provider's code.
//!
//! Invariants:
//! - DP-4 rests on the border between [`Outcome::PutOff`] and [`Outcome::Unknown`]: *put off* is said only when the
//!   message certainly was not accepted. Whatever leaves a doubt is *unknown*.
//! - A call ends within [`Capabilities::call_timeout`], and bytes that may have been written are never written again.
//! - Nothing is written once the [`Permit`] is over: who was suspended while it connected may have been replaced.
//!
//! Read next: `capabilities.rs` (what a way declares of itself), `ways.rs` (the one place that knows them by name),
//! `sessions.rs` (for those that stay connected), `providers.rs` (where a provider may be).
//!
//! Not here: when to send, how often to try again, what a refund is (the pace and the ledger decide that); fetching a
//! file from a link (see `attachments.rs`).

pub mod address;
mod capabilities;
pub mod cloud;
mod history;
pub(crate) mod http_client;
mod outcome;
mod permit;
mod providers;
mod sessions;
#[cfg(test)]
pub(crate) mod test_server;
mod ways;

use std::fmt;

use angelia_shared::units::UnixMillis;
use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use angelia_shared::account_hold::ProviderHold;
pub use angelia_shared::fail_reason::FailReason;
pub use angelia_shared::reach::ProviderRule;
pub use capabilities::{Capabilities, MediaKind};
pub use history::{Fate, History, NoHistory, ProviderClock, Report, Taken};
pub use http_client::BuildClientError;
pub use outcome::{Outcome, PutOffScope};
pub use permit::Permit;
pub(crate) use sessions::LeasedSessions;
pub use sessions::Sessions;
pub use ways::Ways;

/// One account's way to WhatsApp.
///
/// A value belongs to one account: it holds that account's credentials or session, so that callers hand in only what
/// is to be sent. It keeps no other state; making one is cheap.
pub trait Transport: Send + Sync {
    /// What this way can carry.
    fn capabilities(&self) -> &Capabilities;

    /// Gives a file to the provider, which answers with a name for it.
    ///
    /// An upload reaches nobody and may be repeated safely, so a lost answer is put off, not unknown.
    ///
    /// # Errors
    /// [`Outcome::Failed`], [`Outcome::PutOff`] or [`Outcome::AccountHeld`]; never `Sent` or `Unknown`.
    fn upload<'a>(&'a self, file: &'a OutgoingFile) -> BoxFuture<'a, Result<MediaId, Outcome>>;

    /// Makes one attempt to send one part.
    ///
    /// `tracker` comes back with the provider's callbacks. Where [`Capabilities::client_chosen_id`] holds it also
    /// becomes the id of the WhatsApp message, so a second call with the same tracker cannot send twice.
    ///
    /// `permit` is asked once everything is ready, connections included, right before the first byte is written; when it is
    /// over nothing is, and the outcome is [`Outcome::NotStarted`].
    fn send<'a>(
        &'a self,
        to: &'a Recipient,
        part: &'a Part,
        tracker: &'a str,
        permit: &'a Permit,
    ) -> BoxFuture<'a, Outcome>;

    /// What the provider took from this account since `since`, by its own list, as far as it tells. What is missing says
    /// nothing: the list may be late, and only so much of it is read.
    ///
    /// Asked only where [`Capabilities::history`] holds. It is no attempt: it reaches nobody, and what goes wrong says nothing
    /// of the account.
    ///
    /// # Errors
    /// [`NoHistory`].
    fn taken_since(&self, since: UnixMillis) -> BoxFuture<'_, Result<History, NoHistory>>;
}

/// Whom a part goes to, in the form that a transport's wire wants.
///
/// [`address::parse`] makes one from what a user wrote.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// A person by number.
    Person {
        /// Country code and number: 7 to 15 ASCII digits, nothing else.
        digits: String,
    },
    /// A group.
    Group {
        /// The group's id without its server part.
        id: String,
    },
    /// A person whose number WhatsApp hides (`@lid`).
    Hidden {
        /// The hidden id without its server part.
        id: String,
    },
}

/// What goes out as one WhatsApp message.
#[derive(Clone, PartialEq, Eq)]
pub enum Part {
    /// A text.
    Text {
        /// The text, as the user wrote it.
        body: String,
    },
    /// A file that was uploaded before, alone or with the text as its caption.
    Media {
        /// What [`Transport::upload`] answered.
        media_id: MediaId,
        /// How WhatsApp shows it; from [`Capabilities::kind_of`].
        kind: MediaKind,
        /// The name that the recipient sees on a document.
        file_name: String,
        /// The text, where the kind carries one.
        caption: Option<String>,
    },
}

/// A provider's name for an uploaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaId(pub String);

/// A file on its way to the provider.
#[derive(Clone)]
pub struct OutgoingFile {
    /// The contents; shared, not copied.
    pub bytes: Bytes,
    /// Media type without parameters, as `attachments` found it.
    pub content_type: String,
    /// The name that the user gave it.
    pub file_name: String,
}

// Numbers, texts and file names are personal: their Debug forms must be fit for a log line.

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recipient::Person { .. } => f.write_str("Person(…)"),
            Recipient::Group { .. } => f.write_str("Group(…)"),
            Recipient::Hidden { .. } => f.write_str("Hidden(…)"),
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Text { .. } => f.write_str("Text(…)"),
            Part::Media { kind, .. } => write!(f, "Media({kind:?}, …)"),
        }
    }
}

impl fmt::Debug for OutgoingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutgoingFile({}, {} bytes, …)", self.content_type, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_forms_show_no_number_text_or_name() {
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            Recipient::Person { digits: "14151231234".into() },
            Part::Text { body: "secret plan".into() },
            Part::Media {
                media_id: MediaId("1".into()),
                kind: MediaKind::Document,
                file_name: "secret.pdf".into(),
                caption: Some("secret plan".into()),
            },
            OutgoingFile {
                bytes: Bytes::from_static(b"x"),
                content_type: "a/b".into(),
                file_name: "secret.pdf".into()
            },
        );
        assert!(!shown.contains("1415") && !shown.contains("secret"), "{shown}");
    }
}
