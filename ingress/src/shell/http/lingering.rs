//! A connection that is closed without losing its last answer.
//!
//! An answer may be ready before the request was read whole (its body is too large, its path is unknown). A socket that is
//! closed while bytes wait to be read sends a reset, and a client that sees the reset first never sees the answer. So the
//! sending side is closed first, and what still comes is read and thrown away, within bounds.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long is waited for the client to close its side.
const LINGER_TIME: Duration = Duration::from_secs(3);
/// How much is thrown away: more is not a mistake but an attack.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// An IO object whose shutdown lingers.
pub(super) struct Lingering<T> {
    inner: T,
    stage: Stage,
}

enum Stage {
    Open,
    Closing { deadline: Pin<Box<Sleep>>, left: usize },
    Closed,
}

impl<T> Lingering<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, stage: Stage::Open }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Lingering<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.stage {
                Stage::Open => {
                    ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
                    let deadline = Box::pin(tokio::time::sleep(LINGER_TIME));
                    this.stage = Stage::Closing { deadline, left: LINGER_BYTES };
                }
                Stage::Closing { deadline, left } => {
                    let mut room = [0; 8 * 1024];
                    let mut buf = ReadBuf::new(&mut room);
                    let read = Pin::new(&mut this.inner).poll_read(cx, &mut buf);
                    let is_over = match read {
                        Poll::Ready(Ok(())) => {
                            *left = left.saturating_sub(buf.filled().len());
                            buf.filled().is_empty() || *left == 0
                        }
                        // The client has gone: nothing is left to be kind to.
                        Poll::Ready(Err(_)) => true,
                        Poll::Pending => {
                            ready!(deadline.as_mut().poll(cx));
                            true
                        }
                    };
                    if is_over {
                        this.stage = Stage::Closed;
                    }
                }
                Stage::Closed => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("a client");
        (server, client)
    }

    #[tokio::test]
    async fn an_answer_arrives_although_the_request_was_not_read() {
        let (server, mut client) = pair().await;
        client.write_all(&[b'x'; 100_000]).await.expect("the socket takes it");
        let mut server = Lingering::new(server);
        let closing = async {
            server.write_all(b"answer").await.expect("the client is there");
            server.shutdown().await.expect("the client closes");
            drop(server);
        };
        let reading = async {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("no reset");
            client.write_all(&[b'x'; 1_000]).await.expect("no reset while the server lingers");
            drop(client);
            answer
        };
        let ((), answer) = tokio::join!(closing, reading);
        assert_eq!(answer, b"answer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_closes_is_not_waited_for_for_ever() {
        let (server, _client) = pair().await;
        let mut server = Lingering::new(server);
        let started = tokio::time::Instant::now();
        server.shutdown().await.expect("it ends");
        assert_eq!(started.elapsed().as_secs(), LINGER_TIME.as_secs());
    }
}
