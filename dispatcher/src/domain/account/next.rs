//! What an account does next.
//!
//! The order of the questions is the rule: what has happened is written down before anything new begins; a cancel is
//! answered before its message could start; a message that is over is not started.

use angelia_shared::event::attempt::UploadedMedia;
use angelia_shared::event::{AttemptStarted, Event, MessageExpired, PartRefused};
use angelia_shared::ids::{MessageId, Position};
use angelia_shared::units::{Credits, UnixMillis};

use super::{Account, Hold, Stage, Waiting};

/// What to do now for an account.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing before this time, or before something happens.
    Wait(Option<UnixMillis>),
    /// Read the content of the message at the front, fetch its file, and say `prepared` or `not_prepared`.
    Prepare(Preparation),
    /// Store an event; then say `stored`.
    Write(Box<Write>),
}

/// What is to be prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preparation {
    /// The message.
    pub message: MessageId,
    /// Where its acceptance is.
    pub at: Position,
    /// How many parts it has, when one was attempted before; 0 when that is open.
    pub parts: u8,
    /// The part that is next: those before it are over.
    pub part: u8,
    /// Its file, when the provider has it already.
    pub media: Option<UploadedMedia>,
}

/// An event to store, and what it is followed by.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The event, for the account's attempt subject, under the claim's guard.
    pub event: Event,
    /// Whether the transport is called once it is stored: the message and its part.
    pub call: Option<(MessageId, u8)>,
    /// Sequence of a cancel request that this answers.
    pub answers_cancel: Option<u64>,
}

impl Account {
    /// Says what to do at `now` under `claim`; `mark` is the partition's low-water mark. `dropped` receives the sequences
    /// of cancel requests that need no answer.
    pub fn next(&mut self, now: UnixMillis, claim: u64, mark: u64, dropped: &mut Vec<u64>) -> Decision {
        if self.writing {
            return Decision::Wait(None);
        }
        if let Some(event) = self.end_attempt(now, claim, mark) {
            return self.write(event, None, None);
        }
        if let Some((event, seq)) = self.answer_cancel(now, claim, mark, dropped) {
            return self.write(event, None, Some(seq));
        }
        if self.call_runs() {
            return Decision::Wait(None);
        }
        if self.is_blocked_by_interrupted() {
            return Decision::Wait(Some(self.last_end));
        }
        let Some(front) = self.queue.front() else { return Decision::Wait(None) };
        let expires_at = self.expires_at(&front, now);
        if let Some((_, held_by)) = expires_at.filter(|(at, _)| *at <= now) {
            // What an earlier owner began may have gone out: its credits must not come back as if it had not.
            let unknown = self.end_interrupted(now, claim, mark);
            let event = unknown.unwrap_or_else(|| self.expire(&front, held_by, now, claim, mark));
            return self.write(event, None, None);
        }
        let expiry = expires_at.map(|(at, _)| at);
        if let Some(hold) = self.hold_at(now) {
            return Decision::Wait(earliest(expiry, hold.until));
        }
        if let Some(later) = self.progress.not_before.filter(|later| now < *later) {
            return Decision::Wait(earliest(expiry, Some(later)));
        }
        self.go_on(&front, now, claim, mark, expiry)
    }

    fn go_on(
        &mut self,
        front: &Waiting,
        now: UnixMillis,
        claim: u64,
        mark: u64,
        expiry: Option<UnixMillis>,
    ) -> Decision {
        match &self.stage {
            Stage::Fresh => {
                self.stage = Stage::Preparing;
                let (parts, part) = (self.progress.parts, self.progress.part);
                let media = self.progress.media.clone();
                Decision::Prepare(Preparation { message: front.message, at: front.at, parts, part, media })
            }
            Stage::Preparing => Decision::Wait(expiry),
            Stage::Ready(plan) => {
                let part = plan.get(usize::from(self.progress.part)).cloned();
                match part.map(|part| part.refused) {
                    Some(Some(why)) => {
                        let event = self.refuse_part(front, why.reason.code(), why.detail, now, claim, mark);
                        self.write(event, None, None)
                    }
                    Some(None) => {
                        let start_from = self.start_from(now).at;
                        if now < start_from {
                            return Decision::Wait(earliest(expiry, Some(start_from)));
                        }
                        let event = self.start(front, now, claim, mark);
                        self.write(event, Some((front.message, self.progress.part)), None)
                    }
                    None => {
                        // A plan that ends before the next part: there is nothing left to do for this message.
                        self.leave_front();
                        Decision::Wait(Some(now))
                    }
                }
            }
            Stage::Calling(_) | Stage::Answered(..) => Decision::Wait(None),
        }
    }

    /// The end of the call at the front, if it is to be written down: all that is done while nothing new may begin.
    pub fn finish(&mut self, now: UnixMillis, claim: u64, mark: u64) -> Option<Box<Write>> {
        if self.writing {
            return None;
        }
        let event = self.end_attempt(now, claim, mark)?;
        match self.write(event, None, None) {
            Decision::Write(write) => Some(write),
            Decision::Wait(_) | Decision::Prepare(_) => None,
        }
    }

    fn write(&mut self, event: Event, call: Option<(MessageId, u8)>, answers_cancel: Option<u64>) -> Decision {
        self.writing = true;
        Decision::Write(Box::new(Write { event, call, answers_cancel }))
    }

    fn start(&mut self, front: &Waiting, now: UnixMillis, claim: u64, mark: u64) -> Event {
        let Stage::Ready(plan) = std::mem::take(&mut self.stage) else {
            unreachable!("only a ready message is started")
        };
        self.progress.attempt += 1;
        self.progress.began = Some(now);
        self.progress.parts = plan.len() as u8;
        self.progress.not_before = None;
        let credits = plan[usize::from(self.progress.part)].credits;
        self.stage = Stage::Calling(plan);
        self.memory.started(&self.settings.limits, self.progress.recipient, now);
        Event::AttemptStarted(Box::new(AttemptStarted {
            v: 1,
            message: front.message,
            accepted: front.at,
            attempt: self.progress.attempt,
            part: self.progress.part,
            parts: self.progress.parts,
            credits,
            claim,
            at: now,
            floor_ms: self.settings.gap_ms.0,
            idempotent: self.settings.idempotent,
            carry: self.carry(mark),
        }))
    }

    fn refuse_part(
        &mut self,
        front: &Waiting,
        reason: &str,
        detail: String,
        now: UnixMillis,
        claim: u64,
        mark: u64,
    ) -> Event {
        let Stage::Ready(plan) = &self.stage else { unreachable!("only a planned part is refused") };
        let (part, parts) = (self.progress.part, plan.len() as u8);
        let credits = plan[usize::from(part)].credits;
        self.next_part();
        Event::PartRefused(Box::new(PartRefused {
            v: 1,
            message: front.message,
            accepted: front.at,
            part,
            parts,
            credits,
            claim,
            at: now,
            reason: reason.to_owned(),
            detail,
            carry: self.carry(mark),
        }))
    }

    /// When the message at the front expires, and what holds it. Waiting behind others never expires a message, so only
    /// the front is asked; on a held account every message has been held as long, and they follow one after the other.
    pub(super) fn expires_at(&self, front: &Waiting, now: UnixMillis) -> Option<(UnixMillis, &'static str)> {
        let patience_ms = u64::from(front.expires_after_s) * 1_000;
        let by_account = self.hold_at(now).map(|hold| {
            let since = hold.since.max(front.accepted_at);
            (since.plus_ms(patience_ms), hold.reason)
        });
        let put_off = self.progress.held_since.filter(|_| !self.gets_its_try(now));
        let by_itself = put_off.map(|since| (since.plus_ms(patience_ms), "put_off"));
        let (at, held_by) = match (by_account, by_itself) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (a, b) => a.or(b),
        }?;
        // An attempt that an earlier owner left open is not ended before its call must be over.
        let at = if self.progress.interrupted.is_some() { at.max(self.last_end) } else { at };
        Some((at, held_by))
    }

    /// Whether a message that was put off before now waits for nothing but its turn under the account's limits: however long
    /// these take, it gets that try, and expires only when it is put off again.
    fn gets_its_try(&self, now: UnixMillis) -> bool {
        let still_put_off = self.progress.not_before.is_some_and(|later| now < later);
        let is_ready = matches!(self.stage, Stage::Ready(_));
        !still_put_off && self.hold_at(now).is_none() && (is_ready || self.start_from(now).at > now)
    }

    /// What holds the account at `now`, if anything does.
    pub(super) fn hold_at(&self, now: UnixMillis) -> Option<&Hold> {
        let holds = [&self.settings.hold, &self.provider_hold];
        holds.into_iter().flatten().find(|hold| hold.until.is_none_or(|until| now < until))
    }

    pub(super) fn expire(&mut self, front: &Waiting, held_by: &str, now: UnixMillis, claim: u64, mark: u64) -> Event {
        // Parts before the current one have an end of their own; each of two parts costs one credit.
        let rest = u64::from(front.credits.saturating_sub(self.progress.part));
        self.leave_front();
        Event::MessageExpired(Box::new(MessageExpired {
            v: 1,
            message: front.message,
            accepted: front.at,
            credits: Credits(rest),
            claim,
            at: now,
            held_by: held_by.to_owned(),
            carry: self.carry(mark),
        }))
    }
}

fn earliest(a: Option<UnixMillis>, b: Option<UnixMillis>) -> Option<UnixMillis> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
