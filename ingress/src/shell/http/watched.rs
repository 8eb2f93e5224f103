//! A request's body that remembers whether it was read to its end, and tells the connection's [`Place`] when it is waited for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Frame, SizeHint};

use super::places::Place;

/// A body with a flag that others can look at after the body is gone.
pub(super) struct Watched<B> {
    inner: B,
    is_read: Arc<AtomicBool>,
    place: Arc<Place>,
}

impl<B: Body + Unpin> Watched<B> {
    /// Watches the body of `request`. The flag is already set when there is none.
    pub(super) fn request(request: http::Request<B>, place: &Arc<Place>) -> (http::Request<Self>, Arc<AtomicBool>) {
        let is_read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let watched = request.map(|inner| Self { inner, is_read: Arc::clone(&is_read), place: Arc::clone(place) });
        (watched, is_read)
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        self.place.wait_for_body(frame.is_pending());
        let frame = ready!(frame);
        if frame.is_none() || self.inner.is_end_stream() {
            self.is_read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Empty, Full, StreamBody};

    use super::super::places::Places;
    use super::*;

    async fn place() -> Arc<Place> {
        Arc::clone(Places::new(1).take().await.place())
    }

    fn watch<B: Body + Unpin>(body: B, place: &Arc<Place>) -> (Watched<B>, Arc<AtomicBool>) {
        let (request, is_read) = Watched::request(http::Request::new(body), place);
        (request.into_body(), is_read)
    }

    #[tokio::test]
    async fn a_body_counts_as_read_when_its_end_was_reached_and_not_before() {
        let pieces = ["a", "b"].map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::from(piece))));
        let (mut body, is_read) = watch(StreamBody::new(futures_util::stream::iter(pieces)), &place().await);
        assert!(!is_read.load(Ordering::Relaxed));
        body.frame().await.expect("a piece").expect("no fault");
        body.frame().await.expect("a piece").expect("no fault");
        assert!(!is_read.load(Ordering::Relaxed));
        assert!(body.frame().await.is_none());
        assert!(is_read.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn no_body_is_read_and_a_dropped_one_is_not() {
        let (body, is_read) = watch(Empty::<Bytes>::new(), &place().await);
        drop(body);
        assert!(is_read.load(Ordering::Relaxed));
        let (body, is_read) = watch(Full::new(Bytes::from_static(b"unread")), &place().await);
        drop(body);
        assert!(!is_read.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_body_that_has_not_come_keeps_its_connection_waiting() {
        let place = place().await;
        place.begin_request();
        let late = Box::pin(async {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"x")))
        });
        let (mut body, _) = watch(StreamBody::new(futures_util::stream::once(late)), &place);
        assert!(futures_util::poll!(body.frame()).is_pending() && place.is_waiting());
        assert!(futures_util::poll!(body.frame()).is_ready() && !place.is_waiting());
    }
}
