//! A wallet's figures with their age: from a ledger that has seen everything, from one that is behind, or as they were last
//! seen here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::ids::WorkspaceId;
use angelia_shared::query::{self, AskCredits, Reading};
use angelia_shared::units::UnixMillis;

use super::visit::Visit;
use crate::domain::console::seen::Credits;
use crate::domain::console::words as w;
use crate::shell::http::Parts;

/// How long a page waits for a ledger that has seen everything.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long it waits for one that is behind, and for a figure on the side.
const PATIENCE_FOR_LESS: Duration = Duration::from_millis(300);
/// Workspaces whose last figures are kept; when there are more, all are forgotten.
const KEPT_MAX: usize = 10_000;

/// What was seen last, and when.
#[derive(Default)]
pub(super) struct Figures {
    last: Mutex<HashMap<WorkspaceId, (Credits, UnixMillis)>>,
}

/// Figures, how old they are, and what keeps newer ones away.
pub(super) struct Figure {
    /// None when nothing was seen since the start of this process.
    pub(super) credits: Option<Credits>,
    /// Sentences for a warning; empty when the figures are of now.
    pub(super) warning: Vec<String>,
}

impl Figures {
    fn keep(&self, workspace: WorkspaceId, credits: Credits) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= KEPT_MAX {
            last.clear();
        }
        last.insert(workspace, (credits, clock::now()));
    }

    fn kept(&self, workspace: WorkspaceId) -> Option<(Credits, UnixMillis)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(&workspace).copied()
    }
}

async fn ask(app: &Parts, workspace: WorkspaceId, at_least: u64, patience: Duration) -> Option<Credits> {
    let answer = query::ask(app.log.client(), AskCredits { workspace }, at_least);
    let (view, as_of_seq) = tokio::time::timeout(patience, answer).await.ok()?.ok()?;
    Some(Credits {
        granted: view.granted.0,
        consumed: view.consumed.0,
        refunded: view.refunded.0,
        available: view.available.0,
        as_of_seq,
    })
}

impl Visit {
    /// The balance for the frame, if it can be had at once.
    pub(super) async fn balance_shown(&self, workspace: WorkspaceId) -> Option<String> {
        let now = ask(&self.console.app, workspace, 0, PATIENCE_FOR_LESS).await;
        let credits = now.or_else(|| self.console.figures.kept(workspace).map(|(credits, _)| credits))?;
        Some(self.manner.number(credits.available))
    }

    /// A wallet's figures.
    pub(super) async fn figures(&self, workspace: WorkspaceId) -> Figure {
        let (app, figures) = (&self.console.app, &self.console.figures);
        let end = tokio::time::timeout(PATIENCE, app.log.last_sequence()).await.ok().and_then(Result::ok);
        if let Some(end) = end
            && let Some(credits) = ask(app, workspace, end, PATIENCE).await
        {
            figures.keep(workspace, credits);
            return Figure { credits: Some(credits), warning: Vec::new() };
        }
        if let Some(credits) = ask(app, workspace, 0, PATIENCE_FOR_LESS).await {
            figures.keep(workspace, credits);
            return Figure { credits: Some(credits), warning: self.behind(credits.as_of_seq, end).await };
        }
        let mut warning = vec![self.t(w::LEDGER_AWAY).to_owned()];
        let reading = tokio::time::timeout(PATIENCE_FOR_LESS, query::reading(app.log.client())).await;
        if let Ok(Some(Reading { at, of })) = reading {
            let (at, of) = (self.manner.number(at), self.manner.number(of));
            warning.push(self.manner.with(w::LEDGER_READING, &[("at", &at), ("of", &of)]));
        }
        let kept = figures.kept(workspace);
        if let Some((_, at)) = kept {
            let age = self.manner.span(clock::now().ms_since(at));
            warning.push(self.manner.with(w::FIGURES_OLD, &[("span", &age)]));
        }
        Figure { credits: kept.map(|(credits, _)| credits), warning }
    }

    async fn behind(&self, as_of: u64, end: Option<u64>) -> Vec<String> {
        let Some(behind) = end.map(|end| end.saturating_sub(as_of)).filter(|behind| *behind > 0) else {
            return Vec::new();
        };
        let mut warning = vec![self.manner.with(w::LEDGER_BEHIND, &[("n", &self.manner.number(behind))])];
        if let Ok(Some(record)) = self.console.app.log.record_at(as_of).await {
            let age = self.manner.span(clock::now().ms_since(record.at));
            warning.push(self.manner.with(w::FIGURES_OLD, &[("span", &age)]));
        }
        warning
    }
}
