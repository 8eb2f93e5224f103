//! Answers who asks whether a link downloads a file that would be sent: one try, by the checks of a send.
//!
//! Invariants:
//! - A check takes no permit of the downloads of messages, which it must not hold up. At most [`AT_ONCE`] are made at
//!   once, each with up to 2 MiB of memory, and [`OF_ONE_WORKSPACE`] of one workspace; beyond that the answer is "busy".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angelia_shared::ids::WorkspaceId;
use angelia_shared::link_check::{AskLink, GROUP, LinkChecked, Reply, SUBJECT};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Context;
use crate::attachments::{Fetch, Fetcher};
use crate::transport::FailReason;

/// Checks of one process at once: people wait for them, one form each.
const AT_ONCE: usize = 8;
/// Checks of one workspace at once.
const OF_ONE_WORKSPACE: usize = 2;
/// Pause before a subscription is made again.
const AGAIN: Duration = Duration::from_secs(1);

/// Answers until shutdown.
pub(super) async fn answer(context: Arc<Context>, shutdown: CancellationToken) {
    let answering = async {
        let running = Arc::new(Running::default());
        loop {
            answer_while_subscribed(&context, &running, &shutdown).await;
            tokio::time::sleep(AGAIN).await;
        }
    };
    shutdown.run_until_cancelled(answering).await;
}

async fn answer_while_subscribed(context: &Arc<Context>, running: &Arc<Running>, shutdown: &CancellationToken) {
    let mut questions = match context.log.client().queue_subscribe(SUBJECT, GROUP.to_owned()).await {
        Ok(questions) => questions,
        Err(error) => {
            warn!(error = %error, "nobody can ask this dispatcher about links");
            return;
        }
    };
    while let Some(question) = questions.next().await {
        // What is no question gets no answer.
        let (Some(to), Ok(ask)) = (question.reply, serde_json::from_slice::<AskLink>(&question.payload)) else {
            continue;
        };
        let place = running.enter(ask.workspace);
        let (context, shutdown) = (Arc::clone(context), shutdown.clone());
        let tasks = Arc::clone(&context.tasks);
        tasks.start("checking a link", async move {
            let replied = shutdown.run_until_cancelled(reply(&context.fetcher, place, &ask)).await;
            if let Some(replied) = replied {
                let replied = serde_json::to_vec(&replied).expect("answers have only plain values");
                // An asker that went away asks again.
                let _lost = context.log.client().publish(to, Bytes::from(replied)).await;
            }
        });
    }
}

async fn reply(fetcher: &Fetcher, place: Option<Place>, ask: &AskLink) -> Reply {
    match place {
        // Held until the file's bytes are gone.
        Some(_place) => Reply::Checked(checked(fetcher.fetch(&ask.url, &ask.file_name).await)),
        None => Reply::Busy,
    }
}

fn checked(fetch: Fetch) -> LinkChecked {
    let not = |reason: FailReason, detail: String| LinkChecked {
        reason: Some(reason.code().to_owned()),
        detail: Some(detail),
        advice: Some(reason.sentence().to_owned()),
        ..LinkChecked::default()
    };
    match fetch {
        Fetch::Fetched(file) => LinkChecked {
            ok: true,
            bytes: Some(file.bytes.len() as u64),
            content_type: Some(file.content_type),
            ..LinkChecked::default()
        },
        Fetch::Refused { reason, detail } => not(reason, detail),
        // A message is tried five times; this was one try.
        Fetch::Again { detail } => LinkChecked {
            advice: Some(
                "The file could not be downloaded just now: check the link, then try again. A message with it is tried \
                 up to 5 times within half a minute."
                    .to_owned(),
            ),
            ..not(FailReason::AttachmentUnavailable, detail)
        },
    }
}

/// The checks that are being made, by workspace.
#[derive(Default)]
struct Running(Mutex<HashMap<WorkspaceId, usize>>);

/// A check that is being made; it ends with this value.
struct Place {
    running: Arc<Running>,
    workspace: WorkspaceId,
}

impl Running {
    /// A place for a check of this workspace, if there is one.
    fn enter(self: &Arc<Self>, workspace: WorkspaceId) -> Option<Place> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = running.get(&workspace).copied().unwrap_or(0);
        if own >= OF_ONE_WORKSPACE || running.values().sum::<usize>() >= AT_ONCE {
            return None;
        }
        running.insert(workspace, own + 1);
        Some(Place { running: Arc::clone(self), workspace })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        match running.get_mut(&self.workspace) {
            Some(own) if *own > 1 => *own -= 1,
            Some(_) | None => {
                running.remove(&self.workspace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attachments::Attachment;

    #[test]
    fn one_workspace_leaves_places_to_the_others_and_all_have_a_bound() {
        let running = Arc::new(Running::default());
        let enter = |workspace| running.enter(WorkspaceId(workspace));
        let mut first: Vec<_> = (0..OF_ONE_WORKSPACE).map(|_| enter(1).expect("a place")).collect();
        assert!(enter(1).is_none());
        let others: Vec<_> = (2..).map_while(enter).collect();
        assert_eq!(others.len() + first.len(), AT_ONCE);
        drop(others);
        assert!(enter(1).is_none());
        first.pop();
        assert!(enter(1).is_some());
        drop(first);
        assert!(running.0.lock().expect("no panic").is_empty());
    }

    #[test]
    fn a_check_says_what_a_message_would_fail_with_and_what_to_do() {
        let file = Attachment { bytes: Bytes::from_static(b"%PDF"), content_type: "application/pdf".to_owned() };
        let good = checked(Fetch::Fetched(file));
        assert_eq!((good.ok, good.bytes, good.reason, good.advice), (true, Some(4), None, None));
        let detail = || "seen".to_owned();
        let page = checked(Fetch::Refused { reason: FailReason::AttachmentIsAWebPage, detail: detail() });
        assert_eq!((page.ok, page.reason.as_deref()), (false, Some("attachment_is_a_web_page")));
        assert_eq!(page.advice.as_deref(), Some(FailReason::AttachmentIsAWebPage.sentence()));
        let away = checked(Fetch::Again { detail: detail() });
        assert_eq!((away.ok, away.reason.as_deref()), (false, Some("attachment_unavailable")));
        assert_ne!(
            away.advice.as_deref(),
            Some(FailReason::AttachmentUnavailable.sentence()),
            "it was one try, not five"
        );
    }
}
