//! One account: its queue, the message at its front, and its next step.
//!
//! Shape: inputs (`accept`, `cancel`, `prepared`, `call_ended`, …) change the state; [`Account::next`] says what to do now.
//! At most one event of an account is on its way to the log at a time; the state is always as if it were stored, because
//! an account whose event cannot be stored has lost its partition and is forgotten.
//!
//! Invariants:
//! - DP-1 no attempt starts before `not_before`, which is the end of the last one and its gap.
//! - DP-2 only the message at the front is ever attempted; it leaves the front only when it is over or unknown.
//! - DP-4 a part that is open or unknown is not attempted again (on transports that cannot recognise it).
//! - What its limits hold, they hold at the front: nothing overtakes it (see [`super::limits`]).
//! - What an earlier owner left open stays open, for every owner to come, until its call must be over.
//!
//! Not here: other accounts and the low-water mark (see [`super::partition`]), making calls.

mod cancel;
mod finish;
mod next;
mod queue;
mod recover;
mod together;
mod turn;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use angelia_shared::event::attempt::{OpenStage, UploadedMedia};
use angelia_shared::event::{Carry, OpenMessage};
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::units::{Credits, UnixMillis};

pub use finish::PAUSE_MS;
pub use next::{Decision, Preparation, Write};
pub use queue::BYTES_PER_MESSAGE;
pub use recover::{CALL_STARTS_WITHIN_MS, CLOCKS_DIFFER_MS, Takeover, shift_ms, time_of};
pub use turn::{Turn, Waits};

use self::queue::Queue;
use super::limits::{Limits, Memory};
use super::plan::{self, Plan};
use crate::transport::{FailReason, ProviderHold, PutOffScope};

/// A message in the queue, which keeps it in [`BYTES_PER_MESSAGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiting {
    /// Where its acceptance is.
    pub at: Position,
    /// The message.
    pub message: MessageId,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// How long it may be held, in seconds.
    pub expires_after_s: u32,
    /// Its price: 1 or 2.
    pub credits: u8,
}

/// Why an account may not send now, though messages wait.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// A stable code: `disconnected`, `paused`, `blocked`, `removed`.
    pub reason: &'static str,
    /// Since when.
    pub since: UnixMillis,
    /// Until when, if it ends by itself.
    pub until: Option<UnixMillis>,
}

/// What the directory says of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Range of the gap in milliseconds, floor first.
    pub gap_ms: (u64, u64),
    /// What else holds its attempts.
    pub limits: Limits,
    /// Why it may not send, if so.
    pub hold: Option<Hold>,
    /// Whether its transport sends again with the same id without sending twice.
    pub idempotent: bool,
}

/// What came of a call, in the terms of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallResult {
    /// The provider took it.
    Sent {
        /// The provider's id.
        provider_id: String,
    },
    /// Refused for good.
    Failed {
        /// Why.
        reason: FailReason,
        /// The provider's words.
        detail: String,
    },
    /// Certainly not accepted.
    PutOff {
        /// What is held up.
        scope: PutOffScope,
        /// The least to wait, in milliseconds.
        asked_ms: Option<u64>,
        /// The provider's words.
        detail: String,
    },
    /// Certainly not accepted, and the account is held.
    Held {
        /// What becomes of the account.
        state: ProviderHold,
        /// The provider's words.
        detail: String,
    },
    /// Nobody knows.
    Unknown {
        /// What was seen.
        detail: String,
    },
    /// The call was not made.
    NotStarted,
}

/// What is known of the message at the front.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Progress {
    attempt: u32,
    part: u8,
    /// 0 while nobody knows.
    parts: u8,
    /// Attempts of this part that ended with an error of the provider: their number has an end.
    provider_errors: u8,
    /// Attempts of this part that were put off for any other reason.
    put_off: u8,
    /// An earlier owner began an attempt of this part and did not end it: what the part costs.
    interrupted: Option<Credits>,
    /// When the attempt began that is open, or ended last.
    began: Option<UnixMillis>,
    /// A receipt or a settlement has told of the open attempt.
    reported: bool,
    held_since: Option<UnixMillis>,
    not_before: Option<UnixMillis>,
    /// Its file, as the provider knows it.
    media: Option<UploadedMedia>,
    /// The mark of its recipient, once its content was looked at.
    recipient: Option<u32>,
}

impl Progress {
    fn has_begun(&self) -> bool {
        self.attempt > 0 || self.part > 0
    }
}

/// Where the message at the front is on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
enum Stage {
    /// Its content was not asked for yet, or is to be asked for again.
    #[default]
    Fresh,
    /// Its content is being read, its file fetched.
    Preparing,
    /// It can go.
    Ready(Plan),
    /// `AttemptStarted` is on its way to the log, or the call is under way.
    Calling(Plan),
    /// The call has ended.
    Answered(Plan, CallResult, UnixMillis),
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    id: AccountId,
    workspace: WorkspaceId,
    queue: Queue,
    progress: Progress,
    stage: Stage,
    /// What an earlier owner said of messages that are to be read again.
    resume: Vec<OpenMessage>,
    unknown: Vec<OpenMessage>,
    done_through: Position,
    ended_beyond: BTreeSet<Position>,
    /// Cancel requests that wait for their answer, with the sequence of their record.
    cancels: VecDeque<(u64, MessageId)>,
    /// Those among them whose message was found in the queue, and where its acceptance is.
    cancels_found: VecDeque<(u64, MessageId, Position)>,
    /// Cancel requests that are answered when their message comes up.
    cancels_later: BTreeMap<MessageId, u64>,
    settings: Settings,
    /// What the provider's last answer says of the account, until the directory says something new.
    provider_hold: Option<Hold>,
    /// Since when the provider has taken nothing of this account, one hold after the other.
    refuses_since: Option<UnixMillis>,
    /// End of the last attempt, or the latest time at which it can have ended.
    last_end: UnixMillis,
    /// `last_end` and the gap that was drawn.
    not_before: UnixMillis,
    /// Earlier attempts, as far as its limits must know them.
    memory: Memory,
    writing: bool,
}

impl Account {
    /// An account that nothing is known of.
    pub fn new(workspace: WorkspaceId, id: AccountId, settings: Settings) -> Self {
        Self {
            id,
            workspace,
            queue: Queue::default(),
            progress: Progress::default(),
            stage: Stage::Fresh,
            resume: Vec::new(),
            unknown: Vec::new(),
            done_through: Position::default(),
            ended_beyond: BTreeSet::new(),
            cancels: VecDeque::new(),
            cancels_found: VecDeque::new(),
            cancels_later: BTreeMap::new(),
            settings,
            provider_hold: None,
            refuses_since: None,
            last_end: UnixMillis(0),
            not_before: UnixMillis(0),
            memory: Memory::default(),
            writing: false,
        }
    }

    /// The account.
    pub fn id(&self) -> AccountId {
        self.id
    }

    /// Its workspace.
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// How many messages wait, the one at the front included.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The message at the front.
    pub fn front_message(&self) -> Option<MessageId> {
        self.queue.front().map(|waiting| waiting.message)
    }

    /// Sequence of the oldest acceptance that has not ended.
    pub fn front_seq(&self) -> Option<u64> {
        self.queue.front().map(|waiting| waiting.at.seq)
    }

    /// Takes a message into the queue, unless it has ended already. Read again, it changes nothing.
    pub fn accept(&mut self, waiting: Waiting) {
        let begun = || self.resume.iter().any(|open| open.message == waiting.message);
        let passed = waiting.at <= self.done_through && !begun();
        let over = passed || self.ended_beyond.contains(&waiting.at);
        let known = self.queue.back().is_some_and(|last| last.at >= waiting.at);
        if over || known {
            return;
        }
        self.queue.push_back(waiting);
        if self.queue.len() == 1 {
            self.begin_front();
        }
    }

    /// Says that the message accepted last has a file, if it is this one.
    pub fn has_file(&mut self, message: MessageId) {
        self.queue.last_has_file(message);
    }

    /// Takes a cancel request read from record `seq`.
    pub fn cancel(&mut self, seq: u64, message: MessageId) {
        self.cancels.push_back((seq, message));
    }

    /// A receipt or a settlement says what became of a part.
    pub fn reported(&mut self, message: MessageId, part: u8) {
        self.unknown.retain(|open| !(open.message == message && open.part == part));
        if self.front_is(message) && self.progress.part == part && self.attempt_is_open() {
            self.progress.reported = true;
        }
    }

    /// The content of the message at the front was looked at, and this is its recipient's mark.
    pub fn addressed(&mut self, message: MessageId, recipient: u32) {
        if self.front_is(message) {
            self.progress.recipient = Some(recipient);
        }
    }

    /// The content of the message at the front was looked at.
    pub fn prepared(&mut self, message: MessageId, plan: Plan) {
        if self.front_is(message) && self.stage == Stage::Preparing {
            let price = self.queue.front().map_or(Credits::ZERO, |front| Credits(u64::from(front.credits)));
            self.stage = Stage::Ready(plan::fitted(plan, self.progress.parts, price));
        }
    }

    /// The file of the message at the front is at the provider: whoever goes on with the message need not upload it.
    pub fn uploaded(&mut self, message: MessageId, media: UploadedMedia) {
        if self.front_is(message) {
            self.progress.media = Some(media);
        }
    }

    /// The content cannot be had yet. `at` is now; ask again after `wait_ms`.
    pub fn not_prepared(&mut self, message: MessageId, at: UnixMillis, wait_ms: u64) {
        if self.front_is(message) && self.stage == Stage::Preparing {
            self.stage = Stage::Fresh;
            self.progress.held_since.get_or_insert(at);
            self.progress.not_before = Some(at.plus_ms(wait_ms));
        }
    }

    /// The call for the message at the front has ended at `at`.
    pub fn call_ended(&mut self, message: MessageId, result: CallResult, at: UnixMillis) {
        // A late result of an earlier call finds the message in another stage, and must leave it there.
        if self.front_is(message) && self.call_runs() {
            let Stage::Calling(plan) = std::mem::take(&mut self.stage) else { unreachable!("a call runs") };
            // Now, not when the end is written: what the directory says meanwhile is newer.
            match &result {
                CallResult::Held { state, .. } => {
                    let since = self.provider_holds(at);
                    self.provider_hold = Some(Hold { since, ..finish::hold_of(*state, at) });
                }
                CallResult::Sent { .. } => self.refuses_since = None,
                CallResult::Failed { .. }
                | CallResult::PutOff { .. }
                | CallResult::Unknown { .. }
                | CallResult::NotStarted => {}
            }
            self.stage = Stage::Answered(plan, result, at);
        }
    }

    /// The provider holds the account, at `at`; says since when. A pause that ends by itself and comes again before anything
    /// went out is one hold for the messages behind: otherwise one of them would expire a day, and the others never.
    pub fn provider_holds(&mut self, at: UnixMillis) -> UnixMillis {
        *self.refuses_since.get_or_insert(at)
    }

    /// The event on its way is in the log.
    pub fn stored(&mut self) {
        self.writing = false;
    }

    /// The directory says something new of this account.
    pub fn set(&mut self, settings: Settings) {
        if settings.hold.is_none() {
            // Its owner has mended something.
            self.refuses_since = None;
        }
        self.settings = settings;
        self.provider_hold = None;
    }

    /// What the directory said last.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its messages of unknown outcome.
    pub fn of_unknown_outcome(&self) -> &[OpenMessage] {
        &self.unknown
    }

    /// Forgets unknown messages since before `before`: they were settled long ago, and this owner did not read it.
    pub fn forget_unknown(&mut self, before: UnixMillis) {
        self.unknown.retain(|open| open.held_since.is_none_or(|since| since >= before));
    }

    fn front_is(&self, message: MessageId) -> bool {
        self.queue.front().is_some_and(|front| front.message == message)
    }

    fn call_runs(&self) -> bool {
        matches!(self.stage, Stage::Calling(_))
    }

    /// Whether the log has, or is about to have, a start without an end.
    fn attempt_is_open(&self) -> bool {
        matches!(self.stage, Stage::Calling(_) | Stage::Answered(..)) || self.progress.interrupted.is_some()
    }

    /// Whether the message at the front is told of by name in what a new owner must know.
    fn front_is_carried(&self) -> bool {
        !self.queue.is_empty() && (self.progress.has_begun() || self.progress.held_since.is_some())
    }

    /// A new message is at the front: takes up what an earlier owner knew of it.
    fn begin_front(&mut self) {
        self.progress = Progress::default();
        self.stage = Stage::Fresh;
        let Some(front) = self.queue.front() else { return };
        let message = front.message;
        let Some(found) = self.resume.iter().position(|open| open.message == message) else { return };
        let open = self.resume.swap_remove(found);
        self.progress = Progress {
            attempt: open.attempt,
            part: open.part,
            parts: open.parts,
            provider_errors: open.provider_errors,
            put_off: 0,
            interrupted: (open.stage == OpenStage::Open).then_some(open.credits),
            began: open.began,
            reported: false,
            held_since: open.held_since,
            not_before: open.not_before,
            media: open.media,
            recipient: None,
        };
    }

    /// The message at the front is over, or unknown: the next one comes up.
    fn leave_front(&mut self) {
        if let Some(front) = self.queue.pop_front() {
            self.done_through = self.done_through.max(front.at);
            self.ended_beyond = self.ended_beyond.split_off(&front.at);
        }
        self.begin_front();
    }

    /// Moves the position past what has ended right behind a front message that is carried by name. Without this, the
    /// events of a long queue that is cancelled behind such a message would grow with every one of them.
    fn pass_ended(&mut self) {
        if !self.front_is_carried() {
            return;
        }
        let rest = self.queue.get(1).map_or_else(BTreeSet::new, |next| self.ended_beyond.split_off(&next.at));
        if let Some(last) = std::mem::replace(&mut self.ended_beyond, rest).last() {
            self.done_through = self.done_through.max(*last);
        }
    }

    /// What a new owner must know, as of now.
    fn carry(&self, mark: u64) -> Carry {
        let mut open = self.unknown.clone();
        if let Some(front) = self.queue.front().filter(|_| self.front_is_carried()) {
            let stage = if self.attempt_is_open() { OpenStage::Open } else { OpenStage::PutOff };
            open.push(self.open_message(&front, stage));
        }
        open.extend(self.resume.iter().cloned());
        let ended_beyond = self.ended_beyond.iter().copied().collect();
        Carry { done_through: self.done_through, open, ended_beyond, mark, sendings: self.memory.told() }
    }

    fn open_message(&self, front: &Waiting, stage: OpenStage) -> OpenMessage {
        OpenMessage {
            at: front.at,
            message: front.message,
            stage,
            attempt: self.progress.attempt,
            part: self.progress.part,
            parts: self.progress.parts,
            credits: self.part_credits(),
            provider_errors: self.progress.provider_errors,
            held_since: self.progress.held_since,
            not_before: self.progress.not_before,
            media: self.progress.media.clone(),
            began: self.progress.began.filter(|_| stage != OpenStage::PutOff),
        }
    }

    /// What the current part of the message at the front costs.
    fn part_credits(&self) -> Credits {
        match &self.stage {
            Stage::Ready(plan) | Stage::Calling(plan) | Stage::Answered(plan, ..) => {
                plan.get(usize::from(self.progress.part)).map_or(Credits::ZERO, |part| part.credits)
            }
            Stage::Fresh | Stage::Preparing => self.progress.interrupted.unwrap_or(Credits::ZERO),
        }
    }
}

#[cfg(test)]
mod tests;
