//! Renews one's own key, and knows when it was not renewed in time.
//!
//! Invariant: whoever sees the key expire sees it no earlier than this process says of itself that it is not fresh. The time
//! counts from *before* a renewal was sent, by a clock that also runs while the machine is suspended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{Member, Members, MembersError, Seat, Service};
use crate::clock;
use crate::ids::MemberId;
use crate::log::connection::while_connected;
use crate::metrics::MEMBER_RENEWALS_FAILED;

/// Pause after a renewal that failed: short beside the TTL, so that a broker that is back finds its members at once.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How often joining is tried: a cluster that has just made the bucket has no leader for it yet.
const JOIN_TRIES: u32 = 50;

/// One's own place among the members.
#[derive(Clone)]
pub struct Membership {
    members: Members,
    member: Member,
    renewed: Arc<Mutex<Renewed>>,
    leaving: Arc<watch::Sender<bool>>,
}

/// Since when, and until when, the key was there. Both as [`clock::uptime`].
#[derive(Clone, Copy, Debug)]
struct Renewed {
    since: Duration,
    sent: Duration,
}

impl Renewed {
    /// The time for which the key has been there without a break; none when it may be gone.
    fn fresh_for(self, ttl: Duration, now: Duration) -> Option<Duration> {
        (now < self.sent + ttl).then(|| now.saturating_sub(self.since))
    }

    /// A renewal sent at `sent` was stored.
    fn again(self, ttl: Duration, sent: Duration) -> Self {
        let unbroken = self.fresh_for(ttl, sent).is_some();
        Self { since: if unbroken { self.since } else { sent }, sent }
    }
}

impl Membership {
    /// Stores the key and starts the task that renews it. On `shutdown` the key is taken away, so cancel it *after* the
    /// process has stopped doing what the others rely on.
    ///
    /// # Errors
    /// [`MembersError::Join`] when the key cannot be stored now.
    pub async fn join(
        members: &Members,
        service: Service,
        member: MemberId,
        shutdown: CancellationToken,
    ) -> Result<(Self, JoinHandle<()>), MembersError> {
        let member = Member { v: 1, service, member, started_at: clock::now(), leaving: false };
        let mut tries = 0;
        let sent = loop {
            let sent = clock::uptime();
            match put(members, &member).await {
                Ok(()) => break sent,
                Err(error) if tries == JOIN_TRIES => return Err(MembersError::Join(error)),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        };
        let renewed = Arc::new(Mutex::new(Renewed { since: sent, sent }));
        let leaving = Arc::new(watch::Sender::new(false));
        let membership = Self { members: members.clone(), member, renewed, leaving };
        let task = tokio::spawn(membership.clone().keep(shutdown));
        Ok((membership, task))
    }

    /// What it says of itself.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// Its key.
    pub fn seat(&self) -> Seat {
        self.member.seat()
    }

    /// The bucket that it is in.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Tells everybody that this process goes and wants nothing new. It lives on until its key is taken away.
    pub fn announce_leaving(&self) {
        self.leaving.send_replace(true);
    }

    /// Whether the key was renewed in time: nobody can have seen it expire.
    pub fn is_fresh(&self) -> bool {
        self.fresh_for().is_some()
    }

    /// For how long the key has been there without a break; none when it may be gone.
    pub fn fresh_for(&self) -> Option<Duration> {
        self.renewed().fresh_for(self.members.ttl, clock::uptime())
    }

    /// Waits until the key may be gone. By a clock that may stand still while the machine is suspended: then it ends late, and
    /// whoever must know asks [`is_fresh`](Self::is_fresh).
    pub async fn until_stale(&self) {
        loop {
            let left = (self.renewed().sent + self.members.ttl).saturating_sub(clock::uptime());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    fn renewed(&self) -> Renewed {
        // Written in one step, so a panic elsewhere leaves it whole.
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keep(self, shutdown: CancellationToken) {
        let period = self.members.ttl / 3;
        let mut pause = period;
        let mut failing = false;
        let mut leaving = self.leaving.subscribe();
        // It may have been said before this task ran for the first time.
        leaving.mark_changed();
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // This process holds the sender.
                Ok(()) = leaving.changed() => {}
                () = shutdown.cancelled() => return self.leave().await,
            }
            let sent = clock::uptime();
            let member = Member { leaving: *leaving.borrow_and_update(), ..self.member };
            match put(&self.members, &member).await {
                Ok(()) => {
                    let renewed = self.renewed().again(self.members.ttl, sent);
                    *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
                    pause = period.saturating_sub(clock::uptime().saturating_sub(sent));
                    failing = false;
                }
                Err(error) => {
                    if !failing {
                        warn!(member = %self.seat(), error = %crate::telemetry::chain(&*error), "member key not renewed, trying again");
                    }
                    metrics::counter!(MEMBER_RENEWALS_FAILED).increment(1);
                    pause = RETRY_PAUSE;
                    failing = true;
                }
            }
        }
    }

    /// Takes the key away. When that fails, it expires.
    async fn leave(self) {
        let removed = async {
            let bucket = self.members.bucket().await.ok()?;
            bucket.delete(self.seat().to_string()).await.ok()
        };
        let client = self.members.log.client();
        let removed = tokio::time::timeout(self.members.ttl, while_connected(client, removed)).await;
        if !matches!(removed, Ok(Some(Some(())))) {
            debug!(member = %self.seat(), "member key not removed, it will expire");
        }
    }
}

/// Why a key was not stored.
type NotStored = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
#[error("the broker did not answer")]
struct NoAnswer;

/// Stores the key once. The broker may have forgotten the bucket, so it is looked for each time: one more small request.
async fn put(members: &Members, member: &Member) -> Result<(), NotStored> {
    let value = serde_json::to_vec(member).map_err(Box::new)?;
    let stored = async {
        let bucket = members.bucket().await?;
        bucket.put(member.seat().to_string(), Bytes::from(value)).await?;
        Ok(())
    };
    let client = members.log.client();
    match tokio::time::timeout(members.ttl / 3, while_connected(client, stored)).await {
        Ok(Some(stored)) => stored,
        Ok(None) | Err(_) => Err(Box::new(NoAnswer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(5);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_fresh_until_a_ttl_after_the_last_renewal_was_sent() {
        let renewed = Renewed { since: s(10), sent: s(20) };
        assert_eq!(renewed.fresh_for(TTL, s(24)), Some(s(14)));
        assert_eq!(renewed.fresh_for(TTL, s(25)), None);
    }

    #[test]
    fn a_renewal_in_time_goes_on_and_a_late_one_begins_anew() {
        let renewed = Renewed { since: s(10), sent: s(20) };
        assert_eq!(renewed.again(TTL, s(24)).fresh_for(TTL, s(24)), Some(s(14)));
        assert_eq!(renewed.again(TTL, s(25)).fresh_for(TTL, s(26)), Some(s(1)));
    }
}
