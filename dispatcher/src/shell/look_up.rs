//! Looks up with the provider what became of an account's attempts of unknown outcome, and writes what it says as receipts.
//!
//! The order is the contract: first the provider's list, then the account's attempts in the log, up to what was its newest then.
//! So whatever is on the list was begun by an attempt that is read afterwards, and none that could have made it is overlooked.
//! What follows is written under the claim: an owner that was replaced meanwhile may have read too little.
//!
//! Not here: when (see `domain/look_up/schedule.rs`), which messages these are (see `domain/look_up.rs`).

use std::collections::HashMap;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::{Event, lines};
use angelia_shared::ids::Position;
use angelia_shared::log::{From, HeadError, ReadError, Reader, ReaderOptions};
use angelia_shared::subject::Subject;
use angelia_shared::telemetry::chain;
use angelia_shared::units::UnixMillis;
use tracing::{debug, info, warn};

use super::call::Under;
use super::{Context, accounts, prepare, receipts};
use crate::domain::look_up::schedule::{Ended, Look};
use crate::domain::look_up::{self, Attempts, PROVIDER_CLOCK_MS, RIVALS_WITHIN_MS, SomebodyElseSends};
use crate::metrics as names;
use crate::transport::{History, NoHistory, ProviderClock, Ways, address};

/// Records of an account that are read for one look-up, at most: about an hour of one that sends every two seconds.
const RECORDS_MAX: usize = 4_000;
/// How long reading them may take.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// How often is looked further back, and by which factor each time: up to ten days.
const BACK_TIMES: u32 = 6;
const BACK_FURTHER: u64 = 4;

/// Why nothing could be told.
#[derive(Debug, thiserror::Error)]
enum Stop {
    /// There is no list.
    #[error("the provider gives no list")]
    NoHistory(NoHistory),
    /// The list's times cannot be compared with the log's.
    #[error("the provider's clock is not told, or differs from the log's by more than {PROVIDER_CLOCK_MS} ms")]
    Clock,
    /// See there.
    #[error("somebody else sends with this number")]
    SomebodyElse,
    /// There is more than [`RECORDS_MAX`], or it goes back too far.
    #[error("the account has sent too much since")]
    TooMuch,
    /// An event that cannot be read might be an attempt.
    #[error("the account has an event that cannot be read")]
    Unreadable,
    /// The log's leader does not answer.
    #[error("the log's leader does not answer")]
    Head(#[from] HeadError),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// The log is not read in time.
    #[error("the log was not read in time")]
    TooSlow,
    /// Nothing was written: the claim is lost, or the broker away.
    #[error("the receipts were not stored")]
    NotStored,
}

/// Looks an account up. `stream_ahead_ms` is how far the stream's clock is ahead of this process's, at most.
pub(super) async fn look_up(context: &Context, under: Under, look: &Look, stream_ahead_ms: i64) -> Ended {
    let account = under.account;
    let (result, ended) = match seek(context, under, look, stream_ahead_ms).await {
        Ok(0) => ("nothing", Ended::Read),
        Ok(found) => {
            info!(account.id = %account, found, sought = look.sought.len(), "looked unknown outcomes up");
            metrics::counter!(names::UNKNOWN_FOUND).increment(found as u64);
            ("found", Ended::Read)
        }
        Err(Stop::NoHistory(NoHistory::NotOffered { detail })) => {
            warn!(account.id = %account, detail, "the provider gives no list: unknown outcomes wait for a receipt or their deadline");
            ("not_offered", Ended::NotOffered)
        }
        Err(Stop::NoHistory(NoHistory::TooOften { retry_after, detail })) => {
            debug!(account.id = %account, detail, "the provider's list was asked for too often");
            ("too_often", Ended::TooOften(retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))))
        }
        Err(Stop::NoHistory(NoHistory::NotNow { detail })) => {
            debug!(account.id = %account, detail, "the provider's list cannot be had now");
            ("not_now", Ended::NotNow)
        }
        Err(stop @ (Stop::SomebodyElse | Stop::Clock)) => {
            warn!(account.id = %account, why = %stop, "unknown outcomes cannot be looked up; they wait for a receipt or their deadline");
            ("not_comparable", Ended::NotNow)
        }
        Err(stop @ Stop::TooMuch) => {
            debug!(account.id = %account, why = %stop, "the oldest unknown outcomes are not looked up any more");
            ("too_much", Ended::TooMuch)
        }
        Err(stop @ (Stop::Unreadable | Stop::Head(_) | Stop::Read(_) | Stop::TooSlow | Stop::NotStored)) => {
            debug!(account.id = %account, error = %chain(&stop), "unknown outcomes cannot be looked up now");
            ("not_now", Ended::NotNow)
        }
    };
    metrics::counter!(names::LOOK_UPS, "result" => result).increment(1);
    ended
}

/// Gives how many of the outcomes that are sought are known now.
async fn seek(context: &Context, under: Under, look: &Look, stream_ahead_ms: i64) -> Result<usize, Stop> {
    let History { taken, clock } = history(context, under, look.since).await?;
    if !clock.is_some_and(|clock| agrees(context, clock, stream_ahead_ms)) {
        return Err(Stop::Clock);
    }
    let subject = Subject::Attempt(under.part, under.workspace, under.account);
    let reading = tokio::time::timeout(READ_WITHIN, attempts(context, subject, look));
    let attempts = reading.await.map_err(|_| Stop::TooSlow)??;
    let somebody_else = |SomebodyElseSends| Stop::SomebodyElse;
    let not_known = attempts.not_known(&taken).map_err(somebody_else)?;
    let mut to = HashMap::new();
    for attempt in attempts.makers_of(&not_known) {
        if let Some(recipient) = recipient(context, attempt.accepted).await {
            to.insert(attempt.accepted, recipient);
        }
    }
    let pairs = attempts.pairs(&not_known, |attempt| to.get(&attempt.accepted).cloned()).map_err(somebody_else)?;
    let (now, whose) = (context.clock.now(), (under.workspace, under.account));
    let sought = pairs.into_iter().filter(|(attempt, _)| look.sought.contains(&(attempt.message, attempt.part)));
    let found: Vec<Vec<Event>> = sought.map(|pair| look_up::receipts(whose, pair, now)).collect();
    if !found.is_empty() && !receipts::store(context, under.part, &found.concat(), Some(under.claim)).await {
        return Err(Stop::NotStored);
    }
    Ok(found.len())
}

/// What the provider took since then, by its list.
async fn history(context: &Context, under: Under, since: UnixMillis) -> Result<History, Stop> {
    let known = context.directory.read().any_account(under.account).cloned();
    let Some(known) = known.filter(|known| Ways::capabilities(&known.state.transport).history) else {
        let detail = "the account's transport keeps none".to_owned();
        return Err(Stop::NoHistory(NoHistory::NotOffered { detail }));
    };
    let not_now = |detail| Stop::NoHistory(NoHistory::NotNow { detail });
    let transport = accounts::transport(context, &known.state).map_err(not_now)?;
    transport.taken_since(before(since, PROVIDER_CLOCK_MS)).await.map_err(Stop::NoHistory)
}

/// Whether the provider's clock and the stream's agree. The stream's is known from the claim.
fn agrees(context: &Context, provider: ProviderClock, stream_ahead_ms: i64) -> bool {
    let since = clock::uptime().saturating_sub(provider.seen);
    let seen = before(context.clock.now(), u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    look_up::clocks_agree(provider.at, UnixMillis(seen.0.saturating_add(stream_ahead_ms)))
}

/// The account's attempts, with all that may be rivals of what is sought.
async fn attempts(context: &Context, subject: Subject, look: &Look) -> Result<Attempts, Stop> {
    let (Some(first), Some(newest)) = (context.log.first_from(subject, 0).await?, context.log.head(subject).await?)
    else {
        return Ok(Attempts::from(context.clock.now()));
    };
    // What is sought began by a clock that may differ from the stream's, by which the log is read: then further back.
    let mut back_ms = RIVALS_WITHIN_MS + PROVIDER_CLOCK_MS;
    for _ in 0..BACK_TIMES {
        let from = before(look.since, back_ms);
        let after = context.log.sequence_at(from, newest.seq).await?;
        let attempts = attempts_after(context, subject, from, after, newest.seq).await?;
        if after < first.seq || attempts.have_all_rivals(&look.sought) {
            return Ok(attempts);
        }
        back_ms *= BACK_FURTHER;
    }
    Err(Stop::TooMuch)
}

/// Reads up to `newest`, which came from the leader: a replica that has it has everything before it.
async fn attempts_after(
    context: &Context,
    subject: Subject,
    from: UnixMillis,
    after: u64,
    newest: u64,
) -> Result<Attempts, Stop> {
    let mut attempts = Attempts::from(from);
    let options = ReaderOptions {
        name: "dispatcher-look-up".to_owned(),
        filters: vec![subject.to_string()],
        from: From::After(after),
    };
    let mut reader = Reader::new(context.log.clone(), options);
    for _ in 0..RECORDS_MAX {
        if reader.position() >= newest {
            return Ok(attempts);
        }
        let record = reader.next().await?;
        for line in lines(&record.payload) {
            match Event::from_line(line) {
                Ok(Event::AttemptStarted(fact)) => attempts.started(&fact, record.at),
                Ok(Event::AttemptEnded(fact)) => attempts.ended(&fact),
                Ok(_) => {}
                Err(_) => return Err(Stop::Unreadable),
            }
        }
    }
    Err(Stop::TooMuch)
}

/// Whom a message goes to, in the spelling of the list; `None` when its content cannot be read.
async fn recipient(context: &Context, accepted: Position) -> Option<String> {
    let accepted = prepare::read(context, accepted).await?;
    let key = context.vault.key(accepted.sealed.key_id).await.ok()?;
    let content = key.open(accepted.message, &accepted.sealed).ok()?;
    address::parse(&content.address).ok().as_ref().map(address::one_spelling)
}

fn before(at: UnixMillis, ms: u64) -> UnixMillis {
    UnixMillis(at.0.saturating_sub_unsigned(ms))
}
