//! From a durable start to a durable end: store the event, make the call, report what came of it.
//!
//! The order is the contract: `AttemptStarted` is in the log before the transport is called, and the call begins only
//! within [`START_WITHIN`] of the decision and while this process's member key is fresh. Once the transport has connected it
//! asks again whether the key is fresh and the call's time lasts, right before it writes ([`permit`]). What remains is a pause of
//! the whole machine between that check and the system call; nothing on this side can close it.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{AttemptEnded, Event, MessageAccepted};
use angelia_shared::ids::{AccountId, MessageId, WorkspaceId};
use angelia_shared::log::{AppendError, Entry, Group, Guard};
use angelia_shared::subject::{Partition as Part, Subject};
use angelia_shared::units::UnixMillis;
use smallvec::SmallVec;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::{error, warn};

use super::prepare::Outgoing;
use super::{Context, accounts, receipts};
use crate::domain::account::{CALL_STARTS_WITHIN_MS, CallResult, Write};
use crate::domain::fenced::Fenced;
use crate::domain::look_up::schedule::Ended;
use crate::metrics as names;
use crate::transport::{Outcome, Permit, ProviderHold};

/// How long after the decision to make it a call may begin: an owner that was paused for longer may have been replaced, and that
/// one waits only for calls that began in time.
const START_WITHIN: Duration = Duration::from_millis(CALL_STARTS_WITHIN_MS);
/// Pause before an event is handed in again that was certainly not stored.
const AGAIN: Duration = Duration::from_millis(50);

/// What a task tells the partition that started it.
pub(super) enum Done {
    /// The account's events are in the log.
    Stored { account: AccountId, answers_cancels: SmallVec<[u64; 1]> },
    /// The call has ended.
    Called(Called),
    /// The content was looked at.
    Prepared { account: AccountId, message: MessageId, prepared: super::prepare::Prepared },
    /// A file was fetched before its turn, or not. The acceptance, when it had to be read for that.
    FetchedAhead { account: AccountId, message: MessageId, accepted: Option<Box<MessageAccepted>> },
    /// Unknown outcomes were looked up.
    LookedUp { account: AccountId, ended: Ended },
    /// Another process holds the partition now.
    ClaimLost,
}

/// What came of a call.
pub(super) struct Called {
    pub(super) under: Under,
    pub(super) message: MessageId,
    pub(super) part: u8,
    pub(super) result: CallResult,
    /// When it ended, rounded up: the gap after it must not be short of what the clock leaves out.
    pub(super) at: UnixMillis,
    /// Sequence of the account's settings under which the provider was asked.
    pub(super) settings_seq: u64,
}

/// Whose event it is and under which claim.
#[derive(Clone, Copy)]
pub(super) struct Under {
    pub(super) part: Part,
    pub(super) claim: u64,
    pub(super) workspace: WorkspaceId,
    pub(super) account: AccountId,
    /// Whether the transport sends again with the same id without sending twice.
    pub(super) idempotent: bool,
}

/// An account's events that are stored together: one, or ends of messages that waited.
pub(super) struct Writes {
    pub(super) first: Write,
    pub(super) more: Vec<Write>,
    /// Their place among the groups that may be on their way at once.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

impl Writes {
    pub(super) fn one(first: Write) -> Self {
        Self { first, more: Vec::new(), place: None }
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        std::iter::once(&self.first).chain(&self.more).map(|write| &write.event)
    }

    fn answers_cancels(&self) -> SmallVec<[u64; 1]> {
        std::iter::once(&self.first).chain(&self.more).filter_map(|write| write.answers_cancel).collect()
    }
}

impl Under {
    /// A call of this account, when its partition is lost.
    fn fenced(self, message: MessageId, part: u8) -> Fenced {
        let Self { workspace, account, idempotent, .. } = self;
        Fenced { workspace, account, idempotent, message, part }
    }
}

/// Stores an account's events and, when the first one starts an attempt, makes the call. Reports to `done`; when nobody
/// listens any more, a result that must not be lost becomes a receipt.
pub(super) async fn write(
    context: Arc<Context>,
    (under, decided): (Under, Duration),
    writes: Writes,
    outgoing: Option<Arc<Outgoing>>,
    done: mpsc::Sender<Done>,
) {
    let stored = store(&context, under, &writes).await;
    let answers_cancels = writes.answers_cancels();
    let Writes { first: write, more, place } = writes;
    drop(place);
    if !stored {
        if let Event::AttemptEnded(ended) = &write.event {
            let fenced = under.fenced(ended.message, ended.part);
            report_fenced(&context, under.part, fenced, fenced.outcome(&ended.outcome, ended.at)).await;
        }
        // A partition that has gone knows already.
        let _gone = done.send(Done::ClaimLost).await;
        return;
    }
    std::iter::once(&write).chain(&more).for_each(|write| count(&write.event));
    let stored = Done::Stored { account: under.account, answers_cancels };
    let listens = done.send(stored).await.is_ok();
    let Some((message, part)) = write.call else { return };
    let (result, settings_seq) = if listens && may_begin(&context, decided) {
        measure_lateness(&context, &write.event);
        call(&context, under.account, outgoing.as_deref(), (message, part), decided).await
    } else {
        (CallResult::NotStarted, 0)
    };
    let at = context.clock.now().plus_ms(1);
    let called = Called { under, message, part, result, at, settings_seq };
    if let Err(mpsc::error::SendError(Done::Called(called))) = done.send(Done::Called(called)).await {
        report_unheard(&context, called).await;
    }
}

/// Reports a call whose partition was lost before it could write the end down.
pub(super) async fn report_unheard(context: &Context, called: Called) {
    let Called { under, message, part, result, at, settings_seq: _ } = called;
    let fenced = under.fenced(message, part);
    report_fenced(context, under.part, fenced, fenced.result(result, at)).await;
}

/// Stores events under the claim's guard, all or none. False when the claim was lost or the writer has stopped.
async fn store(context: &Context, under: Under, writes: &Writes) -> bool {
    let subject = Subject::Attempt(under.part, under.workspace, under.account);
    let guard = Guard::Other(Subject::PartitionClaim(under.part), under.claim);
    loop {
        let entries = writes.events().map(|event| Entry::new(subject, event).guarded(guard));
        let group = Group::from_iter(entries);
        match context.appender.append(group).await {
            Ok(_) => return true,
            Err(AppendError::GuardLost(_) | AppendError::Closed) => return false,
            Err(AppendError::TooLarge) => {
                // Whatever an event carries is bounded (`domain/account/`), so this is not reached.
                error!(account.id = %under.account, "an account's event is too large to be stored");
                return false;
            }
            Err(AppendError::NeverStored | AppendError::Unavailable | AppendError::Full) => {
                tokio::time::sleep(AGAIN).await
            }
        }
    }
}

/// Whether a call that was decided upon then may begin.
fn may_begin(context: &Context, decided: Duration) -> bool {
    clock::uptime().saturating_sub(decided) < START_WITHIN && context.own.is_fresh()
}

/// The right to write the request of a call that begins now, as long as it may take.
fn permit(context: &Context, may_take: Duration) -> Permit {
    let (own, until) = (context.own.clone(), clock::uptime() + may_take);
    Permit::new(move || clock::uptime() < until && own.is_fresh())
}

/// Makes the call, if it still may begin, under the account's settings of this moment: since the message was prepared its
/// owner may have mended them. Returns their sequence, too.
async fn call(
    context: &Context,
    account: AccountId,
    outgoing: Option<&Outgoing>,
    (message, part): (MessageId, u8),
    decided: Duration,
) -> (CallResult, u64) {
    let Some(known) = context.directory.read().any_account(account).cloned() else {
        return (CallResult::NotStarted, 0);
    };
    let ready = outgoing.and_then(|outgoing| Some((&outgoing.to, outgoing.parts.get(usize::from(part))?.as_ref()?)));
    let Some((to, content)) = ready else {
        error!(message.id = %message, part, "a part without contents was to be sent");
        return (CallResult::NotStarted, known.seq);
    };
    let transport = match accounts::transport(context, &known.state) {
        Ok(transport) => transport,
        Err(detail) => return (CallResult::Held { state: ProviderHold::UntilMended, detail }, known.seq),
    };
    let tracker = format!("{message}.{part}");
    let began = clock::monotonic();
    if !may_begin(context, decided) {
        return (CallResult::NotStarted, known.seq);
    }
    let permit = permit(context, transport.capabilities().call_timeout);
    let outcome = transport.send(to, content, &tracker, &permit).await;
    metrics::histogram!(names::CALL_SECONDS).record(began.elapsed().as_secs_f64());
    (result(outcome), known.seq)
}

fn result(outcome: Outcome) -> CallResult {
    match outcome {
        Outcome::Sent { provider_id, .. } => CallResult::Sent { provider_id },
        Outcome::Failed { reason, detail } => CallResult::Failed { reason, detail },
        Outcome::PutOff { scope, retry_after, detail, .. } => {
            let asked_ms = retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            CallResult::PutOff { scope, asked_ms, detail }
        }
        Outcome::AccountHeld { state, detail, .. } => CallResult::Held { state, detail },
        Outcome::NotStarted => CallResult::NotStarted,
        Outcome::Unknown { detail } => CallResult::Unknown { detail },
    }
}

/// Writes what a fenced owner tells of a call, if anything.
async fn report_fenced(context: &Context, part: Part, fenced: Fenced, told: Option<Event>) {
    let Some(event) = told else { return };
    warn!(message.id = %fenced.message, "a call ended after its partition was lost; its result becomes a receipt");
    receipts::store(context, part, &[event], None).await;
}

/// How long after its planned time a call begins.
fn measure_lateness(context: &Context, event: &Event) {
    if let Event::AttemptStarted(started) = event {
        let late_ms = context.clock.now().ms_since(started.at);
        metrics::histogram!(names::SEND_LATENESS_SECONDS).record(late_ms as f64 / 1_000.0);
    }
}

fn count(event: &Event) {
    match event {
        Event::AttemptStarted(_) => metrics::counter!(names::ATTEMPTS_STARTED).increment(1),
        Event::AttemptEnded(ended) => {
            metrics::counter!(names::ATTEMPTS_ENDED, "outcome" => outcome_name(ended)).increment(1);
        }
        Event::PartRefused(_) => metrics::counter!(names::PARTS_REFUSED).increment(1),
        Event::MessageExpired(_) => metrics::counter!(names::MESSAGES_EXPIRED).increment(1),
        Event::MessageCancelled(_) => metrics::counter!(names::MESSAGES_CANCELLED).increment(1),
        _ => {}
    }
}

fn outcome_name(ended: &AttemptEnded) -> &'static str {
    match ended.outcome {
        AttemptOutcome::Sent { .. } => "sent",
        AttemptOutcome::Deferred { .. } => "deferred",
        AttemptOutcome::Failed { .. } => "failed",
        AttemptOutcome::Unknown { .. } => "unknown",
        AttemptOutcome::NotStarted => "not_started",
    }
}
