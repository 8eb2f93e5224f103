//! Which processes are alive: each renews a key in a bucket whose keys expire, and everybody can follow the bucket.
//!
//! Read in this order: [`roster`] (who counts as alive, pure), [`membership`] (renews one's own key), [`view`] (follows all
//! keys), [`joining`] (both, waiting while the broker is away). Liveness only: nothing is safe because of it. What must hold is held by guards, claims and fences in the log.
//!
//! Invariants:
//! - A watch that was lost empties nothing: who was alive stays so until a watch that stands again has not seen it for a TTL.
//! - A process that was suspended or cut off knows it by itself, no later than others see its key expire.
//!
//! The bucket is kept in memory: a key is worth nothing after a restart of the broker, and renewals would otherwise share the
//! log's disk. A broker on its own forgets such a bucket when it restarts, so whoever misses it makes it again.

pub mod joining;
pub mod membership;
pub mod roster;
pub mod view;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_nats::jetstream::{kv, stream};
use serde::{Deserialize, Serialize};

use crate::ids::MemberId;
use crate::log::EventLog;
use crate::units::UnixMillis;

pub use joining::{Joined, join};
pub use membership::Membership;
pub use roster::Roster;
pub use view::MembersView;

/// Name of the bucket.
pub const BUCKET: &str = "MEMBERS";

/// How long a key lives after its last renewal: three renewals, so that one lost answer or a short stall ends nobody, and
/// still short enough that what a dead process held is taken over while a caller would wait.
pub const TTL: Duration = Duration::from_secs(5);

/// The shortest time that the broker can keep the mark of an expired key.
const TTL_MIN: Duration = Duration::from_secs(1);

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Admits calls.
    Ingress,
    /// Sends messages.
    Dispatcher,
    /// Projects the log.
    Ledger,
}

impl Service {
    fn token(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Dispatcher => "dispatcher",
            Self::Ledger => "ledger",
        }
    }
}

/// A member's key: one process may be several services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// What it does.
    pub service: Service,
    /// The process.
    pub member: MemberId,
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.service.token(), self.member)
    }
}

impl FromStr for Seat {
    type Err = BadSeat;

    fn from_str(text: &str) -> Result<Self, BadSeat> {
        let (token, member) = text.split_once('.').ok_or(BadSeat)?;
        let services = [Service::Ingress, Service::Dispatcher, Service::Ledger];
        let service = services.into_iter().find(|service| service.token() == token).ok_or(BadSeat)?;
        Ok(Self { service, member: member.parse().map_err(|_| BadSeat)? })
    }
}

/// A text is not a member's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a member's key")]
pub struct BadSeat;

/// What a member says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Version of this form.
    pub v: u8,
    /// What it does.
    pub service: Service,
    /// The process.
    pub member: MemberId,
    /// When it joined.
    pub started_at: UnixMillis,
    /// It lives, and is about to go: nothing new is for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

impl Member {
    /// Its key.
    pub fn seat(&self) -> Seat {
        Seat { service: self.service, member: self.member }
    }
}

/// The bucket of members cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// The bucket could not be read or made.
    #[error("cannot open the bucket {BUCKET}")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The bucket is there with a setting that would keep dead members.
    #[error("the bucket {BUCKET} has {setting} = {found}, but {wanted} is needed; remove it with `nats kv del`")]
    WrongSetting {
        /// The setting.
        setting: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// The first key could not be stored.
    #[error("cannot join the members")]
    Join(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The bucket of members.
#[derive(Clone)]
pub struct Members {
    log: EventLog,
    replicas: usize,
    ttl: Duration,
}

impl Members {
    /// Opens the bucket, making it with `replicas` copies when it is not there.
    ///
    /// # Errors
    /// [`MembersError`] says what to do.
    pub async fn open(log: &EventLog, replicas: usize) -> Result<Self, MembersError> {
        Self::open_with_ttl(log, replicas, TTL).await
    }

    /// As [`open`](Self::open); a new bucket gets `ttl`. One that is there keeps its own, so that all members agree.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with_ttl(log: &EventLog, replicas: usize, ttl: Duration) -> Result<Self, MembersError> {
        let mut members = Self { log: log.clone(), replicas, ttl };
        members.ttl = check(&members.bucket().await?.stream.cached_info().config)?;
        Ok(members)
    }

    /// How long a key lives after its last renewal.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The bucket, made again when the broker has forgotten it.
    async fn bucket(&self) -> Result<kv::Store, MembersError> {
        if let Ok(found) = self.log.jetstream().get_key_value(BUCKET).await {
            return Ok(found);
        }
        let config = kv::Config {
            bucket: BUCKET.to_owned(),
            history: 1,
            num_replicas: self.replicas,
            max_age: self.ttl,
            storage: stream::StorageType::Memory,
            limit_markers: Some(self.ttl),
            ..Default::default()
        };
        // Of two who make it at once, one finds it made with the same settings, which is no error.
        self.log.jetstream().create_key_value(config).await.map_err(|error| MembersError::Open(Box::new(error)))
    }
}

/// Checks what the end of a member rests on; returns the TTL.
fn check(config: &stream::Config) -> Result<Duration, MembersError> {
    let must = |right, setting, wanted, found| {
        if right { Ok(()) } else { Err(MembersError::WrongSetting { setting, wanted, found }) }
    };
    must(config.max_age >= TTL_MIN, "max_age", "1 s or more", format!("{:?}", config.max_age))?;
    let per_subject = config.max_messages_per_subject;
    must(per_subject == 1, "history", "1", per_subject.to_string())?;
    let marks = config.subject_delete_marker_ttl;
    must(marks.is_some(), "limit_markers", "on", format!("{marks:?}"))?;
    Ok(config.max_age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_reads_back_from_its_key() {
        for service in [Service::Ingress, Service::Dispatcher, Service::Ledger] {
            let seat = Seat { service, member: MemberId(7) };
            assert_eq!(seat.to_string().parse(), Ok(seat));
        }
        for text in ["ingress", "moon.00000000000000000000000007", "ingress.7", ".", ""] {
            assert!(text.parse::<Seat>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_setting_that_the_end_of_a_member_rests_on_is_checked() {
        let good = stream::Config {
            max_age: TTL,
            max_messages_per_subject: 1,
            subject_delete_marker_ttl: Some(TTL),
            ..Default::default()
        };
        assert_eq!(check(&good).unwrap(), TTL);
        type Spoil = fn(&mut stream::Config);
        let spoil: [(&str, Spoil); 3] = [
            ("max_age", |c| c.max_age = Duration::ZERO),
            ("history", |c| c.max_messages_per_subject = 2),
            ("limit_markers", |c| c.subject_delete_marker_ttl = None),
        ];
        for (name, spoil) in spoil {
            let mut config = good.clone();
            spoil(&mut config);
            assert!(
                matches!(check(&config), Err(MembersError::WrongSetting { setting, .. }) if setting == name),
                "{name}"
            );
        }
    }
}
