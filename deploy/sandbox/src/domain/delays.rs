//! When callbacks follow, in milliseconds after the request was received, and how long a refused one waits.

use super::script::Status;

/// All the sandbox's times in one place, so that tests can shorten them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delays {
    pub(crate) sent_ms: u64,
    pub(crate) delivered_ms: u64,
    pub(crate) read_ms: u64,
    pub(crate) failed_ms: u64,
    /// The pause of a phone number id after a batch that was not full, so that what follows closely leaves together.
    pub(crate) gather_ms: u64,
    /// The wait after the first failure to deliver; it doubles with each further one.
    pub(crate) retry_first_ms: u64,
    /// Where doubling ends: a receiver that comes back is found within this time.
    pub(crate) retry_most_ms: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            sent_ms: 0,
            delivered_ms: 1_000,
            read_ms: 3_000,
            failed_ms: 200,
            gather_ms: 20,
            retry_first_ms: 250,
            retry_most_ms: 5_000,
        }
    }
}

impl Delays {
    /// The time from the request to a status.
    pub(crate) fn until(&self, status: Status) -> u64 {
        match status {
            Status::Sent => self.sent_ms,
            Status::Delivered => self.delivered_ms,
            Status::Read => self.read_ms,
            Status::Failed => self.failed_ms,
        }
    }

    /// The wait after `failures` failures in a row, at least one.
    pub(crate) fn retry(&self, failures: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(30);
        self.retry_first_ms.saturating_mul(1 << doublings).min(self.retry_most_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_double_up_to_a_bound() {
        let waits: Vec<_> = [1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|n| Delays::default().retry(n)).into();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
    }
}
