//! Credits: what a wallet holds, now or then, and granting more.

use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::wallet::Totals;
use angelia_shared::event::{CreditsGranted, Event, lines};
use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::{AppendError, Entry, Group, Guard, Head};
use angelia_shared::query::{AskCredits, AskCreditsThen, AskError, CreditsThen, CreditsView};
use angelia_shared::subject::Subject;
use angelia_shared::units::Credits;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse as _;
use http::{HeaderMap, Uri};
use serde::Serialize;
use tracing::error;

use super::allowed::{Allowed, Everyone, Operator};
use super::answer::{self, Answer};
use super::ledger;
use super::problem::Problem;
use super::workspaces::CREDITS_MAX;
use crate::domain::as_of::{AsOf, NoSuchPoint};
use crate::domain::input::InputFault;
use crate::shell::api_log::AppendFailed;
use crate::shell::directory_writer::ChangeError;
use crate::shell::http::{App, Parts};

/// How long a grant contends with the lanes that draw from the same wallet. Each try takes some milliseconds.
const GRANT_WITHIN: Duration = Duration::from_secs(10);
/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

#[derive(Serialize)]
struct View {
    /// A workspace has one wallet.
    id: WorkspaceId,
    granted: Credits,
    consumed: Credits,
    refunded: Credits,
    available: Credits,
    as_of_seq: u64,
}

/// `GET …/credits`, also `?as_of=<sequence or time>`.
pub(super) async fn show(State(app): State<App>, allowed: Allowed<Everyone>, uri: Uri) -> Answer {
    let mut query = answer::query(&uri)?;
    let as_of = query.parsed("as_of", "a sequence of the log or an RFC 3339 time", AsOf::parse)?;
    query.finish()?;
    let id = allowed.id();
    let view = match as_of {
        None => {
            let (wallet, as_of_seq) = ledger::ask(&app, AskCredits { workspace: id }).await?;
            let CreditsView { granted, consumed, refunded, available, totals: _ } = wallet;
            View { id, granted, consumed, refunded, available, as_of_seq }
        }
        Some(as_of) => then(&app, id, as_of).await?,
    };
    answer::ok(&view)
}

/// The wallet as it was with everything up to a point of the log.
async fn then(app: &Parts, id: WorkspaceId, as_of: AsOf) -> Result<View, Problem> {
    let fault = |none: NoSuchPoint| Problem::from(InputFault::of("as_of", none.to_string()));
    let end = app.log.last_sequence().await?;
    as_of.check(end, clock::now()).map_err(fault)?;
    let as_of_seq = match as_of {
        AsOf::Seq(seq) => seq,
        AsOf::Time(time) => app.log.sequence_at(time, end).await?,
    };
    if as_of_seq == 0 {
        return Err(fault(NoSuchPoint::BeforeTheBeginning));
    }
    let ask = AskCreditsThen { workspace: id, as_of: as_of_seq };
    let (wallet, projected) = ledger::ask_at(app, ask, as_of_seq).await?;
    let CreditsThen { granted, consumed, refunded, available } =
        wallet.ok_or(AskError::Behind { as_of_seq: projected })?;
    Ok(View { id, granted, consumed, refunded, available, as_of_seq })
}

#[derive(Serialize)]
struct GrantView<'a> {
    /// Its place in the log.
    id: String,
    seq: u64,
    at: String,
    kind: &'static str,
    credits: Credits,
    reason: &'a str,
    /// Everything granted so far, with this.
    granted: Credits,
}

/// `POST …/credits`: the operator grants.
pub(super) async fn grant(
    State(app): State<App>,
    allowed: Allowed<Operator>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let mut input = answer::input(&app, &headers, body).await?;
    let credits = input.number("credits", 1..=CREDITS_MAX)?.ok_or_else(|| InputFault::of("credits", "is required"))?;
    let reason = input.required_text("reason", REASON_CHARS_MAX)?;
    input.finish()?;
    let id = allowed.id();
    let (granted, at) = append_grant(&app, id, Credits(credits), &reason).await?;
    let view = GrantView {
        id: at.to_string(),
        seq: at.seq,
        at: granted.at.to_rfc3339(),
        kind: "grant",
        credits: granted.credits,
        reason: &reason,
        granted: granted.totals.granted,
    };
    Ok(answer::json(http::StatusCode::CREATED, &view).into_response())
}

/// Appends a grant under the wallet's head, again whenever somebody else wrote to the wallet in between.
async fn append_grant(
    app: &Parts,
    workspace: WorkspaceId,
    credits: Credits,
    reason: &str,
) -> Result<(CreditsGranted, angelia_shared::ids::Position), Problem> {
    let subject = Subject::Wallet(workspace);
    let started = clock::monotonic();
    // Looked at between two tries only: to cut one off would leave open whether it granted.
    while started.elapsed() < GRANT_WITHIN {
        let head = app.log.head(subject).await?;
        let (seq, totals) = match &head {
            None => (0, Totals::default()),
            Some(head) => (head.seq, totals_of(head).ok_or_else(|| unreadable(workspace))?),
        };
        let totals = totals.granting(credits).filter(|totals| totals.granted.0 <= CREDITS_MAX);
        let totals =
            totals.ok_or_else(|| Problem::conflict(format!("a wallet holds at most {CREDITS_MAX} credits")))?;
        let granted = CreditsGranted { v: 1, credits, reason: reason.to_owned(), totals, at: clock::now() };
        let entry = Entry::new(subject, &Event::CreditsGranted(granted.clone())).guarded(Guard::Own(seq));
        match app.api_log.append(Group::one(entry)).await {
            Ok(stored) => return Ok((granted, stored.positions.first().copied().unwrap_or_default())),
            Err(AppendFailed::NotStored(AppendError::GuardLost(_) | AppendError::NeverStored)) => {}
            Err(error) => return Err(ChangeError::from(error).into()),
        }
    }
    Err(Problem::unavailable("the wallet is too busy"))
}

/// The totals that the newest wallet event carries.
fn totals_of(head: &Head) -> Option<Totals> {
    match Event::from_line(lines(&head.payload).next()?).ok()? {
        Event::CreditsGranted(event) => Some(event.totals),
        Event::CreditsDrawn(event) => Some(event.totals),
        Event::CreditsReturned(event) => Some(event.totals),
        Event::CreditsRefunded(event) => Some(event.totals),
        _ => None,
    }
}

fn unreadable(workspace: WorkspaceId) -> Problem {
    error!(workspace.id = %workspace, "the newest event of a wallet cannot be read");
    Problem::internal("the wallet cannot be read")
}
