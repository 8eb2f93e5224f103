//! Calls with an idempotency key: each is decided by the process that owns the key's bucket.
//!
//! Shape: (ticket, order) -> message id or refusal. The owner is found by [`rendezvous`] among the living processes, and asked
//! over core NATS; this process is one of them, and answers what others ask it. Whoever is asked decides, and never asks on.
//!
//! Owners are liveness only: they keep two processes from losing each other's guards, and let one know that a key is in
//! flight in another. IN-2 rests on the buckets' guards alone. So a process that hears nothing from an owner decides the call
//! itself instead of refusing it: that costs a retry if both store something in the bucket, and never a second message. An
//! owner that lives and says 503 is believed: a second process would only add to its load. A caller who hangs up takes nothing
//! back that was handed over; with the same key he finds it.
//!
//! Invariants: IN-1, IN-2 (see [`crate::domain::hand_over`] for what may be answered after a silence).
//!
//! Not here: what a key's use means (see [`super::keys`]), storing (see [`super::admission`], where the tests of this are,
//! too), who lives.

mod owner;
mod owners;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::ids::{MemberId, MessageId};
use angelia_shared::log::EventLog;
use angelia_shared::telemetry::chain;
use async_nats::client::RequestErrorKind;
use async_nats::{Client, Request, SubscribeError};
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub(super) use self::owners::Live;
use self::owners::Owners;
use self::wire::Decision;
use super::admission::{Admission, KeyTicket, Order, UNAVAILABLE};
use crate::domain::hand_over::{Came, after_silence};
use crate::domain::refusal::Refusal;
use crate::metrics as names;

/// What the owners' subjects begin with; the member follows. An empty request asks whether it lives.
const SUBJECT: &str = "angelia.ingress.keys";

/// Bounds of handing over and of being handed.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandOverOptions {
    /// How long an owner may take. Nearly all of that is its settling of the key (up to 3 s) and a slow batch.
    pub(super) answer_within: Duration,
    /// After how long without an answer, and then how often, the owner is asked whether it lives.
    pub(super) look_every: Duration,
    /// How long a living process may take to say so: its task of requests does nothing that takes long.
    pub(super) alive_within: Duration,
    /// For how long a silent owner is passed over: until its member key has expired.
    pub(super) passed_over_for: Duration,
    /// For how long an owner is passed over where nobody listens: finding out costs nothing, and it may just be starting.
    pub(super) absent_for: Duration,
    /// Bytes of orders that may be with other processes, and again of those that may be here for others: of large ones
    /// hundreds, of small ones ten thousands.
    pub(super) bytes_max: usize,
}

impl Default for HandOverOptions {
    /// A silent owner costs the calls of its first second that second. A call that waits for all of `answer_within` is told
    /// 503 before most callers lose patience.
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(6),
            look_every: Duration::from_millis(500),
            alive_within: Duration::from_millis(500),
            passed_over_for: Duration::from_secs(5),
            absent_for: Duration::from_millis(500),
            bytes_max: 32 * 1024 * 1024,
        }
    }
}

/// What an order in flight between two processes takes beside its bytes, about.
const OVERHEAD_BYTES: usize = 1_024;

/// This process's part in deciding keyed calls. Cheap to clone.
#[derive(Clone)]
pub(crate) struct KeyedCalls(Arc<Parts>);

struct Parts {
    admission: Admission,
    log: EventLog,
    owners: Owners,
    options: HandOverOptions,
    /// Bytes of orders that are with others.
    away: Arc<Semaphore>,
    /// Bytes of orders that are here for others.
    taken: Arc<Semaphore>,
}

impl KeyedCalls {
    /// Starts the task that answers what others ask this process, and returns when they can. It ends after `stop`, when
    /// everything that was asked is answered; signal that before admission is stopped.
    ///
    /// # Errors
    /// When the broker does not take the subscription.
    pub(super) async fn start(
        admission: Admission,
        log: EventLog,
        me: MemberId,
        live: Live,
        options: HandOverOptions,
        stop: CancellationToken,
    ) -> Result<(Self, JoinHandle<()>), SubscribeError> {
        let subscription = log.client().subscribe(subject(me)).await?;
        let room = || Arc::new(Semaphore::new(options.bytes_max));
        let owners = Owners::new(me, live);
        let calls = Self(Arc::new(Parts { admission, log, owners, options, away: room(), taken: room() }));
        let task = tokio::spawn(owner::answer(calls.clone(), subscription, stop));
        // The broker must know of the subscription. Without an answer it is away: the subscription comes back with it, and
        // until then others decide themselves.
        let _is_known = calls.is_alive(me).await;
        Ok((calls, task))
    }

    /// Decides a call whose key is not known to be used: accepts `order`, or finds the earlier message. When the key is
    /// unused, an order that was refused keeps its refusal.
    ///
    /// # Errors
    /// The order's refusal; those of admission and of keys; 503 when it is not known what became of the order.
    pub(crate) async fn decide(&self, ticket: KeyTicket, order: Result<Order, Refusal>) -> Result<MessageId, Refusal> {
        let parts = &*self.0;
        let owner = parts.owners.of(ticket.bucket());
        if owner == parts.owners.me() {
            return self.decide_here(ticket, order).await;
        }
        let payload = wire::hand_over(&ticket, order.as_ref().ok(), parts.options.answer_within);
        let bytes = u32::try_from(payload.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX);
        let came = {
            let _room = parts.away.try_acquire_many(bytes).map_err(|_| UNAVAILABLE)?;
            self.ask(owner, payload).await
        };
        metrics::counter!(names::KEYS_HANDED_OVER, "outcome" => outcome(&came)).increment(1);
        match came {
            Came::Decided(Decision::Accepted(message)) => Ok(message),
            Came::Decided(Decision::Refused(refusal)) => Err(refusal),
            Came::Decided(Decision::Unused) => Err(order.err().unwrap_or(UNAVAILABLE)),
            Came::NotTaken => self.decide_here(ticket, order).await,
            // Without an order there is nothing that could be stored later.
            Came::Silent if order.is_err() => self.decide_here(ticket, order).await,
            Came::Silent => after_silence(self.decide_here(ticket, order).await, UNAVAILABLE),
            Came::Late => Err(UNAVAILABLE),
        }
    }

    async fn decide_here(&self, ticket: KeyTicket, order: Result<Order, Refusal>) -> Result<MessageId, Refusal> {
        let (order, refusal) = match order {
            Ok(order) => (Some(order), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let decided = self.0.admission.admit_keyed(ticket, order).await?;
        decided.ok_or_else(|| refusal.unwrap_or(UNAVAILABLE))
    }

    /// Asks `owner` to decide, and looks whether it lives while it does not answer.
    async fn ask(&self, owner: MemberId, payload: Bytes) -> Came<Decision> {
        let Parts { log, owners, options, .. } = &*self.0;
        let client = log.client();
        if !log.is_connected() {
            return Came::NotTaken;
        }
        let asked_on = connection(client);
        let request = Request::new().payload(payload).timeout(Some(options.answer_within));
        let mut answer = std::pin::pin!(client.send_request(subject(owner), request));
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return self.came(owner, answer),
                () = tokio::time::sleep(options.look_every) => {}
            }
            tokio::select! {
                biased;
                answer = &mut answer => return self.came(owner, answer),
                alive = self.is_alive(owner) => if !alive {
                    // Without this connection nobody would be heard.
                    if log.is_connected() && connection(client) == asked_on {
                        warn!(owner.id = %owner, "an owner of idempotency keys does not answer, passing it over for a while");
                        owners.pass_over(owner, options.passed_over_for);
                    }
                    return Came::Silent;
                }
            }
        }
    }

    fn came(&self, owner: MemberId, answer: Result<async_nats::Message, async_nats::RequestError>) -> Came<Decision> {
        let error = match answer {
            Ok(answer) => return wire::read_answer(&answer.payload),
            Err(error) => error,
        };
        debug!(owner.id = %owner, error = %chain(&error), "an owner of idempotency keys gave no answer");
        match error.kind() {
            RequestErrorKind::NoResponders => {
                self.0.owners.pass_over(owner, self.0.options.absent_for);
                Came::NotTaken
            }
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => Came::NotTaken,
            // It was alive at the last look.
            RequestErrorKind::TimedOut => Came::Late,
            RequestErrorKind::Other => Came::Silent,
        }
    }

    async fn is_alive(&self, owner: MemberId) -> bool {
        let request = Request::new().timeout(Some(self.0.options.alive_within));
        self.0.log.client().send_request(subject(owner), request).await.is_ok()
    }
}

fn subject(member: MemberId) -> String {
    format!("{SUBJECT}.{member}")
}

/// Tells connections apart.
fn connection(client: &Client) -> (String, u64) {
    let info = client.server_info();
    (info.server_id, info.client_id)
}

fn outcome(came: &Came<Decision>) -> &'static str {
    match came {
        Came::Decided(_) => "decided",
        Came::NotTaken => "not_taken",
        Came::Silent => "silent",
        Came::Late => "late",
    }
}
