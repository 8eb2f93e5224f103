//! A simulated owner: what the shell does around a [`Partition`], one step at a time.

use angelia_shared::event::Event;
use angelia_shared::ids::{AccountId, MessageId, Position};
use angelia_shared::units::{Credits, UnixMillis};

use super::super::Partition;
use super::book::{ClaimHead, Fact, Record, WORKSPACE, Who, account_id, carry_of, message_id, message_index};
use super::provider::CALL_TIMEOUT_MS;
use super::scenario::Rule;
use super::world::{OWNERS, Shape, Step, World};
use crate::domain::account::{
    CALL_STARTS_WITHIN_MS, CallResult, Decision, Takeover, Waiting, Write, shift_ms, time_of,
};
use crate::domain::plan::{self, File, Plan, Refused};
use crate::transport::FailReason;

/// One process that may own the partition.
pub(super) struct Owner {
    pub(super) up: bool,
    pub(super) life: u32,
    pub(super) paused_until: UnixMillis,
    phase: Phase,
    no_claim_before: UnixMillis,
    /// What it knew when it lost its claim; used only without [`Rule::MemoryIsEmpty`].
    memory: Option<Box<Owning>>,
}

enum Phase {
    Idle,
    Claiming,
    Recovering { claim: u64 },
    Owning(Box<Owning>),
}

struct Owning {
    partition: Partition,
    next_read: u64,
    reading: bool,
    stopping: bool,
    /// Writes and calls under way.
    running: usize,
    wake_at: Option<UnixMillis>,
}

/// An event on its way to the log.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) who: Who,
    pub(super) claim: u64,
    pub(super) account: AccountId,
    pub(super) event: Box<Event>,
    pub(super) call: Option<(MessageId, u8)>,
    pub(super) answers_cancel: Option<u64>,
    pub(super) handed_in: UnixMillis,
}

/// A step of a process.
#[derive(Clone, Debug)]
pub(super) enum Own {
    Look,
    Wake,
    Claimed { claim: Option<u64>, released: bool },
    Recover { claim: u64, released: bool },
    Read { claim: u64 },
    Told { account: usize },
    Prepared { claim: u64, account: AccountId, message: MessageId, plan: Option<Plan> },
    Learnt { pending: Box<Pending>, stored: bool },
    Call { pending: Box<Pending> },
    Answer { call: usize, result: CallResult },
}

impl Owner {
    pub(super) fn new() -> Self {
        Self {
            up: true,
            life: 0,
            paused_until: UnixMillis(0),
            phase: Phase::Idle,
            no_claim_before: UnixMillis(0),
            memory: None,
        }
    }

    /// Whether there is anything to disturb.
    pub(super) fn is_busy(&self) -> bool {
        self.up && !matches!(self.phase, Phase::Idle)
    }

    pub(super) fn die(&mut self) {
        self.up = false;
        self.phase = Phase::Idle;
        self.memory = None;
    }

    /// Whether the process of that life is about to act, or acts, under the claim at `seq`.
    pub(super) fn holds(&self, life: u32, seq: u64, now: UnixMillis) -> bool {
        let has_it = match &self.phase {
            Phase::Idle => false,
            Phase::Claiming => true,
            Phase::Recovering { claim } => *claim == seq,
            Phase::Owning(owning) => owning.partition.claim() == seq,
        };
        self.up && self.life == life && now >= self.paused_until && has_it
    }

    fn owning(&mut self, claim: u64) -> Option<&mut Owning> {
        match &mut self.phase {
            Phase::Owning(owning) if owning.partition.claim() == claim => Some(owning),
            Phase::Owning(_) | Phase::Idle | Phase::Claiming | Phase::Recovering { .. } => None,
        }
    }

    fn any_owning(&mut self) -> Option<&mut Owning> {
        match &mut self.phase {
            Phase::Owning(owning) => Some(owning),
            Phase::Idle | Phase::Claiming | Phase::Recovering { .. } => None,
        }
    }
}

impl World {
    pub(super) fn latency_ms(&mut self) -> u64 {
        match self.dice.below(100) {
            0..83 => self.dice.between(1, 20),
            83..94 => self.dice.between(20, 300),
            _ => self.dice.between(900, 3_000),
        }
    }

    fn own_after(&mut self, ms: u64, who: Who, own: Own) {
        self.after(ms, Step::Own { who, own });
    }

    fn who(&self, owner: usize) -> Who {
        Who { owner, life: self.owners[owner].life }
    }

    pub(super) fn own(&mut self, who: Who, own: Own) {
        let owner = who.owner;
        match own {
            Own::Look => self.look(who),
            Own::Wake => {
                if let Some(owning) = self.owners[owner].any_owning() {
                    owning.wake_at = None;
                }
                self.drive(owner);
            }
            Own::Claimed { claim: Some(claim), released } => {
                self.owners[owner].phase = Phase::Recovering { claim };
                let ms = self.latency_ms();
                self.own_after(ms, who, Own::Recover { claim, released });
            }
            Own::Claimed { claim: None, .. } => self.owners[owner].phase = Phase::Idle,
            Own::Recover { claim, released } => self.recover(owner, claim, released),
            Own::Read { claim } => self.read(owner, claim),
            Own::Told { account } => {
                let settings = self.settings[account].clone();
                if let Some(owning) = self.owners[owner].any_owning() {
                    owning.partition.set_if_changed(account_id(account), settings.clone());
                    // The hold of a provider is lifted by any word of the account's owner.
                    owning.partition.set(account_id(account), settings);
                }
                self.drive(owner);
            }
            Own::Prepared { claim, account, message, plan } => {
                let now = self.now;
                if let Some(owning) = self.owners[owner].owning(claim) {
                    match plan {
                        Some(plan) => owning.partition.prepared(account, message, plan),
                        None => owning.partition.not_prepared(account, message, now, 1_000),
                    }
                }
                self.drive(owner);
            }
            Own::Learnt { pending, stored } => self.learnt(owner, *pending, stored),
            Own::Call { pending } => self.call(owner, &pending),
            Own::Answer { call, result } => self.answered(owner, call, result),
        }
    }

    // ---- claims

    fn look(&mut self, who: Who) {
        if self.is_over() {
            return;
        }
        if self.now >= self.owners[who.owner].no_claim_before && !self.is_owned() {
            self.claim(who.owner);
        }
        // Every second or so while there is trouble; later nobody dies any more.
        let factor = if self.passed_ms() < 300_000 { 1 } else { 20 };
        let ms = factor * self.dice.between(300, 1_500);
        self.own_after(ms, who, Own::Look);
    }

    /// Hands in a claim, if the process is free to.
    pub(super) fn claim(&mut self, owner: usize) {
        let who = self.who(owner);
        let process = &mut self.owners[owner];
        if !process.up || self.now < process.paused_until || !matches!(process.phase, Phase::Idle) {
            return;
        }
        process.phase = Phase::Claiming;
        let expected = self.book.head.seq();
        let ms = self.latency_ms();
        self.after(ms, Step::LandClaim { who, expected, release: false });
    }

    pub(super) fn land_claim(&mut self, who: Who, expected: u64, release: bool) {
        let before = self.book.head;
        let stored = before.seq() == expected;
        let released = matches!(before, ClaimHead::None | ClaimHead::Released { .. });
        let fact = if release { Fact::Released } else { Fact::Claimed { who } };
        let seq = stored.then(|| self.append(vec![fact]));
        if !release {
            let ms = self.latency_ms();
            self.own_after(ms, who, Own::Claimed { claim: seq, released });
        } else if stored {
            self.check.summary.releases += 1;
        }
    }

    pub(super) fn restart(&mut self, owner: usize) {
        let process = &mut self.owners[owner];
        process.up = true;
        process.life += 1;
        process.paused_until = self.now;
        let who = self.who(owner);
        self.own_after(1, who, Own::Look);
        if let (false, ClaimHead::Claimed { seq, who: of }) = (self.keeps(Rule::RestartClaimsAnew), self.book.head)
            && of.owner == owner
        {
            self.owners[owner].phase = Phase::Recovering { claim: seq };
            self.own_after(2, who, Own::Recover { claim: seq, released: false });
        }
    }

    fn lose_claim(&mut self, owner: usize) {
        let wait_ms = self.dice.between(200, 10_000);
        let until = self.now.plus_ms(wait_ms);
        let keeps = self.keeps(Rule::MemoryIsEmpty);
        let process = &mut self.owners[owner];
        process.no_claim_before = until;
        if let Phase::Owning(owning) = std::mem::replace(&mut process.phase, Phase::Idle)
            && !keeps
        {
            process.memory = Some(owning);
        }
    }

    pub(super) fn begin_release(&mut self, owner: usize) {
        if let Some(owning) = self.owners[owner].any_owning() {
            owning.stopping = true;
        }
        self.release_if_idle(owner);
    }

    fn release_if_idle(&mut self, owner: usize) {
        let Some(owning) = self.owners[owner].any_owning().filter(|owning| owning.stopping && owning.running == 0)
        else {
            return;
        };
        let expected = owning.partition.claim();
        let who = self.who(owner);
        let ms = self.latency_ms();
        self.after(ms, Step::LandClaim { who, expected, release: true });
        let until = self.now.plus_ms(4_000);
        self.owners[owner].phase = Phase::Idle;
        self.owners[owner].no_claim_before = until;
    }

    // ---- taking over and reading

    fn recover(&mut self, owner: usize, claim: u64, released: bool) {
        self.check.summary.takeovers += 1;
        let mut owning = match self.owners[owner].memory.take() {
            Some(mut owning) => {
                owning.partition.claim = claim;
                let ids: Vec<_> = owning.partition.accounts.keys().copied().collect();
                ids.into_iter().for_each(|id| owning.partition.stored(id, None));
                owning
            }
            None => self.snapshot(claim, released),
        };
        let ahead = !self.keeps(Rule::RestartClaimsAnew) && owning.next_read > claim;
        if ahead || !self.keeps(Rule::CatchUpComesFirst) {
            owning.partition.caught_up(self.now);
        }
        (owning.reading, owning.stopping, owning.running, owning.wake_at) = (false, false, 0, None);
        self.owners[owner].phase = Phase::Owning(owning);
        self.read_soon(owner);
        self.drive(owner);
    }

    fn snapshot(&mut self, claim: u64, released: bool) -> Box<Owning> {
        let lag = if self.keeps(Rule::SnapshotHasOwnClaim) { 0 } else { self.dice.below(30) };
        // The clocks are right: a wait that is a millisecond too short shows.
        let takeover = if self.keeps(Rule::CrashCostsTheTimeout) {
            Takeover { released, now: self.now, call_timeout_ms: CALL_TIMEOUT_MS, shift_ms: 0, doubt_ms: 0 }
        } else {
            Takeover { released: true, now: self.now, call_timeout_ms: 0, shift_ms: 0, doubt_ms: 0 }
        };
        let mut partition = Partition::new(claim);
        for account in 0..self.settings.len() {
            let up_to = if lag == 0 { u64::MAX } else { claim.saturating_sub(lag) };
            if let Some((event, stored_at)) = self.book.newest(account, up_to) {
                let settings = self.settings[account].clone();
                let event_at = time_of(&event).expect("an owner's event has a time");
                let takeover = Takeover { shift_ms: shift_ms(event_at, stored_at, 0), ..takeover };
                partition.recover(WORKSPACE, account_id(account), settings, &event, takeover);
            }
        }
        let next_read = partition.read_from();
        Box::new(Owning { partition, next_read, reading: false, stopping: false, running: 0, wake_at: None })
    }

    /// Lets an owner read on, unless it is about to.
    pub(super) fn read_soon(&mut self, owner: usize) {
        let who = self.who(owner);
        let Some(owning) = self.owners[owner].any_owning().filter(|owning| !owning.reading) else { return };
        owning.reading = true;
        let claim = owning.partition.claim();
        let ms = self.latency_ms();
        self.own_after(ms, who, Own::Read { claim });
    }

    fn read(&mut self, owner: usize, claim: u64) {
        let Some(owning) = self.owners[owner].owning(claim) else { return };
        owning.reading = false;
        let Some(record) = self.book.next_record(owning.next_read).cloned() else { return };
        owning.next_read = record.seq + 1;
        self.apply(owner, &record);
        self.drive(owner);
        self.read_soon(owner);
    }

    fn apply(&mut self, owner: usize, record: &Record) {
        let now = self.now;
        for (line, fact) in (0..).zip(&record.facts) {
            let Some(owning) = self.owners[owner].any_owning() else { return };
            let partition = &mut owning.partition;
            match fact {
                Fact::Accepted { message } => {
                    let of = self.messages[*message];
                    let waiting = Waiting {
                        at: Position::new(record.seq, line),
                        message: message_id(*message),
                        accepted_at: record.at,
                        expires_after_s: of.expires_after_s,
                        credits: of.price() as u8,
                    };
                    let settings = &self.settings[of.account];
                    partition.accepted(WORKSPACE, account_id(of.account), waiting, || settings.clone());
                }
                Fact::CancelRequested { message } => {
                    let account = account_id(self.messages[*message].account);
                    partition.cancel_requested(record.seq, account, message_id(*message));
                }
                Fact::Receipt { message, part, .. } | Fact::Settled { message, part } => {
                    let account = account_id(self.messages[*message].account);
                    partition.reported(account, message_id(*message), *part);
                }
                Fact::Claimed { .. } if record.seq == partition.claim() => partition.caught_up(now),
                Fact::Claimed { .. } if record.seq > partition.claim() => return self.lose_claim(owner),
                Fact::Claimed { .. } | Fact::Released | Fact::Attempt { .. } => {}
            }
        }
        if let Some(owning) = self.owners[owner].any_owning() {
            owning.partition.consumed(record.seq);
        }
    }

    pub(super) fn tell_owners(&mut self, account: usize) {
        for owner in 0..OWNERS {
            let who = self.who(owner);
            let ms = self.dice.below(1_000);
            self.own_after(ms, who, Own::Told { account });
        }
    }

    // ---- deciding, storing, calling

    /// Does everything that is due.
    fn drive(&mut self, owner: usize) {
        let now = self.now;
        loop {
            let Some(owning) = self.owners[owner].any_owning().filter(|owning| !owning.stopping) else { return };
            let Some(account) = owning.partition.due(now) else { break };
            let claim = owning.partition.claim();
            match owning.partition.next(account, now) {
                Decision::Wait(_) => {}
                Decision::Prepare(preparation) => {
                    let plan = (!self.dice.chance(8)).then(|| self.plan(message_index(preparation.message)));
                    let ms = self.dice.between(0, 800);
                    let message = preparation.message;
                    self.own_after(ms, self.who(owner), Own::Prepared { claim, account, message, plan });
                }
                Decision::Write(write) => self.hand_in(owner, account, *write),
            }
        }
        let who = self.who(owner);
        let Some(owning) = self.owners[owner].any_owning() else { return };
        let waiting: usize = owning.partition.accounts().map(|account| account.queued()).sum();
        assert_eq!(owning.partition.queued(), waiting, "what is counted is what waits");
        if let Some(due) = owning.partition.next_due().filter(|due| owning.wake_at.is_none_or(|at| *due < at)) {
            owning.wake_at = Some(due);
            self.own_after(due.ms_since(now), who, Own::Wake);
        }
    }

    fn plan(&self, message: usize) -> Plan {
        let of = self.messages[message];
        let price = Credits(of.price());
        let why = Refused { reason: FailReason::AttachmentTooLarge, detail: String::new() };
        match of.shape {
            Shape::Text => plan::plan(price, true, File::None),
            Shape::Caption => plan::plan(price, true, File::Here { carries: true }),
            Shape::TextThenFile => plan::plan(price, true, File::Here { carries: false }),
            Shape::TextThenRefusedFile => plan::plan(price, true, File::Refused { would_carry: false, why }),
            Shape::RefusedWhole => plan::refused_whole(price, why),
        }
    }

    fn hand_in(&mut self, owner: usize, account: AccountId, write: Write) {
        let who = self.who(owner);
        let now = self.now;
        let mut event = write.event;
        let without = self.without;
        let Some(owning) = self.owners[owner].any_owning() else { return };
        without.iter().for_each(|rule| spoil(&mut event, &owning.partition, *rule));
        owning.running += 1 + usize::from(write.call.is_some());
        let claim = owning.partition.claim();
        let (call, answers_cancel) = (write.call, write.answers_cancel);
        let pending =
            Box::new(Pending { who, claim, account, event: Box::new(event), call, answers_cancel, handed_in: now });
        if call.is_some() && !self.keeps(Rule::StartIsDurable) {
            self.own_after(0, who, Own::Call { pending: pending.clone() });
        }
        let ms = self.latency_ms();
        self.after(ms, Step::Land(pending));
    }

    /// An event reaches the log: stored if its claim is the newest.
    pub(super) fn land(&mut self, pending: Pending) {
        let newest = matches!(self.book.head, ClaimHead::Claimed { seq, .. } if seq == pending.claim);
        let stored = newest || !self.keeps(Rule::EventsAreGuarded);
        if stored {
            let account = super::book::account_index(pending.account);
            self.append(vec![Fact::Attempt { account, event: pending.event.clone() }]);
        }
        let ms = self.latency_ms();
        self.own_after(ms, pending.who, Own::Learnt { pending: Box::new(pending), stored });
    }

    fn learnt(&mut self, owner: usize, pending: Pending, stored: bool) {
        let Some(owning) = self.owners[owner].owning(pending.claim) else { return };
        if !stored {
            return self.lose_claim(owner);
        }
        owning.running -= 1;
        owning.partition.stored(pending.account, pending.answers_cancel);
        if pending.call.is_some() && self.keeps(Rule::StartIsDurable) {
            let ms = if self.dice.chance(10) { self.dice.between(100, 1_500) } else { self.dice.below(5) };
            self.own_after(ms, pending.who, Own::Call { pending: Box::new(pending) });
        }
        self.drive(owner);
        self.release_if_idle(owner);
    }

    /// The start is stored: the call is made, unless it is too late for it.
    fn call(&mut self, owner: usize, pending: &Pending) {
        if self.owners[owner].owning(pending.claim).is_none() {
            return;
        }
        let late = self.now.ms_since(pending.handed_in) >= CALL_STARTS_WITHIN_MS;
        if late && self.keeps(Rule::CallStartsSoon) {
            let (message, _) = pending.call.expect("only a start is followed by a call");
            self.check.summary.not_started += 1;
            return self.call_ended(owner, pending.claim, pending.account, message, CallResult::NotStarted);
        }
        self.make_call(pending);
    }

    fn answered(&mut self, owner: usize, call: usize, result: CallResult) {
        let made = self.provider.journal[call].clone();
        let (account, message) = (account_id(made.account), message_id(made.message));
        let now = self.now;
        if self.owners[owner].owning(made.claim).is_some() {
            return self.call_ended(owner, made.claim, account, message, result);
        }
        if !self.keeps(Rule::ResultBelongsToItsClaim)
            && let Some(owning) = self.owners[owner].any_owning()
        {
            owning.partition.call_ended(account, message, result, now);
            return self.drive(owner);
        }
        self.report_fenced(call, &result);
    }

    fn call_ended(&mut self, owner: usize, claim: u64, account: AccountId, message: MessageId, result: CallResult) {
        let now = self.now;
        let Some(owning) = self.owners[owner].owning(claim) else { return };
        owning.running -= 1;
        owning.partition.call_ended(account, message, result, now);
        if owning.stopping {
            // Only what has ended is still written; nothing new begins.
            if let Decision::Write(write) = owning.partition.next(account, now)
                && write.call.is_none()
            {
                self.hand_in(owner, account, *write);
            }
            return self.release_if_idle(owner);
        }
        self.drive(owner);
    }
}

/// Writes what an owner would write that did not keep a rule.
fn spoil(event: &mut Event, partition: &Partition, without: Rule) {
    let read = (partition.consumed + 1).max(partition.recovered_mark);
    let carry = carry_of(event);
    match without {
        Rule::MarkWaitsForTheLog => {
            let queued = partition.accounts().filter_map(|account| account.front_seq());
            carry.mark = queued.fold(read, u64::min);
        }
        Rule::MarkWaitsForTheQueue => carry.mark = read,
        Rule::EndedBeyondIsCarried => carry.ended_beyond.clear(),
        Rule::OpenIsCarried => carry.open.clear(),
        _ => {}
    }
}
