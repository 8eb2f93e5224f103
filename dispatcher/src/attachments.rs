//! Downloads the file behind a user's link, without becoming a way into our own network.
//!
//! Shape: (link, file name) -> [`Fetch`]. One call is one try; [`next_try`] says whether and when another follows, and
//! the waiting is the caller's.
//!
//! Invariants:
//! - Bytes are asked for only from public addresses: the resolver hands out checked addresses and nothing else, so the
//!   address that was checked is the one that is connected to, again after each redirect (`guard.rs`).
//! - A file has at most [`FILE_BYTES_MAX`] bytes, counted as they arrive; a try ends within [`FETCH_TIMEOUT`].
//! - Details hold no link, no part of one, and no contents: links carry signatures.
//!
//! Not here: when to fetch, giving the file to a provider (see `transport.rs`).

mod content;
mod fetcher;
mod guard;
mod link;
mod schedule;
mod waiting_files;

use std::fmt;

use bytes::Bytes;

pub use angelia_shared::reach::{AddressRule, is_public};
pub use fetcher::{FETCH_TIMEOUT, FILE_BYTES_MAX, Fetcher, REDIRECTS_MAX};
pub use guard::{GuardedResolver, Lookup, NotPublic, SystemLookup};
pub use link::{LinkRefusal, check as check_link};
pub use schedule::{TRIES_MAX, next_try};
pub use waiting_files::{Place, WaitingFiles};

use crate::transport::FailReason;

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// The file.
    Fetched(Attachment),
    /// This link gives no file that can be sent, now or later.
    Refused {
        /// Why, for programs and people.
        reason: FailReason,
        /// What was seen.
        detail: String,
    },
    /// Nothing final: try again after [`next_try`], and after the last try fail with
    /// [`FailReason::AttachmentUnavailable`].
    Again {
        /// What was seen.
        detail: String,
    },
}

/// A downloaded file.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The contents, 1 to [`FILE_BYTES_MAX`] bytes.
    pub bytes: Bytes,
    /// The media type without parameters: by the contents, else by the server, else by the file's name.
    pub content_type: String,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({}, {} bytes)", self.content_type, self.bytes.len())
    }
}
