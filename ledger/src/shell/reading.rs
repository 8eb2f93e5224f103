//! Says how far the log is read while the ledger does not answer yet.

use std::convert::Infallible;

use angelia_shared::log::EventLog;
use angelia_shared::query::{READING_SUBJECT, Reading};
use angelia_shared::telemetry::chain;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tracing::debug;

use super::consumer::Progress;

/// Answers whoever asks; `position` is how far the log is folded. To be dropped when the ledger answers.
pub(super) async fn tell(
    log: &EventLog,
    position: impl Fn() -> u64,
    progress: watch::Receiver<Progress>,
) -> Infallible {
    let client = log.client();
    match client.subscribe(READING_SUBJECT).await {
        Ok(mut questions) => {
            while let Some(question) = questions.next().await {
                let at = position();
                let reading = Reading { at, of: at + progress.borrow().behind };
                let payload = serde_json::to_vec(&reading).expect("two numbers");
                if let Some(reply) = question.reply
                    && let Err(error) = client.publish(reply, payload.into()).await
                {
                    debug!(error = %chain(&error), "nobody hears how far the ledger is");
                }
            }
        }
        Err(error) => debug!(error = %chain(&error), "nobody can ask how far the ledger is"),
    }
    std::future::pending().await
}
