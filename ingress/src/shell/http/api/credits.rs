//! Credits: what a wallet holds, now or then, and granting more.

use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::wallet::Totals;
use angelia_shared::event::{CreditsGranted, Event, lines};
use angelia_shared::ids::{Position, WorkspaceId};
use angelia_shared::log::{AppendError, Entry, Group, Guard, Head};
use angelia_shared::query::{AskCredits, AskCreditsThen, AskError, CreditsThen, CreditsView, StatementKind};
use angelia_shared::subject::Subject;
use angelia_shared::units::Credits;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use tracing::error;

use super::allowed::{Allowed, Everyone, Operator};
use super::answer::{Answer, Created, Shown, Time};
use super::form::{Fields, Form, Parameters};
use super::ledger;
use super::moment::{self, When};
use super::problem::Problem;
use super::workspaces::CREDITS_MAX;
use crate::domain::as_of::AsOf;
use crate::domain::input::{Input, InputFault};
use crate::shell::api_log::AppendFailed;
use crate::shell::directory_writer::ChangeError;
use crate::shell::http::{App, Parts};

/// How long a grant contends with the lanes that draw from the same wallet. Each try takes some milliseconds.
const GRANT_WITHIN: Duration = Duration::from_secs(10);
/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// What a wallet holds: `available = granted - consumed + refunded`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Wallet")]
pub(super) struct View {
    /// A workspace has one wallet.
    id: WorkspaceId,
    granted: Credits,
    /// The prices of all accepted messages.
    consumed: Credits,
    refunded: Credits,
    available: Credits,
    /// The sequence of the log at which this is true.
    as_of_seq: u64,
}

/// `GET …/credits`, also `?as_of=<sequence or time>`.
pub(super) async fn show(
    State(app): State<App>,
    allowed: Allowed<Everyone>,
    query: Parameters<When>,
) -> Answer<Shown<View>> {
    let id = allowed.id();
    let view = match query.read()? {
        None => {
            let (wallet, as_of_seq) = ledger::ask(&app, AskCredits { workspace: id }).await?;
            let CreditsView { granted, consumed, refunded, available, totals: _ } = wallet;
            View { id, granted, consumed, refunded, available, as_of_seq }
        }
        Some(as_of) => then(&app, id, as_of).await?,
    };
    Ok(Shown(view))
}

/// The wallet as it was with everything up to a point of the log.
async fn then(app: &Parts, id: WorkspaceId, as_of: AsOf) -> Result<View, Problem> {
    let as_of_seq = moment::sequence_of(app, as_of).await?;
    let ask = AskCreditsThen { workspace: id, as_of: as_of_seq };
    let (wallet, projected) = ledger::ask_at(app, ask, as_of_seq).await?;
    let CreditsThen { granted, consumed, refunded, available } =
        wallet.ok_or(AskError::Behind { as_of_seq: projected })?;
    Ok(View { id, granted, consumed, refunded, available, as_of_seq })
}

/// A grant that was given.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grant")]
pub(super) struct GrantView {
    id: Position,
    /// The sequence of its record in the log.
    seq: u64,
    at: Time,
    kind: StatementKind,
    credits: Credits,
    reason: String,
    /// Everything granted so far, with this.
    granted: Credits,
}

/// Credits to grant.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewGrant {
    #[schemars(range(min = 1, max = CREDITS_MAX))]
    credits: u64,
    /// It stands in the statement.
    #[schemars(length(min = 1, max = REASON_CHARS_MAX))]
    reason: String,
}

impl Form for NewGrant {
    type Value = Self;

    fn read(mut input: Input) -> Result<Self, InputFault> {
        let credits = input.number("credits", 1..=CREDITS_MAX)?;
        let credits = credits.ok_or_else(|| InputFault::of("credits", "is required"))?;
        let reason = input.required_text("reason", REASON_CHARS_MAX)?;
        input.finish()?;
        Ok(Self { credits, reason })
    }
}

/// `POST …/credits`: the operator grants.
pub(super) async fn grant(
    State(app): State<App>,
    allowed: Allowed<Operator>,
    fields: Fields<NewGrant>,
) -> Answer<Created<GrantView>> {
    let NewGrant { credits, reason } = fields.read(&app).await?;
    let id = allowed.id();
    let (granted, at) = append_grant(&app, id, Credits(credits), &reason).await?;
    Ok(Created::without_place(GrantView {
        id: at,
        seq: at.seq,
        at: granted.at.into(),
        kind: StatementKind::Grant,
        credits: granted.credits,
        reason,
        granted: granted.totals.granted,
    }))
}

/// Appends a grant under the wallet's head, again whenever somebody else wrote to the wallet in between.
async fn append_grant(
    app: &Parts,
    workspace: WorkspaceId,
    credits: Credits,
    reason: &str,
) -> Result<(CreditsGranted, Position), Problem> {
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
