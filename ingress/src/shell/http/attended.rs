//! A connection whose client has to take its answer.
//!
//! A client that sends requests and reads no answers fills the socket's buffer, and then holds a place and an answer's
//! memory for as long as it likes: it is given up when it takes nothing for a while. What has been sent is told to the
//! connection's [`Place`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::places::Place;
use crate::metrics as names;

/// How long a client may take nothing of its answer.
const STALL_MAX: Duration = Duration::from_secs(30);

/// An IO object that watches over what is sent.
pub(super) struct Attended<T> {
    inner: T,
    place: Arc<Place>,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T> Attended<T> {
    pub(super) fn new(inner: T, place: Arc<Place>) -> Self {
        Self { inner, place, stalled: None }
    }

    fn watch<R>(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if sent.is_ready() {
            self.stalled = None;
            return sent;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_MAX)));
        if stalled.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        metrics::counter!(names::CONNECTIONS_STALLED).increment(1);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answer")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Attended<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Attended<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if flushed.is_ready() {
            self.place.end_answer();
        }
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::places::Places;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_and_one_that_takes_a_little_is_not() {
        let taken = Places::new(1).take().await;
        let (server, mut client) = tokio::io::duplex(1_000);
        let mut server = Attended::new(server, Arc::clone(taken.place()));
        let began = tokio::time::Instant::now();
        let sending = tokio::spawn(async move { (server.write_all(&[b'x'; 5_000]).await, began.elapsed()) });
        let mut piece = [0; 1_000];
        for _ in 0..3 {
            tokio::time::sleep(STALL_MAX - Duration::from_secs(1)).await;
            client.read_exact(&mut piece).await.expect("some of the answer");
        }
        let (sent, after) = sending.await.expect("no panic");
        assert_eq!(sent.expect_err("it is not taken").kind(), io::ErrorKind::TimedOut);
        assert_eq!(after.as_secs(), 3 * (STALL_MAX.as_secs() - 1) + STALL_MAX.as_secs());
    }

    #[tokio::test]
    async fn an_answer_that_was_flushed_is_over() {
        let taken = Places::new(1).take().await;
        let (server, _client) = tokio::io::duplex(1_000);
        let mut server = Attended::new(server, Arc::clone(taken.place()));
        taken.place().begin_answer();
        server.write_all(b"answer").await.expect("room");
        assert!(!taken.place().is_waiting());
        server.flush().await.expect("room");
        assert!(taken.place().is_waiting());
    }
}
