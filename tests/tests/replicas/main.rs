//! Replicas of the ingress and the ledger on one log: what one of them promises, all of them keep.

mod keys;
mod ledgers;
mod webhooks;

use angelia_tests::tenant::recipient;
use serde_json::{Value, json};

/// The body of a text to a recipient of its own.
fn body() -> Value {
    json!({"action": "send", "text": "Hello", "phone": recipient("1234")})
}
