//! Follows the bucket of members: a watch with a heartbeat, so that silence is told from peace.
//!
//! The broker's client makes lost consumers again in silence; here a loss must be known. So this consumer is made by hand, and
//! every doubt (another connection, no heartbeat, a number missing, a pause of this process) ends it: the next one begins
//! with everything that there is.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, push};
use async_nats::jetstream::message::Message;
use async_nats::{HeaderMap, StatusCode, Subscriber, header};
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{BUCKET, Member, Membership, Roster, Seat};
use crate::clock;
use crate::log::connection::{identity, is_connected, while_connected};
use crate::metrics::MEMBER_WATCHES_LOST;

/// How often a quiet watch looks at its connection and at members in doubt.
const TICK: Duration = Duration::from_millis(250);
/// Pause before a watch is made again.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);

/// The members as this process sees them.
#[derive(Clone)]
pub struct MembersView {
    roster: watch::Receiver<Roster>,
    own: Membership,
}

impl MembersView {
    /// Starts the task that follows the bucket that `own` is in.
    pub fn start(own: &Membership, shutdown: CancellationToken) -> (Self, JoinHandle<()>) {
        let (tell, roster) = watch::channel(Roster::new(own.members().ttl()));
        let follower = Follower { own: own.clone(), tell };
        (Self { roster, own: own.clone() }, tokio::spawn(follower.follow(shutdown)))
    }

    /// Who is alive now: a copy, so that whoever keeps it keeps no lock. With a lock, a second look in the same statement
    /// waits for the change that waits for the first, and the process stands still for good.
    pub fn read(&self) -> Roster {
        self.roster.borrow().clone()
    }

    /// Every change, for those who act on it.
    pub fn subscribe(&self) -> watch::Receiver<Roster> {
        self.roster.clone()
    }

    /// For how long an absent member has surely been absent by its own doing: the watch stood, and this process itself could
    /// renew its key (while it cannot, nobody may be able to). None while either is broken.
    ///
    /// An outage of the broker expires every member, so who acts on an expiry waits until this is twice the TTL.
    pub fn unbroken_for(&self) -> Option<Duration> {
        let watched = clock::uptime().saturating_sub(self.roster.borrow().since()?);
        Some(watched.min(self.own.fresh_for()?))
    }

    /// How long a key lives after its last renewal.
    pub fn ttl(&self) -> Duration {
        self.own.members().ttl()
    }

    /// Waits until everything that there is was told once.
    pub async fn complete(&self) {
        // The task lives as long as the process; when it has ended, shutdown is under way.
        let mut roster = self.roster.clone();
        let _ended = roster.wait_for(Roster::is_complete).await;
    }
}

struct Follower {
    own: Membership,
    tell: watch::Sender<Roster>,
}

/// A consumer of the bucket and where it stands.
struct Watch {
    subscription: Subscriber,
    connection: (String, u64),
    /// When the broker was heard last, as [`clock::uptime`].
    heard: Duration,
    /// The consumer's number of the last message.
    number: u64,
    complete: bool,
}

/// Why there is no watch yet.
type NotOpen = Box<dyn std::error::Error + Send + Sync>;

/// Why a watch is not to be trusted any more.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the connection was replaced")]
    Connection,
    #[error("nothing was heard for {0:?}")]
    Silence(Duration),
    #[error("a message is missing")]
    Gap,
    #[error("the subscription ended")]
    Ended,
    #[error("this member's own key expired")]
    OwnKeyExpired,
}

impl Follower {
    async fn follow(self, shutdown: CancellationToken) {
        loop {
            let lost = tokio::select! {
                lost = self.watch() => lost,
                () = shutdown.cancelled() => return,
            };
            match lost {
                Ok(lost) => {
                    info!(reason = %lost, "the watch of the members is lost, beginning again");
                    metrics::counter!(MEMBER_WATCHES_LOST).increment(1);
                }
                Err(error) => {
                    debug!(error = %crate::telemetry::chain(&*error), "cannot watch the members yet");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(REOPEN_PAUSE) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Watches until that cannot be trusted any more.
    async fn watch(&self) -> Result<Lost, NotOpen> {
        let mut watch = self.open().await?;
        let lost = loop {
            let message = tokio::time::timeout(TICK, watch.subscription.next()).await;
            if let Err(lost) = self.check(&watch) {
                break lost;
            }
            let told = match message {
                Err(_quiet) => Ok(()),
                Ok(None) => Err(Lost::Ended),
                Ok(Some(message)) => self.take(&mut watch, message),
            };
            let now = clock::uptime();
            self.change(|roster| roster.pass(now));
            if let Err(lost) = told {
                break lost;
            }
        };
        self.change(Roster::lose);
        Ok(lost)
    }

    async fn open(&self) -> Result<Watch, NotOpen> {
        let members = self.own.members();
        let client = members.log.client();
        let connection = identity(client);
        let opened = async {
            let bucket = members.bucket().await?;
            let inbox = client.new_inbox();
            let subscription = client.subscribe(inbox.clone()).await?;
            let config = push::Config {
                deliver_subject: inbox,
                description: Some(format!("members, for {}", self.own.seat())),
                deliver_policy: DeliverPolicy::LastPerSubject,
                filter_subject: format!("$KV.{BUCKET}.>"),
                ack_policy: AckPolicy::None,
                idle_heartbeat: self.heartbeat(),
                memory_storage: true,
                num_replicas: 1,
                ..Default::default()
            };
            let consumer = bucket.stream.create_consumer(config).await?;
            Ok::<_, NotOpen>((subscription, consumer.cached_info().num_pending))
        };
        let (subscription, pending) = while_connected(client, opened).await.ok_or(Lost::Connection)??;
        let mut watch = Watch { subscription, connection, heard: clock::uptime(), number: 0, complete: false };
        if pending == 0 {
            self.complete(&mut watch);
        }
        Ok(watch)
    }

    /// How often a broker that has nothing to tell says so.
    fn heartbeat(&self) -> Duration {
        self.own.members().ttl() / 5
    }

    /// Doubts the watch before anything that it tells is believed. A pause that is shorter than this, of broker or process,
    /// lets no key expire: with the time since its last renewal it stays below the TTL.
    fn check(&self, watch: &Watch) -> Result<(), Lost> {
        let client = self.own.members().log.client();
        let silence = clock::uptime().saturating_sub(watch.heard);
        if silence > self.heartbeat() * 3 {
            return Err(Lost::Silence(silence));
        }
        if !is_connected(client) || identity(client) != watch.connection {
            return Err(Lost::Connection);
        }
        Ok(())
    }

    fn take(&self, watch: &mut Watch, message: async_nats::Message) -> Result<(), Lost> {
        watch.heard = clock::uptime();
        if message.status == Some(StatusCode::IDLE_HEARTBEAT) {
            let last = message.headers.as_ref().and_then(|headers| headers.get(header::NATS_LAST_CONSUMER));
            if last.is_some_and(|last| last.as_str() != watch.number.to_string()) {
                return Err(Lost::Gap);
            }
            // Sent only when there is nothing else to send.
            self.complete(watch);
            return Ok(());
        }
        if message.status.is_some() {
            return Ok(());
        }
        let message = Message { message, context: self.own.members().log.jetstream().clone() };
        let Ok(info) = message.info() else { return Err(Lost::Gap) };
        if info.consumer_sequence != watch.number + 1 {
            return Err(Lost::Gap);
        }
        watch.number = info.consumer_sequence;
        let pending = info.pending;
        self.fold(&message.message)?;
        if pending == 0 {
            self.complete(watch);
        }
        Ok(())
    }

    fn fold(&self, message: &async_nats::Message) -> Result<(), Lost> {
        let key = message.subject.strip_prefix("$KV.").and_then(|rest| rest.strip_prefix(BUCKET)?.strip_prefix('.'));
        let Some(seat) = key.and_then(|key| key.parse::<Seat>().ok()) else {
            warn!(subject = %message.subject, "not a member's key");
            return Ok(());
        };
        let now = clock::uptime();
        match news(message.headers.as_ref()) {
            News::Renewed => match serde_json::from_slice::<Member>(&message.payload) {
                Ok(member) if member.seat() == seat => self.change(|roster| roster.see(member)),
                Ok(_) | Err(_) => warn!(member = %seat, "a member's key cannot be read"),
            },
            News::Left => self.change(|roster| roster.leave(seat)),
            News::Expired => {
                let outage = seat == self.own.seat() || !self.own.is_fresh();
                self.change(|roster| roster.expire(seat, outage, now));
                if seat == self.own.seat() {
                    return Err(Lost::OwnKeyExpired);
                }
            }
        }
        Ok(())
    }

    fn complete(&self, watch: &mut Watch) {
        if !std::mem::replace(&mut watch.complete, true) {
            let now = clock::uptime();
            self.change(|roster| roster.complete(now));
        }
    }

    /// Changes the roster, and tells it only when it is another one.
    fn change(&self, change: impl FnOnce(&mut Roster)) {
        self.tell.send_if_modified(|roster| {
            let before = roster.clone();
            change(roster);
            *roster != before
        });
    }
}

/// What a message of the bucket says about its key.
enum News {
    Renewed,
    Left,
    Expired,
}

fn news(headers: Option<&HeaderMap>) -> News {
    let value = |name: &str| headers.and_then(|headers| headers.get(name)).map(|value| value.as_str());
    match (value("KV-Operation"), value("Nats-Marker-Reason")) {
        (_, Some("MaxAge")) => News::Expired,
        (Some("DEL" | "PURGE"), _) | (_, Some(_)) => News::Left,
        (Some(_) | None, None) => News::Renewed,
    }
}
