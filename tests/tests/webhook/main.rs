//! The webhook as its callers see it: what is taken, what is refused, in which words and in which order.

mod examples;
mod fields;
mod keys;
mod money;
mod order;
mod recipients;
mod urls;
mod wire;

use angelia_tests::installation::{Installation, Setup, Shared};
use serde_json::{Value, json};

static SHARED: Shared = Shared::new(|| Setup::new().set("ANGELIA_ATTACHMENTS_ALLOW_LOOPBACK", "1"));

async fn installation() -> &'static Installation {
    SHARED.get().await
}

/// A body that would be accepted, with these fields changed; a field that becomes `null` here is left out.
fn body(changes: Value) -> Value {
    let mut body = json!({"action": "send", "text": "Hello", "phone": "+14151231234"});
    for (name, value) in changes.as_object().expect("changes are an object") {
        if value.is_null() {
            body.as_object_mut().expect("a body is an object").remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}
