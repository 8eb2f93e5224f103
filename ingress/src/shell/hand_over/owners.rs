//! Which process owns a bucket, as far as this one knows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use angelia_shared::ids::MemberId;
use angelia_shared::{clock, rendezvous};

/// Tells which processes take keyed calls at this moment.
pub(in crate::shell) type Live = Arc<dyn Fn() -> Vec<MemberId> + Send + Sync>;

/// The owners of all buckets.
pub(super) struct Owners {
    me: MemberId,
    live: Live,
    /// Members that did not answer, and until when they are passed over. As many as there are members, at most.
    silent: Mutex<HashMap<MemberId, Instant>>,
}

impl Owners {
    pub(super) fn new(me: MemberId, live: Live) -> Self {
        Self { me, live, silent: Mutex::default() }
    }

    /// This process.
    pub(super) fn me(&self) -> MemberId {
        self.me
    }

    /// The owner of a bucket: this process, if nobody is known to live.
    pub(super) fn of(&self, bucket: u8) -> MemberId {
        let live = (self.live)();
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if !silent.is_empty() {
            let now = clock::monotonic();
            silent.retain(|_, until| *until > now);
        }
        let members = live.into_iter().filter(|member| *member == self.me || !silent.contains_key(member));
        rendezvous::owner(u64::from(bucket), members).unwrap_or(self.me)
    }

    /// Passes a member over for a while, so that not every call finds out by itself.
    pub(super) fn pass_over(&self, member: MemberId, time: Duration) {
        let until = clock::monotonic() + time;
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).insert(member, until);
    }
}
