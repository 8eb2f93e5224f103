//! `POST /{version}/{phone_number_id}/messages`.
//!
//! The order is the contract: read, judge, write to the journal, answer.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use tokio::task::spawn_blocking;

use crate::domain::graph::{self, GraphError, Refusal};
use crate::domain::media_id::MediaId;
use crate::domain::request::{self, Message};
use crate::domain::script::{Behaviour, Decision};

use super::super::clock;
use super::super::connections::closed;
use super::super::journal::{Received, Verdict};
use super::{App, Target, Unread, graph_error, json, read_body, refuse};

/// Largest body. The longest text in the longest spelling (`\uXXXX` twice a character) is some 50 KiB.
const BODY_BYTES: usize = 256 * 1024;

pub(super) async fn send(State(app): State<App>, target: Target, headers: HeaderMap, body: Body) -> Response {
    let (raw, too_large) = match read_body(body, BODY_BYTES).await {
        Ok(raw) => (raw, false),
        Err(Unread::TooLarge { head }) => (head, true),
        Err(Unread::Broken) => return closed(),
    };
    let (shown, message) = request::read(&raw);
    let judged = match (app.authorize(&headers), message) {
        (Err(refusal), _) => Err(refusal),
        (Ok(()), _) if too_large => Err(Refusal::BodyTooLarge(BODY_BYTES)),
        (Ok(()), Err(refusal)) => Err(refusal),
        (Ok(()), Ok(message)) => check_media(&app, &target.id, message).await,
    };
    let judged = judged.map(|message| (clock::new_wamid(&message.recipient), message));
    let verdict = match &judged {
        Ok((wamid, message)) => Verdict::Script { behaviour: Behaviour::of(&message.recipient), wamid: wamid.clone() },
        Err(refusal) => Verdict::Answer(GraphError::from(refusal).status),
    };
    let received = Received {
        received_at_ms: target.received_at_ms,
        phone_number_id: target.id,
        to: shown.to,
        kind: shown.kind,
        body: shown.body,
        tracker: shown.tracker,
        verdict,
    };
    let Ok(recorded) = app.journal.record(received).await else { return refuse(&Refusal::JournalUnavailable) };
    match (judged, recorded.decision) {
        (Ok((wamid, message)), Some(decision)) => answer(&message, decision, &wamid),
        (Ok(_), None) => refuse(&Refusal::JournalUnavailable),
        (Err(refusal), _) => refuse(&refusal),
    }
}

fn answer(message: &Message, decision: Decision, wamid: &str) -> Response {
    if let Some(error) = graph::scripted_error(decision) {
        return graph_error(&error);
    }
    match decision {
        Decision::TakenThenClosed | Decision::ClosedUntaken => closed(),
        Decision::Taken | Decision::Broken | Decision::Unavailable | Decision::Throttled => {
            json(200, graph::accepted(&message.to, &message.recipient, wamid))
        }
    }
}

/// Refuses media that was not uploaded for this phone number id.
async fn check_media(app: &App, phone_number_id: &str, message: Message) -> Result<Message, Refusal> {
    let Some(id) = &message.media_id else { return Ok(message) };
    let id = MediaId::parse(id).ok_or(Refusal::UnknownMedia)?;
    let reader = app.journal.reader.clone();
    match spawn_blocking(move || reader.media(id)).await {
        Ok(Ok(Some(media))) if media.phone_number_id == phone_number_id => Ok(message),
        Ok(Ok(_)) => Err(Refusal::UnknownMedia),
        Ok(Err(_)) | Err(_) => Err(Refusal::JournalUnavailable),
    }
}
