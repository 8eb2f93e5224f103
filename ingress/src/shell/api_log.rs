//! The appender of everything but acceptances: changes, grants, cancels, receipts. Nobody waits on it without a bound.

use std::time::Duration;

use angelia_shared::log::{AppendError, Appender, Group, Stored};

/// How long an answer may take: longer than a broker's restart, shorter than a caller's patience.
const DECIDED_WITHIN: Duration = Duration::from_secs(10);

/// A group has no place in the log, or nobody knows it yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AppendFailed {
    /// It was not stored and never will be.
    #[error("the log did not take it")]
    NotStored(#[source] AppendError),
    /// It may have been stored, or may be stored yet.
    #[error("it is not known whether the log took it")]
    Undecided,
}

/// A handle to the appender. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ApiLog {
    appender: Appender,
}

impl ApiLog {
    /// A handle to `appender`.
    pub(crate) fn new(appender: Appender) -> Self {
        Self { appender }
    }

    /// Stores a group, whole or not at all.
    ///
    /// # Errors
    /// [`AppendFailed`].
    pub(crate) async fn append(&self, group: Group) -> Result<Stored, AppendFailed> {
        match tokio::time::timeout(DECIDED_WITHIN, self.appender.append(group)).await {
            Ok(Ok(stored)) => Ok(stored),
            Ok(Err(AppendError::Closed)) | Err(_) => Err(AppendFailed::Undecided),
            Ok(Err(error)) => Err(AppendFailed::NotStored(error)),
        }
    }
}
