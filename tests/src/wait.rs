//! Waits for something to become true, with a deadline. Tests never sleep for a fixed time.

use std::time::Duration;

use angelia_shared::clock;

/// Pause between two looks: short beside what is waited for, long beside what a look costs.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// How long the suite waits for what should take a moment. Generous: two cores, a debug build, other tests beside it.
pub const SOON: Duration = Duration::from_secs(30);

/// How long it waits for what takes a while by contract: several tries with pauses, an account's wait after a crash.
pub const LATER: Duration = Duration::from_secs(120);

/// Looks until `look` finds what it wants, and returns that.
///
/// # Panics
/// When it was not found within `within`; the message says what the last look saw.
#[track_caller]
pub fn eventually<T, F>(what: &str, within: Duration, look: F) -> impl Future<Output = T>
where
    F: AsyncFnMut() -> Result<T, String>,
{
    let caller = std::panic::Location::caller();
    let what = what.to_owned();
    eventually_at(what, within, look, caller)
}

async fn eventually_at<T, F>(what: String, within: Duration, mut look: F, at: &std::panic::Location<'_>) -> T
where
    F: AsyncFnMut() -> Result<T, String>,
{
    let started = clock::monotonic();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if started.elapsed() > within => {
                panic!("{at}: not within {} s: {what}; last seen: {seen}", within.as_secs())
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}
