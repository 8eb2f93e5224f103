//! Every metric of the dispatcher.

/// Attempts whose start is in the log.
pub const ATTEMPTS_STARTED: &str = "dispatcher_attempts_started_total";
/// Attempts that have ended, by `outcome`: sent, failed, deferred, unknown, not_started.
pub const ATTEMPTS_ENDED: &str = "dispatcher_attempts_ended_total";
/// Parts that were refused before any call.
pub const PARTS_REFUSED: &str = "dispatcher_parts_refused_total";
/// Files that were downloaded before the turn of their message.
pub const FILES_FETCHED_AHEAD: &str = "dispatcher_files_fetched_ahead_total";
/// Messages that expired.
pub const MESSAGES_EXPIRED: &str = "dispatcher_messages_expired_total";
/// Messages that were cancelled.
pub const MESSAGES_CANCELLED: &str = "dispatcher_messages_cancelled_total";
/// Seconds from the moment when an attempt was due to the start of its call.
pub const SEND_LATENESS_SECONDS: &str = "dispatcher_send_lateness_seconds";
/// Seconds that calls to the provider took.
pub const CALL_SECONDS: &str = "dispatcher_call_seconds";
/// Partitions that this process owns and has caught up with.
pub const PARTITIONS_OWNED: &str = "dispatcher_partitions_owned";
/// Partitions claimed, by `from`: nobody, dead, silent.
pub const PARTITIONS_CLAIMED: &str = "dispatcher_partitions_claimed_total";
/// Partitions released for others.
pub const PARTITIONS_RELEASED: &str = "dispatcher_partitions_released_total";
/// Claims that another process took.
pub const CLAIMS_LOST: &str = "dispatcher_claims_lost_total";
/// Accounts that the provider holds since an answer, by `state`: paused, blocked.
pub const ACCOUNTS_HELD: &str = "dispatcher_accounts_held_total";
/// Records that could not be read.
pub const RECORDS_UNREADABLE: &str = "dispatcher_records_unreadable_total";
/// Look-ups of an account's unknown outcomes, by `result`: found, nothing, not_now, too_often, too_much, not_offered,
/// not_comparable.
pub const LOOK_UPS: &str = "dispatcher_look_ups_total";
/// Unknown outcomes that a look-up has told.
pub const UNKNOWN_FOUND: &str = "dispatcher_unknown_found_total";
