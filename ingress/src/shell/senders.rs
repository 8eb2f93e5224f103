//! Keeps each workspace's [`Senders`] as long as the directory does not change.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use angelia_shared::directory::DirectoryView;
use angelia_shared::ids::WorkspaceId;

use crate::domain::account_choice::Senders;

/// Workspaces kept before all are forgotten and made again: far more than are busy at once.
const WORKSPACES_MAX: usize = 65_536;

/// The senders of all workspaces that were asked for since the last change of the directory.
#[derive(Default)]
pub(crate) struct SendersOf {
    made: RwLock<Made>,
}

#[derive(Default)]
struct Made {
    /// The directory's position that they were made from.
    position: u64,
    senders: HashMap<WorkspaceId, Arc<Senders>>,
}

impl SendersOf {
    /// The senders of a workspace now.
    pub(crate) fn get(&self, view: &DirectoryView, workspace: WorkspaceId) -> Arc<Senders> {
        let directory = view.read();
        let position = directory.position();
        {
            let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(senders) = made.senders.get(&workspace).filter(|_| made.position == position) {
                return Arc::clone(senders);
            }
        }
        let accounts = directory.accounts_of(workspace);
        let senders = Arc::new(Senders::new(accounts.iter().map(|account| &*account.state)));
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        if made.position != position || made.senders.len() >= WORKSPACES_MAX {
            *made = Made { position, senders: HashMap::new() };
        }
        made.senders.insert(workspace, Arc::clone(&senders));
        senders
    }
}
