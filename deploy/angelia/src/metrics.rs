//! Every metric of the process itself; each service has its own list.

/// Times the embedded broker was started again after it had ended, or had stopped storing, by itself.
pub(crate) const BROKER_RESTARTED: &str = "angelia_broker_restarted_total";
