//! Rows that the facts of one record share: gathered while the record is folded, put when it ends.

use std::collections::BTreeMap;

use angelia_shared::ids::{AccountId, Position, WebhookId, WorkspaceId};
use angelia_shared::query::Moved;

use super::super::acceptance::{Accepted, Page};
use super::super::places::{Lines, OfAccount, OfWebhook};
use super::super::statement::{Passage, Sums};
use super::super::table::Tables;

/// What one record adds to rows that it shares with nobody else.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedRows {
    page: Page,
    accounts: BTreeMap<AccountId, Lines>,
    webhooks: BTreeMap<WebhookId, Lines>,
    passages: BTreeMap<WorkspaceId, Passage>,
}

impl SharedRows {
    /// Adds an acceptance, and the message to the lists it is in.
    pub(super) fn accepted<T: Tables>(&mut self, accepted: Accepted) {
        if T::KEEPS_HISTORY {
            self.listed(&accepted);
        }
        self.page.0.push(accepted);
    }

    fn listed(&mut self, accepted: &Accepted) {
        self.accounts.entry(accepted.account).or_default().push(accepted.line);
        self.webhooks.entry(accepted.webhook).or_default().push(accepted.line);
    }

    /// Adds a line to a workspace's statement; `before` is what had moved before it. Lines of one record come in order.
    pub(super) fn line<T: Tables>(&mut self, workspace: WorkspaceId, at: Position, before: Sums, line: Moved) {
        if !T::KEEPS_HISTORY {
            return;
        }
        let passage = self.passages.entry(workspace);
        passage.or_insert_with(|| Passage { before, lines: Vec::new() }).lines.push((at.line, line));
    }

    /// Puts the rows of the record at `seq`, and is empty again.
    pub(super) fn put<T: Tables>(&mut self, tables: &mut T, seq: u64) {
        if !self.page.0.is_empty() {
            tables.put(&seq, &self.page);
            self.page.0.clear();
        }
        if !T::KEEPS_HISTORY {
            return;
        }
        let Self { page: _, accounts, webhooks, passages } = std::mem::take(self);
        for (account, lines) in accounts {
            tables.put(&(account, seq), &OfAccount::from(lines));
        }
        for (webhook, lines) in webhooks {
            tables.put(&(webhook, seq), &OfWebhook::from(lines));
        }
        for (workspace, passage) in passages {
            tables.put(&(workspace, seq), &passage);
        }
    }
}
