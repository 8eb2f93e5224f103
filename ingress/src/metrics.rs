//! Every metric of the ingress.

/// Orders that were accepted and charged.
pub const ORDERS_ACCEPTED: &str = "ingress_orders_accepted_total";
/// Orders that admission refused, by `reason`: `credits`, `unavailable` or `key`.
pub const ORDERS_REFUSED: &str = "ingress_orders_refused_total";
/// Orders that were handed in again after a lost guard or a fence.
pub const ORDERS_RETRIED: &str = "ingress_orders_retried_total";
/// Credits drawn from wallets.
pub const CREDITS_DRAWN: &str = "ingress_credits_drawn_total";
/// Credits returned to wallets unspent.
pub const CREDITS_RETURNED: &str = "ingress_credits_returned_total";
/// Balances that were asked of a ledger, for orders that were short.
pub const BALANCES_ASKED: &str = "ingress_balances_asked_total";
/// Recalls of credits from the other replicas.
pub const RECALLS_ASKED: &str = "ingress_recalls_asked_total";
/// Recalls by other replicas that were answered.
pub const RECALLS_ANSWERED: &str = "ingress_recalls_answered_total";
/// Wallets that were read from the log's leader.
pub const WALLETS_READ: &str = "ingress_wallets_read_total";
/// Wallets whose newest event cannot be true (WA-1) or cannot be read; their workspaces are answered 503.
pub const WALLETS_CONTRADICTED: &str = "ingress_wallets_contradicted_total";
/// Idempotency keys that were asked of a ledger.
pub const KEYS_LOOKED_UP: &str = "ingress_keys_looked_up_total";
/// Calls that were answered with an earlier call's message.
pub const KEYS_REPLAYED: &str = "ingress_keys_replayed_total";
/// Keyed calls that another process was asked to decide, by `outcome`: `decided`, `not_taken` (nobody was there, or it gave the
/// call back), `silent` (it did not answer; decided here) or `late` (it lives, but was too slow; answered 503).
pub const KEYS_HANDED_OVER: &str = "ingress_keys_handed_over_total";
/// Idempotency keys in memory.
pub const KEYS_REMEMBERED: &str = "ingress_keys_remembered";
/// Keys that the log has for two messages (IN-2), or records of keys that cannot be read.
pub const KEYS_CONTRADICTED: &str = "ingress_keys_contradicted_total";
/// Webhook calls that were answered, by `status`.
pub const CALLS_ANSWERED: &str = "ingress_calls_answered_total";
/// Seconds from a webhook call's head to its answer.
pub const CALL_SECONDS: &str = "ingress_call_seconds";
/// Refused calls that are missing in their webhook's activation log, because there were too many or the broker was away.
pub const REFUSALS_DROPPED: &str = "ingress_refusals_dropped_total";
/// Calls refused for their rate or for an overload that are not shown in their webhook's activation log, because enough of
/// their kind are.
pub const REFUSALS_THINNED: &str = "ingress_refusals_thinned_total";
/// Webhook calls over a rate limit, by `limit`: `webhook` or `caller`.
pub const CALLS_LIMITED: &str = "ingress_calls_limited_total";
/// Webhook calls that were refused before their body was read, because admission has no room.
pub const CALLS_SHED: &str = "ingress_calls_shed_total";
/// Provider callbacks that were answered, by `outcome`: `taken`, `put_off` or `rejected`.
pub const CALLBACKS_ANSWERED: &str = "ingress_callbacks_answered_total";
/// Reports in callbacks, by `fate`: `stored`, `unknown_account`, `unknown_message` or `not_understood`.
pub const REPORTS_RECEIVED: &str = "ingress_reports_received_total";
/// Accounts that a provider callback paused or blocked, by `state`: `paused` or `blocked`.
pub const ACCOUNTS_HELD: &str = "ingress_accounts_held_total";
/// Connections that were cut at shutdown because their requests took too long.
pub const CONNECTIONS_CUT: &str = "ingress_connections_cut_total";
/// Connections that were closed because they kept us waiting while others found no place.
pub const CONNECTIONS_DISPLACED: &str = "ingress_connections_displaced_total";
/// Connections that were given up because the client did not take its answer.
pub const CONNECTIONS_STALLED: &str = "ingress_connections_stalled_total";
