//! Asks a ledger that has seen everything that was answered before.

use angelia_shared::query::{self, Ask, AskError, Reading};

use super::problem::Problem;
use crate::shell::http::Parts;

/// Asks; returns the answer and the sequence at which it is true, which is the log's end at the time of the call or later.
pub(super) async fn ask<A: Ask>(app: &Parts, ask: A) -> Result<(A::Answer, u64), Problem> {
    let end = app.log.last_sequence().await?;
    ask_at(app, ask, end).await
}

/// Asks a ledger that has come to `at_least`. When none answers and one is on its way, the problem says how far it is.
pub(super) async fn ask_at<A: Ask>(app: &Parts, ask: A, at_least: u64) -> Result<(A::Answer, u64), Problem> {
    let client = app.log.client();
    match query::ask(client, ask, at_least).await {
        Ok(answer) => Ok(answer),
        Err(error @ AskError::NoLedger(_)) => Err(match query::reading(client).await {
            Some(Reading { at, of }) => {
                Problem::unavailable(&format!("the ledger reads the log before it answers: {at} of {of} records"))
            }
            None => error.into(),
        }),
        Err(error) => Err(error.into()),
    }
}

/// Asks for what is nice to have: `None` when no ledger answers in time.
pub(super) async fn ask_if_there<A: Ask>(app: &Parts, ask: A) -> Option<A::Answer> {
    /// Long enough for a ledger that is there, short enough for a page that is useful without it.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);
    let answer = tokio::time::timeout(PATIENCE, query::ask(app.log.client(), ask, 0)).await;
    answer.ok()?.ok().map(|(answer, _)| answer)
}
