//! Every metric of the log's writer and reader, and of the members.

/// Batches that the log has stored.
pub const BATCHES_STORED: &str = "log_batches_stored_total";
/// Records that the log has stored, seals included.
pub const RECORDS_STORED: &str = "log_records_stored_total";
/// Groups that were answered "guard lost".
pub const GUARDS_LOST: &str = "log_guards_lost_total";
/// Batches whose first answer left open whether they were stored.
pub const BATCHES_AMBIGUOUS: &str = "log_batches_ambiguous_total";
/// Writers that found themselves fenced.
pub const WRITERS_FENCED: &str = "log_writers_fenced_total";
/// Seconds from the first transmission of a batch to its settled answer.
pub const COMMIT_SECONDS: &str = "log_commit_seconds";
/// Renewals of this process's member key that were not stored.
pub const MEMBER_RENEWALS_FAILED: &str = "member_renewals_failed_total";
/// Watches of the members that were lost.
pub const MEMBER_WATCHES_LOST: &str = "member_watches_lost_total";
