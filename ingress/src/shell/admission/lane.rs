//! The lane: one task, one writer, one batch in flight.
//!
//! Shape of a round: take in what came, plan a group per workspace, commit them, answer. Reading a wallet and settling a
//! key happen beside it, and hold only their own orders.
//!
//! Not here: what a group holds (see [`super::plan`]), what its answer means (see [`super::outcome`]).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::ids::{MemberId, WorkspaceId};
use angelia_shared::log::{EventLog, Pending, Writer, WriterOptions};
use angelia_shared::telemetry::chain;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::order::Waiting;
use super::plan::{Buckets, Flight, plan};
use super::room::Room;
use super::wallets::{self, Known, REST, ReadWalletError, Wallets};
use super::{AdmissionOptions, Face, Phase, UNAVAILABLE};
use crate::domain::refusal::Refusal;
use crate::domain::wallet::Wallet;
use crate::shell::keys::Keys;

/// Wallets that are read at once. A read takes a round trip; this many a millisecond are more than a batch brings.
const READS_MAX: usize = 64;
/// Pause before the writer is opened again.
const OPEN_PAUSE: Duration = Duration::from_millis(250);
/// How often a batch in flight is looked after.
const FLIGHT_CHECK: Duration = Duration::from_millis(250);
/// A batch in flight for longer than this is in an outage: what waits behind it is refused instead of kept waiting.
const FLIGHT_PATIENCE: Duration = Duration::from_secs(3);

/// The lane's state between two rounds.
pub(super) struct Lane {
    log: EventLog,
    writer: Writer,
    face: Arc<Face>,
    pub(super) keys: Keys,
    pub(super) room: Room,
    pub(super) wallets: Wallets,
    /// Orders that have arrived so far.
    arrived: u64,
    reads: JoinSet<WalletRead>,
    reads_at_once: Arc<Semaphore>,
    settling: JoinSet<(Waiting, Result<(), Refusal>)>,
    orders_max: usize,
}

struct WalletRead {
    workspace: WorkspaceId,
    covers: u64,
    wallet: Result<Wallet, ReadWalletError>,
}

/// Runs the lane until `shutdown`, and everything that waits was answered.
pub(super) async fn run(
    log: EventLog,
    member: MemberId,
    options: AdmissionOptions,
    keys: Keys,
    face: Arc<Face>,
    mut inbox: mpsc::Receiver<Waiting>,
    shutdown: CancellationToken,
) {
    let Some(writer) = open(&log, member, &mut inbox, &shutdown).await else { return };
    face.show_writer(writer.id());
    face.show(Phase::Open);
    let mut lane = Lane {
        log,
        writer,
        face,
        keys,
        room: Room::default(),
        wallets: Wallets::new(options.wallets_max),
        arrived: 0,
        reads: JoinSet::new(),
        reads_at_once: Arc::new(Semaphore::new(READS_MAX)),
        settling: JoinSet::new(),
        orders_max: options.orders_max,
    };
    if lane.serve(inbox, &shutdown, options.close_timeout).await == Ended::Undecided {
        warn!("stopped with a batch undecided");
        return;
    }
    if tokio::time::timeout(options.close_timeout, lane.writer.close(VecDeque::new())).await.is_err() {
        warn!("stopped before the writer was closed");
    }
}

/// Opens the writer, however long that takes. Orders that come in the meantime are refused.
async fn open(
    log: &EventLog,
    member: MemberId,
    inbox: &mut mpsc::Receiver<Waiting>,
    shutdown: &CancellationToken,
) -> Option<Writer> {
    let options = WriterOptions { role: "ingress".to_owned(), member, fails_fast: true };
    loop {
        let opened = tokio::select! {
            opened = Writer::open(log.clone(), options.clone()) => opened,
            () = shutdown.cancelled() => return None,
        };
        match opened {
            Ok(writer) => {
                info!(writer.id = %writer.id(), "opened admission");
                return Some(writer);
            }
            Err(error) => debug!(error = %chain(&error), "admission cannot open yet"),
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
    /// Everything was answered.
    Idle,
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
        let mut is_closing = false;
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
            if self.room.has_ready() {
                continue;
            }
            let has_inbox = !inbox.is_closed() || !inbox.is_empty();
            if !has_inbox && self.reads.is_empty() && self.settling.is_empty() {
                return Ended::Idle;
            }
            tokio::select! {
                Some(order) = inbox.recv() => self.arrive(order),
                Some(read) = self.reads.join_next() => self.take_read(read.expect("reading a wallet does not panic")),
                Some(settled) = self.settling.join_next() => {
                    self.take_settled(settled.expect("settling a key does not panic"));
                }
                () = shutdown.cancelled(), if !is_closing => {}
                () = give_up.as_mut() => return Ended::Undecided,
            }
        }
    }

    /// Takes in everything that came since the last round.
    fn take_in(&mut self, inbox: &mut mpsc::Receiver<Waiting>) {
        while let Some(read) = self.reads.try_join_next() {
            self.take_read(read.expect("reading a wallet does not panic"));
        }
        while let Some(settled) = self.settling.try_join_next() {
            self.take_settled(settled.expect("settling a key does not panic"));
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

    fn take_read(&mut self, read: WalletRead) {
        self.room.release(read.workspace);
        match read.wallet {
            Ok(wallet) => self.wallets.put(read.workspace, Known { wallet, covers: read.covers, streak: None }),
            Err(error) => {
                self.wallets.complain(read.workspace, &error);
                for order in self.room.take_all_of(read.workspace) {
                    order.answer(Err(UNAVAILABLE));
                }
            }
        }
    }

    fn take_settled(&mut self, (order, settled): (Waiting, Result<(), Refusal>)) {
        match settled {
            // A used key is answered by the next round, as every other one.
            Ok(()) => self.room.arrive(order),
            Err(refusal) => order.answer(Err(refusal)),
        }
    }

    /// Plans a group for each workspace whose turn it is.
    fn plan_round(&mut self) -> Vec<(Pending, Flight)> {
        let now = clock::monotonic();
        let mut unknown = Vec::new();
        let wallets = &mut self.wallets;
        let picks = self.room.pick(|workspace| {
            let rest = match wallets.get(workspace) {
                None => Duration::ZERO,
                Some(Known { streak: Some(streak), .. }) if streak.is_due_a_rest(now) => REST,
                Some(_) => return true,
            };
            unknown.push((workspace, rest));
            false
        });
        for (workspace, rest) in unknown {
            self.start_read(workspace, rest);
        }
        let mut buckets = Buckets::new();
        let mut round = Vec::new();
        for pick in picks {
            let workspace = pick.workspace;
            let Some(known) = self.wallets.get(workspace) else {
                // Forgotten within this very round, in favour of many others: it is read when its turn comes again.
                self.room.give_back(workspace, pick.orders);
                continue;
            };
            let planned = plan(pick, known, &self.keys, &mut buckets, self.writer.id(), self.arrived);
            self.room.give_back(workspace, planned.left);
            if planned.reads_wallet {
                self.room.hold(workspace);
                self.start_read(workspace, Duration::ZERO);
            }
            for order in planned.unsettled {
                self.settle_key(order);
            }
            round.extend(planned.flight);
        }
        round
    }

    /// Reads a wallet beside the rounds, after a pause. Its workspace is held until then.
    pub(super) fn start_read(&mut self, workspace: WorkspaceId, pause: Duration) {
        let (log, at_once, covers) = (self.log.clone(), Arc::clone(&self.reads_at_once), self.arrived);
        self.reads.spawn(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let _permit = at_once.acquire().await.expect("the semaphore is never closed");
            let wallet = wallets::read(&log, workspace).await;
            WalletRead { workspace, covers, wallet }
        });
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

    /// Commits one round's groups and answers their orders. Returns `false` when it gave up on an undecided batch; the
    /// writer must not be used again then.
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
        }
        // What the writer put back is decided again: see `outcome`.
        drop(queue);
        for flight in flights {
            self.land(flight);
        }
        true
    }
}
