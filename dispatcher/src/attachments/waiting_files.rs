//! Files that were downloaded and are not uploaded yet: before the turn of their message, or for its next try.
//!
//! Shape: kept by content, so that many messages with one file hold it once; each message may ask for its own.
//!
//! Bound: [`BYTES_MAX`] over all accounts, counted once a content, and [`MESSAGES_MAX`] messages; the file that was kept
//! first goes first. One that has gone is downloaded again, which only costs time. What is fetched before its turn takes a
//! [`Place`] first, and finds none rather than push out a file that is due sooner.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use angelia_shared::ids::MessageId;
use angelia_shared::log::digest::sha256;

use super::{Attachment, FILE_BYTES_MAX};

/// Bytes of all files, and of those on their way here: 16 of the largest.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Messages with such a file.
const MESSAGES_MAX: usize = 4_096;

/// The same bytes sent as another media type are another file.
type Content = ([u8; 32], String);

fn content_of(file: &Attachment) -> Content {
    (sha256(&file.bytes).0, file.content_type.clone())
}

/// The files of all accounts that wait for their upload. Cheap to clone: all clones are the same.
#[derive(Clone, Default)]
pub struct WaitingFiles(Arc<Mutex<Files>>);

#[derive(Default)]
struct Files {
    contents: HashMap<Content, (Attachment, usize)>,
    by_message: HashMap<MessageId, Content>,
    oldest_first: VecDeque<MessageId>,
    bytes: usize,
    /// Places that are taken.
    places: usize,
}

/// Room for one file, until this is dropped.
pub struct Place {
    files: WaitingFiles,
    taken: usize,
}

impl Place {
    /// Keeps a message's file in this place.
    pub fn keep(mut self, message: MessageId, file: &Attachment) {
        let content = content_of(file);
        let mut files = self.files.files();
        files.places -= std::mem::take(&mut self.taken);
        files.keep(message, file, content);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.files.files().places -= self.taken;
    }
}

impl WaitingFiles {
    /// Takes a place for a file that is still to be downloaded, if there is one.
    pub fn place(&self) -> Option<Place> {
        let mut files = self.files();
        let has_room =
            files.bytes_to_be() + FILE_BYTES_MAX <= BYTES_MAX && files.oldest_first.len() + files.places < MESSAGES_MAX;
        files.places += usize::from(has_room);
        drop(files);
        has_room.then(|| Place { files: self.clone(), taken: 1 })
    }

    /// Keeps no file of this message any longer.
    pub fn forget(&self, message: MessageId) {
        self.files().drop_of(message);
    }

    /// Keeps a message's file.
    pub fn keep(&self, message: MessageId, file: &Attachment) {
        let content = content_of(file);
        self.files().keep(message, file, content);
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
    /// Bytes here, and the most that those on their way can have.
    fn bytes_to_be(&self) -> usize {
        self.bytes + self.places * FILE_BYTES_MAX
    }

    fn keep(&mut self, message: MessageId, file: &Attachment, content: Content) {
        self.drop_of(message);
        let (_, users) = self.contents.entry(content.clone()).or_insert_with(|| (file.clone(), 0));
        *users += 1;
        if *users == 1 {
            self.bytes += file.bytes.len();
        }
        self.by_message.insert(message, content);
        self.oldest_first.push_back(message);
        while self.bytes_to_be() > BYTES_MAX || self.oldest_first.len() > MESSAGES_MAX {
            let Some(oldest) = self.oldest_first.front().copied() else { return };
            self.drop_of(oldest);
        }
    }

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
    fn what_is_fetched_ahead_pushes_out_nothing_and_is_counted_from_the_beginning() {
        let files = WaitingFiles::default();
        files.keep(MessageId(1), &file(1, FILE_BYTES_MAX));
        let places: Vec<_> = std::iter::from_fn(|| files.place()).collect();
        assert_eq!(places.len(), BYTES_MAX / FILE_BYTES_MAX - 1);
        assert!(files.place().is_none());
        files.keep(MessageId(2), &file(2, 10));
        assert_eq!(files.take(MessageId(1)), None, "a file that is due now makes room for itself");
        assert!(files.place().is_none(), "a small file is in the place of a large one");
        files.forget(MessageId(2));
        let place = files.place().expect("there is room again");
        place.keep(MessageId(4), &file(4, FILE_BYTES_MAX));
        assert_eq!(files.files().bytes_to_be(), BYTES_MAX, "it is counted once");
        assert!(files.take(MessageId(4)).is_some(), "and pushes nothing out, nor is it pushed out");
        drop(places);
        assert_eq!(files.files().bytes_to_be(), 0);
        for message in 0..MESSAGES_MAX as u64 {
            files.keep(MessageId(message), &file(1, 1));
        }
        assert!(files.place().is_none(), "there are enough messages with a file");
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
