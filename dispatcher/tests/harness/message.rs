//! Messages, as ingress accepts them.

use angelia_shared::clock;
use angelia_shared::event::message::To;
use angelia_shared::event::{Content, MessageAccepted};
use angelia_shared::ids::{MessageId, WebhookId, WriterId};
use angelia_shared::units::Credits;
use angelia_shared::vault::DataKey;

use super::account::Account;

/// What is to be sent.
#[derive(Clone)]
pub(crate) struct Message {
    to: String,
    text: String,
    file: Option<(String, String)>,
    expires_after_ms: u64,
}

impl Message {
    /// A text.
    pub(crate) fn text(to: &str, text: &str) -> Self {
        Self { to: to.to_owned(), text: text.to_owned(), file: None, expires_after_ms: 24 * 3_600_000 }
    }

    /// The same with a file.
    pub(crate) fn with_file(self, url: impl Into<String>, name: &str) -> Self {
        Self { file: Some((url.into(), name.to_owned())), ..self }
    }

    /// The same, with less patience.
    pub(crate) fn expires_after_ms(self, expires_after_ms: u64) -> Self {
        Self { expires_after_ms, ..self }
    }

    /// The acceptance that ingress would write.
    pub(super) fn accepted(&self, key: &DataKey, account: &Account) -> MessageAccepted {
        let message = MessageId::generate();
        let (file_url, file_name) = self.file.clone().unzip();
        let (has_text, has_file) = (!self.text.is_empty(), file_url.is_some());
        let content = Content {
            text: self.text.clone(),
            file_url,
            file_name,
            to: To::Phone(self.to.clone()),
            address: self.to.clone(),
            account_phone: None,
            caller: "192.0.2.1".to_owned(),
            warnings: Vec::new(),
        };
        MessageAccepted {
            v: 1,
            message,
            workspace: account.state.workspace,
            webhook: WebhookId(7),
            account: account.id(),
            credits: Credits(u64::from(has_text) + u64::from(has_file)),
            has_text,
            has_file,
            at: clock::now(),
            expires_after_ms: self.expires_after_ms,
            writer: WriterId(8),
            sealed: key.seal(message, &content),
            traceparent: None,
        }
    }
}
