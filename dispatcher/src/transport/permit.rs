//! Whether a request may still be written.

use std::fmt;
use std::sync::Arc;

/// The right to write a request, which ends by itself: with the call's time, or with the lease of the process.
///
/// To connect takes long enough for a process to be suspended in the middle of it and to be replaced meanwhile. So the right to
/// send is looked at twice: before a call, and by the transport at the last moment that it has.
#[derive(Clone)]
pub struct Permit(Arc<dyn Fn() -> bool + Send + Sync>);

impl Permit {
    /// A right for as long as `holds` says so.
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// Whether it may be written now.
    pub fn holds(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.holds()).finish()
    }
}
