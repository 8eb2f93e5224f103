//! The lane: one task, one writer, one batch in flight.
//!
//! Shape of a round: take in what came, plan a group per workspace, commit them, answer. Errands (reading a wallet, asking a
//! ledger, recalling from other lanes) and the settling of keys happen beside it, and hold only their own orders.
//!
//! Not here: what a group holds (see [`super::plan`]), what its answer means (see [`super::outcome`]), what is known and
//! drawn (see [`crate::domain::purse`]).

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use angelia_shared::clock;
use angelia_shared::ids::{MemberId, WorkspaceId};
use angelia_shared::log::{EventLog, Pending, Writer, WriterOptions};
use angelia_shared::telemetry::chain;
use angelia_shared::units::Credits;
use async_nats::Subscriber;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::errands::{Done, Errands};
use super::order::Waiting;
use super::outcome::refuse;
use super::plan::{Buckets, Flight, Round, hand_back, plan};
use super::purses::{Purses, Watch};
use super::recall::{self, Heard};
use super::room::Room;
use super::{AdmissionOptions, Face, Phase, UNAVAILABLE};
use crate::domain::gather::{Batch, Gathering};
use crate::domain::purse::{GiveBack, Moment, Question};
use crate::domain::refusal::Refusal;
use crate::shell::keys::Keys;

/// Pause before the writer is opened again.
const OPEN_PAUSE: Duration = Duration::from_millis(250);
/// How often a batch in flight is looked after.
const FLIGHT_CHECK: Duration = Duration::from_millis(250);
/// A batch in flight for longer than this is in an outage: what waits behind it is refused instead of kept waiting.
const FLIGHT_PATIENCE: Duration = Duration::from_secs(3);
/// Returns in one round: a fifth of a batch's records, so that a pause of many workspaces does not hold up others.
const RETURNS_MAX: usize = 200;
/// Recalls that are heard before a round. Each that finds something costs a return.
const RECALLS_MAX: usize = 256;

/// The lane's state between two rounds.
pub(super) struct Lane {
    log: EventLog,
    writer: Writer,
    face: Arc<Face>,
    pub(super) keys: Keys,
    pub(super) room: Room,
    pub(super) purses: Purses,
    pub(super) watch: Watch,
    /// Workspaces whose purses may have something to give back now.
    giving: VecDeque<WorkspaceId>,
    /// Recalls that are answered when the purse has given back.
    owed: HashMap<WorkspaceId, Vec<Heard>>,
    recalls: Subscriber,
    /// Orders that have arrived so far.
    arrived: u64,
    began: Instant,
    errands: Errands,
    settling: JoinSet<(Waiting, Result<(), Refusal>)>,
    gathering: Gathering,
    /// When the last batch was answered.
    ended: Instant,
    orders_max: usize,
}

/// Runs the lane until `shutdown`, and everything that waits was answered and everything that was held went back.
pub(super) async fn run(
    log: EventLog,
    member: MemberId,
    options: AdmissionOptions,
    keys: Keys,
    face: Arc<Face>,
    mut inbox: mpsc::Receiver<Waiting>,
    shutdown: CancellationToken,
) {
    let Some((writer, recalls)) = open(&log, member, &mut inbox, &shutdown).await else { return };
    face.show_writer(writer.id());
    face.show(Phase::Open);
    let mut lane = Lane {
        room: Room::new(log.partitions()),
        log: log.clone(),
        writer,
        face,
        keys,
        purses: Purses::new(options.wallets_max),
        watch: Watch::default(),
        giving: VecDeque::new(),
        owed: HashMap::new(),
        recalls,
        arrived: 0,
        began: clock::monotonic(),
        ended: clock::monotonic(),
        gathering: Gathering::default(),
        errands: Errands::new(log),
        settling: JoinSet::new(),
        orders_max: options.orders_max,
    };
    match lane.serve(inbox, &shutdown, options.close_timeout).await {
        // What was held went back in batches of its own, before the last one: a return that loses its guard is tried again.
        Ended::Empty => {}
        // Without its last record the writer counts as dead: a ledger fences it and gives back what it held.
        Ended::Holding => return warn!("stopped with drawn credits that could not be returned"),
        Ended::Undecided => return warn!("stopped with a batch undecided"),
    }
    if tokio::time::timeout(options.close_timeout, lane.writer.close(VecDeque::new())).await.is_err() {
        warn!("stopped before the writer was closed");
    }
}

/// Opens the writer and hears recalls, however long that takes. Orders that come in the meantime are refused.
async fn open(
    log: &EventLog,
    member: MemberId,
    inbox: &mut mpsc::Receiver<Waiting>,
    shutdown: &CancellationToken,
) -> Option<(Writer, Subscriber)> {
    let options = WriterOptions { role: "ingress".to_owned(), member, fails_fast: true };
    loop {
        let opened = tokio::select! {
            opened = Writer::open(log.clone(), options.clone()) => opened,
            () = shutdown.cancelled() => return None,
        };
        // A lane that holds credits must hear who needs them.
        match (opened, recall::listen(log.client()).await) {
            (Ok(writer), Ok(recalls)) => {
                info!(writer.id = %writer.id(), "opened admission");
                return Some((writer, recalls));
            }
            (Err(error), _) => debug!(error = %chain(&error), "admission cannot open yet"),
            (_, Err(error)) => debug!(error = %chain(&error), "admission cannot hear recalls yet"),
        }
        refuse_waiting(inbox);
        tokio::time::sleep(OPEN_PAUSE).await;
    }
}

fn refuse_waiting(inbox: &mut mpsc::Receiver<Waiting>) {
    while let Ok(order) = inbox.try_recv() {
        order.answer(Err(UNAVAILABLE));
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Everything was answered and returned.
    Empty,
    /// Everything was answered, but not everything returned.
    Holding,
    /// Patience ended with orders unanswered.
    Undecided,
}

impl Lane {
    async fn serve(
        &mut self,
        mut inbox: mpsc::Receiver<Waiting>,
        shutdown: &CancellationToken,
        patience: Duration,
    ) -> Ended {
        let mut give_up = std::pin::pin!(async {
            shutdown.cancelled().await;
            tokio::time::sleep(patience).await;
        });
        let (mut is_closing, mut is_emptying) = (false, false);
        loop {
            if shutdown.is_cancelled() && !is_closing {
                is_closing = true;
                inbox.close();
            }
            self.take_in(&mut inbox);
            let round = self.plan_round();
            if !round.is_empty() {
                if !self.commit(round, &mut inbox, give_up.as_mut()).await {
                    return Ended::Undecided;
                }
                continue;
            }
            if self.room.has_ready() || !self.giving.is_empty() {
                continue;
            }
            let has_inbox = !inbox.is_closed() || !inbox.is_empty();
            if !has_inbox && self.errands.is_idle() && self.settling.is_empty() {
                if is_emptying {
                    return if self.purses.holding().is_empty() { Ended::Empty } else { Ended::Holding };
                }
                is_emptying = true;
                self.empty();
                continue;
            }
            let next_idle = self.watch.next().map(|due| self.until(due));
            tokio::select! {
                Some(order) = inbox.recv() => self.arrive(order),
                Some(done) = self.errands.next() => self.take_done(done),
                Some(settled) = self.settling.join_next() => {
                    self.take_settled(settled.expect("settling a key does not panic"));
                }
                Some(message) = self.recalls.next() => self.hear(recall::heard(message, self.writer.id())),
                () = tokio::time::sleep(next_idle.unwrap_or_default()), if next_idle.is_some() => {}
                () = shutdown.cancelled(), if !is_closing => {}
                () = give_up.as_mut() => return if self.room.waiting() == 0 { Ended::Holding } else { Ended::Undecided },
            }
        }
    }

    /// The time, as purses know it.
    pub(super) fn now(&self) -> Moment {
        Moment(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// How long it is until then.
    fn until(&self, then: Moment) -> Duration {
        Duration::from_millis(then.0).saturating_sub(self.began.elapsed())
    }

    /// Takes in everything that came since the last round.
    fn take_in(&mut self, inbox: &mut mpsc::Receiver<Waiting>) {
        while let Some(done) = self.errands.try_next() {
            self.take_done(done);
        }
        while let Some(settled) = self.settling.try_join_next() {
            self.take_settled(settled.expect("settling a key does not panic"));
        }
        for _ in 0..RECALLS_MAX {
            let Some(Some(message)) = self.recalls.next().now_or_never() else { break };
            self.hear(recall::heard(message, self.writer.id()));
        }
        while self.room.waiting() < self.orders_max
            && let Ok(order) = inbox.try_recv()
        {
            self.arrive(order);
        }
    }

    fn arrive(&mut self, mut order: Waiting) {
        self.arrived += 1;
        order.arrival = self.arrived;
        self.room.arrive(order);
    }

    /// Takes an errand's result in. Whoever waited for it is decided again, or refused if nothing can be known.
    fn take_done(&mut self, done: Done) {
        let (workspace, is_known) = match done {
            Done::Read { workspace, covers, wallet } => {
                let purse = self.purses.of(workspace);
                match &wallet {
                    Ok(wallet) => purse.read(*wallet, covers),
                    Err(error) => {
                        purse.not_read();
                        self.errands.complain(workspace, error);
                    }
                }
                self.looks_at(workspace);
                (workspace, wallet.is_ok())
            }
            Done::Told { workspace, covers, balance } => {
                let purse = self.purses.of(workspace);
                match balance {
                    Ok(balance) => purse.told(balance, covers),
                    Err(_) => purse.not_told(),
                }
                (workspace, balance.is_ok())
            }
            Done::Recalled { workspace, covers, wallet } => {
                let purse = self.purses.of(workspace);
                match &wallet {
                    Ok(wallet) => purse.recalled(*wallet, covers),
                    Err(error) => {
                        purse.not_told();
                        self.errands.complain(workspace, error);
                    }
                }
                (workspace, wallet.is_ok())
            }
            Done::Answered => return,
        };
        if is_known {
            self.room.end_wait(workspace);
        } else {
            refuse(self.room.take_aside(workspace));
        }
    }

    fn take_settled(&mut self, (order, settled): (Waiting, Result<(), Refusal>)) {
        match settled {
            // A used key is answered by the next round, as every other one.
            Ok(()) => self.room.arrive(order),
            Err(refusal) => order.answer(Err(refusal)),
        }
    }

    /// Takes in another lane's recall. It is answered when what is held is back; at once when nothing is.
    fn hear(&mut self, heard: Option<Heard>) {
        let Some(heard) = heard else { return };
        let workspace = heard.workspace;
        self.purses.of(workspace).recall();
        self.owed.entry(workspace).or_default().push(heard);
        self.looks_at(workspace);
    }

    /// Answers the recalls of a workspace, of which so many credits went back.
    pub(super) fn answer_recalls(&mut self, workspace: WorkspaceId, credits: Credits) {
        if let Some(owed) = self.owed.remove(&workspace) {
            self.errands.answer(self.writer.id(), owed, credits);
        }
    }

    /// Looks in the next round whether a purse has something to give back.
    pub(super) fn looks_at(&mut self, workspace: WorkspaceId) {
        self.giving.push_back(workspace);
    }

    /// Gives back everything that is held.
    fn empty(&mut self) {
        for workspace in self.purses.holding() {
            self.purses.of(workspace).recall();
            self.looks_at(workspace);
        }
    }

    /// Plans a group for each workspace whose turn it is, and for each rest that goes back.
    fn plan_round(&mut self) -> Vec<(Pending, Flight)> {
        let now = self.now();
        let mut groups = self.plan_returns(now);
        let mut buckets = Buckets::new();
        let round = Round { writer: self.writer.id(), arrived: self.arrived, now };
        for pick in self.room.pick() {
            let workspace = pick.workspace;
            let planned = plan(pick, self.purses.of(workspace), &self.keys, &mut buckets, round);
            self.room.give_back(workspace, planned.left);
            self.room.set_aside(workspace, planned.aside);
            if planned.reads {
                self.read(workspace, Duration::ZERO);
            }
            match planned.question {
                Some(Question::Balance { at }) => self.errands.ask_balance(workspace, self.arrived, self.until(at)),
                Some(Question::Recall { at, missing }) => {
                    self.errands.recall(round.writer, workspace, self.arrived, self.until(at), missing);
                }
                None => {}
            }
            for order in planned.unsettled {
                self.settle_key(order);
            }
            groups.extend(planned.flight);
        }
        groups
    }

    fn plan_returns(&mut self, now: Moment) -> Vec<(Pending, Flight)> {
        while let Some(workspace) = self.watch.idle(&mut self.purses, now) {
            self.looks_at(workspace);
        }
        let mut groups = Vec::new();
        for _ in 0..self.giving.len() {
            let Some(workspace) = self.giving.pop_front() else { break };
            match self.purses.of(workspace).give_back() {
                GiveBack::Done => self.answer_recalls(workspace, Credits::ZERO),
                GiveBack::Later => {}
                GiveBack::Read => self.read(workspace, Duration::ZERO),
                GiveBack::Return(back) => groups.push(hand_back(workspace, back, self.writer.id())),
            }
            if groups.len() >= RETURNS_MAX {
                break;
            }
        }
        groups
    }

    /// Reads a wallet beside the rounds, after a pause.
    pub(super) fn read(&mut self, workspace: WorkspaceId, pause: Duration) {
        self.errands.read(workspace, self.arrived, pause);
    }

    /// Finds out how an order's key stands, beside the rounds.
    fn settle_key(&mut self, mut order: Waiting) {
        let keys = self.keys.clone();
        self.settling.spawn(async move {
            let settled = match &mut order.key {
                Some(ticket) => keys.settle(ticket).await.map(|_used_or_clear| ()),
                None => Ok(()),
            };
            (order, settled)
        });
    }

    /// Commits one round's groups, answers their orders, and lets others gather for as long as is good. Returns `false` when
    /// it gave up on an undecided batch; the writer must not be used again then.
    async fn commit(
        &mut self,
        round: Vec<(Pending, Flight)>,
        inbox: &mut mpsc::Receiver<Waiting>,
        mut give_up: Pin<&mut impl Future<Output = ()>>,
    ) -> bool {
        let (mut queue, flights): (VecDeque<_>, Vec<_>) = round.into_iter().unzip();
        let began = clock::monotonic();
        {
            let mut commit = std::pin::pin!(self.writer.commit(&mut queue));
            loop {
                tokio::select! {
                    biased;
                    () = &mut commit => break,
                    () = give_up.as_mut() => return false,
                    () = tokio::time::sleep(FLIGHT_CHECK) => {}
                }
                if !self.log.is_connected() || began.elapsed() >= FLIGHT_PATIENCE {
                    self.face.show(Phase::Undecided);
                    self.room.refuse_all();
                    refuse_waiting(inbox);
                }
            }
        }
        self.face.show(Phase::Open);
        if self.face.writer() != self.writer.id() {
            self.face.show_writer(self.writer.id());
            self.purses.fenced();
        }
        // What the writer put back is decided again: see `outcome`.
        drop(queue);
        let mut batch = Batch {
            idle: began.saturating_duration_since(self.ended),
            took: began.elapsed(),
            orders: 0,
            first: u64::MAX,
            last: 0,
        };
        for flight in flights {
            self.land(flight, &mut batch);
        }
        self.ended = clock::monotonic();
        if batch.last > 0 {
            let pause = self.gathering.pause_after(batch);
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        true
    }
}
