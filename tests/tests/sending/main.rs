//! Sending as WhatsApp and the wallet see it: what goes out, when, and what is given back.

mod attachments;
mod holds;
mod limits;
mod links;
mod look_up;
mod pace;
mod receipts;
mod script;
mod waiting;

use angelia_tests::installation::{Installation, Setup, Shared, text};
use serde_json::Value;

/// With attachments from this machine, and with the deadlines as they come.
static PATIENT: Shared = Shared::new(|| Setup::new().set("ANGELIA_ATTACHMENTS_ALLOW_LOOPBACK", "1"));

/// With attachments as they come, and with deadlines that tests can wait for.
static IMPATIENT: Shared =
    Shared::new(|| Setup::new().set("ANGELIA_MESSAGE_EXPIRES_AFTER_S", "3").set("ANGELIA_UNKNOWN_DEADLINE_S", "3"));

/// With look-ups that tests can wait for, and a deadline that is far off.
static LOOKING: Shared = Shared::new(|| Setup::new().set("ANGELIA_LOOK_UP_AFTER_S", "1"));

async fn looking() -> &'static Installation {
    LOOKING.get().await
}

async fn patient() -> &'static Installation {
    PATIENT.get().await
}

async fn impatient() -> &'static Installation {
    IMPATIENT.get().await
}

/// The names of a message's events, oldest first.
fn events(message: &Value) -> Vec<&str> {
    message["timeline"].as_array().expect("a message has a timeline").iter().map(|entry| text(entry, "event")).collect()
}
