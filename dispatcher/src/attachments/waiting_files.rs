//! Files that were downloaded and could not be uploaded yet, kept for the next try of their message.
//!
//! Shape: kept by content, so that many messages with one file hold it once; each message may ask for its own.
//!
//! Bound: [`BYTES_MAX`] over all accounts, counted once a content, and [`MESSAGES_MAX`] messages; the file that was kept
//! first goes first. One that has gone is downloaded again, which only costs time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use angelia_shared::ids::MessageId;
use angelia_shared::log::digest::sha256;

use super::Attachment;

/// Bytes of all files: 16 of the largest. Only while a provider refuses uploads is there anything here.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Messages with such a file.
const MESSAGES_MAX: usize = 4_096;

/// The same bytes sent as another media type are another file.
type Content = ([u8; 32], String);

/// The files of all accounts that wait for their upload.
#[derive(Default)]
pub struct WaitingFiles(Mutex<Files>);

#[derive(Default)]
struct Files {
    contents: HashMap<Content, (Attachment, usize)>,
    by_message: HashMap<MessageId, Content>,
    oldest_first: VecDeque<MessageId>,
    bytes: usize,
}

impl WaitingFiles {
    /// Keeps a message's file.
    pub fn keep(&self, message: MessageId, file: &Attachment) {
        let content = (sha256(&file.bytes).0, file.content_type.clone());
        let mut files = self.files();
        files.drop_of(message);
        let (_, users) = files.contents.entry(content.clone()).or_insert_with(|| (file.clone(), 0));
        *users += 1;
        if *users == 1 {
            files.bytes += file.bytes.len();
        }
        files.by_message.insert(message, content);
        files.oldest_first.push_back(message);
        while files.bytes > BYTES_MAX || files.oldest_first.len() > MESSAGES_MAX {
            let Some(oldest) = files.oldest_first.front().copied() else { return };
            files.drop_of(oldest);
        }
    }

    /// Gives a message's file out, if it is still here; it is not kept any longer.
    pub fn take(&self, message: MessageId) -> Option<Attachment> {
        let mut files = self.files();
        let content = files.by_message.get(&message)?;
        let file = files.contents.get(content).map(|(file, _)| file.clone());
        files.drop_of(message);
        file
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn drop_of(&mut self, message: MessageId) {
        let Some(content) = self.by_message.remove(&message) else { return };
        self.oldest_first.retain(|kept| *kept != message);
        if let Some((file, users)) = self.contents.get_mut(&content) {
            *users -= 1;
            if *users == 0 {
                self.bytes -= file.bytes.len();
                self.contents.remove(&content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn file(byte: u8, len: usize) -> Attachment {
        Attachment { bytes: Bytes::from(vec![byte; len]), content_type: "application/pdf".to_owned() }
    }

    #[test]
    fn a_file_is_given_to_its_message_and_to_no_other() {
        let files = WaitingFiles::default();
        files.keep(MessageId(1), &file(7, 10));
        assert_eq!(files.take(MessageId(2)), None);
        assert_eq!(files.take(MessageId(1)), Some(file(7, 10)));
        assert_eq!(files.take(MessageId(1)), None);
        assert_eq!(files.files().bytes, 0);
    }

    #[test]
    fn one_content_of_many_messages_is_held_once_until_the_last_has_it() {
        let files = WaitingFiles::default();
        for message in 0..1_000 {
            files.keep(MessageId(message), &file(7, 1_000_000));
        }
        assert_eq!(files.files().bytes, 1_000_000);
        for message in 0..1_000 {
            assert_eq!(files.take(MessageId(message)).map(|file| file.bytes.len()), Some(1_000_000));
        }
        assert!(files.files().bytes == 0 && files.files().contents.is_empty());
    }

    #[test]
    fn the_bytes_of_all_accounts_and_the_messages_have_their_bound() {
        let files = WaitingFiles::default();
        for n in 0..40 {
            files.keep(MessageId(n), &file(n as u8, 2 * 1024 * 1024));
        }
        assert_eq!(files.files().bytes, BYTES_MAX);
        assert!(files.take(MessageId(23)).is_none() && files.take(MessageId(24)).is_some());
        for n in 0..10_000 {
            files.keep(MessageId(1_000 + n), &file(1, 1));
        }
        assert_eq!(files.files().oldest_first.len(), MESSAGES_MAX);
        assert_eq!(files.files().by_message.len(), MESSAGES_MAX);
    }

    #[test]
    fn the_same_bytes_as_another_type_are_another_file() {
        let (files, pdf) = (WaitingFiles::default(), file(1, 5));
        let text = Attachment { content_type: "text/plain".to_owned(), ..pdf.clone() };
        files.keep(MessageId(1), &pdf);
        files.keep(MessageId(2), &text);
        files.keep(MessageId(2), &text);
        assert_eq!(files.files().bytes, 10);
        assert_eq!((files.take(MessageId(2)), files.take(MessageId(1))), (Some(text), Some(pdf)));
    }
}
