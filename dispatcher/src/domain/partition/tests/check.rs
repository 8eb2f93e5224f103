//! The properties, from the simulated log and the provider's journal only.
//!
//! Every stored record is checked against everything stored before it; at the end, what was delivered is compared with
//! what the log says.

use std::collections::BTreeSet;

use angelia_shared::event::attempt::{AttemptOutcome, OpenStage};
use angelia_shared::event::{AttemptEnded, AttemptStarted, Carry, Event, PartRefused};
use angelia_shared::ids::Position;
use angelia_shared::units::UnixMillis;

use super::book::{Fact, Record, carry_of, message_index};
use super::provider::Call;
use super::world::Message;

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Sent,
    Failed,
    Unknown,
    Refused,
    /// With all parts after it.
    Expired,
    /// With all parts after it.
    Cancelled,
}

#[derive(Clone, Copy, Debug)]
struct OpenAttempt {
    attempt: u32,
    credits: u64,
    at: UnixMillis,
}

/// What the log says of one message so far.
#[derive(Clone, Debug, Default)]
struct Story {
    accepted: Option<Position>,
    price: u64,
    attempts: u32,
    part: u8,
    parts: u8,
    open: Option<OpenAttempt>,
    /// An attempt of this part has started and was never ended: it may have gone out. What the part costs.
    doubt: Option<u64>,
    ends: Vec<(u8, End, u64)>,
    provider_errors: u8,
    is_over: bool,
    cancels: Vec<u64>,
    reports: BTreeSet<u8>,
    settled: Vec<(u8, UnixMillis)>,
    failed_by_dispatcher: BTreeSet<u8>,
}

impl Story {
    fn has_begun(&self) -> bool {
        self.attempts > 0 || !self.ends.is_empty()
    }

    fn is_waiting(&self) -> bool {
        self.accepted.is_some() && !self.is_over
    }

    fn paid(&self) -> u64 {
        self.ends.iter().map(|(_, _, credits)| credits).sum()
    }

    fn end(&mut self, end: End, credits: u64) {
        self.ends.push((self.part, end, credits));
        self.part += 1;
        self.provider_errors = 0;
        self.doubt = None;
        self.is_over = matches!(end, End::Expired | End::Cancelled) || self.part >= self.parts;
    }

    fn end_of(&self, part: u8) -> Option<End> {
        let whole = |end: &End| matches!(end, End::Expired | End::Cancelled);
        let own = self.ends.iter().find(|(of, end, _)| *of == part || (whole(end) && *of <= part));
        own.map(|(_, end, _)| *end)
    }
}

/// How often things happened, so that a test can see that they did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summary {
    pub(super) takeovers: u64,
    pub(super) releases: u64,
    pub(super) attempts: u64,
    pub(super) sent: u64,
    pub(super) unknown: u64,
    pub(super) put_off: u64,
    pub(super) refused: u64,
    pub(super) expired: u64,
    pub(super) cancelled: u64,
    pub(super) fenced: u64,
    pub(super) not_started: u64,
    pub(super) sent_again: u64,
    pub(super) settled: u64,
}

impl Summary {
    pub(super) fn add(&mut self, other: Summary) {
        self.takeovers += other.takeovers;
        self.releases += other.releases;
        self.attempts += other.attempts;
        self.sent += other.sent;
        self.unknown += other.unknown;
        self.put_off += other.put_off;
        self.refused += other.refused;
        self.expired += other.expired;
        self.cancelled += other.cancelled;
        self.fenced += other.fenced;
        self.not_started += other.not_started;
        self.sent_again += other.sent_again;
        self.settled += other.settled;
    }
}

pub(super) struct Check {
    linked: Vec<bool>,
    /// Whether the carried memory and the mark are checked in themselves.
    memory: bool,
    /// Sequence of the newest claim; `None` before the first and after a release.
    claim: Option<u64>,
    /// Messages of each account in the order of acceptance.
    order: Vec<Vec<usize>>,
    stories: Vec<Story>,
    last_end: Vec<UnixMillis>,
    pub(super) summary: Summary,
}

macro_rules! must {
    ($condition:expr, $($message:tt)*) => {
        if !$condition {
            return Err(format!($($message)*));
        }
    };
}

impl Check {
    pub(super) fn new(linked: Vec<bool>, memory: bool) -> Self {
        Self {
            memory,
            claim: None,
            order: vec![vec![]; linked.len()],
            last_end: vec![UnixMillis(0); linked.len()],
            linked,
            stories: vec![],
            summary: Summary::default(),
        }
    }

    pub(super) fn is_accepted(&self, message: usize) -> bool {
        self.stories.get(message).is_some_and(|story| story.accepted.is_some())
    }

    pub(super) fn is_reported(&self, message: usize, part: u8) -> bool {
        self.stories[message].reports.contains(&part)
    }

    pub(super) fn is_over(&self, messages: usize) -> bool {
        self.stories.len() == messages && self.stories.iter().all(|story| story.is_over)
    }

    /// Folds a record, and checks it against everything before it.
    pub(super) fn stored(&mut self, record: &Record, messages: &[Message]) -> Result<(), String> {
        for (line, fact) in (0..).zip(&record.facts) {
            match fact {
                Fact::Accepted { message } => {
                    let of = messages[*message];
                    if self.stories.len() <= *message {
                        self.stories.resize(*message + 1, Story::default());
                    }
                    self.stories[*message].accepted = Some(Position::new(record.seq, line));
                    self.stories[*message].price = of.price();
                    self.order[of.account].push(*message);
                }
                Fact::CancelRequested { message } => self.stories[*message].cancels.push(record.seq),
                Fact::Receipt { message, part, failed, by_dispatcher } => {
                    self.stories[*message].reports.insert(*part);
                    if *failed && *by_dispatcher {
                        self.stories[*message].failed_by_dispatcher.insert(*part);
                    }
                }
                Fact::Settled { message, part } => {
                    self.summary.settled += 1;
                    self.stories[*message].reports.insert(*part);
                    self.stories[*message].settled.push((*part, record.at));
                }
                Fact::Claimed { .. } => self.claim = Some(record.seq),
                Fact::Released => self.claim = None,
                Fact::Attempt { account, event } => self.attempt_event(record.seq, *account, event)?,
            }
        }
        Ok(())
    }

    fn attempt_event(&mut self, seq: u64, account: usize, event: &Event) -> Result<(), String> {
        let (message, claim) = match event {
            Event::AttemptStarted(event) => (event.message, event.claim),
            Event::AttemptEnded(event) => (event.message, event.claim),
            Event::PartRefused(event) => (event.message, event.claim),
            Event::MessageExpired(event) => (event.message, event.claim),
            Event::MessageCancelled(event) => (event.message, event.claim),
            other => return Err(format!("{} on an attempt subject", other.name())),
        };
        let m = message_index(message);
        let name = event.name();
        must!(self.claim == Some(claim), "DP-3 {name} of m{m} under claim {claim}, the newest is {:?}", self.claim);
        let story = &self.stories[m];
        must!(!story.is_over, "ENDS {name} of m{m}, which is over");
        let cancelled = matches!(event, Event::MessageCancelled(_));
        let ignored = story.cancels.iter().any(|cancel| *cancel < claim);
        must!(cancelled || story.has_begun() || !ignored, "CANCEL of m{m} below the claim, but {name}");
        if !cancelled {
            let waiting = |n: &&usize| self.stories[**n].is_waiting();
            let before = self.order[account].iter().take_while(|n| **n != m).find(waiting);
            must!(before.is_none(), "DP-2 {name} of m{m} before m{} is over", before.expect("one was found"));
        }
        match event {
            Event::AttemptStarted(started) => self.started(account, m, started)?,
            Event::AttemptEnded(ended) => self.ended(account, m, ended)?,
            Event::PartRefused(refused) => self.refused(m, refused)?,
            Event::MessageExpired(expired) => {
                self.summary.expired += 1;
                let story = &mut self.stories[m];
                let open = story.open.is_some() || story.doubt.is_some();
                must!(!open, "ENDS m{m} expired, and may have gone out");
                story.end(End::Expired, expired.credits.0);
                must!(story.paid() == story.price, "WA-3 m{m} expired with {}", expired.credits);
            }
            Event::MessageCancelled(cancelled) => {
                self.summary.cancelled += 1;
                let story = &mut self.stories[m];
                must!(!story.has_begun(), "ENDS m{m} cancelled after it had begun");
                must!(!story.cancels.is_empty(), "CANCEL of m{m} that nobody asked for");
                story.end(End::Cancelled, cancelled.credits.0);
                must!(story.paid() == story.price, "WA-3 m{m} cancelled with {}", cancelled.credits);
            }
            other => return Err(format!("{} on an attempt subject", other.name())),
        }
        if self.memory {
            let carry = carry_of(&mut event.clone()).clone();
            self.carry(seq, account, &carry)?;
            self.mark(carry.mark)?;
            let own = self.stories[m].accepted.map_or(0, |at| at.seq);
            must!(carry.mark <= own, "MARK {} passes {name}'s own message m{m} at {own}", carry.mark);
        }
        Ok(())
    }

    fn started(&mut self, account: usize, m: usize, started: &AttemptStarted) -> Result<(), String> {
        self.summary.attempts += 1;
        let linked = self.linked[account];
        let story = &mut self.stories[m];
        let AttemptStarted { attempt, part, parts, credits, at, floor_ms, .. } = *started;
        must!(story.open.is_none() || linked, "DP-4 attempt {attempt} of m{m}.{part} while one is open");
        if let Some(open) = story.open {
            self.summary.sent_again += 1;
            story.doubt = Some(open.credits);
        }
        must!(part == story.part, "ENDS attempt of m{m}.{part}, the next part is {}", story.part);
        must!(attempt == story.attempts + 1, "ENDS attempt {attempt} of m{m} after {}", story.attempts);
        must!(story.parts == 0 || story.parts == parts, "ENDS m{m} had {} parts, and has {parts}", story.parts);
        let earliest = self.last_end[account].plus_ms(floor_ms);
        must!(at >= earliest, "DP-1 attempt of m{m} at {at:?}, not before {earliest:?}");
        story.attempts = attempt;
        story.parts = parts;
        story.open = Some(OpenAttempt { attempt, credits: credits.0, at });
        Ok(())
    }

    fn ended(&mut self, account: usize, m: usize, ended: &AttemptEnded) -> Result<(), String> {
        let story = &mut self.stories[m];
        let unknown = matches!(ended.outcome, AttemptOutcome::Unknown { .. });
        let doubt = story.doubt.filter(|_| unknown);
        let doubt = doubt.map(|credits| OpenAttempt { attempt: story.attempts, credits, at: ended.at });
        let Some(open) = story.open.take().or(doubt) else { return Err(format!("ENDS m{m} ended without a start")) };
        must!(ended.attempt == open.attempt && ended.part == story.part, "ENDS m{m}: {ended:?} after {open:?}");
        must!(ended.credits.0 == open.credits, "WA-3 m{m}.{}: {} and {}", ended.part, open.credits, ended.credits);
        must!(ended.parts == story.parts, "ENDS m{m} had {} parts, and has {}", story.parts, ended.parts);
        must!(ended.at >= open.at, "DP-1 attempt of m{m} ends before it starts");
        self.last_end[account] = self.last_end[account].max(ended.at);
        let end = match &ended.outcome {
            AttemptOutcome::Sent { .. } => End::Sent,
            AttemptOutcome::Failed { .. } => End::Failed,
            AttemptOutcome::Unknown { .. } => End::Unknown,
            AttemptOutcome::Deferred { reason, .. } => {
                self.summary.put_off += 1;
                story.provider_errors += u8::from(reason == "provider");
                return Ok(());
            }
            AttemptOutcome::NotStarted => return Ok(()),
        };
        self.summary.sent += u64::from(end == End::Sent);
        self.summary.unknown += u64::from(end == End::Unknown);
        story.end(end, ended.credits.0);
        Ok(())
    }

    fn refused(&mut self, m: usize, refused: &PartRefused) -> Result<(), String> {
        self.summary.refused += 1;
        let story = &mut self.stories[m];
        must!(story.open.is_none() && story.doubt.is_none(), "ENDS a refusal of m{m}, which may have gone out");
        must!(refused.part == story.part, "ENDS a refusal of m{m}.{}, next is {}", refused.part, story.part);
        must!(story.parts == 0 || story.parts == refused.parts, "ENDS m{m} has {} parts", refused.parts);
        story.parts = refused.parts;
        story.end(End::Refused, refused.credits.0);
        Ok(())
    }

    /// A new owner that knows only this must know all of the account.
    fn carry(&self, seq: u64, account: usize, carry: &Carry) -> Result<(), String> {
        for m in &self.order[account] {
            let story = &self.stories[*m];
            let at = story.accepted.expect("it is in the order of acceptance");
            let open: Vec<_> = carry.open.iter().filter(|open| message_index(open.message) == *m).collect();
            let next = open.iter().find(|open| open.stage != OpenStage::Unknown);
            if story.is_over {
                let told = at <= carry.done_through || carry.ended_beyond.contains(&at);
                must!(told && next.is_none(), "CARRY at {seq}: m{m} is over, {carry:?}");
            } else {
                let hidden = at <= carry.done_through && next.is_none() || carry.ended_beyond.contains(&at);
                must!(!hidden, "CARRY at {seq}: m{m} is not over, {carry:?}");
            }
            if story.is_waiting() && story.has_begun() {
                let Some(next) = next else { return Err(format!("CARRY at {seq}: m{m} has begun, {carry:?}")) };
                let open = story.open.map(|open| open.credits).or(story.doubt);
                let stage = if open.is_some() { OpenStage::Open } else { OpenStage::PutOff };
                let right = (next.stage, next.attempt, next.part, next.parts, next.provider_errors)
                    == (stage, story.attempts, story.part, story.parts, story.provider_errors);
                let credits = open.is_none_or(|credits| credits == next.credits.0);
                must!(right && credits && next.at == at, "CARRY at {seq}: m{m} is {story:?}, carried as {next:?}");
            }
            for (part, end, credits) in &story.ends {
                let remembered = open
                    .iter()
                    .any(|open| (open.stage, open.part, open.credits.0) == (OpenStage::Unknown, *part, *credits));
                let needed = *end == End::Unknown && !story.reports.contains(part);
                must!(!needed || remembered, "CARRY at {seq}: m{m}.{part} is unknown, {carry:?}");
            }
        }
        Ok(())
    }

    /// Nothing below the mark counts any more, by what is stored.
    fn mark(&self, mark: u64) -> Result<(), String> {
        for (m, story) in self.stories.iter().enumerate() {
            let below = story.accepted.is_some_and(|at| at.seq < mark);
            must!(!below || story.is_over, "MARK {mark} passes m{m}, which is not over");
            let cancel = story.cancels.iter().any(|cancel| *cancel < mark);
            must!(!cancel || story.is_over || story.has_begun(), "MARK {mark} passes the cancel of m{m}");
        }
        Ok(())
    }

    /// Checks what can be said only at the end.
    pub(super) fn finish(&self, messages: &[Message], journal: &[Call]) -> Result<Summary, String> {
        must!(self.stories.len() == messages.len(), "LOST: {} of {} accepted", self.stories.len(), messages.len());
        for (m, story) in self.stories.iter().enumerate() {
            must!(story.is_over, "LOST: m{m} is not over, {story:?}");
            must!(story.open.is_none(), "LOST: m{m} has an open attempt");
            must!(story.paid() == story.price, "WA-3 m{m} costs {}, its parts {}", story.price, story.paid());
            for part in 0..2 {
                self.delivered(m, part, journal)?;
            }
        }
        for account in 0..self.order.len() {
            let calls: Vec<_> = journal.iter().filter(|call| call.account == account).collect();
            pace(&calls)?;
            let mut delivered: Vec<_> = calls.iter().filter(|call| call.delivered).collect();
            delivered.sort_by_key(|call| call.handled_at);
            let order: Vec<_> = delivered.iter().map(|call| (call.message, call.part)).collect();
            must!(order.is_sorted(), "DP-2 delivered in the order {order:?}");
        }
        Ok(self.summary)
    }

    /// Compares what the log says of a part with what was delivered.
    fn delivered(&self, m: usize, part: u8, journal: &[Call]) -> Result<(), String> {
        let story = &self.stories[m];
        let delivered: Vec<_> =
            journal.iter().filter(|call| call.message == m && call.part == part && call.delivered).collect();
        must!(delivered.len() <= 1, "TWICE: m{m}.{part} was delivered {} times", delivered.len());
        let end = story.end_of(part);
        let Some(call) = delivered.first() else {
            must!(end != Some(End::Sent), "LOST: m{m}.{part} is said to be sent");
            return Ok(());
        };
        let told = matches!(end, Some(End::Sent | End::Unknown));
        must!(told, "MONEY: m{m}.{part} was delivered and is {end:?}");
        must!(!story.failed_by_dispatcher.contains(&part), "MONEY: m{m}.{part} was delivered and reported as failed");
        let after = story.settled.iter().any(|(of, at)| *of == part && call.handled_at > Some(*at));
        must!(!after, "MONEY: m{m}.{part} was delivered after it was settled");
        Ok(())
    }
}

/// DP-1 as the provider sees it: no call begins before the one before was worked on and the floor has passed.
fn pace(calls: &[&Call]) -> Result<(), String> {
    for call in calls {
        for earlier in calls.iter().filter(|earlier| earlier.started_at < call.started_at) {
            let free = earlier.handled_at.is_none_or(|at| at.plus_ms(call.floor_ms) <= call.started_at);
            must!(
                free,
                "DP-1 at the provider: m{}.{} at {:?} after m{}.{} at {:?}",
                call.message,
                call.part,
                call.started_at,
                earlier.message,
                earlier.part,
                earlier.handled_at
            );
        }
    }
    Ok(())
}
