//! Every metric of the ledger.

/// Sequence up to which the log is folded.
pub const POSITION: &str = "ledger_position_sequence";
/// Records of the log that wait to be folded.
pub const RECORDS_BEHIND: &str = "ledger_records_behind";
/// Records folded since the process started.
pub const RECORDS_FOLDED: &str = "ledger_records_folded_total";
/// Events folded since the process started.
pub const EVENTS_FOLDED: &str = "ledger_events_folded_total";
/// Facts that cannot be true, by `invariant`. Anything but zero needs a person.
pub const CONTRADICTIONS_FOUND: &str = "ledger_contradictions_found_total";
/// Facts that cannot be true in all of the log. Unlike the counter it stands after a restart, too.
pub const CONTRADICTIONS: &str = "ledger_contradictions";
/// Lines of the log that this version does not understand.
pub const EVENTS_UNKNOWN: &str = "ledger_events_unknown_total";
/// Receipts about parts that were never attempted.
pub const RECEIPTS_STRAY: &str = "ledger_receipts_stray_total";
/// Seconds that a flush to the store took.
pub const FLUSH_SECONDS: &str = "ledger_flush_seconds";
/// Rows written to the store.
pub const ROWS_FLUSHED: &str = "ledger_rows_flushed_total";
/// Times that the store was set aside and rebuilt from the log.
pub const STORES_REBUILT: &str = "ledger_stores_rebuilt_total";
/// Questions answered, by `topic`.
pub const QUESTIONS_ANSWERED: &str = "ledger_questions_answered_total";
/// Questions that got no answer, by `topic`: behind, not understood, or the store or the log could not be read.
pub const QUESTIONS_FAILED: &str = "ledger_questions_failed_total";
/// Seconds from a question's arrival to its answer.
pub const QUESTION_SECONDS: &str = "ledger_question_seconds";
/// Refund events appended; one pays back many parts.
pub const REFUNDS_APPENDED: &str = "ledger_refunds_appended_total";
/// Credits given back by this process.
pub const CREDITS_REFUNDED: &str = "ledger_credits_refunded_total";
/// Lanes of dead processes that this process fenced.
pub const LANES_FENCED: &str = "ledger_lanes_fenced_total";
/// Credits that ended lanes had drawn and not spent, returned by this process.
pub const CREDITS_RETURNED: &str = "ledger_credits_returned_total";
/// Unknown outcomes settled by this process.
pub const SETTLEMENTS_APPENDED: &str = "ledger_settlements_appended_total";
/// Checkpoints appended by this process.
pub const CHECKPOINTS_APPENDED: &str = "ledger_checkpoints_appended_total";
/// Checkpoints read back, by `compared`: whether both digests were known at what they cover. A replay compares all.
pub const CHECKPOINTS_FOLDED: &str = "ledger_checkpoints_folded_total";
/// Appends that lost their guard: someone else moved first, and the ledger decides again.
pub const GUARDS_LOST: &str = "ledger_guards_lost_total";
/// 1 while this process holds the claim and acts.
pub const ACTING: &str = "ledger_acting";
/// Times that this process took the claim from one whose key is renewed and that paid nothing while refunds were due.
pub const CLAIMS_OVERTAKEN: &str = "ledger_claims_overtaken_total";
