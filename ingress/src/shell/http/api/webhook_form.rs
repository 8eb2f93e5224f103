//! The inbound webhook, described for the document. It is read by `domain/send_request.rs` and answered by
//! `shell/http/webhook.rs`; its refusals have a form of their own, which integrations of other inboxes know.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::described::{Operation, Schemas};

/// A message to send.
#[derive(JsonSchema)]
#[schemars(rename = "SendRequest")]
#[expect(dead_code, reason = "it describes what `send_request` reads")]
struct SendForm {
    /// Only `send`.
    action: Action,
    /// The text, UTF-8, with `\n` for line breaks; no markup. It may be empty only with a file. At most 4,096 characters on
    /// the Cloud API.
    text: String,
    /// A public http or https URL that downloads the file directly, at most 2 MiB. `POST …/link-check` tries one.
    #[schemars(length(max = 2048))]
    file_url: Option<String>,
    /// The name that the file is sent under. Required with `file_url`.
    #[schemars(length(max = 255))]
    file_name: Option<String>,
    /// A chat of the workspace, as Angelia shows it; also how a group is addressed. Exactly one of `chat_id`, `jid`, `phone`
    /// and `chat_name` names the recipient.
    chat_id: Option<ChatIdForm>,
    /// A person's or a group's JID.
    jid: Option<String>,
    /// An international number. It is not checked here: a wrong one is accepted, fails later and is refunded.
    phone: Option<String>,
    /// The exact name of a chat of the sending account.
    chat_name: Option<String>,
    /// The number of the sending account. The one that was connected last, when it is left out. `whatsapp_account_phone` is
    /// the same field.
    #[schemars(rename = "whatsapp account phone")]
    account_phone: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[expect(dead_code, reason = "it describes what `send_request` reads")]
enum Action {
    Send,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "it describes what `send_request` reads")]
enum ChatIdForm {
    Text(String),
    Number(i64),
}

/// The message is on disk in the log, and charged.
#[derive(Serialize, JsonSchema)]
struct SendAccepted {
    /// `success`.
    status: String,
    data: AcceptedMessage,
}

/// The message that a call became.
#[derive(Serialize, JsonSchema)]
struct AcceptedMessage {
    /// Its id.
    #[schemars(regex(pattern = "^wa_backend:3EB0[0-9A-F]{16}$"))]
    message_id: String,
}

/// A call that was refused. Nothing was stored and nothing charged, but for a 503, which may have been.
#[derive(Serialize, JsonSchema)]
struct SendRefused {
    /// The status, once more.
    status: u16,
    /// Empty.
    data: BTreeMap<String, Value>,
    /// Why, for people.
    message: String,
}

/// When which status is answered.
const REFUSALS: [(u16, &str); 11] = [
    (
        400,
        "The body is not JSON, or a field is missing, of the wrong type, empty or too long; the recipient is missing, or \
           there are two; the `Idempotency-Key` cannot be used. `message` names the field.",
    ),
    (402, "Not enough message credits."),
    (403, "The webhook is switched off."),
    (404, "The URL is unknown or was replaced; or the chat or the sending account is not there."),
    (405, "The method is not POST."),
    (408, "The body did not arrive in time."),
    (
        409,
        "The chat's name matches several chats, there is no active account, or a call with the same `Idempotency-Key` \
           has not been answered yet.",
    ),
    (413, "The body has more than 65,536 bytes."),
    (422, "The `Idempotency-Key` was used with another body."),
    (429, "Too many calls. `Retry-After` says when to try again."),
    (
        503,
        "The log cannot be written now. `Retry-After` says when to try again; with an `Idempotency-Key` that is safe.",
    ),
];

/// Adds what the webhook takes and answers.
pub(super) fn describe(operation: &mut Operation, schemas: &mut Schemas) {
    let body = schemas.given::<SendForm>();
    operation.body = Some(json!({"required": true, "content": {"application/json": {"schema": body}}}));
    operation.parameters.push(json!({
        "name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255},
        "description": "The same key with the same body gives the same message, which is charged and sent once, for as \
                        long as the log is kept.",
    }));
    operation.answers_json(200, "The message is on disk in the log, and charged.", &schemas.shown::<SendAccepted>());
    let refused = schemas.shown::<SendRefused>();
    for (status, when) in REFUSALS {
        operation.answers_json(status, when, &refused);
    }
}
