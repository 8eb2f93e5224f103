//! Waits for something to become true, with a deadline. Tests never sleep for a fixed time.

use std::time::Duration;

use angelia_shared::clock;

/// Pause between two looks: short beside what is waited for, long beside what a look costs.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// For what should take a moment. Generous: two cores, a debug build, other tests beside it.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// For what takes a while by contract: several tries with pauses, an account's wait after a crash.
pub(crate) const LATER: Duration = Duration::from_secs(120);

/// Looks until `look` finds what it wants, and returns that.
///
/// # Panics
/// When it was not found within `within`; the message says what the last look saw.
pub(crate) async fn eventually<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let started = clock::monotonic();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if started.elapsed() > within => {
                panic!("not within {} s: {what}; last seen: {seen}", within.as_secs())
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}
