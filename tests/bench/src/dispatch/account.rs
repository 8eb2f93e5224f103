//! Accounts and messages, as ingress would have written them.

use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::directory::{AccountState, CloudSettings, Pace, TransportSettings};
use angelia_shared::event::message::To;
use angelia_shared::event::{AccountChanged, Content, MessageAccepted};
use angelia_shared::ids::{AccountId, MessageId, WebhookId, WorkspaceId, WriterId};
use angelia_shared::subject::Partition;
use angelia_shared::units::Credits;
use angelia_shared::vault::{DataKey, MasterKey, secret_owner};

/// Taken, reported as sent, and nothing more: the fewest callbacks.
pub(super) const RECIPIENT: &str = "14151230202";
/// How long a message may be held, if nothing else is said: a day.
pub(super) const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// An account of the benchmark.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: AccountId,
    pub(super) part: Partition,
    number: usize,
}

impl Account {
    /// The `number`th account.
    pub(super) fn new(number: usize, partitions: u16) -> Self {
        let id = AccountId::generate();
        Self { id, part: Partition::of(id, partitions), number }
    }

    /// Its state in the directory: connected, at the default pace.
    pub(super) fn state(&self, workspace: WorkspaceId, base_url: &str, master: &MasterKey) -> AccountChanged {
        let secret = |field: &str| master.seal(&secret_owner(self.id.0, field), b"a-token-of-the-benchmark");
        let now = clock::now();
        AccountChanged {
            v: 1,
            id: self.id,
            workspace,
            phone: format!("+1510{:07}", self.number),
            transport: TransportSettings::Cloud(CloudSettings {
                phone_number_id: format!("1{:014}", self.number),
                base_url: base_url.to_owned(),
                version: "v26.0".to_owned(),
                access_token: secret("access_token"),
                app_secret: secret("app_secret"),
                verify_token: secret("verify_token"),
            }),
            state: AccountState::Connected,
            state_reason: None,
            state_since: now,
            connected_at: Some(now),
            pace: Pace::default(),
            created_at: now,
            removed: false,
        }
    }

    /// A text of this account, which expires when it was held for so long.
    pub(super) fn accepted(
        &self,
        workspace: WorkspaceId,
        message: MessageId,
        key: &DataKey,
        writer: WriterId,
        patience: Duration,
    ) -> MessageAccepted {
        let content = Content {
            text: "A text of the benchmark, as long as many are.".to_owned(),
            file_url: None,
            file_name: None,
            to: To::Phone(RECIPIENT.to_owned()),
            address: RECIPIENT.to_owned(),
            account_phone: None,
            caller: "192.0.2.1".to_owned(),
            warnings: Vec::new(),
        };
        MessageAccepted {
            v: 1,
            message,
            workspace,
            webhook: WebhookId(1),
            account: self.id,
            credits: Credits(1),
            has_text: true,
            has_file: false,
            at: clock::now(),
            expires_after_ms: patience.as_millis() as u64,
            writer,
            sealed: key.seal(message, &content),
            traceparent: None,
        }
    }
}
