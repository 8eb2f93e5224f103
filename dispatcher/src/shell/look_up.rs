//! Looks up with the provider what became of an account's attempts of unknown outcome, and writes what it says as receipts.
//!
//! The order is the contract: first the provider's list, then the account's attempts in the log. So whatever is on the list was
//! begun by an attempt that is read afterwards, and none that could have made it is overlooked.
//!
//! Not here: when (see `domain/look_up/schedule.rs`), which messages these are (see `domain/look_up.rs`).

use std::collections::HashMap;

use angelia_shared::event::{Event, lines};
use angelia_shared::ids::{AccountId, Position, WorkspaceId};
use angelia_shared::log::HeadError;
use angelia_shared::subject::{Partition as Part, Subject};
use angelia_shared::telemetry::chain;
use angelia_shared::units::UnixMillis;
use tracing::{debug, info, warn};

use super::{Context, accounts, prepare, receipts};
use crate::domain::look_up::schedule::Look;
use crate::domain::look_up::{self, Attempts, CLOCKS_DIFFER_MS, RIVALS_WITHIN_MS};
use crate::metrics as names;
use crate::transport::{NoHistory, Taken, Ways, address};

/// Records of an account that are read for one look-up, at most: more than an hour of one that sends every two seconds.
const RECORDS_MAX: usize = 5_000;

/// How often is looked further back, and by which factor each time: up to ten days.
const BACK_TIMES: u32 = 6;
const BACK_FURTHER: u64 = 4;

/// How a look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// So many outcomes are known now.
    Found(usize),
    Nothing,
    NotNow,
    NotOffered,
}

/// Looks an account up. False when its provider does not give it the list.
pub(super) async fn look_up(
    context: &Context,
    part: Part,
    (workspace, account): (WorkspaceId, AccountId),
    look: &Look,
) -> bool {
    let _one_of_few = context.look_ups.acquire().await.expect("it is never closed");
    let ended = seek(context, part, (workspace, account), look).await;
    let result = match ended {
        Ended::Found(found) => {
            info!(account.id = %account, found, sought = look.sought.len(), "looked unknown outcomes up");
            metrics::counter!(names::UNKNOWN_FOUND).increment(found as u64);
            "found"
        }
        Ended::Nothing => "nothing",
        Ended::NotNow => "not_now",
        Ended::NotOffered => "not_offered",
    };
    metrics::counter!(names::LOOK_UPS, "result" => result).increment(1);
    ended != Ended::NotOffered
}

async fn seek(context: &Context, part: Part, (workspace, account): (WorkspaceId, AccountId), look: &Look) -> Ended {
    let taken = match taken(context, account, look.since).await {
        Ok(taken) if taken.is_empty() => return Ended::Nothing,
        Ok(taken) => taken,
        Err(NoHistory::NotNow { detail }) => {
            debug!(account.id = %account, detail, "the provider's list cannot be had now");
            return Ended::NotNow;
        }
        Err(NoHistory::NotOffered { detail }) => {
            warn!(account.id = %account, detail, "the provider gives no list: unknown outcomes wait for a receipt or their deadline");
            return Ended::NotOffered;
        }
    };
    let attempts = match attempts(context, Subject::Attempt(part, workspace, account), look).await {
        Ok(Some(attempts)) => attempts,
        Ok(None) => {
            warn!(account.id = %account, "too much was sent meanwhile to look unknown outcomes up");
            return Ended::NotNow;
        }
        Err(failure) => {
            debug!(account.id = %account, error = %chain(&failure), "the account's attempts cannot be read now");
            return Ended::NotNow;
        }
    };
    let mut to = HashMap::new();
    for attempt in attempts.undecided() {
        if let Some(recipient) = recipient(context, attempt.accepted).await {
            to.insert(attempt.accepted, recipient);
        }
    }
    let mut pairs = attempts.pairs(&taken, |attempt| to.get(&attempt.accepted).cloned());
    pairs.retain(|(attempt, _)| look.sought.contains(&(attempt.message, attempt.part)));
    let now = context.clock.now();
    let written: Vec<Event> =
        pairs.iter().flat_map(|pair| look_up::receipts((workspace, account), *pair, now)).collect();
    match pairs.len() {
        0 => Ended::Nothing,
        found if receipts::store(context, part, &written).await => Ended::Found(found),
        _ => Ended::NotNow,
    }
}

/// What the provider took since then, by its list.
async fn taken(context: &Context, account: AccountId, since: UnixMillis) -> Result<Vec<Taken>, NoHistory> {
    let known = context.directory.read().any_account(account).cloned();
    let Some(known) = known.filter(|known| Ways::capabilities(&known.state.transport).history) else {
        return Err(NoHistory::NotOffered { detail: "the account's transport keeps none".to_owned() });
    };
    let transport = accounts::transport(context, &known.state).map_err(|detail| NoHistory::NotNow { detail })?;
    transport.taken_since(before(since, CLOCKS_DIFFER_MS)).await
}

/// The account's attempts, with all that may be rivals of what is sought; `None` when they are too many to be read, or one cannot
/// be read.
async fn attempts(context: &Context, subject: Subject, look: &Look) -> Result<Option<Attempts>, HeadError> {
    let (Some(first), Some(newest)) = (context.log.first_from(subject, 0).await?, context.log.head(subject).await?)
    else {
        return Ok(Some(Attempts::default()));
    };
    // What is sought began by a clock that may differ from the stream's, by which the log is read: then further back.
    let mut back_ms = RIVALS_WITHIN_MS + CLOCKS_DIFFER_MS;
    for _ in 0..BACK_TIMES {
        let from = before(look.since, back_ms);
        let seq = context.log.sequence_at(from, newest.seq).await? + 1;
        let Some(attempts) = attempts_from(context, subject, seq).await? else { return Ok(None) };
        if seq <= first.seq || attempts.have_all_rivals(&look.sought, from) {
            return Ok(Some(attempts));
        }
        back_ms *= BACK_FURTHER;
    }
    Ok(None)
}

async fn attempts_from(context: &Context, subject: Subject, seq: u64) -> Result<Option<Attempts>, HeadError> {
    let (mut attempts, mut next) = (Attempts::default(), seq);
    for _ in 0..RECORDS_MAX {
        let Some(record) = context.log.first_from(subject, next).await? else { return Ok(Some(attempts)) };
        for line in lines(&record.payload) {
            match Event::from_line(line) {
                Ok(Event::AttemptStarted(fact)) => attempts.started(&fact, record.at),
                Ok(Event::AttemptEnded(fact)) => attempts.ended(&fact),
                Ok(_) => {}
                // It could be an attempt.
                Err(_) => return Ok(None),
            }
        }
        next = record.seq + 1;
    }
    Ok(None)
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
