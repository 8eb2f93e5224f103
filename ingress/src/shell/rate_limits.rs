//! Counts the calls of each webhook and of each caller, where an installation limits them.
//!
//! Shape: (webhook, caller, now) -> [`Standings`] after the call, or before it when it is one too many. Memory is fixed
//! and taken at the start: see [`slots`](crate::domain::rate::slots) for who is forgotten when it is full. A lock is held
//! for some twenty nanoseconds, by calls of the same webhook or caller and a few that share its place by chance.
//!
//! Not here: the arithmetic (see [`crate::domain::rate`]), who the caller is (see [`crate::domain::caller`]), the answer.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use angelia_shared::clock;
use angelia_shared::ids::WebhookId;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Config;
use crate::domain::caller::counted_as;
use crate::domain::rate::slots::Slots;
use crate::domain::rate::{Quota, Standing};
use crate::metrics as names;

/// Groups of eight places in a table of callers or webhooks: 65,536 that are counted at once, in 2 MiB.
const GROUPS: usize = 8_192;

/// The fields' names in draft-ietf-httpapi-ratelimit-headers-10.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Counts by a key, in memory that does not grow.
pub(crate) struct Counts {
    quota: Quota,
    groups: Box<[Mutex<Slots>]>,
    /// Nobody outside can choose keys that share a place.
    hasher: RandomState,
    began: Instant,
}

impl Counts {
    /// Counts up to `quota` for each of some `groups * 8` keys.
    pub(crate) fn new(quota: Quota, groups: usize) -> Self {
        let groups = (0..groups.max(1)).map(|_| Mutex::default()).collect();
        Self { quota, groups, hasher: RandomState::new(), began: clock::monotonic() }
    }

    /// Takes one call of `key`.
    ///
    /// # Errors
    /// What is left, when that is nothing.
    pub(crate) fn take(&self, key: u128, now: Instant) -> Result<Standing, Standing> {
        // From one, so that "never" is always before now.
        let now = now.saturating_duration_since(self.began).as_nanos().saturating_add(1);
        self.group(key, |slots| slots.take(key, self.quota, u64::try_from(now).unwrap_or(u64::MAX)))
    }

    fn give_back(&self, key: u128) {
        self.group(key, |slots| slots.give_back(key, self.quota));
    }

    fn group<T>(&self, key: u128, change: impl FnOnce(&mut Slots) -> T) -> T {
        let at = self.hasher.hash_one(key) as usize % self.groups.len();
        change(&mut self.groups[at].lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is left of each limit that is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standings {
    webhook: Option<Standing>,
    caller: Option<Standing>,
}

/// The limits of an installation that has any.
pub(crate) struct RateLimits {
    webhook: Option<Counts>,
    caller: Option<Counts>,
    policy: HeaderValue,
}

impl RateLimits {
    /// The limits that are set, if one is.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let limits = [("webhook", config.rate_per_webhook), ("caller", config.rate_per_caller)];
        let policies = limits.iter().filter_map(|(name, quota)| quota.map(|quota| (name, quota)));
        let policies: Vec<String> =
            policies.map(|(name, quota)| format!("\"{name}\";q={};w={}", quota.calls(), quota.window_s())).collect();
        if policies.is_empty() {
            return None;
        }
        let policy = HeaderValue::try_from(policies.join(", ")).expect("names and numbers are ASCII");
        let counts = |quota| Counts::new(quota, GROUPS);
        Some(Self { webhook: config.rate_per_webhook.map(counts), caller: config.rate_per_caller.map(counts), policy })
    }

    /// Counts one call.
    ///
    /// # Errors
    /// What is left when the call is one too many, and in how many seconds it would be taken. It uses up nothing: a caller
    /// over its limit takes nothing from the webhook's other callers.
    pub(crate) fn take(&self, webhook: WebhookId, caller: IpAddr, now: Instant) -> Result<Standings, (Standings, u32)> {
        let key = counted_as(caller);
        let of_caller = self.caller.as_ref().map(|counts| counts.take(key, now)).transpose().map_err(|none| {
            metrics::counter!(names::CALLS_LIMITED, "limit" => "caller").increment(1);
            (Standings { webhook: None, caller: Some(none) }, none.more_in_s)
        })?;
        let of_webhook =
            self.webhook.as_ref().map(|counts| counts.take(webhook.0, now)).transpose().map_err(|none| {
                if let Some(counts) = &self.caller {
                    counts.give_back(key);
                }
                metrics::counter!(names::CALLS_LIMITED, "limit" => "webhook").increment(1);
                (Standings { webhook: Some(none), caller: None }, none.more_in_s)
            })?;
        Ok(Standings { webhook: of_webhook, caller: of_caller })
    }

    /// Writes the limits and what is left of them into an answer's head.
    ///
    /// Source: draft-ietf-httpapi-ratelimit-headers-10: `t` is the number of seconds until more is available, and agrees
    /// with `Retry-After` when nothing is left.
    pub(crate) fn show(&self, standings: Standings, headers: &mut HeaderMap) {
        let mut shown = String::with_capacity(64);
        for (name, standing) in [("webhook", standings.webhook), ("caller", standings.caller)] {
            let Some(standing) = standing else { continue };
            let comma = if shown.is_empty() { "" } else { ", " };
            let Standing { remaining, more_in_s } = standing;
            write!(shown, "{comma}\"{name}\";r={remaining};t={more_in_s}").expect("a string takes everything");
        }
        headers.insert(LIMIT, HeaderValue::try_from(shown).expect("names and numbers are ASCII"));
        headers.insert(POLICY, self.policy.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use angelia_shared::config::Source;

    use super::*;

    fn limits(flags: &[(&'static str, &str)]) -> Option<RateLimits> {
        let flags = flags.iter().map(|(name, value)| (*name, (*value).to_owned()));
        RateLimits::new(&Config::load(&Source::from_flags(flags)).expect("usable settings"))
    }

    fn shown(limits: &RateLimits, standings: Standings) -> [String; 2] {
        let mut headers = HeaderMap::new();
        limits.show(standings, &mut headers);
        [POLICY, LIMIT].map(|name| headers[name].to_str().expect("ASCII").to_owned())
    }

    const ONE: WebhookId = WebhookId(1);
    const TWO: WebhookId = WebhookId(2);

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn without_a_setting_there_are_no_limits() {
        assert!(limits(&[]).is_none());
    }

    #[test]
    fn both_limits_are_shown_in_the_form_of_the_draft() {
        let limits = limits(&[("rate_per_webhook", "100/60"), ("rate_per_caller", "20/10")]).expect("limits");
        let standings = limits.take(ONE, address(1), clock::monotonic()).expect("the first call");
        let [policy, limit] = shown(&limits, standings);
        assert_eq!(policy, r#""webhook";q=100;w=60, "caller";q=20;w=10"#);
        assert_eq!(limit, r#""webhook";r=99;t=1, "caller";r=19;t=1"#);
    }

    #[test]
    fn a_caller_over_its_limit_takes_nothing_from_the_webhook_and_the_other_way_round() {
        let limits = limits(&[("rate_per_webhook", "3/3600"), ("rate_per_caller", "2/3600")]).expect("limits");
        let now = clock::monotonic();
        let left = |webhook, last| {
            limits
                .take(webhook, address(last), now)
                .map(|left| (left.webhook.map(|left| left.remaining), left.caller.map(|left| left.remaining)))
                .map_err(|(left, wait)| (left.webhook.is_some(), left.caller.is_some(), wait))
        };
        assert_eq!(left(ONE, 1), Ok((Some(2), Some(1))));
        assert_eq!(left(ONE, 1), Ok((Some(1), Some(0))));
        for _ in 0..10 {
            assert_eq!(left(ONE, 1), Err((false, true, 1_800)));
        }
        assert_eq!(left(ONE, 2), Ok((Some(0), Some(1))));
        for _ in 0..10 {
            assert_eq!(left(ONE, 2), Err((true, false, 1_200)));
        }
        assert_eq!(
            left(TWO, 2),
            Ok((Some(2), Some(0))),
            "the webhook's refusals used nothing of its caller's quota up"
        );
    }

    #[test]
    fn a_caller_over_its_limit_is_remembered_through_a_flood_of_others() {
        let counts = Counts::new(Quota::new(5, 3_600).expect("in bounds"), 64);
        let now = clock::monotonic();
        while counts.take(1, now).is_ok() {}
        for stranger in 2..50_000 {
            let _its_own_affair = counts.take(stranger, now);
        }
        assert!(counts.take(1, now).is_err());
        assert!(counts.take(1, now + Duration::from_secs(720)).is_ok());
    }

    #[test]
    fn threads_together_take_no_more_than_the_quota() {
        let counts = Counts::new(Quota::new(1_000, 86_400).expect("in bounds"), 4);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..500).filter(|_| counts.take(1, clock::monotonic()).is_ok()).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert!((1_000..=1_001).contains(&taken), "{taken}");
    }
}
