//! The callback: its JSON and its signature.
//!
//! Source of the form: Cloud API reference, status webhooks; for groups also `recipient_type`.

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use super::recipient::Recipient;
use super::script::Status;

/// The business account that all phone number ids of the sandbox belong to.
const BUSINESS_ACCOUNT_ID: &str = "100000000000000";

/// One status of one message.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) wamid: String,
    pub(crate) recipient: Recipient,
    pub(crate) tracker: Option<String>,
    pub(crate) status: Status,
    /// When it happened, Unix milliseconds. Repeated callbacks repeat it.
    pub(crate) at_ms: u64,
}

/// Writes the body of one callback request.
pub(crate) fn payload(phone_number_id: &str, notices: &[Notice]) -> Vec<u8> {
    let value = Value {
        messaging_product: "whatsapp",
        metadata: Metadata { display_phone_number: phone_number_id, phone_number_id },
        statuses: notices.iter().map(StatusJson::from).collect(),
    };
    let change = Change { value, field: "messages" };
    let payload =
        Payload { object: "whatsapp_business_account", entry: [Entry { id: BUSINESS_ACCOUNT_ID, changes: [change] }] };
    serde_json::to_vec(&payload).expect("plain strings and numbers always have a JSON form")
}

/// The value of `X-Hub-Signature-256` for the raw bytes of a body.
pub(crate) fn signature(app_secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()).expect("a key of any length is good");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[derive(Serialize)]
struct Payload<'a> {
    object: &'a str,
    entry: [Entry<'a>; 1],
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    changes: [Change<'a>; 1],
}

#[derive(Serialize)]
struct Change<'a> {
    value: Value<'a>,
    field: &'a str,
}

#[derive(Serialize)]
struct Value<'a> {
    messaging_product: &'a str,
    metadata: Metadata<'a>,
    statuses: Vec<StatusJson<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    display_phone_number: &'a str,
    phone_number_id: &'a str,
}

#[derive(Serialize)]
struct StatusJson<'a> {
    id: &'a str,
    status: &'a str,
    timestamp: String,
    recipient_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    biz_opaque_callback_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[ErrorJson<'a>; 1]>,
}

impl<'a> From<&'a Notice> for StatusJson<'a> {
    fn from(notice: &'a Notice) -> Self {
        Self {
            id: &notice.wamid,
            status: notice.status.word(),
            timestamp: (notice.at_ms / 1_000).to_string(),
            recipient_id: notice.recipient.wa_id(),
            recipient_type: notice.recipient.is_group().then_some("group"),
            biz_opaque_callback_data: notice.tracker.as_deref(),
            errors: (notice.status == Status::Failed).then_some([UNDELIVERABLE]),
        }
    }
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    code: u32,
    title: &'a str,
    message: &'a str,
    error_data: ErrorData<'a>,
}

#[derive(Serialize)]
struct ErrorData<'a> {
    details: &'a str,
}

/// Why a message failed, in words.
pub(super) const FAILURE_DESCRIPTION: &str = "The recipient is not on WhatsApp.";

const UNDELIVERABLE: ErrorJson<'static> = ErrorJson {
    code: 131_026,
    title: "Message undeliverable",
    message: "Message undeliverable",
    error_data: ErrorData { details: FAILURE_DESCRIPTION },
};

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(status: Status, recipient: Recipient, tracker: Option<&str>) -> Notice {
        Notice {
            wamid: "wamid.X".into(),
            recipient,
            tracker: tracker.map(str::to_owned),
            status,
            at_ms: 1_698_266_945_999,
        }
    }

    #[test]
    fn a_callback_has_the_documented_form() {
        let person = Recipient::Person { digits: "14151231234".into() };
        let group = Recipient::Group { id: "G1".into() };
        let notices = [notice(Status::Sent, person, Some("m1")), notice(Status::Read, group, None)];
        assert_eq!(
            String::from_utf8(payload("100", &notices)).expect("utf-8"),
            concat!(
                r#"{"object":"whatsapp_business_account","entry":[{"id":"100000000000000","changes":[{"value":"#,
                r#"{"messaging_product":"whatsapp","metadata":{"display_phone_number":"100","phone_number_id":"100"},"#,
                r#""statuses":[{"id":"wamid.X","status":"sent","timestamp":"1698266945","recipient_id":"14151231234","#,
                r#""biz_opaque_callback_data":"m1"},{"id":"wamid.X","status":"read","timestamp":"1698266945","#,
                r#""recipient_id":"G1","recipient_type":"group"}]},"field":"messages"}]}]}"#
            )
        );
    }

    #[test]
    fn a_failure_says_why() {
        let person = Recipient::Person { digits: "14150000404".into() };
        let body = String::from_utf8(payload("100", &[notice(Status::Failed, person, None)])).expect("utf-8");
        assert!(body.contains(r#""errors":[{"code":131026,"title":"Message undeliverable","message":"#));
    }

    #[test]
    fn the_signature_is_hmac_sha256_in_hex() {
        // Test case 2 of RFC 4231.
        assert_eq!(
            signature("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
