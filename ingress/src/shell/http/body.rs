//! Reads a request's body within bounds of size, time and memory.
//!
//! What is bounded together is the memory of bodies that are waited for. A body that is all there, as nearly all are, waits
//! for nobody: so ordinary calls pass while others hold half-sent bodies in all of that memory. How many bodies are under
//! way after that is admission's to bound.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use futures_util::poll;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all bodies that are waited for may take in memory together: a thousand of the largest calls, and a few large
/// callbacks.
const BYTES_AT_ONCE: usize = 64 * 1024 * 1024;
/// How often a body that nobody will wait for is asked for what has come of it. The first time the connection is only told
/// that somebody wants it.
const LOOKS: usize = 4;

/// The memory that bodies share.
#[derive(Clone)]
pub(crate) struct BodyReader {
    room: Arc<Semaphore>,
    timeout: Duration,
}

/// A body that was read whole. Holds its share of the memory, if it had to be waited for, until it is dropped.
pub(crate) struct ReadBody {
    /// The bytes.
    pub(crate) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// A body was not read whole.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// It is larger than allowed. What was read of it comes along.
    TooLarge(Bytes),
    /// It took too long. What was read of it comes along.
    TooSlow(Bytes),
    /// The client went away or broke the framing.
    Broken,
    /// Other bodies take all the memory.
    NoRoom,
}

#[derive(Default)]
struct Gathered {
    first: Bytes,
    rest: BytesMut,
    share: Option<OwnedSemaphorePermit>,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn take(&mut self) -> Bytes {
        let first = std::mem::take(&mut self.first);
        if self.rest.is_empty() { first } else { std::mem::take(&mut self.rest).freeze() }
    }

    /// Nearly all bodies are one piece, which is kept as it came.
    fn add(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&piece);
    }
}

impl BodyReader {
    /// A reader that gives each body `timeout` to arrive.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { room: Arc::new(Semaphore::new(BYTES_AT_ONCE)), timeout }
    }

    /// Reads a body of at most `bytes_max`. One whose declared length is larger is not read at all.
    ///
    /// # Errors
    /// [`BodyFault`].
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<ReadBody, BodyFault> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > bytes_max as u64) {
            return Err(BodyFault::TooLarge(Bytes::new()));
        }
        let mut gathered = Gathered::default();
        match tokio::time::timeout(self.timeout, self.gather(&mut gathered, body, bytes_max)).await {
            Ok(Ok(())) => Ok(ReadBody { bytes: gathered.take(), _share: gathered.share }),
            Ok(Err(fault)) => Err(fault),
            Err(_) => Err(BodyFault::TooSlow(gathered.take())),
        }
    }

    /// What has come of a body, without waiting for more: at most `bytes_max` bytes, or nothing.
    ///
    /// Where the answer is known before the body, the connection can be kept if all of it is there.
    pub(crate) async fn arrived(&self, mut body: Body, bytes_max: usize) -> Bytes {
        let mut gathered = Gathered::default();
        for _ in 0..LOOKS {
            match poll!(body.frame()) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(piece) = frame.into_data() else { continue };
                    if gathered.len() + piece.len() > bytes_max {
                        break;
                    }
                    gathered.add(piece);
                }
                Poll::Ready(Some(Err(_)) | None) => break,
                Poll::Pending => tokio::task::yield_now().await,
            }
            if body.is_end_stream() {
                break;
            }
        }
        gathered.take()
    }

    async fn gather(&self, gathered: &mut Gathered, mut body: Body, bytes_max: usize) -> Result<(), BodyFault> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BodyFault::Broken)?;
            // Trailers say nothing that is used here.
            let Ok(piece) = frame.into_data() else { continue };
            if gathered.len() + piece.len() > bytes_max {
                gathered.add(piece);
                return Err(BodyFault::TooLarge(gathered.take()));
            }
            if gathered.len() == 0 && body.is_end_stream() {
                gathered.add(piece);
                return Ok(());
            }
            let size = u32::try_from(piece.len()).map_err(|_| BodyFault::NoRoom)?;
            let share = Arc::clone(&self.room).try_acquire_many_owned(size).map_err(|_| BodyFault::NoRoom)?;
            match &mut gathered.share {
                Some(held) => held.merge(share),
                None => gathered.share = Some(share),
            }
            gathered.add(piece);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<_> = sizes.iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; *size]))).collect();
        Body::from_stream(stream::iter(pieces))
    }

    fn reader() -> BodyReader {
        BodyReader::new(Duration::from_secs(10))
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_limit_is_read_however_it_comes() {
        for sizes in [&[100][..], &[40, 60], &[0, 99, 1, 0]] {
            let read = reader().read(&HeaderMap::new(), pieces(sizes), 100).await.expect("not larger");
            assert_eq!(read.bytes.len(), 100, "{sizes:?}");
        }
        let empty = reader().read(&HeaderMap::new(), Body::empty(), 100).await.expect("not larger");
        assert!(empty.bytes.is_empty());
    }

    #[tokio::test]
    async fn one_byte_more_is_too_large_and_its_beginning_comes_along() {
        for sizes in [&[101][..], &[50, 51]] {
            match reader().read(&HeaderMap::new(), pieces(sizes), 100).await {
                Err(BodyFault::TooLarge(head)) => assert_eq!(head.len(), 101),
                _ => panic!("{sizes:?} is read"),
            }
        }
    }

    #[tokio::test]
    async fn a_declared_length_over_the_limit_is_refused_without_reading() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, "101".parse().expect("a value"))]);
        assert!(matches!(reader().read(&headers, never, 100).await, Err(BodyFault::TooLarge(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"begin"))]);
        let slow = Body::from_stream(first.chain(stream::pending()));
        match reader().read(&HeaderMap::new(), slow, 100).await {
            Err(BodyFault::TooSlow(head)) => assert_eq!(&head[..], b"begin"),
            _ => panic!("it never ends"),
        }
    }

    #[tokio::test]
    async fn all_bodies_share_one_memory_and_give_it_back() {
        let reader = reader();
        let held =
            reader.read(&HeaderMap::new(), pieces(&[BYTES_AT_ONCE - 10]), BYTES_AT_ONCE).await.expect("all of it");
        assert!(matches!(reader.read(&HeaderMap::new(), pieces(&[11]), 100).await, Err(BodyFault::NoRoom)));
        assert!(reader.read(&HeaderMap::new(), pieces(&[10]), 100).await.is_ok());
        // One that is all there waits for nobody, so it needs none of it.
        assert!(reader.read(&HeaderMap::new(), Body::from(vec![b'x'; 100]), 100).await.is_ok());
        drop(held);
        assert!(reader.read(&HeaderMap::new(), pieces(&[11]), 100).await.is_ok());
    }

    #[tokio::test]
    async fn what_has_come_is_taken_and_the_rest_is_not_waited_for() {
        let come = |pieces: &'static [&'static str]| stream::iter(pieces).map(|piece| Ok::<_, std::io::Error>(*piece));
        let late = stream::once(Box::pin(tokio::task::yield_now())).map(|()| Ok::<_, std::io::Error>("late"));
        for (body, expected) in [
            (Body::from("whole"), "whole"),
            (Body::empty(), ""),
            (Body::from_stream(come(&["a", "b"]).chain(stream::pending())), "ab"),
            (Body::from_stream(late.chain(stream::pending())), "late"),
            (Body::from_stream(come(&["abc", "defgh", "i"])), "abc"),
            (Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))])), ""),
        ] {
            assert_eq!(reader().arrived(body, 5).await, expected);
        }
    }

    #[tokio::test]
    async fn a_broken_body_is_told_apart() {
        let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]));
        assert!(matches!(reader().read(&HeaderMap::new(), broken, 100).await, Err(BodyFault::Broken)));
    }
}
