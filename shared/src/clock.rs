//! The one place that reads a clock.
//!
//! Everything in a `domain/` folder takes time as an argument; shells read it here.

use crate::units::UnixMillis;

/// Reads the wall clock in Unix milliseconds (UTC).
pub fn now() -> UnixMillis {
    #[expect(clippy::disallowed_methods, reason = "this is the home of the wall clock")]
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Reads the monotonic clock, for measuring how long something took.
pub fn monotonic() -> std::time::Instant {
    #[expect(clippy::disallowed_methods, reason = "this is the home of the monotonic clock")]
    std::time::Instant::now()
}

/// A clock that never jumps: the wall clock at its start, and from then on the time that has really passed, including
/// while the machine was suspended. For distances that must hold, as between two sends.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock {
    wall: UnixMillis,
    since: std::time::Duration,
}

impl SteadyClock {
    /// Starts with the wall clock's time.
    pub fn start() -> Self {
        Self { wall: now(), since: uptime() }
    }

    /// The time now.
    pub fn now(&self) -> UnixMillis {
        self.wall.plus_ms(u64::try_from(uptime().saturating_sub(self.since).as_millis()).unwrap_or(u64::MAX))
    }
}

/// Time since the machine started, suspension included where the system can tell.
pub fn uptime() -> std::time::Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = nix::time::ClockId::CLOCK_BOOTTIME;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    let time = nix::time::clock_gettime(clock).expect("the system has this clock");
    std::time::Duration::from(time)
}
