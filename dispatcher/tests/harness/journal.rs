//! The sandbox's journal: what WhatsApp received. The truth about sending, whatever the log says.

use std::sync::OnceLock;

use angelia_shared::ids::MessageId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::Account;

/// One request that WhatsApp received.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    /// When it came, Unix milliseconds.
    pub(crate) received_at_ms: i64,
    /// The sending number's id.
    pub(crate) phone_number_id: String,
    /// `text`, `image`, …, or `media` for an upload.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The request.
    pub(crate) body: Value,
    /// What the sender wants to see again in callbacks.
    pub(crate) tracker: Option<String>,
    /// The id that WhatsApp gave.
    pub(crate) wamid: Option<String>,
    /// The HTTP status, or `"closed"`.
    pub(crate) answered: Value,
}

impl Line {
    /// Whether WhatsApp took the message: it goes out, whether or not the sender was told.
    pub(crate) fn was_taken(&self) -> bool {
        self.answered == json!(200) || (self.answered == json!("closed") && self.wamid.is_some())
    }

    /// Whether it is a message and not an upload.
    pub(crate) fn is_send(&self) -> bool {
        self.kind != "media"
    }

    /// The message that it belongs to.
    pub(crate) fn message(&self) -> Option<MessageId> {
        self.tracker.as_deref()?.split_once('.')?.0.parse().ok()
    }
}

/// The journal at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(pub(crate) Vec<Line>);

impl Journal {
    /// Reads the journal of the sandbox at `url`.
    ///
    /// # Panics
    /// When it cannot be read.
    pub(crate) async fn read(url: &str) -> Self {
        let answer = http().get(format!("{url}/sandbox/journal")).send().await.expect("the sandbox answers");
        let text = answer.text().await.expect("the journal can be read");
        Self(text.lines().map(|line| serde_json::from_str(line).expect("a journal line")).collect())
    }

    /// The sends of an account, uploads apart.
    pub(crate) fn sends_of(&self, account: &Account) -> Vec<&Line> {
        self.0.iter().filter(|line| line.is_send() && line.phone_number_id == account.phone_number_id()).collect()
    }

    /// The uploads of an account.
    pub(crate) fn uploads_of(&self, account: &Account) -> Vec<&Line> {
        self.0.iter().filter(|line| !line.is_send() && line.phone_number_id == account.phone_number_id()).collect()
    }

    /// The sends of a message.
    pub(crate) fn sends(&self, message: MessageId) -> Vec<&Line> {
        self.0.iter().filter(|line| line.is_send() && line.message() == Some(message)).collect()
    }

    /// The messages that an account's sends belong to, in order.
    pub(crate) fn messages_of(&self, account: &Account) -> Vec<MessageId> {
        self.sends_of(account).into_iter().filter_map(Line::message).collect()
    }

    /// The milliseconds between each two sends of an account.
    pub(crate) fn gaps_of(&self, account: &Account) -> Vec<i64> {
        let sends = self.sends_of(account);
        sends.windows(2).map(|pair| pair[1].received_at_ms - pair[0].received_at_ms).collect()
    }
}

/// A client for this machine; no provider of certificates is asked.
pub(crate) fn http() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        // Whoever comes first installs it; all would install the same.
        let _already = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().no_proxy().tls_certs_only([]).pool_max_idle_per_host(0).build().expect("a client")
    })
}
