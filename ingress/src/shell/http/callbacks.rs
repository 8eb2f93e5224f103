//! `/callbacks/cloud/{account_id}`: what WhatsApp reports becomes receipts in the log.
//!
//! The order is the contract: signature, parse, find account and message, append, and only then 200. Anything but a 200
//! makes the provider send the same again, up to 7 days; so what will never be understood is counted and answered 200, and
//! what cannot be stored now is answered 503.
//!
//! A report is believed only for messages of the account that sent them: whoever holds another account's secret cannot
//! change their fate. A failure that is about the account holds it, too, once its receipt is stored (see `callbacks/holds.rs`).

mod holds;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::directory::TransportSettings;
use angelia_shared::event::{AccountChanged, Event, Receipt};
use angelia_shared::ids::{AccountId, MessageId};
use angelia_shared::log::{AppendError, Entry, Group};
use angelia_shared::query::{self, AskMessage, AskProviderId};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::telemetry::chain;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tracing::{debug, error, warn};

use super::body::BodyFault;
use super::{App, Parts};
use crate::domain::callback::hold::Word;
use crate::domain::callback::{self, Fate, Report, Tracker};
use crate::domain::token;
use crate::metrics as names;
use crate::shell::api_log::AppendFailed;
use crate::shell::cache::Cache;
use crate::shell::credentials::{self, Field};

/// Largest body of a callback, in bytes. Meta documents 3 MiB.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest challenge that is echoed.
const CHALLENGE_BYTES_MAX: usize = 1_024;
/// Questions to the ledger at once for one callback.
const ASKED_AT_ONCE: usize = 16;
/// Receipts of one group: far below what a batch may hold.
const RECEIPTS_PER_GROUP: usize = 256;
/// How often receipts are handed in again after a fence.
const TRIES_MAX: usize = 3;
/// A message's reports mostly come within minutes of each other.
const KNOWN_FOR: Duration = Duration::from_secs(600);
const KNOWN_MAX: usize = 32_768;

/// Which account sent a message, and how many parts it may have: asked once, for several reports.
pub(super) type KnownSenders = Cache<MessageId, (AccountId, u64)>;

/// An empty memory of senders.
pub(super) fn known_senders() -> KnownSenders {
    Cache::new(KNOWN_MAX, KNOWN_FOR)
}

/// Why a callback is not answered 200.
enum Rejected {
    NoSuchAccount,
    NotGenuine,
    Body(BodyFault),
    /// It can be stored later.
    NotNow,
}

impl Rejected {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoSuchAccount => StatusCode::NOT_FOUND,
            Self::NotGenuine => StatusCode::UNAUTHORIZED,
            Self::Body(BodyFault::TooLarge(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyFault::TooSlow(_)) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(BodyFault::Broken) => StatusCode::BAD_REQUEST,
            Self::Body(BodyFault::NoRoom) | Self::NotNow => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut response = status.into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// `GET`: proves to the provider that this address expects its callbacks.
pub(super) async fn verify(State(app): State<App>, Path(account): Path<String>, uri: Uri) -> Response {
    let pairs: Vec<_> = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).collect();
    let value = |name: &str| pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_ref());
    let account = match account_of(&app, &account) {
        Ok(account) => account,
        Err(Rejected::NotNow) => return Rejected::NotNow.into_response(),
        Err(_) => return StatusCode::FORBIDDEN.into_response(),
    };
    let expected = credentials::open(app.vault.master(), &account, Field::VerifyToken).unwrap_or_default();
    let is_ours = token::is_same(&expected, value("hub.verify_token")) && !account.removed;
    let challenge = value("hub.challenge");
    if value("hub.mode") != "subscribe" || !is_ours || challenge.len() > CHALLENGE_BYTES_MAX {
        return StatusCode::FORBIDDEN.into_response();
    }
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, challenge.to_owned()).into_response()
}

/// `POST`: takes reports.
pub(super) async fn take(
    State(app): State<App>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answered = match account_of(&app, &account) {
        Ok(account) => receive(&app, &account, &headers, body).await,
        Err(rejected) => Err(rejected),
    };
    let response = answered.map_or_else(Rejected::into_response, |()| StatusCode::OK.into_response());
    let outcome = match response.status() {
        StatusCode::OK => "taken",
        StatusCode::SERVICE_UNAVAILABLE => "put_off",
        _ => "rejected",
    };
    metrics::counter!(names::CALLBACKS_ANSWERED, "outcome" => outcome).increment(1);
    response
}

/// An account that is removed still hears of its last messages.
fn account_of(app: &Parts, id: &str) -> Result<Arc<AccountChanged>, Rejected> {
    if !app.directory.is_complete() {
        return Err(Rejected::NotNow);
    }
    let id: AccountId = id.parse().map_err(|_| Rejected::NoSuchAccount)?;
    let directory = app.directory.read();
    directory.any_account(id).map(|account| Arc::clone(&account.state)).ok_or(Rejected::NoSuchAccount)
}

async fn receive(app: &Parts, account: &Arc<AccountChanged>, headers: &HeaderMap, body: Body) -> Result<(), Rejected> {
    // An unsigned body is not even read.
    let signature = headers.get("x-hub-signature-256").ok_or(Rejected::NotGenuine)?;
    let body = app.bodies.read(headers, body, BODY_BYTES_MAX).await.map_err(Rejected::Body)?;
    let secret = credentials::open(app.vault.master(), account, Field::AppSecret).map_err(|_| {
        error!(account.id = %account.id, "an account's app secret does not open: the master key is another one");
        Rejected::NotNow
    })?;
    if !callback::is_genuine(signature.as_bytes(), secret.as_bytes(), &body.bytes) {
        return Err(Rejected::NotGenuine);
    }
    let Ok(notification) = callback::read(&body.bytes) else {
        warn!(account.id = %account.id, "a signed callback cannot be read; it is not asked for again");
        count("not_understood", 1);
        return Ok(());
    };
    count("not_understood", notification.not_understood as u64);
    let asked: Vec<_> = notification.reports.iter().map(|report| find(app, account, &secret, report)).collect();
    let found: Vec<Option<Found>> = stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await?;
    let words = words(&notification.reports, &found);
    let entries: Vec<Entry> = found.into_iter().flatten().map(|found| found.receipt).collect();
    let groups = entries.chunks(RECEIPTS_PER_GROUP).map(|entries| store(app, entries.iter().cloned().collect()));
    future::try_join_all(groups).await?;
    count("stored", entries.len() as u64);
    holds::put_on(&app.api_log, &app.directory, words).await;
    Ok(())
}

/// A report of a message of ours.
struct Found {
    account: AccountId,
    receipt: Entry,
}

/// What the reports say of the accounts that sent their messages.
fn words(reports: &[Report], found: &[Option<Found>]) -> BTreeMap<AccountId, Vec<Word>> {
    let mut words = BTreeMap::<_, Vec<_>>::new();
    for (report, found) in reports.iter().zip(found) {
        let (Some(found), Some(word)) = (found, report.word()) else { continue };
        words.entry(found.account).or_default().push(word);
    }
    words
}

fn count(fate: &'static str, reports: u64) {
    metrics::counter!(names::REPORTS_RECEIVED, "fate" => fate).increment(reports);
}

/// The receipt of a report; `None` when it is about nothing of ours.
async fn find(
    app: &Parts,
    signer: &Arc<AccountChanged>,
    secret: &str,
    report: &Report,
) -> Result<Option<Found>, Rejected> {
    let Some(account) = sender(app, signer, secret, &report.phone_number_id) else {
        count("unknown_account", 1);
        return Ok(None);
    };
    let part = match report.tracker {
        Some(tracker) => of_tracker(app, &account, tracker).await?,
        None => of_provider_id(app, &account, &report.provider_id).await?,
    };
    let Some(Tracker { message, part }) = part else {
        count("unknown_message", 1);
        return Ok(None);
    };
    let subject = Subject::Receipt(Partition::of(account.id, app.log.partitions()));
    let receipt = Entry::new(subject, &event(&account, message, part, report));
    Ok(Some(Found { account: account.id, receipt }))
}

/// The account with that number's id, if it shares the secret that signed. Mostly the one that the URL names.
fn sender(
    app: &Parts,
    signer: &Arc<AccountChanged>,
    secret: &str,
    phone_number_id: &str,
) -> Option<Arc<AccountChanged>> {
    let has_number = |account: &AccountChanged| {
        let TransportSettings::Cloud(cloud) = &account.transport;
        cloud.phone_number_id == phone_number_id
    };
    if has_number(signer) {
        return Some(Arc::clone(signer));
    }
    let candidates: Vec<_> = {
        let directory = app.directory.read();
        let accounts = directory.all_accounts().filter(|account| has_number(&account.state));
        accounts.map(|account| Arc::clone(&account.state)).collect()
    };
    let shares = |account: &Arc<AccountChanged>| {
        let theirs = credentials::open(app.vault.master(), account, Field::AppSecret);
        theirs.is_ok_and(|theirs| token::is_same(&theirs, secret))
    };
    // An account in use before one that was removed and added again.
    candidates.into_iter().filter(shares).min_by_key(|account| account.removed)
}

/// The part that our own mark names, if this account sent it.
async fn of_tracker(app: &Parts, account: &AccountChanged, tracker: Tracker) -> Result<Option<Tracker>, Rejected> {
    let message = tracker.message;
    let known = app.known_senders.get(&message, clock::monotonic());
    let (sender, parts_max) = match known {
        Some(known) => known,
        None => {
            let ask = AskMessage { workspace: account.workspace, message };
            let Some(view) = ask_surely(app, ask).await? else { return Ok(None) };
            // Each part costs a credit, so a message has no more parts than credits.
            let known = (view.account, view.credits.0.max(1));
            app.known_senders.put(message, known, clock::monotonic());
            known
        }
    };
    Ok((sender == account.id && u64::from(tracker.part) < parts_max).then_some(tracker))
}

async fn of_provider_id(app: &Parts, account: &AccountChanged, provider_id: &str) -> Result<Option<Tracker>, Rejected> {
    let ask = AskProviderId { account: account.id, provider_id: provider_id.to_owned() };
    let found = ask_surely(app, ask).await?;
    Ok(found.map(|(message, part)| Tracker { message, part }))
}

/// Asks any ledger; a "no" counts only from one that has seen everything until now.
async fn ask_surely<T, A: query::Ask<Answer = Option<T>> + Clone>(app: &Parts, ask: A) -> Result<Option<T>, Rejected> {
    let not_now = |error: &dyn std::error::Error| {
        debug!(error = %chain(error), "a report cannot be matched now");
        Rejected::NotNow
    };
    let client = app.log.client();
    let (found, _) = query::ask(client, ask.clone(), 0).await.map_err(|error| not_now(&error))?;
    if found.is_some() {
        return Ok(found);
    }
    let end = app.log.last_sequence().await.map_err(|error| not_now(&error))?;
    let (found, _) = query::ask(client, ask, end).await.map_err(|error| not_now(&error))?;
    Ok(found)
}

fn event(account: &AccountChanged, message: MessageId, part: u8, report: &Report) -> Event {
    let received_at = clock::now();
    let receipt = Receipt {
        v: 1,
        message,
        workspace: account.workspace,
        account: account.id,
        part,
        at: report.at.unwrap_or(received_at),
        received_at,
        provider_id: Some(report.provider_id.clone()),
        reason: None,
        detail: None,
        looked_up: false,
    };
    match &report.fate {
        Fate::Sent => Event::MessageSent(receipt),
        Fate::Delivered => Event::MessageDelivered(receipt),
        Fate::Read => Event::MessageRead(receipt),
        Fate::Failed { reason, detail, hold: _ } => Event::MessageFailed(Receipt {
            reason: Some(reason.code().to_owned()),
            detail: Some(detail.clone()),
            ..receipt
        }),
    }
}

async fn store(app: &Parts, group: Group) -> Result<(), Rejected> {
    for _ in 0..TRIES_MAX {
        match app.api_log.append(group.clone()).await {
            Ok(_) => return Ok(()),
            Err(AppendFailed::NotStored(AppendError::NeverStored)) => {}
            Err(error) => {
                debug!(error = %chain(&error), "receipts were not stored");
                return Err(Rejected::NotNow);
            }
        }
    }
    Err(Rejected::NotNow)
}
