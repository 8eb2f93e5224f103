//! The body of a request that asks for its permit when it is about to be written.
//!
//! The HTTP library puts a request's head into its buffer, asks for the body, and writes both: so this is the last that is asked
//! before the system call. A body that says no ends the connection with nothing written.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::transport::Permit;

/// The permit was over, so nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time to begin a call was over")]
pub(super) struct PermitOver;

impl PermitOver {
    /// Says whether this is why `error` happened.
    pub(super) fn caused(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<PermitOver>())
    }
}

/// Bytes that are handed out only while the permit holds.
pub(super) struct PermittedBody {
    /// Taken when they were handed out.
    bytes: Option<Bytes>,
    permit: Permit,
}

impl PermittedBody {
    pub(super) fn new(bytes: Vec<u8>, permit: Permit) -> Self {
        Self { bytes: Some(bytes.into()), permit }
    }
}

impl Body for PermittedBody {
    type Data = Bytes;
    type Error = PermitOver;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, PermitOver>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        let frame = if self.permit.holds() { Ok(Frame::data(bytes)) } else { Err(PermitOver) };
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
